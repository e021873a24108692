//! Writes the documents that are derived from the code, or checks that they are as it would write them.
//!
//! `cargo xtask generate`; `cargo xtask test generated`.

use latchkey_protocol::error::ErrorCode;
use latchkey_server::functions::FUNCTIONS;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

const MARK: &str =
    "<!-- Derived from the code: edit that, then run `cargo xtask generate`. -->\n\n";

fn main() -> ExitCode {
    let check = std::env::args().any(|word| word == "--check");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut good = true;
    let described = latchkey_server::openapi::TEXT.clone();
    let documents = [
        ("functions.md", functions()),
        ("errors.md", errors()),
        ("metrics.md", latchkey_server::metrics::page()),
        ("openapi.json", described),
    ];
    for (name, text) in documents {
        let path = docs.join(name);
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == text {
            continue;
        }
        if check {
            eprintln!("docs/{name} is not what the code says: run cargo xtask generate");
            good = false;
        } else if let Err(error) = std::fs::write(&path, text) {
            eprintln!("docs/{name}: {error}");
            good = false;
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn functions() -> String {
    let mut text = format!(
        "{MARK}# Functions\n\nWhat a key may call: `POST /v1/NAME` with the input as JSON body, or as a call of \
         `POST /v1/batch`. A key calls only the functions that its launch token names; without a list \
         these are `log`, `grade` and `recent`. How keys, ids and the result object work is in \
         [protocol.md](protocol.md), the codes of refusals in [errors.md](errors.md).\n"
    );
    for function in FUNCTIONS {
        let (input, result) = function.example();
        let kind = if function.writes(&example(input)) {
            "It writes: a key of mode `browse` or `review` may not call it, and an id makes it happen once."
        } else {
            "It only reads."
        };
        let _ = write!(
            text,
            "\n## {}\n\n{} {kind}\n\n```json\n{}\n```\n\n`result`:\n\n```json\n{}\n```\n",
            function.name(),
            function.about(),
            pretty(input),
            pretty(result),
        );
    }
    text
}

fn example(input: &str) -> Map<String, Value> {
    serde_json::from_str(input).unwrap_or_default()
}

fn errors() -> String {
    let mut text = format!(
        "{MARK}# Refusals\n\nEvery refusal has one of these codes; a code never changes its meaning. *Again* says whether \
         the very same request may succeed later: `retryable` in the result object.\n\n\
         | code | status | again | what happened, what to do |\n|--|--|--|--|\n"
    );
    for code in ErrorCode::ALL {
        let again = if code.retryable() { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {again} | {} |",
            code.as_str(),
            code.status(),
            code.message()
        );
    }
    text
}

fn pretty(json: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(json);
    read.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| json.to_owned())
}
