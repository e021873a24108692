//! What keys and forgeries leave in the server's memory.

use crate::case::{self, Case};
use crate::client::{Client, Seat};
use crate::clock;
use crate::flood::{Right, Shown, flood};
use crate::host::{self, Host, Setup};
use crate::ids::Ids;
use crate::machine::Memory;
use crate::process::Running;
use crate::stage::Bench;
use anyhow::Result;
use serde::Serialize;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Keys of one user: well under what a user may have alive.
const KEYS_PER_USER: u64 = 100;

/// Memory of the server before and after.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Growth {
    /// How many keys or forgeries lie between.
    pub(crate) count: u64,
    pub(crate) before: Memory,
    pub(crate) after: Memory,
    pub(crate) seconds: f64,
}

impl Growth {
    /// Bytes of resident memory for each.
    pub(crate) fn bytes_each(&self) -> f64 {
        self.bytes() / self.count.max(1) as f64
    }

    /// Bytes of resident memory in all.
    pub(crate) fn bytes(&self) -> f64 {
        self.after.resident as f64 - self.before.resident as f64
    }
}

impl Bench {
    /// Starts `count` keys, after a tenth as many that fill the caches.
    pub(crate) async fn live_keys(&self, count: u64) -> Result<Growth> {
        println!("\nmemory of {count} live keys");
        let data = self.new_folder()?;
        let server = self.place.latchkey(data.path(), Setup::USUAL).await?;
        let first = count / 10;
        let start_keys = async |range: Range<u64>| -> Result<()> {
            let (host, ids) = (Host::new(), Mutex::new(Ids::new()?));
            let make = move |number: u64, request: &mut Vec<u8>| {
                let key = ids.lock().unwrap_or_else(PoisonError::into_inner).key();
                let user = usize::try_from(number / KEYS_PER_USER)?;
                let launch = host.launch(&host::user(user), &host::activity(user), key)?;
                let body = r#"{"calls":[]}"#;
                request.extend_from_slice(case::post("/v1/batch", &launch, None, body).as_bytes());
                Ok(())
            };
            let right = Right { status: 200, mark: r#""token":"lk1_"# };
            let shown = Shown { what: "keys", each: 1 };
            flood(server.address, range, make, right, shown).await
        };
        let growth = weighed(&server, first, count, start_keys).await?;
        server.stop()?;
        Ok(growth)
    }

    /// Sends `count` different forgeries, after a twentieth as many that fill the caches.
    pub(crate) async fn forgeries(&self, count: u64) -> Result<Growth> {
        println!("\nmemory under {count} forgeries");
        let data = self.new_folder()?;
        let server = self.place.latchkey(data.path(), Setup::USUAL).await?;
        let (seat, address) = (Seat::new((1, 1)), server.address());
        let model = Client::start(Case::Forged, &address, &self.host, &seat, Ids::new()?).await?;
        let first = count / 20;
        let forge = async |range: Range<u64>| -> Result<()> {
            let (template, place, token) = model.template();
            let make = move |number: u64, requests: &mut Vec<u8>| {
                let from = requests.len() + place;
                requests.extend_from_slice(&template);
                let text = token.forge(number);
                requests[from..from + text.len()].copy_from_slice(&text);
                Ok(())
            };
            let right = Right { status: Case::Forged.status(), mark: Case::Forged.mark().0 };
            let shown = Shown { what: "forgeries", each: 1 };
            flood(server.address, range, make, right, shown).await
        };
        let growth = weighed(&server, first, count, forge).await?;
        server.stop()?;
        Ok(growth)
    }
}

/// Does `work` for the numbers up to `first`, which fill the caches, then for `count` more, and weighs the
/// server before and after these.
async fn weighed(
    server: &Running,
    first: u64,
    count: u64,
    work: impl AsyncFn(Range<u64>) -> Result<()>,
) -> Result<Growth> {
    work(0..first).await?;
    let (before, start) = (Memory::of(server.pid())?, clock::now());
    work(first..first + count).await?;
    let after = Memory::of(server.pid())?;
    let growth = Growth { count, before, after, seconds: start.elapsed().as_secs_f64() };
    println!("  {}", growth.line());
    Ok(growth)
}

impl Growth {
    /// In a line.
    pub(crate) fn line(&self) -> String {
        let mega = |bytes: u64| bytes as f64 / 1e6;
        format!(
            "{:.1} MB → {:.1} MB resident, {:.1} MB → {:.1} MB of it heap, {:.1} bytes each, {:.0}/s",
            mega(self.before.resident),
            mega(self.after.resident),
            mega(self.before.anonymous),
            mega(self.after.anonymous),
            self.bytes_each(),
            self.count as f64 / self.seconds.max(1e-9)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_may_be_negative() {
        let growth = Growth {
            count: 10,
            before: Memory { resident: 2_000, anonymous: 1_000 },
            after: Memory { resident: 1_500, anonymous: 3_000 },
            seconds: 1.0,
        };
        assert_eq!((growth.bytes(), growth.bytes_each()), (-500.0, -50.0));
    }
}
