//! Holds this crate to `vectors/*.json`, the golden messages that every client must read alike.
//!
//! `tokens.json` and `launches.json` are built here from their parts and compared with what stands
//! in the repository; `LATCHKEY_WRITE_VECTORS=1` writes them anew. `results.json` and
//! `payloads.json` are written by hand and only judged here.
#![cfg(test)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use latchkey_protocol::mac::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Bytes that look random and never change: the hash of what they are for.
fn fixed<const N: usize>(purpose: &str) -> [u8; N] {
    let hash = Sha256::digest(format!("latchkey vectors: {purpose}"));
    hash[..N].try_into().unwrap()
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

fn committed(name: &str) -> Value {
    let text = std::fs::read_to_string(file(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Compares a freshly built file with the committed one, or writes it if asked to.
fn hold(name: &str, fresh: &Value) {
    if std::env::var("LATCHKEY_WRITE_VECTORS").as_deref() == Ok("1") {
        let text = serde_json::to_string_pretty(fresh).unwrap() + "\n";
        std::fs::write(file(name), text).unwrap();
    }
    assert!(
        &committed(name) == fresh,
        "{name} is not what this crate makes: if the change is meant, set LATCHKEY_WRITE_VECTORS=1"
    );
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("no text '{member}' in {vector}"))
}

fn list<'a>(file: &'a Value, member: &str) -> &'a [Value] {
    file[member].as_array().unwrap()
}

/// A name tells one vector: doubles would hide each other in a client's test report.
fn assert_unique_names(vectors: &[Value]) {
    let names: HashSet<_> = vectors.iter().map(|vector| text(vector, "name")).collect();
    assert_eq!(names.len(), vectors.len());
}

mod tokens {
    use super::*;
    use latchkey_protocol::token::{KeyId, LAUNCH_BRANCH, PREFIX, Sealed, Token, TokenError};

    pub(crate) const DEPLOYMENT: &str = "vectors";
    const NUMBERS: [u8; 4] = [0, 1, 2, 255];
    const MAC: std::ops::Range<usize> = 34..50;
    const CRC: std::ops::Range<usize> = 50..54;

    fn secret(number: u8) -> [u8; 32] {
        fixed(&format!("token secret {number}"))
    }

    fn signer(number: u8) -> Signer {
        Signer::for_tokens(&secret(number), DEPLOYMENT)
    }

    /// What a server with the secrets of the file makes of a text. A number without a secret
    /// counts as a MAC that does not fit.
    pub(crate) fn open(text: &str) -> Result<Token, TokenError> {
        let sealed = Sealed::parse(text)?;
        if !NUMBERS.contains(&sealed.mac_key()) {
            return Err(TokenError::Mac);
        }
        sealed.open(&signer(sealed.mac_key()))
    }

    fn plain() -> Token {
        Token {
            mac_key: 1,
            key_id: KeyId(fixed("key id")),
            generation: 1,
            branch: fixed("branch of generation 1"),
            issued_at: 1_800_000_000,
        }
    }

    fn valid() -> Vec<(&'static str, Token)> {
        let plain = plain();
        let zero = Token {
            mac_key: 0,
            key_id: KeyId([0; 16]),
            generation: 0,
            branch: LAUNCH_BRANCH,
            issued_at: 0,
        };
        let full = Token {
            mac_key: 255,
            key_id: KeyId([255; 16]),
            generation: u32::MAX,
            branch: [255; 8],
            issued_at: u32::MAX,
        };
        let launch = Token { generation: 0, branch: LAUNCH_BRANCH, ..plain };
        let at = |issued_at, token| Token { issued_at, ..token };
        let generation = |generation, branch| Token { generation, branch: fixed(branch), ..plain };
        let next = generation(2, "branch of generation 2");
        vec![
            ("plain", plain),
            ("re-stamped a second later", at(1_800_000_001, plain)),
            ("stamped a second earlier", at(1_799_999_999, plain)),
            ("launch token re-stamped", launch),
            ("successor", next),
            ("successor with an older stamp", at(1_799_999_990, next)),
            ("other branch of the successor", generation(2, "other branch of generation 2")),
            ("generation at the sign bit", generation(0x8000_0000, "high branch")),
            ("generation in byte order", generation(0x0102_0304, "ordered branch")),
            ("largest generation", generation(u32::MAX, "branch of the last generation")),
            ("stamp 0", at(0, plain)),
            ("stamp after 2038", at(0x8000_0000, plain)),
            ("largest stamp", at(u32::MAX, plain)),
            ("other MAC key", Token { mac_key: 2, ..plain }),
            ("other family", Token { key_id: KeyId(fixed("other key id")), ..plain }),
            ("every bit 0", zero),
            ("every bit 1", full),
        ]
    }

    fn raw(text: &str) -> [u8; 54] {
        URL_SAFE_NO_PAD.decode(&text[PREFIX.len()..]).unwrap().try_into().unwrap()
    }

    fn written(raw: &[u8; 54]) -> String {
        format!("{PREFIX}{}", base64url(raw))
    }

    /// The bytes with a checksum that fits, whatever else is wrong with them.
    fn mended(mut raw: [u8; 54]) -> String {
        let crc = crc32fast::hash(&[PREFIX.as_bytes(), &raw[..CRC.start]].concat());
        raw[CRC].copy_from_slice(&crc.to_be_bytes());
        written(&raw)
    }

    fn with(text: &str, change: impl FnOnce(&mut [u8; 54])) -> [u8; 54] {
        let mut raw = raw(text);
        change(&mut raw);
        raw
    }

    /// A body sealed as it should be but for what `signer` stands for.
    fn sealed_by(text: &str, signer: &Signer, change: impl FnOnce(&mut [u8; 54])) -> String {
        mended(with(text, |raw| {
            change(raw);
            let mac = signer.sign_token(&raw[..MAC.start]);
            raw[MAC].copy_from_slice(&mac);
        }))
    }

    type Wrong = (String, String, TokenError);

    fn wrong_texts(good: &str, all_bits: &str) -> Vec<Wrong> {
        use TokenError::{Base64, Checksum, Length, Prefix};
        let body = &good[PREFIX.len()..];
        let standard = STANDARD_NO_PAD.encode(raw(all_bits));
        let at = |index: usize, other: &str| {
            let end = index + other.len();
            format!("{}{other}{}", &good[..index], &good[end..])
        };
        let swapped = format!("{}{}{}", &good[..20], &good[21..22], &good[20..21]) + &good[22..];
        assert_ne!(&good[20..21], &good[21..22]);
        [
            ("empty", String::new(), Length),
            ("prefix alone", PREFIX.to_owned(), Length),
            ("cut by one", good[..75].to_owned(), Length),
            ("cut by four", good[..72].to_owned(), Length),
            ("first character lost", good[1..].to_owned(), Length),
            ("extended by one", format!("{good}A"), Length),
            ("extended by four", format!("{good}AAAA"), Length),
            ("padding appended", format!("{good}="), Length),
            ("space before", format!(" {good}"), Length),
            ("line feed after", format!("{good}\n"), Length),
            ("carriage return after", format!("{good}\r"), Length),
            ("byte order mark before", format!("\u{feff}{good}"), Length),
            ("twice", good.repeat(2), Length),
            ("in quotation marks", format!("\"{good}\""), Length),
            ("with its scheme", format!("Bearer {good}"), Length),
            ("without its prefix", body.to_owned(), Length),
            ("76 characters of two bytes each", format!("{PREFIX}{}", "ä".repeat(72)), Length),
            ("prefix in capitals", format!("LK1_{body}"), Prefix),
            ("prefix of a later format", format!("lk2_{body}"), Prefix),
            ("hyphen in the prefix", format!("lk1-{body}"), Prefix),
            ("shifted by a space", format!(" {}", &good[..75]), Prefix),
            ("76 spaces", " ".repeat(76), Prefix),
            ("76 bytes of other letters", "ä".repeat(38), Prefix),
            ("padding for the last character", at(75, "="), Base64),
            ("padding in the middle", at(40, "="), Base64),
            ("plus sign", at(40, "+"), Base64),
            ("slash", at(40, "/"), Base64),
            ("standard alphabet", format!("{PREFIX}{standard}"), Base64),
            ("space inside", at(40, " "), Base64),
            ("tab inside", at(40, "\t"), Base64),
            ("line feed for the last character", at(75, "\n"), Base64),
            ("null character inside", at(40, "\0"), Base64),
            ("percent escape inside", at(40, "%2D"), Base64),
            ("letter of two bytes inside", at(40, "ä"), Base64),
            ("fullwidth letter inside", at(40, "Ａ"), Base64),
            ("two characters swapped", swapped, Checksum),
            (
                "letters in the other case",
                format!("{PREFIX}{}", body.to_ascii_lowercase()),
                Checksum,
            ),
            ("all characters A", format!("{PREFIX}{}", "A".repeat(72)), Checksum),
            ("all characters _", format!("{PREFIX}{}", "_".repeat(72)), Checksum),
        ]
        .map(|(name, text, why)| (name.to_owned(), text, why))
        .into()
    }

    fn wrong_checksums(good: &str) -> Vec<Wrong> {
        let set = |crc: [u8; 4]| written(&with(good, |raw| raw[CRC].copy_from_slice(&crc)));
        let bytes = raw(good);
        let crc: [u8; 4] = bytes[CRC].try_into().unwrap();
        let mut reversed = crc;
        reversed.reverse();
        let unprefixed = crc32fast::hash(&bytes[..CRC.start]).to_be_bytes();
        [
            ("checksum 0", set([0; 4])),
            ("checksum in the other byte order", set(reversed)),
            ("checksum inverted", set(crc.map(|byte| !byte))),
            ("checksum without the prefix", set(unprefixed)),
        ]
        .map(|(name, text)| (name.to_owned(), text, TokenError::Checksum))
        .into()
    }

    /// One flipped bit in every field: found by the checksum, and by the MAC if that is mended.
    fn flips(good: &str) -> Vec<Wrong> {
        let fields = [
            ("version", 0),
            ("MAC key number", 1),
            ("key id, first byte", 2),
            ("key id, last byte", 17),
            ("generation, first byte", 18),
            ("generation, last byte", 21),
            ("branch, first byte", 22),
            ("branch, last byte", 29),
            ("stamp, first byte", 30),
            ("stamp, last byte", 33),
            ("MAC, first byte", 34),
            ("MAC, last byte", 49),
            ("checksum, first byte", 50),
            ("checksum, last byte", 53),
        ];
        let mut wrong = Vec::new();
        for (field, index) in fields {
            let flipped = with(good, |raw| raw[index] ^= 2);
            let name = format!("flipped bit in {field}");
            wrong.push((name.clone(), written(&flipped), TokenError::Checksum));
            if index < CRC.start {
                let why = match index {
                    0 => TokenError::Version,
                    _ => TokenError::Mac,
                };
                wrong.push((format!("{name}, checksum mended"), mended(flipped), why));
            }
        }
        wrong
    }

    fn wrong_seals(good: &str) -> Vec<Wrong> {
        use TokenError::{Mac, Version};
        let ours = signer(1);
        let version = |version| sealed_by(good, &ours, |raw| raw[0] = version);
        let key_number = |number| sealed_by(good, &ours, |raw| raw[1] = number);
        let by = |signer: Signer| sealed_by(good, &signer, |_| ());
        let deployment = |name| by(Signer::for_tokens(&secret(1), name));
        let mac = |mac: &[u8]| mended(with(good, |raw| raw[MAC].copy_from_slice(mac)));
        let whole = ours.sign(&raw(good)[..MAC.start]);
        [
            ("version 0, sealed", version(0), Version),
            ("version 2, sealed", version(2), Version),
            ("version 255, sealed", version(255), Version),
            ("54 zero bytes, checksum mended", mended([0; 54]), Version),
            ("number of a secret that nobody holds, sealed", key_number(9), Mac),
            ("number of another secret", key_number(2), Mac),
            ("other secret", by(signer(2)), Mac),
            ("empty secret", by(Signer::with_prefix(b"", b"lk1\0vectors")), Mac),
            ("other deployment", deployment("vectors2"), Mac),
            ("deployment in capitals", deployment("VECTORS"), Mac),
            ("no deployment", deployment(""), Mac),
            ("MAC over the body alone", by(Signer::new(&secret(1))), Mac),
            ("MAC 0, checksum mended", mac(&[0; 16]), Mac),
            ("second half of the MAC, checksum mended", mac(&whole[16..]), Mac),
        ]
        .map(|(name, text, why)| (name.to_owned(), text, why))
        .into()
    }

    fn built() -> Value {
        let valid = valid();
        let good = plain().seal(&signer(1));
        let (_, full) = valid[valid.len() - 1];
        let all_bits = full.seal(&signer(255));
        assert!(all_bits.contains('_'), "needs both alphabets to differ");
        let invalid = [
            wrong_texts(&good, &all_bits),
            wrong_checksums(&good),
            flips(&good),
            wrong_seals(&good),
        ]
        .concat();
        json!({
            "about": "Session tokens. 'key_id' and 'secret' are base64url without padding, 'branch' is hex; \
                'generation', 'mac_key' and 'issued_at' (Unix seconds) are numbers. 'why' is the first \
                check that fails, on the UTF-8 bytes of the text: length, prefix, base64, checksum, \
                version, mac. A client holds no secret and cannot see 'mac': 'visible_to_clients' says \
                so. The secrets are for these tests and nothing else.",
            "deployment": DEPLOYMENT,
            "secrets": NUMBERS.map(|number| json!({
                "number": number, "secret": base64url(&secret(number))
            })),
            "valid": valid.iter().map(|(name, token)| json!({
                "name": name,
                "token": token.seal(&signer(token.mac_key)),
                "mac_key": token.mac_key,
                "key_id": token.key_id.to_string(),
                "generation": token.generation,
                "branch": hex(&token.branch),
                "issued_at": token.issued_at,
            })).collect::<Vec<_>>(),
            "invalid": invalid.iter().map(|(name, text, why)| json!({
                "name": name,
                "token": text,
                "why": why.to_string(),
                "visible_to_clients": *why != TokenError::Mac,
            })).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn the_file_is_what_its_parts_make() {
        hold("tokens.json", &built());
    }

    #[test]
    fn valid_ones_open_to_their_parts() {
        let file = built();
        assert_unique_names(list(&file, "valid"));
        for vector in list(&file, "valid") {
            let token = open(text(vector, "token")).unwrap();
            assert_eq!(vector["mac_key"], token.mac_key, "{vector}");
            assert_eq!(vector["key_id"], token.key_id.to_string(), "{vector}");
            assert_eq!(vector["generation"], token.generation, "{vector}");
            assert_eq!(vector["branch"], hex(&token.branch), "{vector}");
            assert_eq!(vector["issued_at"], token.issued_at, "{vector}");
        }
    }

    #[test]
    fn invalid_ones_are_refused_for_their_reason() {
        let file = built();
        assert_unique_names(list(&file, "invalid"));
        let mut reasons = HashSet::new();
        for vector in list(&file, "invalid") {
            let why = open(text(vector, "token")).unwrap_err().to_string();
            assert_eq!(vector["why"], why, "{vector}");
            reasons.insert(why);
        }
        assert_eq!(reasons.len(), 6, "{reasons:?}");
    }
}

mod launches {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use latchkey_protocol::launch::{
        CourseDescription, GradeMethod, LaunchClaims, LaunchError, MAX_LEN, Mode, Placement,
        RecentScope, Role, Rotation, SignedLaunch, UserDescription,
    };
    use latchkey_protocol::token::KeyId;
    use sha2::Sha512;

    const HOST: &str = "school.example";
    const NOW: i64 = 1_800_000_000;
    const HEADER: &str = r#"{"alg":"HS256","typ":"latchkey+jwt","kid":"school.example.1"}"#;

    fn secret() -> [u8; 32] {
        fixed("host secret")
    }

    fn signer() -> Signer {
        Signer::new(&secret())
    }

    fn key_id() -> KeyId {
        KeyId(fixed("launch key id"))
    }

    /// What a server with the one host of the file makes of a text at [`NOW`]. A host or number
    /// without a secret counts as a signature that does not fit.
    fn open(text: &str) -> Result<LaunchClaims, String> {
        let launch = SignedLaunch::parse(text).map_err(word)?;
        if launch.signer() != (HOST, 1) {
            return Err(word(LaunchError::Signature));
        }
        let claims = launch.open(&signer()).map_err(word)?;
        let key_end = claims.key_exp.unwrap_or(i64::MAX);
        match (claims.has_begun(NOW), claims.exp.min(key_end) < NOW) {
            (false, _) => Err("not_yet".to_owned()),
            (true, true) => Err("ages".to_owned()),
            (true, false) => Ok(claims),
        }
    }

    fn word(error: LaunchError) -> String {
        match error {
            LaunchError::TooLong => "too_long",
            LaunchError::Shape => "shape",
            LaunchError::Header => "header",
            LaunchError::Signature => "signature",
            LaunchError::Claims => "claims",
            LaunchError::Issuer => "issuer",
            LaunchError::Value(claim) => return format!("value {claim}"),
        }
        .to_owned()
    }

    /// A token of any header and payload, signed as it should be.
    fn signed(header: &str, payload: &str) -> String {
        let text = unsigned(header, payload);
        let mac = base64url(&signer().sign(text.as_bytes()));
        format!("{text}.{mac}")
    }

    fn unsigned(header: &str, payload: &str) -> String {
        let (header, payload) = (header.as_bytes(), payload.as_bytes());
        format!("{}.{}", base64url(header), base64url(payload))
    }

    fn narrow() -> LaunchClaims {
        LaunchClaims::new(HOST, "u1", "quiz-1", key_id(), NOW)
    }

    /// The required claims as another library would write them, with `change` made to the text.
    fn payload(change: impl FnOnce(String) -> String) -> String {
        change(format!(
            r#"{{"iss":"{HOST}","sub":"u1","activity":"quiz-1","jti":"{}","iat":{NOW},"exp":{}}}"#,
            key_id(),
            NOW + 900
        ))
    }

    fn replaced(old: &str, new: &str) -> String {
        let text = payload(|text| text);
        assert!(text.contains(old), "{old}");
        signed(HEADER, &text.replacen(old, new, 1))
    }

    fn added(members: &str) -> String {
        signed(HEADER, &payload(|text| text.replace('}', &format!(",{members}}}"))))
    }

    fn everything() -> LaunchClaims {
        LaunchClaims {
            nbf: Some(NOW),
            aud: Some("https://latch.example".to_owned()),
            key_exp: Some(NOW + 12 * 3600),
            functions: Some(vec!["log".to_owned(), "state".to_owned()]),
            recent: RecentScope::Activity,
            session: Some("web-session-1".to_owned()),
            origins: Some(vec!["https://school.example".to_owned()]),
            networks: Some(vec!["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()]),
            attempt: 3,
            mode: Mode::Review,
            roles: vec![Role::Teacher, Role::Author],
            rotation: Rotation::Off,
            user: Some(UserDescription {
                name: Some("Zoë </script> \u{2028}".to_owned()),
                username: Some("zoe".to_owned()),
                email: Some("zoe@school.example".to_owned()),
                idnumber: Some("0042".to_owned()),
            }),
            course: Some(CourseDescription {
                id: "c1".to_owned(),
                title: Some("Course".to_owned()),
                shortname: Some("C".to_owned()),
                idnumber: Some("07".to_owned()),
                url: Some("https://school.example/c1".to_owned()),
            }),
            placement: Some(Placement {
                title: Some("Quiz".to_owned()),
                url: Some("https://school.example/quiz-1".to_owned()),
                max: Some(12.5),
                method: Some(GradeMethod::Average),
                attempts: Some(2),
            }),
            ..narrow()
        }
    }

    fn valid() -> Vec<(&'static str, String)> {
        let later = |seconds: i64, start: i64| LaunchClaims {
            iat: NOW + seconds,
            exp: NOW + seconds + start,
            ..narrow()
        };
        let sign = |claims: LaunchClaims| claims.sign(1, &signer()).unwrap();
        let header = r#"{ "typ": "latchkey+jwt", "kid": "school.example.1", "alg": "HS256" }"#;
        let spaced = payload(|text| text.replace(',', ", ").replace("u1", r"\u0075\u0031"));
        vec![
            ("required claims alone", signed(HEADER, &payload(|text| text))),
            ("defaults written out", sign(narrow())),
            ("every claim", sign(everything())),
            ("members in another order and spacing", signed(header, &spaced)),
            ("clock ahead by a minute", sign(later(60, 900))),
            ("longest first use", sign(later(0, 3600))),
            ("last second of first use", sign(later(-900, 900))),
            (
                "optional claims null",
                added(
                    r#""nbf":null,"aud":null,"key_exp":null,"session":null,"user":null,"course":null,"placement":null"#,
                ),
            ),
            ("no function at all", added(r#""functions":[]"#)),
            ("user of 255 bytes", replaced("u1", &"u".repeat(255))),
            ("user in letters of two bytes", replaced("u1", &"ä".repeat(127))),
            ("user of one space", replaced("u1", " ")),
            ("whole number for a maximum", added(r#""placement":{"max":10}"#)),
            ("exactly 2048 characters", longest()),
        ]
    }

    /// Filled up with white space after the claims, which JSON allows; one space after the header
    /// too, since base64 has no text of some lengths.
    fn longest() -> String {
        let header = format!("{HEADER} ");
        let padded = |spaces| signed(&header, &(payload(|text| text) + &" ".repeat(spaces)));
        (0..MAX_LEN).map(padded).find(|text| text.len() == MAX_LEN).unwrap()
    }

    type Wrong = (&'static str, String, &'static str);

    fn wrong_shapes(good: &str) -> Vec<Wrong> {
        let parts: Vec<_> = good.split('.').collect();
        let [header, claims, mac] = parts[..] else { panic!("not three parts: {good}") };
        let padded = format!("{header}.{claims}.{}", URL_SAFE.encode(signer().sign(b"")));
        // 32 bytes leave two bits of the last character unused: only one text may have them.
        let last = mac.chars().next_back().unwrap();
        let spare = char::from_u32(u32::from(last) + 1).unwrap();
        let spare = format!("{}{spare}", &good[..good.len() - 1]);
        vec![
            ("empty", String::new(), "shape"),
            ("one part", header.to_owned(), "shape"),
            ("two parts", format!("{header}.{claims}"), "shape"),
            ("two dots alone", "..".to_owned(), "header"),
            ("with its scheme", format!("Bearer {good}"), "shape"),
            ("space before", format!(" {good}"), "shape"),
            ("line feed after", format!("{good}\n"), "shape"),
            ("padding after the signature", padded, "shape"),
            ("spare bits in the signature", spare, "shape"),
            ("letters of two bytes", "ä.ä.ä".to_owned(), "shape"),
            ("session token", "lk1_".to_owned() + &"A".repeat(72), "shape"),
            ("fourth part", format!("{header}.{claims}.{claims}.{mac}"), "signature"),
            ("2049 characters", "e".repeat(MAX_LEN + 1), "too_long"),
            ("2049 characters, signed", longest() + "A", "too_long"),
        ]
    }

    fn wrong_headers() -> Vec<Wrong> {
        let good = payload(|text| text);
        let header = |old: &str, new: &str| {
            assert!(HEADER.contains(old), "{old}");
            signed(&HEADER.replacen(old, new, 1), &good)
        };
        let none = unsigned(&HEADER.replace("HS256", "none"), &good) + ".";
        let mut long = Hmac::<Sha512>::new_from_slice(&secret()).unwrap();
        let hs512 = unsigned(&HEADER.replace("HS256", "HS512"), &good);
        long.update(hs512.as_bytes());
        let hs512 = format!("{hs512}.{}", base64url(&long.finalize().into_bytes()));
        [
            ("algorithm none, no signature", none),
            ("algorithm none, signed", header("HS256", "none")),
            ("algorithm None, signed", header("HS256", "None")),
            ("algorithm RS256, signed with the secret", header("HS256", "RS256")),
            ("algorithm HS512", hs512),
            ("algorithm HS512, signed as HS256", header("HS256", "HS512")),
            ("algorithm in small letters", header("HS256", "hs256")),
            ("algorithm null", header(r#""HS256""#, "null")),
            ("no algorithm", header(r#""alg":"HS256","#, "")),
            ("two algorithms", header(r#""alg":"HS256""#, r#""alg":"none","alg":"HS256""#)),
            ("type JWT", header("latchkey+jwt", "JWT")),
            (
                "type with a media type before it",
                header("latchkey+jwt", "application/latchkey+jwt"),
            ),
            ("no type", header(r#""typ":"latchkey+jwt","#, "")),
            ("no key", header(r#","kid":"school.example.1""#, "")),
            ("key without a number", header("school.example.1", "school")),
            ("key with a word for a number", header("example.1", "example.one")),
            ("key with a number too large", header("example.1", "example.4294967296")),
            ("key number negative", header("example.1", "example.-1")),
            ("key in the header", header("{", r#"{"jwk":{"kty":"oct","k":"AAAA"},"#)),
            ("key address in the header", header("{", r#"{"jku":"https://evil.example","#)),
            ("critical extension", header("{", r#"{"crit":["exp"],"exp":1,"#)),
            ("header is no JSON", signed("header", &good)),
            ("header is a text", signed(r#""HS256""#, &good)),
            ("header is cut", signed(&HEADER[..20], &good)),
        ]
        .map(|(name, text)| (name, text, "header"))
        .into()
    }

    fn wrong_signatures(good: &str) -> Vec<Wrong> {
        let (text, mac) = good.rsplit_once('.').unwrap();
        let mac = URL_SAFE_NO_PAD.decode(mac).unwrap();
        let by = |secret: &[u8]| {
            let mac = Signer::new(secret).sign(text.as_bytes());
            format!("{text}.{}", base64url(&mac))
        };
        let mut flipped = mac.clone();
        flipped[31] ^= 1;
        let other = unsigned(HEADER, &payload(|text| text.replace("u1", "u2")));
        let claims = payload(|text| text);
        let header = |kid: &str| signed(&HEADER.replace("school.example.1", kid), &claims);
        [
            ("signature empty", format!("{text}.")),
            ("signature cut to 16 bytes", format!("{text}.{}", base64url(&mac[..16]))),
            ("signature cut to 31 bytes", format!("{text}.{}", base64url(&mac[..31]))),
            (
                "signature one byte longer",
                format!("{text}.{}", base64url(&[&mac[..], &[0]].concat())),
            ),
            ("signature 0", format!("{text}.{}", base64url(&[0; 32]))),
            ("flipped bit in the signature", format!("{text}.{}", base64url(&flipped))),
            ("signature of other claims", format!("{other}.{}", base64url(&mac))),
            ("other secret", by(&fixed::<32>("other host secret"))),
            ("empty secret", by(b"")),
            ("secret as its base64url", by(base64url(&secret()).as_bytes())),
            ("number of a secret that nobody holds", header("school.example.2")),
            ("host that nobody knows", header("elsewhere.1")),
            ("host in capitals", header("SCHOOL.EXAMPLE.1")),
            ("host empty", header(".1")),
        ]
        .map(|(name, text)| (name, text, "signature"))
        .into()
    }

    fn wrong_claims() -> Vec<Wrong> {
        let base64_of_payload = {
            let text = format!("{}.e30=", base64url(HEADER.as_bytes()));
            format!("{text}.{}", base64url(&signer().sign(text.as_bytes())))
        };
        let without = |member: &str| replaced(member, "");
        let id = format!(r#""jti":"{}","#, key_id());
        let exp = format!(r#","exp":{}"#, NOW + 900);
        let iat = format!(r#""iat":{NOW},"#);
        let mut wrong: Vec<Wrong> = [
            ("unknown claim", added(r#""role":"teacher""#)),
            ("misspelt restriction", added(r#""orgins":["https://school.example"]"#)),
            ("unknown member of user", added(r#""user":{"role":"teacher"}"#)),
            ("unknown member of course", added(r#""course":{"id":"c1","x":1}"#)),
            ("unknown member of placement", added(r#""placement":{"maximum":10}"#)),
            ("course without an id", added(r#""course":{"title":"Course"}"#)),
            ("claim twice", added(r#""sub":"u2""#)),
            ("no iss", without(r#""iss":"school.example","#)),
            ("no sub", without(r#""sub":"u1","#)),
            ("no activity", without(r#""activity":"quiz-1","#)),
            ("no jti", without(&id)),
            ("no iat", without(&iat)),
            ("no exp", without(&exp)),
            ("sub a number", replaced(r#""u1""#, "1")),
            ("sub null", replaced(r#""u1""#, "null")),
            ("activity a list", replaced(r#""quiz-1""#, r#"["quiz-1"]"#)),
            ("iat a text", replaced(&iat, &format!(r#""iat":"{NOW}","#))),
            ("iat a fraction", replaced(&iat, &format!(r#""iat":{NOW}.5,"#))),
            ("exp beyond 64 bits", replaced(&exp, r#","exp":9223372036854775808"#)),
            ("aud a list", added(r#""aud":["https://latch.example"]"#)),
            ("functions a text", added(r#""functions":"log""#)),
            ("recent unknown", added(r#""recent":"everything""#)),
            ("mode unknown", added(r#""mode":"teacher""#)),
            ("roles unknown", added(r#""roles":["student","dean"]"#)),
            ("roles a text", added(r#""roles":"teacher""#)),
            ("roles null", added(r#""roles":null"#)),
            ("rotation true", added(r#""rotation":true"#)),
            ("attempt null", added(r#""attempt":null"#)),
            ("functions null", added(r#""functions":null"#)),
            ("origins null", added(r#""origins":null"#)),
            ("networks null", added(r#""networks":null"#)),
            ("attempt -1", added(r#""attempt":-1"#)),
            ("method unknown", added(r#""placement":{"method":"best"}"#)),
            ("maximum a text", added(r#""placement":{"max":"7,5"}"#)),
            ("maximum beyond numbers", added(r#""placement":{"max":1e999}"#)),
            ("claims are no JSON", signed(HEADER, "claims")),
            ("claims empty", signed(HEADER, "")),
            ("claims null", signed(HEADER, "null")),
            ("claims cut", signed(HEADER, &payload(|text| text[..60].to_owned()))),
            ("claims twice over", signed(HEADER, &payload(|text| text.repeat(2)))),
        ]
        .map(|(name, text)| (name, text, "claims"))
        .into();
        wrong.push(("claims with padding, signed", base64_of_payload, "shape"));
        wrong
    }

    fn wrong_values() -> Vec<Wrong> {
        let end = |end: i64| replaced(&format!("{}", NOW + 900), &end.to_string());
        let id = key_id().to_string();
        let jti = |jti: &str| replaced(&id, jti);
        vec![
            ("other issuer", replaced(HOST, "other.example"), "issuer"),
            ("issuer empty", replaced(HOST, ""), "issuer"),
            ("sub empty", replaced("u1", ""), "value sub"),
            ("sub of 256 bytes", replaced("u1", &"u".repeat(256)), "value sub"),
            ("sub with a null character", replaced("u1", r"u\u0000"), "value sub"),
            ("sub with a line feed", replaced("u1", r"u\n1"), "value sub"),
            ("activity empty", replaced("quiz-1", ""), "value activity"),
            ("activity of 256 bytes", replaced("quiz-1", &"ä".repeat(128)), "value activity"),
            ("session empty", added(r#""session":"""#), "value session"),
            ("course id empty", added(r#""course":{"id":""}"#), "value course.id"),
            ("jti short", jti("short"), "value jti"),
            ("jti of a UUID's text", jti("6f1c2f1e-5b7e-4c57-9b0c-0d6f3c6f0a11"), "value jti"),
            ("jti with padding", jti(&format!("{id}==")), "value jti"),
            ("jti with spare bits", jti(&format!("{}B", "A".repeat(21))), "value jti"),
            ("attempt 0", added(r#""attempt":0"#), "value attempt"),
            ("exp equals iat", end(NOW), "value exp"),
            ("exp before iat", end(NOW - 1), "value exp"),
            ("first use over an hour", end(NOW + 3601), "value exp"),
            ("exp in milliseconds", end((NOW + 900) * 1000), "value exp"),
            ("key_exp equals iat", added(&format!(r#""key_exp":{NOW}"#)), "value key_exp"),
            ("maximum 0", added(r#""placement":{"max":0}"#), "value placement.max"),
            ("maximum -1", added(r#""placement":{"max":-1}"#), "value placement.max"),
            ("attempts 0", added(r#""placement":{"attempts":0}"#), "value placement.attempts"),
        ]
    }

    fn wrong_times() -> Vec<Wrong> {
        let times = |iat: i64, exp: i64| {
            let (from, to) = (
                format!(r#""iat":{NOW},"exp":{}"#, NOW + 900),
                format!(r#""iat":{iat},"exp":{exp}"#),
            );
            replaced(&from, &to)
        };
        vec![
            ("clock ahead by 61 seconds", times(NOW + 61, NOW + 900), "not_yet"),
            ("nbf ahead by 61 seconds", added(&format!(r#""nbf":{}"#, NOW + 61)), "not_yet"),
            ("first use over by a second", times(NOW - 900, NOW - 1), "ages"),
            ("long ago", times(1, 901), "ages"),
            (
                "key over before its first use",
                signed(
                    HEADER,
                    &payload(|text| {
                        text.replace(
                            &format!(r#""iat":{NOW}"#),
                            &format!(r#""iat":{},"key_exp":{}"#, NOW - 10, NOW - 1),
                        )
                    }),
                ),
                "ages",
            ),
        ]
    }

    fn built() -> Value {
        let good = signed(HEADER, &payload(|text| text));
        let invalid = [
            wrong_shapes(&good),
            wrong_headers(),
            wrong_signatures(&good),
            wrong_claims(),
            wrong_values(),
            wrong_times(),
        ]
        .concat();
        let described = |(name, text, why): &Wrong| {
            let (why, claim) = match why.split_once(' ') {
                Some((why, claim)) => (why, Some(claim)),
                None => (*why, None),
            };
            let mut vector = json!({"name": name, "token": text, "why": why});
            if let Some(claim) = claim {
                vector["claim"] = json!(claim);
            }
            vector
        };
        json!({
            "about": "Launch tokens, judged at 'now' (Unix seconds) by a server that knows one host with one \
                secret (base64url of the bytes that key the HMAC). 'why' is the first check that fails: too_long, \
                shape, header, signature, claims, issuer, value (of 'claim'), not_yet, ages. Protocol \
                libraries find all but the last two; 'not_yet' and 'ages' depend on the clock. A host or \
                number without a secret counts as 'signature'. 'claims' is what a valid one says, defaults \
                filled in. The secret is for these tests and nothing else.",
            "now": NOW,
            "hosts": [{"host": HOST, "number": 1, "secret": base64url(&secret())}],
            "valid": valid().iter().map(|(name, text)| json!({
                "name": name,
                "token": text,
                "claims": open(text).unwrap_or_else(|why| panic!("{name}: {why}")),
            })).collect::<Vec<_>>(),
            "invalid": invalid.iter().map(described).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn the_file_is_what_its_parts_make() {
        hold("launches.json", &built());
    }

    #[test]
    fn valid_ones_open_and_read_back() {
        let file = built();
        assert_unique_names(list(&file, "valid"));
        for vector in list(&file, "valid") {
            let claims: LaunchClaims = serde_json::from_value(vector["claims"].clone()).unwrap();
            assert_eq!(open(text(vector, "token")), Ok(claims), "{vector}");
        }
        assert_eq!(open(text(&list(&file, "valid")[2], "token")), Ok(everything()));
    }

    #[test]
    fn invalid_ones_are_refused_for_their_reason() {
        let file = built();
        assert_unique_names(list(&file, "invalid"));
        for vector in list(&file, "invalid") {
            let mut why = text(vector, "why").to_owned();
            if let Some(claim) = vector["claim"].as_str() {
                why = format!("{why} {claim}");
            }
            assert_eq!(open(text(vector, "token")), Err(why), "{vector}");
        }
    }
}

mod results {
    use super::*;
    use latchkey_protocol::error::ErrorCode;
    use latchkey_protocol::payload::{BatchResult, CallStatus};
    use latchkey_protocol::result::{KeyState, ResultObject, Status};

    type Answer = ResultObject<BatchResult<Value>>;

    /// What a client makes of the refusal of a whole request.
    fn after_refusal(status: u16, error: &Value) -> &'static str {
        match (status, error["retryable"] == true) {
            (401, _) => "renew",
            (403, _) => "ended",
            (_, true) => "retry",
            (_, false) => "hold",
        }
    }

    /// The shortest client that does what the file asks, on JSON alone: newer members and codes
    /// must not stop it.
    fn client(status: u16, body: &str, sent: &[&str]) -> &'static str {
        let Ok(answer) = serde_json::from_str::<Value>(body) else {
            return "retry";
        };
        match (answer["status"].as_str(), answer["result"]["calls"].as_array()) {
            (Some("error"), _) if answer["error"]["code"].is_string() => {
                after_refusal(status, &answer["error"])
            }
            (Some("ok"), Some(calls)) if status == 200 => {
                let outcome = |id: &&str| {
                    let call = calls.iter().find(|call| call["id"] == **id)?;
                    call["status"].as_str()
                };
                let outcomes: Vec<_> = sent.iter().map(outcome).collect();
                let known = |outcome: &Option<&str>| matches!(outcome, Some("ok" | "failed"));
                if !outcomes.iter().all(known) {
                    "retry"
                } else if answer["key"]["state"] == "late" {
                    "renew_at_once"
                } else if outcomes.contains(&Some("failed")) {
                    "failed"
                } else {
                    "done"
                }
            }
            _ => "retry",
        }
    }

    fn status(vector: &Value) -> u16 {
        vector["http_status"].as_u64().unwrap().try_into().unwrap()
    }

    fn sent(file: &Value) -> Vec<&str> {
        list(file, "sent").iter().map(|call| text(call, "id")).collect()
    }

    /// Every refusal in `value`, wherever it stands.
    fn refusals<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("error"));
                members.values().for_each(|member| refusals(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| refusals(item, found)),
            _ => {}
        }
    }

    #[test]
    fn a_client_can_do_what_the_file_asks() {
        let file = committed("results.json");
        let vectors = list(&file, "results");
        assert_unique_names(vectors);
        let mut actions = HashSet::new();
        for vector in vectors {
            let action = client(status(vector), text(vector, "body"), &sent(&file));
            assert_eq!(action, text(vector, "client"), "{vector}");
            actions.insert(action);
        }
        assert_eq!(actions.len(), 7, "{actions:?}");
    }

    #[test]
    fn operations_end_as_the_calls_say() {
        let file = committed("results.json");
        for vector in list(&file, "results") {
            let answer = serde_json::from_str::<Value>(text(vector, "body")).unwrap_or_default();
            for id in sent(&file) {
                let calls = answer["result"]["calls"].as_array();
                let call = calls.and_then(|calls| calls.iter().find(|call| call["id"] == id));
                let whole = answer["status"] == "ok" && status(vector) == 200;
                let end = match call.filter(|_| whole).and_then(|call| call["status"].as_str()) {
                    Some("ok") => "done",
                    Some("failed") => "dropped",
                    _ => "kept",
                };
                assert_eq!(vector["operations"][id], end, "{id} {vector}");
            }
        }
    }

    #[test]
    fn refusals_are_those_of_the_list() {
        let file = committed("results.json");
        let mut seen = HashSet::new();
        for vector in list(&file, "results") {
            let Ok(answer) = serde_json::from_str::<Value>(text(vector, "body")) else {
                continue;
            };
            let mut found = Vec::new();
            refusals(&answer, &mut found);
            for error in found {
                let Some(code) = ErrorCode::parse(text(error, "code")) else {
                    assert_eq!(vector["unknown_code"], true, "{vector}");
                    continue;
                };
                seen.insert(code);
                assert_eq!(error["message"], code.message(), "{vector}");
                assert_eq!(error["retryable"], code.retryable(), "{vector}");
                if answer["status"] == "error" {
                    assert_eq!(status(vector), code.status(), "{vector}");
                }
            }
        }
        // What only hosts are told, no client of a key ever sees.
        let of_hosts = [
            ErrorCode::HostUnauthorized,
            ErrorCode::HostClock,
            ErrorCode::NonceReused,
            ErrorCode::Ambiguous,
            ErrorCode::CursorLost,
        ];
        let whole = |code: &&ErrorCode| {
            !matches!(code.status(), 422 | 404 | 405) && !of_hosts.contains(code)
        };
        for code in ErrorCode::ALL.iter().filter(whole) {
            assert!(seen.contains(code), "no vector for {code:?}");
        }
    }

    #[test]
    fn the_types_read_every_result_object() {
        let file = committed("results.json");
        for vector in list(&file, "results") {
            let read = serde_json::from_str::<Answer>(text(vector, "body"));
            assert_eq!(vector["result_object"], read.is_ok(), "{vector}");
            let Ok(answer) = read else { continue };
            assert_eq!(answer.status == Status::Error, answer.error.is_some());
            let late = answer.key.is_some_and(|key| key.state == KeyState::Late);
            assert!(!(late && answer.token.is_some()), "late never renews: {vector}");
            for call in answer.result.iter().flat_map(|result| &result.calls) {
                assert_eq!(call.status == CallStatus::Ok, call.result.is_some());
                assert_eq!(call.status != CallStatus::Ok, call.error.is_some());
            }
        }
    }

    #[test]
    fn tokens_are_adopted_only_if_they_are_newer() {
        let file = committed("results.json");
        let held = tokens::open(text(&file, "held")).unwrap();
        for vector in list(&file, "results") {
            let answer = serde_json::from_str::<Value>(text(vector, "body")).unwrap_or_default();
            let offered = answer["token"].as_str().map(tokens::open);
            let adopts = offered.and_then(Result::ok).is_some_and(|token| {
                token.key_id == held.key_id
                    && (token.generation, token.issued_at) > (held.generation, held.issued_at)
            });
            assert_eq!(vector["adopts"], adopts, "{vector}");
        }
    }
}

mod payloads {
    use super::*;
    use latchkey_protocol::payload::{BatchCall, GradeInput, LogInput, RecentInput, StateInput};
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Error, Map};

    /// What of a batch is the functions' matter.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Batch {
        #[serde(rename = "calls")]
        _calls: Vec<BatchCall>,
    }

    /// The words of the file for what serde says.
    fn class(error: &Error) -> &'static str {
        let said = error.to_string();
        let classes = [
            ("unknown field", "unknown_member"),
            ("missing field", "missing_member"),
            ("duplicate field", "duplicate_member"),
            ("unknown variant", "unknown_word"),
            ("invalid type", "wrong_type"),
            ("invalid value", "out_of_range"),
        ];
        let found = classes.iter().find(|(start, _)| said.starts_with(start));
        match (found, error.is_data()) {
            (Some((_, class)), true) => class,
            (None, false) => "bad_json",
            _ => panic!("no word for: {said}"),
        }
    }

    /// Reads the text straight, and by way of a map as a batch does with its arguments.
    fn read<T: DeserializeOwned>(text: &str) -> [Result<(), &'static str>; 2] {
        let straight = serde_json::from_str::<T>(text);
        let map = serde_json::from_str::<Map<String, Value>>(text);
        let by_map = map.and_then(|map| serde_json::from_value::<T>(Value::Object(map)));
        [straight, by_map].map(|read| read.map(drop).map_err(|error| class(&error)))
    }

    #[test]
    fn inputs_are_read_or_refused_as_the_file_says() {
        let file = committed("payloads.json");
        let vectors = list(&file, "payloads");
        assert_unique_names(vectors);
        for vector in vectors {
            let body = text(vector, "text");
            let [straight, by_map] = match text(vector, "function") {
                "log" => read::<LogInput>(body),
                "grade" => read::<GradeInput>(body),
                "recent" => read::<RecentInput>(body),
                "state" => read::<StateInput>(body),
                "batch" => read::<Batch>(body),
                other => panic!("no function {other}"),
            };
            let expected = match text(vector, "outcome") {
                "accepted" => Ok(()),
                "refused" => Err(text(vector, "class")),
                other => panic!("no outcome {other}"),
            };
            assert_eq!(straight, expected, "{vector}");
            if straight != Err("duplicate_member") {
                // A map keeps the last of two members: only the straight way sees both.
                assert_eq!(by_map, expected, "{vector}");
            }
        }
    }

    #[test]
    fn what_is_accepted_is_written_and_read_back_alike() {
        let file = committed("payloads.json");
        for vector in list(&file, "payloads") {
            let body = text(vector, "text");
            if text(vector, "outcome") == "accepted" {
                match text(vector, "function") {
                    "log" => reads_back::<LogInput>(body),
                    "grade" => reads_back::<GradeInput>(body),
                    "recent" => reads_back::<RecentInput>(body),
                    "state" => reads_back::<StateInput>(body),
                    _ => {}
                }
            }
        }
    }

    fn reads_back<T>(body: &str)
    where
        T: DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
    {
        let input: T = serde_json::from_str(body).unwrap();
        let again = serde_json::to_string(&input).unwrap();
        assert_eq!(serde_json::from_str::<T>(&again).unwrap(), input, "{body}");
    }
}
