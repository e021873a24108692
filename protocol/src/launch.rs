//! The launch token: a JWT by which a host says who may do what in which activity.
//!
//! A host in any language mints it with the JWT library it has, without a round trip. The algorithm is
//! pinned to `HS256` and never read from the token; `kid` is `<host id>.<secret number>`. Claims that
//! this version does not know are refused rather than ignored, since a misspelt restriction would
//! otherwise grant what it was meant to forbid.

mod signed;

pub use signed::SignedLaunch;

use crate::mac::Signer;
use crate::token::KeyId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// The most bytes of a launch token that are looked at.
pub const MAX_LEN: usize = 2048;
/// The `typ` of its header.
pub const TYPE: &str = "latchkey+jwt";
/// Longest use of a launch token, seconds: `exp - iat`.
pub const MAX_START_SECONDS: i64 = 3600;
/// How far ahead another machine's clock may be, seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 60;
/// Longest id of a user, activity, course or web session, in bytes.
pub const MAX_ID_LEN: usize = 255;

/// Whose entries `recent` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecentScope {
    /// The user's own.
    #[default]
    Own,
    /// Everybody's in the activity.
    Activity,
}

/// What the launch is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Work that counts.
    #[default]
    Normal,
    /// Looking around: nothing can be written.
    Browse,
    /// Looking back at finished work: nothing can be written.
    Review,
}

/// What the user is in the course. What each role may call is the operator's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Learns. A launch that names no role is a student's.
    Student,
    /// Helps to teach.
    Assistant,
    /// Teaches.
    Teacher,
    /// Makes the content.
    Author,
    /// Runs the course or the site.
    Manager,
    /// Watches: a parent, a mentor.
    Observer,
    /// Belongs to no course.
    Guest,
}

impl Role {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Student,
        Self::Assistant,
        Self::Teacher,
        Self::Author,
        Self::Manager,
        Self::Observer,
        Self::Guest,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Assistant => "assistant",
            Self::Teacher => "teacher",
            Self::Author => "author",
            Self::Manager => "manager",
            Self::Observer => "observer",
            Self::Guest => "guest",
        }
    }
}

/// Whether the token changes with use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// It does: the normal case.
    #[default]
    On,
    /// It stays, for content that cannot hold a changing one. Keep such keys short, narrow and bound.
    Off,
}

/// Which of a user's submissions is the standing grade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GradeMethod {
    /// The best.
    #[default]
    Highest,
    /// The newest, by the client's sequence.
    Latest,
    /// The oldest, by the client's sequence.
    First,
    /// The mean of all.
    Average,
}

/// A user as the host describes them; absent members stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserDescription {
    /// Name shown to others in the activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The number the institution knows them by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idnumber: Option<String>,
}

/// The course an activity stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseDescription {
    /// The host's own primary key.
    pub id: String,
    /// Title shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortname: Option<String>,
    /// Number the institution knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idnumber: Option<String>,
    /// Address at the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The activity as it is placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Title shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Address at the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Maximum score, above zero; 100 for an activity that never had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Which submission counts; `highest` for an activity that never had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<GradeMethod>,
    /// How many attempts a user has; absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// What a launch token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchClaims {
    /// Host id.
    pub iss: String,
    /// The user, by the host's own primary key.
    pub sub: String,
    /// The activity, by the host's own primary key.
    pub activity: String,
    /// 128 random bits, base64url: becomes the key's id.
    pub jti: String,
    /// Issued, Unix seconds.
    pub iat: i64,
    /// Last moment of first use, Unix seconds.
    pub exp: i64,
    /// Not before, Unix seconds. JWT libraries like to write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Audience. Read, not judged: the host and its secret already name one server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Absolute end of the key, Unix seconds, never extended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_exp: Option<i64>,
    /// What it may call; the three of [`LaunchClaims::DEFAULT_FUNCTIONS`] if absent.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub functions: Option<Vec<String>>,
    /// Whose entries `recent` shows.
    #[serde(default)]
    pub recent: RecentScope,
    /// What the user is there; none is a student. With several, what any of them may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// The host's web session, hashed by the host or opaque: its end ends the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Page origins that may use it; the host's list if absent.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
    /// Networks that may use it: CIDR, ranges or prefixes.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Attempt number, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// What the launch is for.
    #[serde(default)]
    pub mode: Mode,
    /// Whether the token changes with use.
    #[serde(default)]
    pub rotation: Rotation,
    /// Describes the user, to create or update on first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserDescription>,
    /// Describes the course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseDescription>,
    /// Describes the activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

