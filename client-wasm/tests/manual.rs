//! `docs/plugins.md` shows the very code that is compiled here.

use std::path::Path;

#[test]
fn the_manual_shows_the_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let manual = read("../docs/plugins.md");
    for (path, language) in [("examples/exercise.rs", "rust"), ("examples/exercise.html", "html")] {
        let block = format!("```{language}\n{}```\n", read(path));
        assert!(manual.contains(&block), "docs/plugins.md does not show {path} as it is");
    }
}
