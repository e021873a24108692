//! `cargo xtask test`: every check and every test, in the order in which a fault is cheapest to find.

use crate::api;
use crate::run::{Outcome, cargo, complain, node, root, say, show};
use crate::tools;
use std::process::Command;

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "format", what: "rustfmt leaves nothing to do", run: format },
    Step { name: "sdk", what: "JavaScript SDK: types and unit tests", run: sdk },
    Step { name: "lint", what: "clippy has nothing to say", run: lint },
    Step {
        name: "wasm",
        what: "the WebAssembly SDK: size, package, and the tests of the JavaScript SDK",
        run: wasm,
    },
    Step { name: "generated", what: "committed files are what the code generates", run: generated },
    Step { name: "deny", what: "licences, bans and duplicates of dependencies", run: deny },
    Step { name: "rust", what: "all Rust tests, the browser journeys included", run: rust },
    Step {
        name: "postgres",
        what: "the tests over HTTP and the browser journeys again, with PostgreSQL under them",
        run: postgres,
    },
    Step { name: "api", what: "answers are as openapi.json says, for any request", run: api::api },
    Step { name: "bench", what: "the benchmark runs and checks every answer", run: bench },
];

/// Lists the steps.
pub(crate) fn list() {
    for step in STEPS {
        say(&format!("{:<10} {}", step.name, step.what));
    }
}

/// Runs the named steps, or all.
pub(crate) fn run(names: &[String]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!("there is no step {unknown:?}; see cargo xtask steps"));
    }
    let chosen: Vec<_> = STEPS
        .iter()
        .filter(|step| names.is_empty() || names.iter().any(|n| n == step.name))
        .collect();
    for (at, step) in chosen.iter().enumerate() {
        say(&format!("\n=== {}/{} {}: {}", at + 1, chosen.len(), step.name, step.what));
        (step.run)().map_err(|problem| {
            format!(
                "{problem}\nxtask: step {0} failed; repeat it with: cargo xtask test {0}",
                step.name
            )
        })?;
    }
    say(&format!("\n=== all {} steps are good", chosen.len()));
    Ok(())
}

fn format() -> Outcome {
    cargo(&["fmt", "--all", "--check"])
}

fn lint() -> Outcome {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

fn wasm() -> Outcome {
    tools::chromium()?;
    crate::wasm::test()?;
    node("client-wasm/npm", &["test"])
}

fn generated() -> Outcome {
    cargo(&["run", "-p", "latchkey-server", "--example", "generate", "--", "--check"])?;
    cargo(&["run", "-p", "latchkey-movie", "--", "--check"])
}

fn deny() -> Outcome {
    let deny = tools::deny()?;
    let check = |kinds: &[&str]| {
        let mut command = Command::new(&deny);
        command.args(["--all-features", "check", "--hide-inclusion-graph"]).args(kinds);
        command.current_dir(root());
        show(&mut command, &format!("cargo deny check {}", kinds.join(" ")))
    };
    check(&["bans", "licenses", "sources"])?;
    // The database of advisories is fetched; where it cannot be had, that is said and no more.
    let mut fetch = Command::new(&deny);
    fetch.args(["fetch", "db"]).current_dir(root());
    match fetch.output() {
        Ok(output) if output.status.success() => check(&["advisories"]),
        _ => {
            complain("the database of advisories cannot be had here: not checked");
            Ok(())
        }
    }
}

fn sdk() -> Outcome {
    tools::npm_packages("js-shim")?;
    node("js-shim", &["run", "check"])?;
    node("js-shim", &["test"])
}

fn rust() -> Outcome {
    needed()?;
    cargo(&["test", "--workspace", "--locked"])
}

/// What Rust tests run and what pages of the journeys load.
fn needed() -> Outcome {
    tools::chromium()?;
    tools::postgres()?;
    tools::fleet()?;
    crate::wasm::module()?;
    crate::wasm::web()?;
    crate::wasm::example()?;
    tools::examples()
}

/// The programs of the step before, run with another database: nothing of theirs is built again.
fn postgres() -> Outcome {
    needed()?;
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args(["test", "--workspace", "--locked", "--test", "http", "--test", "journeys"]);
    // The first run on it in any case; the second are the journeys of the other SDK, which no store can tell apart.
    command.args(["--", "--skip", "postgres::", "--skip", "wasm::"]);
    command.env("STORE_UNDER_TEST", "postgres").current_dir(root());
    show(&mut command, "cargo test with STORE_UNDER_TEST=postgres")
}

fn bench() -> Outcome {
    tools::postgres()?;
    tools::fleet()?;
    cargo(&["build", "--release", "-p", "latchkey-server", "--locked"])?;
    let run = ["run", "--release", "-p", "latchkey-bench", "--locked", "--", "run", "--smoke"];
    cargo(&run)?;
    let others = ["--store", "postgres", "--parts", "empty,filled,halfload,nodes"];
    cargo(&[&run[..], &others[..]].concat())
}
