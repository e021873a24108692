//! Compiles the demo's movies. What comes out is committed, since it is the same each time, and so that the demo needs
//! no compiler: `cargo run -p latchkey-movie` writes them again, and with `--check` says whether they are what their
//! sources say.

use anyhow::{Context, bail};
use rascal::{CompileOptions, FileSystemSourceProvider, ProgramBuilder, SwfOptions};
use std::path::Path;

/// A movie: its name, and its width and height in pixels.
const MOVIES: [(&str, f64, f64); 1] = [("rhone", 560.0, 520.0)];
/// Of the player that every browser had when movies like this were made.
const PLAYER: u8 = 8;

fn main() -> anyhow::Result<()> {
    let check = std::env::args().any(|word| word == "--check");
    for (name, width, height) in MOVIES {
        let movie = compiled(name, width, height)?;
        let file = folder().join(format!("{name}.swf"));
        if !check {
            std::fs::write(&file, movie)?;
        } else if std::fs::read(&file).ok().as_ref() != Some(&movie) {
            bail!("{} is not what its source says: run cargo xtask generate", file.display());
        }
    }
    Ok(())
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compiled(name: &str, width: f64, height: f64) -> anyhow::Result<Vec<u8>> {
    let sources = FileSystemSourceProvider::with_root(folder().to_owned());
    let options = CompileOptions::default().with_swf_version(PLAYER);
    let mut builder = ProgramBuilder::new(sources).with_compile_options(options);
    builder.add_script(&format!("{name}.as"));
    let program =
        builder.build().map_err(|error| anyhow::anyhow!("{}", error.to_string_plain()))?;
    // Its file lies at the site's own origin and talks to the network.
    let stage =
        SwfOptions::default().with_stage_size(0.0, 0.0, width, height).with_network_sandbox(true);
    program.compile().to_swf(&stage).with_context(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_movies_are_what_their_sources_say() {
        for (name, width, height) in MOVIES {
            let committed = std::fs::read(folder().join(format!("{name}.swf"))).unwrap();
            let fresh = compiled(name, width, height).unwrap();
            assert_eq!(fresh, compiled(name, width, height).unwrap(), "the same each time");
            assert!(committed == fresh, "{name}: run cargo xtask generate");
        }
    }
}
