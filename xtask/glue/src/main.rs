//! `latchkey-glue FILE.wasm FOLDER NAME`: writes `NAME.js`, its types and `NAME_bg.wasm` into the folder.
//! A program of its own, so that xtask itself has no dependency.

use anyhow::{Context, bail};
use std::path::Path;
use walrus::Module;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, folder, name] = words.as_slice() else {
        bail!("usage: latchkey-glue FILE.wasm FOLDER NAME");
    };
    // `NAMES=1` keeps the functions' names, to see what takes the room.
    let nameless = std::env::var_os("NAMES").is_none();
    Bindgen::new()
        .input_path(file)
        .out_name(name)
        .web(true)?
        .typescript(true)
        // `init()` finds the file beside itself.
        .omit_default_module_path(false)
        .remove_name_section(nameless)
        .remove_producers_section(true)
        .generate(folder)
        .with_context(|| format!("no glue for {file}"))?;
    shorten(
        &Path::new(folder).join(format!("{name}_bg.wasm")),
        &Path::new(folder).join(format!("{name}.js")),
    )
}

/// The names by which the two find each other carry a hash each, which does not compress: short ones take their place
/// in both.
fn shorten(wasm: &Path, script: &Path) -> anyhow::Result<()> {
    let mut module = Module::from_file(wasm)?;
    let mut text = std::fs::read_to_string(script)?;
    let imports = module.imports.iter_mut().map(|import| &mut import.name);
    let exports = module.exports.iter_mut().map(|export| &mut export.name);
    let hashed = imports.chain(exports).filter(|name| name.contains("__"));
    for (at, name) in hashed.enumerate() {
        let short = format!("x{at}");
        text = replaced(&text, name, &short);
        *name = short;
    }
    // Who built it interests no page.
    module.producers.clear();
    let sections: Vec<_> = module.customs.iter().map(|(id, _)| id).collect();
    sections.into_iter().for_each(|id| drop(module.customs.delete(id)));
    std::fs::write(script, text)?;
    module.emit_wasm_file(wasm)
}

/// Each whole word `name` of a script.
fn replaced(text: &str, name: &str, short: &str) -> String {
    let of_a_word = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let whole = !before.ends_with(of_a_word) && !after.starts_with(of_a_word);
        out.push_str(before);
        out.push_str(if whole { short } else { name });
        rest = after;
    }
    out.push_str(rest);
    out
}
