//! Where nothing is ever sent: addresses that are not of the public internet.
//!
//! Whoever writes a webhook's URL, or owns the name in it, must not be able to make this server
//! talk to itself, to its neighbours, or to a cloud's metadata. What counts is the address that is connected
//! to, after the name was resolved, in whatever way it was written.

use crate::policy::Networks;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether something may be sent to that address: it is public, or in one of the networks that the operator
/// allows.
pub fn is_allowed(address: IpAddr, allowed: &Networks) -> bool {
    is_public(address) || allowed.contains(address)
}

/// Whether the address is one of the public internet, by the special-purpose registries of the IANA.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Of global unicast, 2000::/3, without what tunnels to other addresses or is for documents. All
/// else is out: loopback, link-local, unique-local, multicast, and addresses with an IPv4 one inside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let tunnel_or_document = match first {
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    (0x2000..0x4000).contains(&first) && !tunnel_or_document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are() {
        for text in
            ["93.184.215.14", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "198.17.0.1"]
        {
            assert!(public(text), "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "::ffff:1.1.1.1"] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn all_others_are_not() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!public(text), "{text}");
            // The same in IPv6 clothes: mapped, compatible, NAT64, 6to4.
            assert!(!public(&format!("::ffff:{text}")), "{text}");
            assert!(!public(&format!("::{text}")), "{text}");
            assert!(!public(&format!("64:ff9b::{text}")), "{text}");
            let [a, b, c, d] = text.parse::<Ipv4Addr>().unwrap().octets();
            assert!(!public(&format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1")), "{text}");
        }
        for text in [
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fdff::1",
            "ff02::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "100::1",
            "64:ff9b:1::1",
            "fd00:ec2::254",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_allowed() {
        let allowed = Networks::read(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
        for text in ["10.1.2.3", "::ffff:10.1.2.3", "::1", "1.1.1.1"] {
            assert!(is_allowed(text.parse().unwrap(), &allowed), "{text}");
        }
        for text in ["11.1.2.3", "127.0.0.1", "::2", "169.254.169.254"] {
            assert_eq!(is_allowed(text.parse().unwrap(), &allowed), text == "11.1.2.3", "{text}");
        }
    }
}
