//! From a crate to what a page loads: WebAssembly, the glue beside it, and how large it may be.

use crate::run::{Outcome, cargo, node, root, say, show};
use crate::tools;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the WebAssembly and the JavaScript of the SDK's module may weigh together, gzip, bytes.
const BUDGET: usize = 32 * 1024;
/// Where the module is built; the server takes it in from there.
const MODULE: &str = "client-wasm/npm";

/// Builds a crate for pages: `NAME.js`, its types and `NAME_bg.wasm` in a folder of the repository.
pub(crate) fn build(package: &str, folder: &str, name: &str) -> Outcome {
    compile(&["-p", package])?;
    glue(&format!("{}.wasm", package.replace('-', "_")), folder, name)
}

fn compile(what: &[&str]) -> Outcome {
    tools::wasm_target()?;
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    build.args(["build", "--locked", "--profile", "wasm", "--target", "wasm32-unknown-unknown"]);
    build.args(what).current_dir(root());
    build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", without_folders());
    show(&mut build, &format!("cargo build {} for WebAssembly", what.join(" ")))
}

fn glue(file: &str, folder: &str, name: &str) -> Outcome {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let file = target.join("wasm32-unknown-unknown/wasm").join(file).display().to_string();
    let to = root().join(folder).display().to_string();
    cargo(&["run", "--locked", "-q", "-p", "latchkey-glue", "--", &file, &to, name])
}

/// The exercise of `docs/plugins.md`.
pub(crate) fn example() -> Outcome {
    compile(&["-p", "latchkey-client", "--example", "exercise"])?;
    glue("examples/exercise.wasm", "target/web/exercise", "exercise")
}

/// Texts of panics name files; nobody needs to know where on this machine they were.
fn without_folders() -> String {
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let home = home.unwrap_or_default();
    format!("--remap-path-prefix={}=. --remap-path-prefix={home}/registry/src=.", root().display())
}

/// The SDK as a JavaScript module, in `client-wasm/npm/dist`: ready to be packed and to be served.
pub(crate) fn module() -> Outcome {
    tools::npm_packages(MODULE)?;
    build("latchkey-module", &format!("{MODULE}/glue"), "latchkey")?;
    node(MODULE, &["run", "build"])
}

/// What pages of the demo load: the laboratory, packages from npm, and SCORM packages.
pub(crate) fn web() -> Outcome {
    tools::npm_packages("demo")?;
    for lesson in ["tides", "places"] {
        scorm(lesson)?;
    }
    build("latchkey-lab", "target/web/lab", "lab")
}

/// A lesson of the demo as a SCORM package: its own files, and those that all lessons share.
fn scorm(lesson: &str) -> Outcome {
    let out = format!("target/web/scorm/{lesson}.zip");
    let own = ["imsmanifest.xml", "index.html", "pages.js"];
    let own = own.map(|name| format!("demo/scorm/{lesson}/{name}"));
    let shared = ["lesson.css", "lesson.js"].map(|name| format!("demo/scorm/lesson/{name}"));
    let wrapper =
        "scorm-wrapper.js=demo/node_modules/pipwerks-scorm-api-wrapper/index.js".to_owned();
    let mut args =
        vec!["run", "--locked", "-q", "-p", "latchkey-package", "--example", "pack", "--"];
    args.push(&out);
    args.extend(own.iter().chain(&shared).map(String::as_str));
    args.push(&wrapper);
    cargo(&args)
}

/// The module again, and whether it is small enough.
pub(crate) fn test() -> Outcome {
    module()?;
    let mut sum = 0;
    for name in ["latchkey.js", "latchkey_bg.wasm"] {
        let size = gzip(&root().join(MODULE).join("dist").join(name))?;
        say(&format!("{name}: {size} bytes gzip"));
        sum += size;
    }
    if sum > BUDGET {
        return Err(format!(
            "together {sum} bytes gzip: {} above the {BUDGET} allowed",
            sum - BUDGET
        ));
    }
    say(&format!("together {sum} of {BUDGET} bytes gzip"));
    Ok(())
}

fn gzip(file: &Path) -> Result<usize, String> {
    let mut gzip = Command::new("gzip");
    gzip.arg("-9c").arg(file).stdout(Stdio::piped());
    match gzip.output() {
        Ok(output) if output.status.success() => Ok(output.stdout.len()),
        Ok(output) => Err(format!("gzip {}: {}", file.display(), output.status)),
        Err(error) => Err(format!("gzip cannot be started: {error}")),
    }
}
