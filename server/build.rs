//! Takes the WebAssembly SDK in, if `cargo xtask wasm` has built it. Without it the server builds all the same,
//! and says so to whoever asks for those files.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let dist = variable("CARGO_MANIFEST_DIR")?.join("../client-wasm/npm/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let files =
        ["latchkey.js", "framed.js", "latchkey_bg.wasm"].map(|name| (name, dist.join(name)));
    let mut list = String::from("&[");
    if files.iter().all(|(_, file)| file.is_file()) {
        for (name, file) in &files {
            list += &format!("({name:?}, include_bytes!({:?})),", file.canonicalize()?);
        }
    }
    list.push(']');
    fs::write(variable("OUT_DIR")?.join("wasm.rs"), list)
}
