//! Where an entry of an archive may lie: below its folder, under a name that is one everywhere.

use std::path::PathBuf;

/// The longest part of a name, bytes, and the longest name: what file systems hold.
const MAX_PART: usize = 255;
const MAX_NAME: usize = 1000;
/// Folders in folders.
const MAX_DEPTH: usize = 32;

/// The entry's place below the package's folder; `None` for a name that leads elsewhere or cannot be one. Archives
/// made on Windows may have `\` where `/` belongs.
pub(crate) fn inside(name: &str) -> Option<PathBuf> {
    let name = name.replace('\\', "/");
    let plain = name.strip_suffix('/').unwrap_or(&name);
    let parts: Vec<&str> = plain.split('/').collect();
    let fits = plain.len() <= MAX_NAME && parts.len() <= MAX_DEPTH;
    (fits && parts.iter().all(|part| is_part(part))).then(|| parts.iter().collect())
}

/// A part of a name: no way up, no drive, nothing that a terminal or a log could take for something else.
pub(crate) fn is_part(part: &str) -> bool {
    let sign = |sign: char| sign.is_control() || sign == ':' || sign == '\u{fffd}';
    !part.is_empty()
        && part.len() <= MAX_PART
        && !matches!(part, "." | "..")
        && !part.contains(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for (name, place) in
            [("a.html", "a.html"), ("a/b c/ü.js", "a/b c/ü.js"), ("a\\b.js", "a/b.js"), ("a/", "a")]
        {
            assert_eq!(inside(name), Some(PathBuf::from(place)), "{name}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(33);
        for name in [
            "",
            "/",
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "/etc/passwd",
            "\\a",
            "..\\a",
            "C:\\a",
            "c:a",
            "a//b",
            "./a",
            "a/./b",
            "a\0b",
            "a\nb",
            "a:b",
            "\u{fffd}",
            "\\\\host\\share",
            &long,
            &deep,
        ] {
            assert_eq!(inside(name), None, "{name:?}");
        }
    }
}
