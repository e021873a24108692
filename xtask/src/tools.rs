//! Programs that the tests need, installed when they are missing.

use crate::run::{Outcome, complain, root, show, works};
use std::path::PathBuf;
use std::process::Command;

/// The version of cargo-deny that `deny.toml` is written for.
const DENY: &str = "0.20.2";

/// The compiler's target for WebAssembly. `rust-toolchain.toml` names it, but automatic installation can be
/// switched off.
pub(crate) fn wasm_target() -> Outcome {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "wasm32-unknown-unknown"]).current_dir(root());
    show(&mut rustup, "rustup target add wasm32-unknown-unknown")
}

/// Chromium for the browser journeys, from Debian.
pub(crate) fn chromium() -> Outcome {
    debian("chromium", &["chromium", "fonts-dejavu-core"])
}

/// Node and npm for the JavaScript SDK.
pub(crate) fn node() -> Outcome {
    debian("node", &["nodejs", "npm"])?;
    debian("npm", &["npm"])
}

/// What the examples for hosts are run with: PHP, Python, Node and a shell with openssl and curl.
pub(crate) fn examples() -> Outcome {
    debian("php", &["php-cli"])?;
    debian("curl", &["curl"])?;
    debian_by("openssl", &["version"], &["openssl"])?;
    python_packages("docs/examples/requirements.txt")?;
    npm_packages("docs/examples")
}

/// PostgreSQL, of which tests start servers of their own.
pub(crate) fn postgres() -> Outcome {
    let there = "ls /usr/lib/postgresql/*/bin/initdb";
    debian_by("sh", &["-c", there], &["postgresql-15"])
}

/// What several servers are tested with: nginx before them, and clocks that are wrong.
pub(crate) fn fleet() -> Outcome {
    debian_by("nginx", &["-v"], &["nginx-light"])?;
    debian("faketime", &["faketime"])
}

/// Schemathesis, which makes requests from a description.
pub(crate) fn schemathesis() -> Result<PathBuf, String> {
    python_packages("xtask/requirements.txt")?;
    Ok(root().join("target/tools/python/bin/schemathesis"))
}

/// Python packages of a list, in a folder of their own.
fn python_packages(list: &str) -> Outcome {
    let folder = root().join("target/tools/python");
    let python = folder.join("bin/python");
    if !python.exists() {
        // Debian's Python comes without what a folder of its own needs.
        debian_by("python3", &["-c", "import ensurepip"], &["python3", "python3-venv"])?;
        let mut make = Command::new("python3");
        show(make.args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    }
    let mut install = Command::new(python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    show(install.arg(root().join(list)), &format!("pip install --requirement {list}"))
}

/// A program of Debian's: there, or installed if we may.
fn debian(program: &str, packages: &[&str]) -> Outcome {
    debian_by(program, &["--version"], packages)
}

/// The same for a program that shows in another way that it is whole.
fn debian_by(program: &str, proof: &[&str], packages: &[&str]) -> Outcome {
    if works(program, proof) {
        return Ok(());
    }
    let by_hand =
        format!("{program} is missing: install it with apt-get install {}", packages.join(" "));
    let root = works("sh", &["-c", "test \"$(id -u)\" = 0"]);
    if !root || !works("apt-get", &["--version"]) {
        return Err(by_hand);
    }
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-o", "DPkg::Lock::Timeout=300"]).args(args);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        show(&mut apt, &format!("apt-get {}", args.join(" ")))
    };
    apt(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt(&install)?;
    if works(program, proof) { Ok(()) } else { Err(by_hand) }
}

/// npm packages of a folder, exactly as its lock file says, without their install scripts.
pub(crate) fn npm_packages(folder: &str) -> Outcome {
    node()?;
    crate::run::node(folder, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
}

/// cargo-deny, in a folder of its own so that nothing of the machine's is touched.
pub(crate) fn deny() -> Result<PathBuf, String> {
    let folder = root().join("target/tools");
    let program = folder.join("bin/cargo-deny");
    let version = Command::new(&program).arg("--version").output();
    let fits = version.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(DENY));
    if !fits {
        complain("installing cargo-deny, about a minute");
        let mut install = Command::new("cargo");
        install
            .args(["install", "cargo-deny", "--locked", "--debug", "--no-default-features"])
            .args(["--version", DENY, "--root"])
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build"));
        show(&mut install, "cargo install cargo-deny")?;
    }
    Ok(program)
}
