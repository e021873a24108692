//! How a receiver knows that a message is ours, fresh, and whole: Standard Webhooks, symmetric, `v1`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use latchkey_protocol::mac::Signer;

/// What a secret begins with.
pub const PREFIX: &str = "whsec_";

/// The bytes of a secret, 24 to 64 of them in base64 behind the prefix; `None` for any other text.
pub fn secret(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

/// The value of `webhook-signature`: one signature for each secret, so that a receiver may change to a
/// new one in its own time. `seconds` since the Unix epoch, of the attempt.
pub fn sign(signers: &[Signer], id: &str, seconds: i64, body: &[u8]) -> String {
    let mut message = format!("{id}.{seconds}.").into_bytes();
    message.extend_from_slice(body);
    let signed =
        signers.iter().map(|signer| format!("v1,{}", STANDARD.encode(signer.sign(&message))));
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of the standard's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn signs_as_the_standard_does() {
        let signer = Signer::new(&secret(SECRET).unwrap());
        let signed = sign(
            &[signer],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let signers = [Signer::new(&[1; 32]), Signer::new(&[2; 32])];
        let both = sign(&signers, "msg_1", 1, b"{}");
        let (one, two) = both.split_once(' ').unwrap();
        assert_eq!(one, sign(&signers[..1], "msg_1", 1, b"{}"));
        assert_eq!(two, sign(&signers[1..], "msg_1", 1, b"{}"));
    }

    #[test]
    fn what_is_a_secret() {
        let of = |length| format!("{PREFIX}{}", STANDARD.encode(vec![7; length]));
        assert_eq!(secret(&of(24)).unwrap(), [7; 24]);
        assert!(secret(&of(64)).is_some());
        let bare = STANDARD.encode([7; 32]);
        for text in [&of(23), &of(65), &bare, &of(24)[..10], "whsec_????", ""] {
            assert!(secret(text).is_none(), "{text}");
        }
    }
}
