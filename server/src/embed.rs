//! A key in a page: the inert block that carries it, the headers of such a page, and the checks of
//! the address that renews it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use thiserror::Error;

/// What the block of a page says.
#[derive(Clone, Debug, Serialize)]
pub struct Block<'a> {
    /// The launch token.
    pub token: &'a str,
    /// Origin of the Latchkey server; `None` if it is the page's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// Address of the page's own site that renews the key; `None` for no renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew: Option<&'a str>,
}

impl Block<'_> {
    /// The block as HTML. No text in it can end the block or begin another: `<`, `>`, `&` and the line
    /// separators that JavaScript once stumbled over are written as JSON escapes.
    ///
    /// # Errors
    /// Never, for texts; the type of serde_json.
    pub fn html(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string(self)?;
        let mut html = String::with_capacity(json.len() + 80);
        html.push_str("<script type=\"application/json\" data-latchkey>");
        for c in json.chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    html.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                _ => html.push(c),
            }
        }
        html.push_str("</script>");
        Ok(html)
    }
}

/// Headers of a page that carries a key: kept nowhere, told nobody, framed by its own site only, and
/// running the scripts that bear its nonce. `endpoint` is the origin of the Latchkey server where
/// that is not the page's own.
///
/// # Errors
/// [`BadHeader`], if `nonce` or `endpoint` cannot stand in a header.
pub fn page_headers(nonce: &str, endpoint: Option<&str>) -> Result<HeaderMap, BadHeader> {
    let endpoint = endpoint.map(|origin| format!(" {origin}")).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'self'{endpoint}; \
         connect-src 'self'{endpoint}; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    );
    if nonce.contains(['\'', ';', ' ']) || endpoint.contains([';', '\'', ',']) {
        return Err(BadHeader);
    }
    let policy = HeaderValue::from_str(&policy).map_err(|_| BadHeader)?;
    let fixed = |text| HeaderValue::from_static(text);
    Ok(HeaderMap::from_iter([
        (header::CACHE_CONTROL, fixed("no-store")),
        (header::REFERRER_POLICY, fixed("strict-origin-when-cross-origin")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::CONTENT_SECURITY_POLICY, policy),
    ]))
}

/// A text that cannot stand in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a nonce or an origin with characters that end a header's value")]
pub struct BadHeader;

/// The header by which a renewal shows that a script of the page sent it, not a form elsewhere.
pub const RENEW_HEADER: HeaderName = HeaderName::from_static("latchkey-renew");

/// Why a renewal is refused before anybody looks at the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RenewalRefusal {
    /// Sent from another site.
    #[error("not sent by a page of this site")]
    ForeignPage,
    /// Without [`RENEW_HEADER`].
    #[error("the header Latchkey-Renew is missing")]
    NoHeader,
}

/// Whether a renewal was sent by a script of a page of `site` (its origin). What remains for the
/// host: that the login holds, that the user may still do the activity, and to end the key replaced.
///
/// # Errors
/// [`RenewalRefusal`]; answer it with 403.
pub fn check_renewal(headers: &HeaderMap, site: &str) -> Result<(), RenewalRefusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let own = match text("sec-fetch-site") {
        Some(from) => from == "same-origin",
        // Browsers before 2023 send none; all send Origin with a POST.
        None => text("origin") == Some(site),
    };
    if !own {
        return Err(RenewalRefusal::ForeignPage);
    }
    match text(RENEW_HEADER.as_str()) {
        Some("1") => Ok(()),
        _ => Err(RenewalRefusal::NoHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hostile() -> impl Strategy<Value = String> {
        let bits = prop_oneof![
            Just("</script>".to_owned()),
            Just("<!--".to_owned()),
            Just("<script".to_owned()),
            Just("]]>".to_owned()),
            Just("\u{2028}\"'\\&amp;".to_owned()),
            any::<String>(),
        ];
        proptest::collection::vec(bits, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_breaks_out_of_the_block(token in hostile(), endpoint in hostile(), renew in hostile()) {
            let block = Block { token: &token, endpoint: Some(&endpoint), renew: Some(&renew) };
            let html = block.html().unwrap();
            let inner = html.strip_prefix("<script type=\"application/json\" data-latchkey>").unwrap();
            let inner = inner.strip_suffix("</script>").unwrap();
            let broken = inner.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!broken);
            let read: serde_json::Value = serde_json::from_str(inner).unwrap();
            prop_assert_eq!(read["token"].as_str(), Some(token.as_str()));
            prop_assert_eq!(read["endpoint"].as_str(), Some(endpoint.as_str()));
            prop_assert_eq!(read["renew"].as_str(), Some(renew.as_str()));
        }
    }

    #[test]
    fn what_is_absent_is_not_written() {
        let block = Block { token: "t", endpoint: None, renew: None };
        assert!(block.html().unwrap().contains(">{\"token\":\"t\"}<"));
    }

    #[test]
    fn headers_name_nonce_and_endpoint() {
        let headers = page_headers("abc", Some("https://latch.example")).unwrap();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("'nonce-abc'")
                && policy.contains("connect-src 'self' https://latch.example;")
        );
        assert!(policy.contains("frame-ancestors 'self'"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(page_headers("a; script-src *", None), Err(BadHeader));
        assert_eq!(page_headers("a", Some("https://x; script-src *")), Err(BadHeader));
    }

    fn renewal(headers: &[(&'static str, &'static str)]) -> Result<(), RenewalRefusal> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        check_renewal(&headers.collect(), "https://school.example")
    }

    #[test]
    fn only_a_script_of_the_site_renews() {
        let ours = ("latchkey-renew", "1");
        assert_eq!(renewal(&[("sec-fetch-site", "same-origin"), ours]), Ok(()));
        assert_eq!(renewal(&[("origin", "https://school.example"), ours]), Ok(()));
        for from in ["same-site", "cross-site", "none"] {
            let headers = [("sec-fetch-site", from), ("origin", "https://school.example"), ours];
            assert_eq!(renewal(&headers), Err(RenewalRefusal::ForeignPage), "{from}");
        }
        assert_eq!(
            renewal(&[("origin", "https://evil.example"), ours]),
            Err(RenewalRefusal::ForeignPage)
        );
        assert_eq!(renewal(&[ours]), Err(RenewalRefusal::ForeignPage));
        assert_eq!(renewal(&[("sec-fetch-site", "same-origin")]), Err(RenewalRefusal::NoHeader));
    }
}