/// For restrictions: a `null` is refused, since what looks like a list that was left empty would lift it.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

fn first_attempt() -> u32 {
    1
}

impl LaunchClaims {
    /// What a key may call when the launch does not say.
    pub const DEFAULT_FUNCTIONS: [&str; 3] = ["log", "grade", "recent"];

    /// The narrowest useful claims: one user, one activity, first use within 15 minutes, all else by
    /// default. `jti` must be fresh randomness.
    pub fn new(host: &str, user: &str, activity: &str, jti: KeyId, now_seconds: i64) -> Self {
        Self {
            iss: host.to_owned(),
            sub: user.to_owned(),
            activity: activity.to_owned(),
            jti: jti.to_string(),
            iat: now_seconds,
            exp: now_seconds + 15 * 60,
            nbf: None,
            aud: None,
            key_exp: None,
            functions: None,
            recent: RecentScope::Own,
            roles: Vec::new(),
            session: None,
            origins: None,
            networks: None,
            attempt: 1,
            mode: Mode::Normal,
            rotation: Rotation::On,
            user: None,
            course: None,
            placement: None,
        }
    }

    /// The id of the key that the launch starts; `None` unless `jti` is 128 bits of base64url.
    pub fn key_id(&self) -> Option<KeyId> {
        KeyId::parse(&self.jti)
    }

    /// Signs the claims with secret `number` of the host.
    ///
    /// # Errors
    /// [`LaunchError::TooLong`] if the text would be over [`MAX_LEN`], [`LaunchError::Claims`] if a
    /// value cannot be written as JSON.
    pub fn sign(&self, number: u32, secret: &Signer) -> Result<String, LaunchError> {
        let header = Header { alg: "HS256", typ: TYPE, kid: &format!("{}.{number}", self.iss) };
        let mut text = encode(&header)?;
        text.push('.');
        text.push_str(&encode(self)?);
        let mac = secret.sign(text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut text);
        if text.len() > MAX_LEN {
            return Err(LaunchError::TooLong);
        }
        Ok(text)
    }

    /// Whether every value is within its limits, whatever the time.
    fn check_values(&self) -> Result<(), LaunchError> {
        let id = |name, text: &str| {
            let fits =
                (1..=MAX_ID_LEN).contains(&text.len()) && !text.chars().any(char::is_control);
            if fits { Ok(()) } else { Err(LaunchError::Value(name)) }
        };
        let holds = |name, truth: bool| {
            if truth { Ok(()) } else { Err(LaunchError::Value(name)) }
        };
        id("sub", &self.sub)?;
        id("activity", &self.activity)?;
        self.session.iter().try_for_each(|session| id("session", session))?;
        self.course.iter().try_for_each(|course| id("course.id", &course.id))?;
        self.texts().into_iter().try_for_each(|(name, text)| {
            // Not every database keeps it.
            holds(name, text.is_none_or(|text| !text.contains('\0')))
        })?;
        holds("jti", self.key_id().is_some())?;
        holds("attempt", self.attempt >= 1)?;
        let longest = self.iat.saturating_add(MAX_START_SECONDS);
        holds("exp", self.exp > self.iat && self.exp <= longest)?;
        holds("key_exp", self.key_exp.is_none_or(|end| end > self.iat))?;
        let max = self.placement.as_ref().and_then(|placement| placement.max);
        holds("placement.max", max.is_none_or(|max| max.is_finite() && max > 0.0))?;
        let attempts = self.placement.as_ref().and_then(|placement| placement.attempts);
        holds("placement.attempts", attempts != Some(0))
    }

