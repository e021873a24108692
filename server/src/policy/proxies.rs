//! Where a request comes from when a proxy brings it.
//!
//! Proxies append, so the list of a header is read from its right end: whatever stands left of the first
//! address that is not a trusted proxy's was written by somebody we do not know.

use super::Networks;
use crate::config::ProxyHeader;
use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies that are believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Where they are.
    pub trusted: Networks,
    /// What they write.
    pub header: ProxyHeader,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address. `None` if a trusted proxy does not give it: taking the proxy's own for it would let
    /// anybody behind that proxy into the networks in which proxies stand.
    pub address: Option<IpAddr>,
    /// Whether it speaks TLS, to us or to the proxy it reached.
    pub https: bool,
}

/// One station of a request, as the proxy behind it saw it.
#[derive(Debug, PartialEq, Eq)]
struct Station {
    address: Option<IpAddr>,
    https: bool,
}

impl Proxies {
    /// Who asks, over a connection from `peer` that is TLS or not.
    pub fn client(&self, peer: Option<IpAddr>, own_tls: bool, headers: &HeaderMap) -> Client {
        let direct = Client { address: peer.map(|peer| peer.to_canonical()), https: own_tls };
        if !direct.address.is_some_and(|peer| self.trusted.contains(peer)) {
            return direct;
        }
        let stations = match self.header {
            ProxyHeader::XForwardedFor => x_forwarded(headers),
            ProxyHeader::Forwarded => forwarded(headers),
        };
        let mut client = direct;
        if stations.is_empty() && self.header == ProxyHeader::XForwardedFor {
            client.https = proto(headers).unwrap_or(own_tls);
        }
        for station in stations.into_iter().rev() {
            client = Client { address: station.address, https: station.https };
            if !client.address.is_some_and(|address| self.trusted.contains(address)) {
                break;
            }
        }
        client
    }
}

/// Whether `X-Forwarded-Proto` says `https`, if it says anything. It is one word for all stations: where
/// proxies have made it a list, each must say so.
fn proto(headers: &HeaderMap) -> Option<bool> {
    let mut protos = items(headers, &PROTO).peekable();
    protos.peek()?;
    Some(protos.all(|proto| proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))))
}

/// The stations of `X-Forwarded-For`, the nearest last.
fn x_forwarded(headers: &HeaderMap) -> Vec<Station> {
    // Where the proxy does not say how it was reached, it is not known to be TLS.
    let https = proto(headers).unwrap_or(false);
    let address = |item: Option<&str>| item.and_then(address);
    items(headers, &FOR).map(|item| Station { address: address(item), https }).collect()
}

/// The items of a list, over all its lines; `None` for what is no text.
fn items<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    headers.get_all(name).iter().flat_map(|line| {
        let text = line.to_str().ok();
        let items = text.unwrap_or_default().split(',');
        items.map(move |item| text.is_some().then_some(item.trim()))
    })
}

/// The stations of `Forwarded` (RFC 7239), the nearest last. A line that is none is one unknown station.
fn forwarded(headers: &HeaderMap) -> Vec<Station> {
    let unknown = || vec![Station { address: None, https: false }];
    let lines = headers.get_all(header::FORWARDED).iter();
    lines
        .flat_map(|line| line.to_str().ok().and_then(forwarded_line).unwrap_or_else(unknown))
        .collect()
}

fn forwarded_line(line: &str) -> Option<Vec<Station>> {
    let mut stations = Vec::new();
    for element in split(line, ',')? {
        let mut station = Station { address: None, https: false };
        let (mut has_for, mut has_proto) = (false, false);
        for pair in split(element, ';')? {
            let Some((name, value)) = pair.split_once('=') else {
                // RFC 9110 allows empty elements and pairs; anything else is none of ours.
                if pair.trim().is_empty() {
                    continue;
                } else {
                    return None;
                };
            };
            let value = unquoted(value.trim())?;
            // Twice the same name says two things.
            match name.trim().to_ascii_lowercase().as_str() {
                "for" if std::mem::replace(&mut has_for, true) => return None,
                "proto" if std::mem::replace(&mut has_proto, true) => return None,
                "for" => station.address = address(&value),
                "proto" => station.https = value.eq_ignore_ascii_case("https"),
                _ => {}
            }
        }
        stations.push(station);
    }
    Some(stations)
}

/// Splits at `separator`, but not inside quotes; `None` if a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    (!quoted).then_some(parts)
}

/// A token, or what stands in quotes.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '"' => return None,
            _ => plain.push(c),
        }
    }
    Some(plain)
}

