//! The one list of refusals.
//!
//! A code never changes its meaning. Its HTTP status, whether the same request may succeed later,
//! and what the caller should do stand beside it; `docs/protocol.md` and the clients are derived
//! from this list. Messages are fixed texts: nothing from a request is ever echoed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $retry:literal $message:literal;)*) => {
        /// A named refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode { $($(#[$doc])* $variant),* }

        impl ErrorCode {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The HTTP status it travels with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// Whether the very same request, sent again later, may succeed.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry),* }
            }

            /// What happened and what to do, for the person who reads the console.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),* }
            }
        }
    };
}

codes! {
    /// No key in the request at all.
    KeyMissing "key_missing" 401 false "Send the key as 'Authorization: Bearer …', as the member 'token' of the JSON body, or as the field 'key' of a form.";
    /// The text is no key of ours: damaged, forged, of another deployment or host.
    KeyInvalid "key_invalid" 401 false "This key is not valid here. Renew it through the page's renewal address, or reload the page.";
    /// The key is ours and no longer good, or its launch was never used in time: one answer for all.
    KeyRenew "key_renew" 401 false "This key has ended. Renew it through the page's renewal address, or reload the page.";
    /// The key is good but not for this function, page, network or mode.
    KeyScope "key_scope" 403 false "The key does not allow this call: check its functions, origins, networks and mode.";
    /// The operator does not let this network, user or role do it.
    NotAllowed "not_allowed" 403 false "The operator of this server does not allow this from this network, to this user or in this role. Ask them; their log names the rule under request_id.";
    /// The operator has switched the function off.
    FunctionOff "function_off" 403 false "The operator of this server has switched this function off.";
    /// The operator has switched the protocol off.
    ProtocolOff "protocol_off" 403 false "The operator of this server has switched this way to talk to it off.";
    /// Thefts were found again and again in this web session and activity.
    KeyLocked "key_locked" 403 true "Keys of this activity were found in two hands repeatedly. Wait ten minutes, log in again, then reload the page.";
    /// No signature of a host, or not a good one: one answer for all.
    HostUnauthorized "host_unauthorized" 401 false "The request is not signed by a host of this server. See the documentation for hosts.";
    /// Signed too long ago, or in the future.
    HostClock "host_clock" 401 false "The time in the signature is more than five minutes from server_time. Set the clock of the host.";
    /// The nonce was used before.
    NonceReused "nonce_reused" 401 false "This nonce was used before. Sign every request anew, with fresh randomness.";
    /// Plain HTTP where the operator wants TLS, or with a secret sent as it is.
    HttpsRequired "https_required" 403 false "This is taken over HTTPS only: others could read it on the way.";
    /// The activity is hidden.
    ActivityHidden "activity_hidden" 403 false "The activity is hidden at the moment. Reload the page when it is shown again.";
    /// No such address.
    NotFound "not_found" 404 false "There is nothing at this address.";
    /// No function of that name.
    UnknownFunction "unknown_function" 404 false "There is no function of this name. See the list of functions in the documentation.";
    /// The address exists, the method does not.
    MethodNotAllowed "method_not_allowed" 405 false "This address does not take this method. Functions are called with POST.";
    /// The body did not arrive in time.
    SlowSender "slow_sender" 408 true "The request took too long to arrive. Send it again.";
    /// Another request for the same thing is being worked on.
    Busy "busy" 409 true "Another request for the same thing is under way. Send it again.";
    /// The document was written meanwhile: `current` of the error tells how it stands.
    VersionConflict "version_conflict" 409 false "The state is not at the version in if_version. Bring in what 'current' holds, then write with its version.";
    /// Several have that value.
    Ambiguous "ambiguous" 409 false "More than one has this value. Ask by id.";
    /// The body is over the limit.
    BodyTooLarge "body_too_large" 413 false "The body is over the size limit. Send fewer calls at a time.";
    /// The body is of a type we do not read.
    UnsupportedMediaType "unsupported_media_type" 415 false "Send JSON as 'application/json' or 'text/plain', a form as 'application/x-www-form-urlencoded'.";
    /// Two different keys in one request.
    TwoTokens "two_tokens" 400 false "The request carries two different keys. Send one.";
    /// Not JSON, not UTF-8, or nested beyond reading.
    BadJson "bad_json" 400 false "The body is not a JSON object in UTF-8, or a member stands twice in an object of it.";
    /// No form and no XML in UTF-8, too many fields, or one field with two values.
    BadForm "bad_form" 400 false "The body is no form or XML in UTF-8, holds too many fields, or gives the field named two values.";
    /// A query that cannot be read.
    BadQuery "bad_query" 400 false "The query of the address cannot be read. See the function's documentation.";
    /// A version of the wire that is not spoken, or not any more.
    UnknownVersion "unknown_version" 400 false "The version in Latchkey-Version is not spoken here. Leave the header out for the newest one.";
    /// An id was used for something else before.
    IdReused "id_reused" 422 false "This id was used before with other content. Give every operation an id of its own.";
    /// A member that does not exist.
    UnknownField "unknown_field" 422 false "The field named is not part of this function.";
    /// A required member is absent.
    MissingField "missing_field" 422 false "The field named is required.";
    /// A member of another type than documented.
    WrongType "wrong_type" 422 false "The field named has the wrong type.";
    /// A text that is no number where one must be.
    BadNumber "bad_number" 422 false "The field named is no number. Write it with digits and a point, as in 7.5: no comma, no unit, nothing empty.";
    /// A text that holds U+0000, which not every database can keep.
    InvalidInput "invalid_input" 422 false "The field named holds the character U+0000, which no text here may hold. Leave it out.";
    /// A value beyond its limits.
    OutOfRange "out_of_range" 422 false "The field named is outside its limits. See the function's documentation.";
    /// The body says who or what for; only the key may.
    ForeignSubject "foreign_subject" 422 false "User, activity and attempt come from the key. The field named says another.";
    /// The same id twice in one list.
    Duplicate "duplicate" 422 false "The list holds this id twice. The first one counts.";
    /// A value that only one may have.
    Taken "taken" 422 false "Another one of this host has the value of the field named.";
    /// An id that is not known.
    UnknownReference "unknown_reference" 422 false "The field named refers to something that this host has not set.";
    /// A score above the maximum.
    ScoreAboveMax "score_above_max" 422 false "The score is above the maximum.";
    /// A score below zero.
    ScoreNegative "score_negative" 422 false "The score is below zero.";
    /// The activity allows fewer attempts.
    NoAttemptsLeft "no_attempts_left" 422 false "The activity allows no further attempt.";
    /// More entries or calls than one request may hold.
    TooMany "too_many" 422 false "The list named holds more than one request may. Send it in parts.";
    /// An event name of other characters.
    BadEvent "bad_event" 422 false "An event is 1 to 64 characters of a-z, 0-9, '_', '.', ':' and '-'.";
    /// `data` of an entry is over its size.
    DataTooLarge "data_too_large" 422 false "The data of an entry is over 4096 bytes of JSON.";
    /// `data` of an entry is nested too deep.
    DataTooDeep "data_too_deep" 422 false "The data of an entry is nested more than 16 levels deep.";
    /// A document of `state` that is over its size, or would be once patched.
    StateTooLarge "state_too_large" 422 false "A state is at most 65536 bytes of JSON. Keep less, or keep it under several names.";
    /// A document of `state` that is nested too deep.
    StateTooDeep "state_too_deep" 422 false "A state is nested more than 32 levels deep.";
    /// An attempt that keeps as many names as it may.
    TooManyStates "too_many_states" 422 false "An attempt keeps at most 64 names of state, deleted ones included. Use one of them again.";
    /// A cursor that this list never gave.
    BadCursor "bad_cursor" 422 false "This cursor is not from this list. Start without one.";
    /// A cursor of a state that was lost when the database was restored from an older copy.
    CursorLost "cursor_lost" 410 false "What this cursor points to was lost: the database was restored from an older copy. Start without one; ids tell what you have already.";
    /// More calls than the rate of the key, the user or the host.
    RateLimited "rate_limited" 429 true "Too many calls in a short time. Wait as long as Retry-After says, then send it again.";
    /// The user or web session holds as many live keys as allowed.
    TooManyKeys "too_many_keys" 429 true "Too many pages are open for this user. Close some, then reload the page.";
    /// Our fault.
    Internal "internal" 500 true "Something failed on the server. Nothing was stored unless a retry says so; send it again with the same id.";
    /// The database cannot be reached or written.
    StoreUnavailable "store_unavailable" 503 true "The server cannot store anything at the moment. Nothing was lost; send it again with the same id.";
    /// The operator has switched the server off for a while.
    Disabled "disabled" 503 true "The server is switched off for the moment. Wait as long as Retry-After says, then send it again.";
}