    /// The texts that describe, by the names of their claims.
    fn texts(&self) -> [(&'static str, Option<&String>); 10] {
        let user = self.user.as_ref();
        let course = self.course.as_ref();
        let placement = self.placement.as_ref();
        [
            ("user.name", user.and_then(|user| user.name.as_ref())),
            ("user.username", user.and_then(|user| user.username.as_ref())),
            ("user.email", user.and_then(|user| user.email.as_ref())),
            ("user.idnumber", user.and_then(|user| user.idnumber.as_ref())),
            ("course.title", course.and_then(|course| course.title.as_ref())),
            ("course.shortname", course.and_then(|course| course.shortname.as_ref())),
            ("course.idnumber", course.and_then(|course| course.idnumber.as_ref())),
            ("course.url", course.and_then(|course| course.url.as_ref())),
            ("placement.title", placement.and_then(|placement| placement.title.as_ref())),
            ("placement.url", placement.and_then(|placement| placement.url.as_ref())),
        ]
    }

    /// Whether the launch has begun at `now` (Unix seconds), allowing for [`CLOCK_SKEW_SECONDS`].
    pub fn has_begun(&self, now_seconds: i64) -> bool {
        let begins = self.iat.max(self.nbf.unwrap_or(self.iat));
        begins <= now_seconds.saturating_add(CLOCK_SKEW_SECONDS)
    }
}

/// Why a text is no launch token. For logs and counters only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LaunchError {
    /// Over [`MAX_LEN`].
    #[error("too long")]
    TooLong,
    /// Not three parts of base64url.
    #[error("not a compact JWT")]
    Shape,
    /// A header that is not ours: another algorithm, another type, no key.
    #[error("header")]
    Header,
    /// Not signed with the secret it names.
    #[error("signature")]
    Signature,
    /// Claims that are not ours: unknown, missing or of another type.
    #[error("claims")]
    Claims,
    /// `iss` is not the host whose secret signed it.
    #[error("issuer")]
    Issuer,
    /// A claim outside its limits, by name.
    #[error("claim {0}")]
    Value(&'static str),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

fn encode(value: &impl Serialize) -> Result<String, LaunchError> {
    serde_json::to_vec(value)
        .map(|json| URL_SAFE_NO_PAD.encode(json))
        .map_err(|_| LaunchError::Claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn secret() -> Signer {
        Signer::new(&[3; 32])
    }

    fn claims() -> LaunchClaims {
        LaunchClaims::new("school", "u1", "quiz-1", KeyId([9; 16]), 1_000)
    }

    fn open(text: &str) -> Result<LaunchClaims, LaunchError> {
        SignedLaunch::parse(text)?.open(&secret())
    }

    /// A token of arbitrary header and payload, properly signed.
    fn signed(header: Value, payload: Value) -> String {
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(payload.to_string())
        );
        let mac = URL_SAFE_NO_PAD.encode(secret().sign(text.as_bytes()));
        format!("{text}.{mac}")
    }

    fn header() -> Value {
        json!({"alg": "HS256", "typ": TYPE, "kid": "school.1"})
    }

    fn with(change: impl FnOnce(&mut Value)) -> String {
        let mut payload = serde_json::to_value(claims()).unwrap();
        change(&mut payload);
        signed(header(), payload)
    }

    #[test]
    fn signs_and_opens() {
        let text = claims().sign(1, &secret()).unwrap();
        assert_eq!(SignedLaunch::parse(&text).unwrap().signer(), ("school", 1));
        assert_eq!(open(&text), Ok(claims()));
    }

    #[test]
    fn the_algorithm_is_pinned() {
        for alg in ["none", "RS256", "HS512", "hs256", ""] {
            let mut header = header();
            header["alg"] = json!(alg);
            let text = signed(header, serde_json::to_value(claims()).unwrap());
            assert_eq!(open(&text), Err(LaunchError::Header), "{alg}");
        }
        let unsigned = claims().sign(1, &secret()).unwrap();
        let unsigned = unsigned.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(open(&unsigned), Err(LaunchError::Signature));
    }

    #[test]
    fn every_changed_character_is_refused() {
        let text = claims().sign(1, &secret()).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&String::from_utf8(bytes).unwrap()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_short_mac_is_no_signature() {
        let text = claims().sign(1, &secret()).unwrap();
        let (signed, mac) = text.rsplit_once('.').unwrap();
        let mac = URL_SAFE_NO_PAD.decode(mac).unwrap();
        let cut = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&mac[..16]));
        assert_eq!(open(&cut), Err(LaunchError::Signature));
    }

    #[test]
    fn unknown_and_missing_claims_are_refused() {
        assert_eq!(open(&with(|c| c["functons"] = json!([]))), Err(LaunchError::Claims));
        for name in ["functions", "origins", "networks"] {
            assert_eq!(open(&with(|c| c[name] = json!(null))), Err(LaunchError::Claims), "{name}");
        }
        for name in ["iss", "sub", "activity", "jti", "iat", "exp"] {
            let text = with(|c| {
                c.as_object_mut().unwrap().remove(name);
            });
            assert_eq!(open(&text), Err(LaunchError::Claims), "{name}");
        }
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let cases: [(&str, Value); 9] = [
            ("sub", json!("")),
            ("sub", json!("a\u{0}b")),
            ("activity", json!("x".repeat(256))),
            ("jti", json!("short")),
            ("exp", json!(1_000)),
            ("exp", json!(1_000 + 3_601)),
            ("key_exp", json!(1_000)),
            ("attempt", json!(0)),
            ("session", json!("")),
        ];
        for (name, value) in cases {
            let text = with(|c| c[name] = value.clone());
            assert_eq!(open(&text), Err(LaunchError::Value(name)), "{name} {value}");
        }
        assert!(open(&with(|c| c["exp"] = json!(1_000 + 3_600))).is_ok());
        for max in [json!(0), json!(-1)] {
            let text = with(|c| c["placement"] = json!({"max": max}));
            assert_eq!(open(&text), Err(LaunchError::Value("placement.max")));
        }
        for (name, of, member) in [
            ("user.name", "user", "name"),
            ("course.title", "course", "title"),
            ("placement.url", "placement", "url"),
        ] {
            let text = with(|c| {
                c[of] = json!({ member: "a\u{0}b" });
                if of == "course" {
                    c[of]["id"] = json!("c");
                }
            });
            assert_eq!(open(&text), Err(LaunchError::Value(name)));
        }
    }

    #[test]
    fn times_beyond_all_bounds_are_refused() {
        let text = with(|c| (c["iat"], c["exp"]) = (json!(i64::MIN), json!(i64::MAX)));
        assert_eq!(open(&text), Err(LaunchError::Value("exp")));
    }

    #[test]
    fn a_host_speaks_for_itself_only() {
        assert_eq!(open(&with(|c| c["iss"] = json!("other"))), Err(LaunchError::Issuer));
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        assert!(claims().has_begun(940));
        assert!(!claims().has_begun(939));
        let later = LaunchClaims { nbf: Some(2_000), ..claims() };
        assert!(later.has_begun(1_940) && !later.has_begun(1_939));
    }

    #[test]
    fn long_tokens_are_neither_made_nor_read() {
        let long = LaunchClaims { session: Some("s".repeat(2_000)), ..claims() };
        assert_eq!(long.sign(1, &secret()), Err(LaunchError::TooLong));
        assert_eq!(open(&"e".repeat(MAX_LEN + 1)), Err(LaunchError::TooLong));
    }
}
