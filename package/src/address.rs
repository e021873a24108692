//! From an address in a manifest to a file of the package, and to the address that a browser is given.

use crate::{PackageError, name};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may stand in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest address, with all that is joined to it.
const MAX_ADDRESS: usize = 4000;

/// A file of the package and how it is launched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The file, below the package's folder.
    pub(crate) file: String,
    /// Its address there, with query and fragment.
    pub(crate) href: String,
}

/// Joins the bases of a manifest, a resource's `href` and an item's `parameters` (SCORM 2004 CAM, section 3.4.1.6).
pub(crate) fn launch(bases: &[&str], href: &str, parameters: &str) -> Result<Launch, PackageError> {
    let whole = format!("{}{href}", bases.concat()).replace('\\', "/");
    let outside = || PackageError::Outside(whole.clone());
    if whole.len() > MAX_ADDRESS || parameters.len() > MAX_ADDRESS {
        return Err(outside());
    }
    let (address, fragment) = split(&whole, '#');
    let (path, query) = split(address, '?');
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| outside())?;
        match part.as_ref() {
            "." => {}
            ".." => drop(parts.pop().ok_or_else(outside)?),
            part if name::is_part(part) && !part.contains(['/', '\\']) => {
                parts.push(part.to_owned());
            }
            _ => return Err(outside()),
        }
    }
    if parts.is_empty() {
        return Err(outside());
    }
    let encoded: Vec<String> =
        parts.iter().map(|part| utf8_percent_encode(part, PLAIN).to_string()).collect();
    let more = parameters.trim();
    let (more, anchor) = split(more, '#');
    let more = more.trim_start_matches(['?', '&']);
    let query = [query, more].into_iter().filter(|part| !part.is_empty());
    let query = query.collect::<Vec<_>>().join("&");
    let fragment = if fragment.is_empty() { anchor } else { fragment };
    let mut href = encoded.join("/");
    for (mark, text) in [('?', query.as_str()), ('#', fragment)] {
        if !text.is_empty() {
            href.push(mark);
            href.push_str(text);
        }
    }
    Ok(Launch { file: parts.join("/"), href })
}

fn split(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn href(bases: &[&str], href: &str, parameters: &str) -> String {
        launch(bases, href, parameters).map_or_else(|error| error.to_string(), |launch| launch.href)
    }

    #[test]
    fn addresses_are_joined() {
        assert_eq!(href(&[], "index.html", ""), "index.html");
        assert_eq!(href(&["content/", "one/"], "./a b.html", "?x=1"), "content/one/a%20b.html?x=1");
        assert_eq!(href(&[], "a.html?x=1#top", "&y=2"), "a.html?x=1&y=2#top");
        assert_eq!(href(&[], "a.html", "#top"), "a.html#top");
        assert_eq!(href(&["deep/er/"], "../a.html", ""), "deep/a.html");
        assert_eq!(href(&[], "%C3%BCben\\eins.html", ""), "%C3%BCben/eins.html");
        assert_eq!(launch(&[], "%C3%BC.html", "").unwrap().file, "ü.html");
    }

    #[test]
    fn addresses_that_lead_out_of_the_package() {
        for bad in [
            "",
            "/a.html",
            "//evil.example/a",
            "https://evil.example/",
            "javascript:alert(1)",
            "../a.html",
            "a/../../b",
            "%2e%2e/a",
            "a%2f..%2f..%2fb",
            "c:/a",
            "a%00b",
            "a%0ab",
            "%ff",
            "..\\a",
            "\\\\host\\a",
            "a//b",
            "?x",
            "#x",
        ] {
            let found = launch(&[], bad, "");
            assert!(matches!(found, Err(PackageError::Outside(_))), "{bad:?}: {found:?}");
        }
        assert!(launch(&["https://evil.example/"], "a.html", "").is_err());
        assert!(launch(&["../"], "a.html", "").is_err());
        assert!(launch(&[], &"x/".repeat(3000), "").is_err());
    }
}