/// An address with or without a port, IPv6 with a port in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|both| both.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const PEER: &str = "10.0.0.1";

    fn proxies(header: ProxyHeader) -> Proxies {
        let trusted = Networks::read(&["10.0.0.0/8".into(), "fd00::/8".into()]).unwrap();
        Proxies { trusted, header }
    }

    /// Who a request from `peer` with these lines is from, and whether by TLS.
    fn client(peer: &str, header: ProxyHeader, lines: &[(&'static str, &str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(*name, value);
        }
        let client = proxies(header).client(Some(peer.parse().unwrap()), false, &headers);
        let address = client.address.map_or("nobody".into(), |address| address.to_string());
        (address, client.https)
    }

    fn by_for(peer: &str, value: &str) -> String {
        client(peer, ProxyHeader::XForwardedFor, &[("x-forwarded-for", value)]).0
    }

    fn by_forwarded(value: &str) -> (String, bool) {
        client(PEER, ProxyHeader::Forwarded, &[("forwarded", value)])
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(by_for("192.0.2.9", "203.0.113.7"), "192.0.2.9");
        assert_eq!(by_for("::ffff:192.0.2.9", "203.0.113.7"), "192.0.2.9");
        assert_eq!(by_for(PEER, "203.0.113.7"), "203.0.113.7");
        assert_eq!(by_for("::ffff:10.0.0.1", "203.0.113.7"), "203.0.113.7");
        assert_eq!(client(PEER, ProxyHeader::XForwardedFor, &[]).0, PEER);
    }

    #[test]
    fn the_rightmost_untrusted_address_counts() {
        for (value, found) in [
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1,203.0.113.7 , 10.9.9.9,fd00::5", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("unknown, 203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(by_for(PEER, value), found, "{value}");
        }
        let lines = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(client(PEER, ProxyHeader::XForwardedFor, &lines).0, "203.0.113.7");
    }

    #[test]
    fn what_cannot_be_read_is_nobody_and_not_the_proxy() {
        for value in [
            "unknown",
            "_hidden",
            "203.0.113.7, unknown",
            "203.0.113.7, _hidden, 10.0.0.2",
            "203.0.113.7,",
            "",
            "203.0.113.999",
            "fe80::1%eth0",
            "203.0.113.7 203.0.113.8",
            "\u{e4}",
        ] {
            assert_eq!(by_for(PEER, value), "nobody", "{value}");
        }
    }

    #[test]
    fn forwarded_by_its_rules() {
        for (value, found, https) in [
            ("for=203.0.113.7", "203.0.113.7", false),
            ("For=\"203.0.113.7:80\";Proto=HTTPS;by=_x", "203.0.113.7", true),
            ("for=\"[2001:db8:cafe::17]:4711\"; proto=https", "2001:db8:cafe::17", true),
            ("for=1.1.1.1;proto=https, for=203.0.113.7;proto=http", "203.0.113.7", false),
            ("for=203.0.113.7;proto=https,for=10.0.0.2;proto=http", "203.0.113.7", true),
            ("for=203.0.113.7;host=\"a,b;for=1.1.1.1\"", "203.0.113.7", false),
            ("for=203.0.113.7;host=\"a\\\",for=1.1.1.1\"", "203.0.113.7", false),
            ("for=\"_gazonk\";proto=https", "nobody", true),
            ("for=unknown", "nobody", false),
            ("proto=https", "nobody", true),
            ("for=203.0.113.7;for=203.0.113.8", "nobody", false),
            ("for=203.0.113.7, for=\"203.0.113.8", "nobody", false),
            ("for=203.0.113.7, nonsense", "nobody", false),
            ("for=2001:db8::1\"", "nobody", false),
        ] {
            assert_eq!(by_forwarded(value), (found.to_owned(), https), "{value}");
        }
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_is_not_looked_at() {
        let both = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=1.1.1.1;proto=https")];
        let found = client(PEER, ProxyHeader::XForwardedFor, &both);
        assert_eq!(found, ("203.0.113.7".to_owned(), false));
        let found = client(PEER, ProxyHeader::Forwarded, &both);
        assert_eq!(found, ("1.1.1.1".to_owned(), true));
    }

    #[test]
    fn every_word_for_the_protocol_must_be_https() {
        for (value, https) in
            [("https", true), ("HTTPS", true), ("http", false), ("https, http", false), ("", false)]
        {
            let lines = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", value)];
            assert_eq!(client(PEER, ProxyHeader::XForwardedFor, &lines).1, https, "{value}");
        }
        // A stranger's word is none, and silence is not yes.
        let lines = [("x-forwarded-proto", "https")];
        assert!(!client("192.0.2.9", ProxyHeader::XForwardedFor, &lines).1);
        assert!(client(PEER, ProxyHeader::XForwardedFor, &lines).1);
        let headers = HeaderMap::from_iter([(FOR, HeaderValue::from_static("203.0.113.7"))]);
        let peer = Some(PEER.parse().unwrap());
        assert!(!proxies(ProxyHeader::XForwardedFor).client(peer, true, &headers).https);
        assert!(proxies(ProxyHeader::XForwardedFor).client(peer, true, &HeaderMap::new()).https);
    }

    #[test]
    fn hostile_lists_are_read_in_one_pass() {
        let long = "1.1.1.1,".repeat(50_000) + "203.0.113.7";
        assert_eq!(by_for(PEER, &long), "203.0.113.7");
        let long = "for=1.1.1.1,".repeat(50_000) + "for=203.0.113.7";
        assert_eq!(by_forwarded(&long).0, "203.0.113.7");
        let quotes = "\"".repeat(100_001);
        assert_eq!(by_forwarded(&quotes).0, "nobody");
    }
}
