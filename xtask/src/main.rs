//! Everything that is done to this repository, by one command: `cargo xtask …`.

mod api;
mod run;
mod test;
mod tools;
mod wasm;

use run::{Outcome, cargo, node};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo [-- OPTIONS]   build and run the demo: server, site and widgets; prints the address
cargo xtask test [STEP …]       all checks and tests, or the steps named; installs what they need
cargo xtask steps               list the steps of `test`
cargo xtask build               release build of the server and the demo
cargo xtask wasm                the SDK as a WebAssembly module, in client-wasm/npm/dist
cargo xtask web                 what pages of the demo load: WebAssembly built, npm packages fetched
cargo xtask bench [-- OPTIONS]  measure the server against a bare axum handler
cargo xtask soak [--minutes N]  servers on PostgreSQL under load, one fault after the other; ten minutes
cargo xtask generate            write again what is derived from the code: docs, types, the movie
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let rest: Vec<String> = words.filter(|word| word != "--").collect();
    let done = match command.as_str() {
        "demo" => demo(&rest),
        "test" => test::run(&rest),
        "steps" => {
            test::list();
            Ok(())
        }
        "build" => cargo(&["build", "--release", "-p", "latchkey-server", "-p", "latchkey-demo"]),
        "wasm" => wasm::module(),
        "web" => wasm::web(),
        "bench" => bench(&rest),
        "soak" => soak(&rest),
        "generate" => generate(),
        "" | "help" | "--help" => {
            run::say(HELP);
            Ok(())
        }
        other => Err(format!("there is no command {other:?}\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            run::complain(&problem);
            ExitCode::FAILURE
        }
    }
}

fn demo(options: &[String]) -> Outcome {
    wasm::web()?;
    let mut args = vec!["run", "-p", "latchkey-demo", "--"];
    args.extend(options.iter().map(String::as_str));
    cargo(&args)
}

fn bench(options: &[String]) -> Outcome {
    if options.iter().any(|option| option.contains("postgres")) {
        tools::postgres()?;
        tools::fleet()?;
    }
    cargo(&["build", "--release", "-p", "latchkey-server"])?;
    let mut args = vec!["run", "--release", "-p", "latchkey-bench", "--"];
    match options.first().map(String::as_str) {
        // A command of the bench itself.
        Some(word) if !word.starts_with('-') => {}
        _ => args.push("run"),
    }
    args.extend(options.iter().map(String::as_str));
    cargo(&args)
}

fn soak(options: &[String]) -> Outcome {
    tools::postgres()?;
    tools::fleet()?;
    let mut args = vec!["run", "-p", "latchkey-fleet", "--bin", "latchkey-soak", "--"];
    args.extend(options.iter().map(String::as_str));
    run::become_cargo(&args)
}

fn generate() -> Outcome {
    cargo(&["run", "-p", "latchkey-server", "--example", "generate"])?;
    cargo(&["run", "-p", "latchkey-movie"])?;
    tools::npm_packages("js-shim")?;
    node("js-shim", &["run", "types"])
}
