//! What tokens cost in themselves: no server, no network.

use crate::clock;
use crate::host::Host;
use crate::ids::Ids;
use crate::load::median;
use anyhow::{Result, ensure};
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{KeyId, Sealed, Token, TokenError};
use serde::Serialize;
use std::hint::black_box;

const BATCHES: usize = 9;
const BATCH: u32 = 20_000;

/// Nanoseconds of each.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Mint {
    /// Making and signing a launch token: what a page costs.
    pub(crate) launch_ns: f64,
    /// Sealing a session token: what each answer costs.
    pub(crate) seal_ns: f64,
    /// Reading and opening a good session token.
    pub(crate) verify_ns: f64,
    /// Refusing one that fails by its MAC.
    pub(crate) forged_ns: f64,
    /// Refusing one that fails by its checksum.
    pub(crate) damaged_ns: f64,
}

/// Measures them.
pub(crate) fn measure() -> Result<Mint> {
    let mut ids = Ids::new()?;
    let (host, signer) = (Host::new(), Signer::for_tokens(&[7; 32], "bench"));
    let stranger = Signer::for_tokens(&[8; 32], "bench");
    let token = Token {
        mac_key: 1,
        key_id: KeyId(ids.key()),
        generation: 7,
        branch: [3; 8],
        issued_at: 1_700_000_000,
    };
    let (good, forged) = (token.seal(&signer), token.seal(&stranger));
    let damaged = format!("{}{}", &good[..75], if good.ends_with('A') { 'B' } else { 'A' });
    let open = |text: &str| Sealed::parse(black_box(text)).and_then(|sealed| sealed.open(&signer));
    ensure!(open(&good) == Ok(token), "a good token does not open");
    ensure!(open(&forged) == Err(TokenError::Mac), "a forged token opens");
    ensure!(open(&damaged) == Err(TokenError::Checksum), "a damaged token opens");
    let key = ids.key();
    Ok(Mint {
        launch_ns: nanoseconds(|| host.launch("u1", "quiz-1", black_box(key)).is_ok()),
        seal_ns: nanoseconds(|| black_box(&token).seal(&signer)),
        verify_ns: nanoseconds(|| open(&good)),
        forged_ns: nanoseconds(|| open(&forged)),
        damaged_ns: nanoseconds(|| open(&damaged)),
    })
}

/// Median over batches of the time of one `work`.
fn nanoseconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let batch = |_| {
        let start = clock::now();
        for _ in 0..BATCH {
            black_box(work());
        }
        start.elapsed().as_nanos() as f64 / f64::from(BATCH)
    };
    median((0..BATCHES).map(batch).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn measures_something() {
        let mint = super::measure().unwrap();
        assert!(mint.launch_ns > mint.damaged_ns && mint.damaged_ns > 0.0);
    }
}
