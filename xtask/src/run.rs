//! Running other programs and telling how it went.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Nothing, or what went wrong and what to do.
pub(crate) type Outcome = Result<(), String>;

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Runs cargo in the repository, its output shown.
pub(crate) fn cargo(args: &[&str]) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    show(Command::new(cargo).args(args).current_dir(root()), &format!("cargo {}", args.join(" ")))
}

/// Becomes cargo, which becomes the program that it runs: what ends one of them ends that.
pub(crate) fn become_cargo(args: &[&str]) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let error = Command::new(&cargo).args(args).current_dir(root()).exec();
    Err(format!("{cargo} cannot be started: {error}"))
}

/// Runs npm in a folder of the repository, its output shown.
pub(crate) fn node(folder: &str, args: &[&str]) -> Outcome {
    let mut npm = Command::new("npm");
    npm.args(args).current_dir(root().join(folder));
    show(&mut npm, &format!("npm {} (in {folder})", args.join(" ")))
}

/// Runs a program, its output shown.
pub(crate) fn show(command: &mut Command, name: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}

/// Whether a program runs at all.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

/// Writes to standard output. A reader that has gone away has seen enough.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "xtask: {text}");
}
