//! What a key may call. [`FUNCTIONS`] is the one list: addresses, documentation and checks are derived
//! from it. To add a function, write its file and one line here.

mod grade;
mod log;
mod recent;
mod state;

pub use recent::Entry;

use crate::call::Call;
use crate::error::Refusal;
use crate::json;
use crate::reply::Json;
use crate::store::{Action, Done};
use latchkey_protocol::error::ErrorCode;
use schemars::{Schema, SchemaGenerator};
use serde::Deserialize;
use serde::Serialize;
use serde_json::{Map, Value};

/// Every function, in the order of the documentation.
pub static FUNCTIONS: &[&dyn Function] =
    &[&log::Log, &grade::Grade, &recent::Recent, &state::State];

/// The function of that name.
pub fn find(name: &str) -> Option<&'static dyn Function> {
    FUNCTIONS.iter().copied().find(|function| function.name() == name)
}

/// One thing that a key may call.
pub trait Function: Sync {
    /// Its name: in the address, in `functions` of a launch token, in a batch.
    fn name(&self) -> &'static str;

    /// Whether it writes with that input: then a key of mode `browse` or `review` may not call it.
    fn writes(&self, args: &Map<String, Value>) -> bool;

    /// Whether doing the same twice is more than doing it once: then calls of clients that know no ids are told
    /// by their content.
    fn adds_up(&self, _: &Map<String, Value>) -> bool {
        true
    }

    /// What it does, for the documentation: a sentence.
    fn about(&self) -> &'static str;

    /// An input and its result, for the documentation: JSON texts that the tests run.
    fn example(&self) -> (&'static str, &'static str);

    /// The schemas of its input and its result, for the documentation.
    fn shapes(&self, schemas: &mut SchemaGenerator) -> (Schema, Schema);

    /// Checks the input and says what is to be done. Sees the verified call and nothing else.
    ///
    /// # Errors
    /// A refusal that names the member at fault.
    fn plan(&self, call: &Call, args: &Map<String, Value>) -> Result<Action, Refusal>;

    /// Writes the result of what was done.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`], if what was done is not what was planned.
    fn render(&self, call: &Call, done: Done) -> Result<Json, Refusal>;
}

/// Refuses an input with a text that not every backend can keep.
pub(crate) fn storable(args: &Map<String, Value>) -> Result<(), Refusal> {
    match json::nul(args) {
        None => Ok(()),
        Some(path) => Err(Refusal::field(ErrorCode::InvalidInput, presentable(&path))),
    }
}

/// The same of a single text, by its name.
pub(crate) fn storable_text(name: &str, text: &str) -> Result<(), Refusal> {
    match text.contains('\0') {
        true => Err(Refusal::field(ErrorCode::InvalidInput, presentable(name))),
        false => Ok(()),
    }
}

/// Reads an input, refusing members that it does not have. The refusal names the path.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(
    args: &Map<String, Value>,
) -> Result<T, Refusal> {
    // The path is only followed once something is wrong: good input must not pay for it.
    match T::deserialize(args) {
        Ok(input) => Ok(input),
        Err(_) => match serde_path_to_error::deserialize::<_, T>(args) {
            Ok(input) => Ok(input),
            Err(error) => Err(misfit(&error.path().to_string(), &error.inner().to_string())),
        },
    }
}

/// The refusal of an input that does not fit, from serde's words for it.
pub(crate) fn misfit(path: &str, words: &str) -> Refusal {
    let named = || words.split('`').nth(1).unwrap_or_default();
    let (code, path) = if words.starts_with("unknown field") {
        (ErrorCode::UnknownField, child(path, named()))
    } else if words.starts_with("missing field") {
        (ErrorCode::MissingField, child(path, named()))
    } else {
        (ErrorCode::WrongType, path.to_owned())
    };
    Refusal::field(code, presentable(&path))
}

/// serde gives the path of the parent, or already that of the child.
fn child(parent: &str, name: &str) -> String {
    match parent {
        "." | "" => name.to_owned(),
        _ if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        _ => format!("{parent}.{name}"),
    }
}

