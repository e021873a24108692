//! The place in a Markdown file where the tables of a run stand.

use crate::store::Kind;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Between these lines a file takes the tables of a new run.
fn marks(kind: Kind) -> [&'static str; 2] {
    match kind {
        Kind::Sqlite => ["<!-- bench: begin -->", "<!-- bench: end -->"],
        Kind::Postgres => ["<!-- bench postgres: begin -->", "<!-- bench postgres: end -->"],
    }
}

/// Puts `tables` between the two marks of the file at `path`, or makes the file of them.
pub(crate) fn write(path: &Path, kind: Kind, tables: &str) -> Result<()> {
    let name = || path.display().to_string();
    let [begin, end] = marks(kind);
    let old = if path.exists() {
        fs::read_to_string(path).with_context(name)?
    } else {
        format!("{begin}\n{end}\n")
    };
    fs::write(path, between(&old, kind, tables).with_context(name)?).with_context(name)
}

fn between(old: &str, kind: Kind, tables: &str) -> Result<String> {
    let [begin, end] = marks(kind);
    let (Some((before, _)), Some((_, after))) = (old.split_once(begin), old.split_once(end)) else {
        bail!("no lines {begin} and {end}");
    };
    Ok(format!("{before}{begin}\n{tables}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_replace_tables_and_nothing_else() {
        for (kind, other) in [(Kind::Sqlite, Kind::Postgres), (Kind::Postgres, Kind::Sqlite)] {
            let ([begin, end], [from, to]) = (marks(kind), marks(other));
            let rest = format!("{from}\nkept\n{to}\nrest\n");
            let old = format!("# A\n{begin}\nold\n{end}\n{rest}");
            let new = between(&old, kind, "new\n").unwrap();
            assert_eq!(new, format!("# A\n{begin}\nnew\n{end}\n{rest}"));
            assert!(between("# A\n", kind, "new").is_err());
        }
    }
}
