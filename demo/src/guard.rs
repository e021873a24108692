//! What each request must show, and what each answer bears.

use crate::course::Widget;
use crate::site::Site;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_server::embed::{self, BadHeader};
use std::sync::Arc;

/// Whether a form was sent by a page of the site itself, not by one elsewhere that borrows the
/// user's cookie.
pub(crate) fn own_form(headers: &HeaderMap, origins: &[String]) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text("origin")) {
        (Some(from), _) => from == "same-origin",
        // Browsers before 2023 send none; all send Origin with a POST.
        (None, Some(origin)) => origins.iter().any(|own| own == origin),
        (None, None) => false,
    }
}

/// Headers of a page that carries a key for the API.
pub(crate) fn with_key(site: &Site, widget: Widget) -> Result<HeaderMap, BadHeader> {
    let nonce = nonce(site);
    let mut headers = embed::page_headers(&nonce, Some(&site.api))?;
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|text| text.to_str().ok());
    let policy = policy.ok_or(BadHeader)?;
    // The laboratory and the player of movies are WebAssembly.
    let compiling = || policy.replace("script-src ", "script-src 'wasm-unsafe-eval' ");
    let policy = match widget {
        Widget::Lab => compiling(),
        Widget::Film | Widget::Reel => {
            // The player brings its own style, and knows no nonce.
            let strict = format!("style-src 'self' 'nonce-{nonce}'");
            let styled = compiling().replace(&strict, "style-src 'self' 'unsafe-inline'");
            // Browsers look at the movie themselves before the player takes its place.
            styled.replace("object-src 'none'", "object-src 'self'")
        }
        Widget::Scorm | Widget::Aicc => format!("{policy}; frame-src {}", site.content),
        _ => policy.to_owned(),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, value(&policy)?);
    Ok(headers)
}

/// Headers of a page that stands in a frame of ours and has no origin, wherever it is opened. Where
/// there is no origin there is no `'self'`: everything is named.
pub(crate) fn sandboxed(site: &Site) -> Result<HeaderMap, BadHeader> {
    let (own, api) = (site.origins.join(" "), &site.api);
    let policy = format!(
        "sandbox allow-scripts; default-src 'none'; script-src {own} {api}; connect-src {api}; \
         style-src {own}; img-src {own} data:; base-uri 'none'; form-action 'none'; frame-ancestors {own}"
    );
    Ok(HeaderMap::from_iter([(header::CONTENT_SECURITY_POLICY, value(&policy)?)]))
}

pub(crate) fn value(policy: &str) -> Result<HeaderValue, BadHeader> {
    HeaderValue::from_str(policy).map_err(|_| BadHeader)
}

fn nonce(site: &Site) -> String {
    URL_SAFE_NO_PAD.encode(site.entropy.bytes::<16>())
}

/// Puts on every answer what the handler has not: kept nowhere, framed nowhere, running our files only.
pub(crate) async fn headers(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let answer = response.headers_mut();
    let fixed = [
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    for (name, value) in fixed {
        answer.insert(name, HeaderValue::from_static(value));
    }
    match embed::page_headers(&nonce(&site), None) {
        Ok(page) => {
            for (name, value) in &page {
                answer.entry(name).or_insert_with(|| value.clone());
            }
        }
        // A nonce is base64url, which always fits.
        Err(error) => tracing::error!(%error, "a page without its headers"),
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        own_form(&headers.collect(), &["http://127.0.0.1:1".into(), "http://localhost:1".into()])
    }

    #[test]
    fn only_forms_of_the_site() {
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(own(&[("origin", "http://localhost:1")]));
        assert!(!own(&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:1")]));
        assert!(!own(&[("sec-fetch-site", "none")]));
        assert!(!own(&[("origin", "http://localhost:2")]));
        assert!(!own(&[]));
    }
}