/// A path is echoed only as far as it could be one of ours: nothing else of a request ever is.
pub(crate) fn presentable(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.[]-".contains(c);
    if (1..=64).contains(&path.len()) && path.chars().all(plain) {
        path.to_owned()
    } else {
        "?".to_owned()
    }
}

/// A member that is a list of objects. serde would also read a struct from a list of its values.
fn objects_only(args: &Map<String, Value>, name: &str) -> Result<(), Refusal> {
    let Some(Value::Array(items)) = args.get(name) else { return Ok(()) };
    match items.iter().position(|item| !item.is_object()) {
        Some(at) => Err(Refusal::field(ErrorCode::WrongType, format!("{name}[{at}]"))),
        None => Ok(()),
    }
}

/// Whether there are more than `levels` levels of lists and objects.
fn deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper(item, levels - 1)),
        Value::Object(members) => {
            levels == 0 || members.values().any(|item| deeper(item, levels - 1))
        }
        _ => false,
    }
}

fn write(value: &impl Serialize) -> Result<Json, Refusal> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Refusal::new(ErrorCode::Internal).because(error))
}

/// What was done is not what was planned: a fault of ours.
fn mismatch() -> Refusal {
    Refusal::new(ErrorCode::Internal).because("the store did something else than planned")
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_protocol::payload::{
        GradeInput, LogInput, LogResult, Receipt, RecentResult, StateAnswer,
    };
    use serde_json::json;

    fn refusal<T: for<'de> Deserialize<'de> + std::fmt::Debug>(
        value: Value,
    ) -> (ErrorCode, String) {
        let refusal = decode::<T>(value.as_object().unwrap()).unwrap_err();
        (refusal.code, refusal.field.unwrap().into_owned())
    }

    #[test]
    fn the_member_at_fault_is_named() {
        use ErrorCode::{MissingField, UnknownField, WrongType};
        for (value, code, field) in [
            (json!({"score": 1, "scroe": 2}), UnknownField, "scroe"),
            (json!({}), MissingField, "score"),
            (json!({"score": "7,5"}), WrongType, "score"),
            (json!({"score": null}), WrongType, "score"),
            (json!({"score": 1, "progress": "done"}), WrongType, "progress"),
        ] {
            assert_eq!(refusal::<GradeInput>(value), (code, field.to_owned()));
        }
        let nested = json!({"entries": [{"event": "a"}, {"event": "b", "ip": 1}]});
        assert_eq!(refusal::<LogInput>(nested), (UnknownField, "entries[1].ip".to_owned()));
        let nested = json!({"entries": [{"data": {}}]});
        assert_eq!(refusal::<LogInput>(nested), (MissingField, "entries[0].event".to_owned()));
    }

    #[test]
    fn nothing_else_of_a_request_is_echoed() {
        let markup = json!({"score": 1, "<script>": 2});
        assert_eq!(refusal::<GradeInput>(markup).1, "?");
        let long = json!({"score": 1, "x".repeat(65): 2});
        assert_eq!(refusal::<GradeInput>(long).1, "?");
    }

    #[test]
    fn examples_are_what_functions_take_and_give() {
        for function in FUNCTIONS {
            let (input, result) = function.example();
            let args: Map<String, Value> = serde_json::from_str(input).unwrap();
            assert!(function.plan(&Call::sample(), &args).is_ok(), "{}", function.name());
            let read = match function.name() {
                "log" => serde_json::from_str::<LogResult>(result).map(drop),
                "grade" => serde_json::from_str::<Receipt>(result).map(drop),
                "recent" => serde_json::from_str::<RecentResult>(result).map(drop),
                "state" => serde_json::from_str::<StateAnswer>(result).map(drop),
                other => panic!("{other} has no result type here"),
            };
            read.unwrap();
        }
    }

    #[test]
    fn names_are_unique() {
        for (at, function) in FUNCTIONS.iter().enumerate() {
            assert!(FUNCTIONS[..at].iter().all(|other| other.name() != function.name()));
            assert_eq!(find(function.name()).unwrap().name(), function.name());
        }
        assert!(find("nonsense").is_none());
    }
}
