//! `crossdomain.xml`: which movies of other domains a Flash Player lets talk to this server. None, unless the
//! operator names their domains; never all.

use crate::config::{Config, Protocol};
use crate::gate::Arrival;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use std::fmt::Write;
use std::sync::Arc;

/// Says the same as the file, and keeps a player from taking any other answer for one.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-permitted-cross-domain-policies");

/// What the file says.
#[derive(Clone, Debug)]
pub(crate) struct CrossDomain {
    file: Arc<str>,
    policies: &'static str,
}

impl CrossDomain {
    /// By the settings: closed, unless forms are open and domains are named.
    pub(crate) fn new(config: &Config) -> Self {
        let open = config.protocols.contains(&Protocol::Form);
        let domains = if open { &*config.legacy.flash_domains } else { &[] };
        // A movie that came over plain HTTP may have been changed on the way.
        let secure = config.public_url.starts_with("https:") || config.tls.is_on();
        let policies = if domains.is_empty() { "none" } else { "master-only" };
        Self { file: file_for(domains, policies, secure).into(), policies }
    }
}

fn file_for(domains: &[String], policies: &str, secure: bool) -> String {
    let mut file = format!(
        "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n  <site-control \
         permitted-cross-domain-policies=\"{policies}\"/>\n"
    );
    for domain in domains {
        // Domains were checked: there is nothing to escape. Writing to a text cannot fail.
        let _ = writeln!(file, "  <allow-access-from domain=\"{domain}\" secure=\"{secure}\"/>");
    }
    file.push_str("</cross-domain-policy>\n");
    file
}

/// Whether a text is the exact name of a domain.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The file.
pub(crate) async fn file(arrival: Arrival) -> impl IntoResponse {
    let CrossDomain { file, policies } = &arrival.in_force.crossdomain;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/x-cross-domain-policy")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HEADER, HeaderValue::from_static(policies)),
    ];
    (headers, file.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_only() {
        for good in ["films.example", "localhost", "a-b.c1.example", "xn--bcher-kva.example"] {
            assert!(is_domain(good), "{good}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for bad in [
            "",
            "*",
            "*.example",
            "films.*",
            "https://films.example",
            "films.example:80",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "films.example/",
            "a b",
            "a\"b",
            "FILMS.example",
            &long,
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }

    #[test]
    fn closed_unless_forms_are_open_and_domains_named() {
        let mut config = Config::load(None).unwrap();
        let closed = CrossDomain::new(&config);
        assert_eq!(closed.policies, "none");
        assert!(!closed.file.contains("allow-access-from"));
        config.legacy.flash_domains = vec!["films.example".into()];
        assert_eq!(CrossDomain::new(&config).file, closed.file);
        config.protocols.push(Protocol::Form);
        let open = CrossDomain::new(&config);
        assert_eq!(open.policies, "master-only");
        assert!(
            open.file.contains(r#"<allow-access-from domain="films.example" secure="false"/>"#)
        );
        config.public_url = "https://latch.example".into();
        assert!(CrossDomain::new(&config).file.contains(r#"secure="true""#));
    }
}
