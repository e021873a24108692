//! Any text, and any header and claims properly signed: reading never panics, what opens is the
//! host's own and within its limits, and it reads back the same after it is signed anew.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::launch::{
    LaunchClaims, LaunchError, MAX_LEN, MAX_START_SECONDS, SignedLaunch,
};
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::KeyId;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new(&[3; 32]));
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"latchkey+jwt","kid":"school.1"}"#;

fn open(text: &str) -> Result<LaunchClaims, LaunchError> {
    SignedLaunch::parse(text)?.open(&SIGNER)
}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let (header, payload) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload),
    );
    let text = format!("{header}.{payload}");
    let mac = URL_SAFE_NO_PAD.encode(SIGNER.sign(text.as_bytes()));
    format!("{text}.{mac}")
}

fn check(text: &str) {
    let Ok(claims) = open(text) else { return };
    assert!(text.len() <= MAX_LEN);
    assert!(claims.key_id().is_some() && claims.attempt >= 1);
    let start = i128::from(claims.exp) - i128::from(claims.iat);
    assert!((1..=i128::from(MAX_START_SECONDS)).contains(&start));
    let launch = SignedLaunch::parse(text).unwrap();
    assert_eq!(launch.signer().0, claims.iss);
    match claims.sign(launch.signer().1, &SIGNER) {
        Ok(again) => assert!(open(&again) == Ok(claims), "claims change when signed anew"),
        // Defaults are written out, which may lengthen a text that had just room enough.
        Err(error) => assert_eq!(error, LaunchError::TooLong),
    }
}

/// A proper token with the third byte of each three written at the place that the others name.
fn changed(changes: &[u8]) {
    let claims = LaunchClaims::new("school", "u1", "quiz-1", KeyId([9; 16]), 1_000);
    let text = claims.sign(1, &SIGNER).unwrap();
    let mut bytes = text.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = change[2];
    }
    if let Ok(other) = std::str::from_utf8(&bytes) {
        assert_eq!(open(other).is_ok(), other == text, "a changed token opens");
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    changed(data);
    check(&signed(HEADER, data));
    if let Some(at) = data.iter().position(|byte| *byte == b'\n') {
        check(&signed(&data[..at], &data[at + 1..]));
    }
});