impl ErrorCode {
    /// The code of a text on the wire, `None` if this version does not know it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// One of the texts on the wire.
#[cfg(feature = "schema")]
impl schemars::JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<_> = Self::ALL.iter().map(|code| code.as_str()).collect();
        schemars::json_schema!({ "type": "string", "enum": codes })
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown error code"))
    }
}

/// A code as a client reads it. A server that is newer may send one that this version does not know: it is
/// kept as it is, and judged by its HTTP status and `retryable`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SeenCode {
    /// One of this list.
    Known(ErrorCode),
    /// One of a later version.
    Unknown(String),
}

impl SeenCode {
    /// The code of a text on the wire.
    pub fn parse(text: &str) -> Self {
        ErrorCode::parse(text).map_or_else(|| Self::Unknown(text.to_owned()), Self::Known)
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Unknown(text) => text,
        }
    }
}

impl Serialize for SeenCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SeenCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_read_back() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::parse("nonsense"), None);
    }

    #[test]
    fn what_may_be_retried_has_a_status_that_says_so() {
        for code in ErrorCode::ALL {
            let by_status = matches!(code.status(), 408 | 409 | 429 | 500..=599);
            // A lock ends by itself, but only a new login lifts it; two of one name stay two; a version
            // that has passed never comes back.
            let exceptions =
                [ErrorCode::KeyLocked, ErrorCode::Ambiguous, ErrorCode::VersionConflict];
            assert!(code.retryable() == by_status || exceptions.contains(code), "{code:?}");
            assert!(code.message().ends_with('.'));
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_read_and_kept() {
        for text in ["busy", "made_up_later", ""] {
            let seen = SeenCode::parse(text);
            assert_eq!(seen.as_str(), text);
            assert_eq!(matches!(seen, SeenCode::Known(_)), text == "busy");
            let json = serde_json::to_string(&seen).unwrap();
            assert_eq!(serde_json::from_str::<SeenCode>(&json).unwrap(), seen);
        }
        assert!(serde_json::from_str::<SeenCode>("7").is_err());
    }
}
