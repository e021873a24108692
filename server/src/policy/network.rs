//! Origins of pages and networks of machines.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use thiserror::Error;

/// A set of addresses: `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, `192.168.` or a single address, of either version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// CIDR.
    Block(IpNet),
    /// From the first to the last, both included.
    Range(IpAddr, IpAddr),
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a network: write 10.0.0.0/8, 10.0.0.1-10.0.0.9, 192.168. or an address")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let text = text.trim();
        if let Ok(block) = text.parse::<IpNet>() {
            return Ok(Self::Block(block));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Block(plain(address).into()));
        }
        if let Some((first, last)) = text.split_once('-') {
            let address = |text: &str| text.trim().parse().map(plain).map_err(|_| BadNetwork);
            let (first, last): (IpAddr, IpAddr) = (address(first)?, address(last)?);
            let fits = first.is_ipv4() == last.is_ipv4() && first <= last;
            return if fits { Ok(Self::Range(first, last)) } else { Err(BadNetwork) };
        }
        prefix(text)
    }
}

/// `192.168.` means all addresses that begin so.
fn prefix(text: &str) -> Result<Network, BadNetwork> {
    let parts = text.strip_suffix('.').ok_or(BadNetwork)?;
    let bytes: Vec<u8> = parts
        .split('.')
        .map(|part| part.parse().map_err(|_| BadNetwork))
        .collect::<Result<_, _>>()?;
    if !(1..=3).contains(&bytes.len()) {
        return Err(BadNetwork);
    }
    let mut address = [0; 4];
    address[..bytes.len()].copy_from_slice(&bytes);
    let bits = u8::try_from(bytes.len() * 8).map_err(|_| BadNetwork)?;
    IpNet::new(Ipv4Addr::from(address).into(), bits).map(Network::Block).map_err(|_| BadNetwork)
}

impl Network {
    /// Its first and its last address.
    fn ends(&self) -> (IpAddr, IpAddr) {
        match self {
            Self::Block(block) => (plain(block.network()), plain(block.broadcast())),
            Self::Range(first, last) => (*first, *last),
        }
    }

    /// Whether the address is one of these. An IPv4 address in IPv6 clothes is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            Self::Block(block) => block.contains(&address),
            Self::Range(first, last) => {
                first.is_ipv4() == address.is_ipv4() && (*first..=*last).contains(&address)
            }
        }
    }
}

fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether `address` may use a key of these networks; none means any. A network that cannot be read lets
/// nobody in, and an address that is not known is in none.
pub fn network_allowed(networks: &[String], address: Option<IpAddr>) -> bool {
    networks.is_empty()
        || address.is_some_and(|address| {
            let readable = networks.iter().filter_map(|text| text.parse::<Network>().ok());
            readable.into_iter().any(|network| network.contains(address))
        })
}

/// Networks of a setting, read once: looked up by halving, however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last of each, in order and apart.
    ranges: Vec<(IpAddr, IpAddr)>,
}

impl Networks {
    /// Reads a list. Networks may overlap.
    ///
    /// # Errors
    /// Which of them is none and what to write instead. A block with bits behind its length is refused:
    /// whoever writes `10.0.0.1/8` may mean one address or sixteen million.
    pub fn read(texts: &[String]) -> Result<Self, (usize, String)> {
        let mut ranges = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let network = text.parse::<Network>().map_err(|error| (at, error.to_string()))?;
            if let Network::Block(block) = &network
                && text.contains('/')
                && block.addr() != block.network()
            {
                let (block, address) = (block.trunc(), block.addr());
                return Err((at, format!("write {block} for the network, {address} for the one")));
            }
            ranges.push(network.ends());
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let joins = next.0 <= kept.1;
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        Ok(Self { ranges })
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        let behind = self.ranges.partition_point(|(first, _)| *first <= address);
        behind > 0 && address <= self.ranges[behind - 1].1
    }

    /// Whether somebody of that address may: where none is named, anybody. An address that is not
    /// known is in none.
    pub fn allow(&self, address: Option<IpAddr>) -> bool {
        self.is_empty() || address.is_some_and(|address| self.contains(address))
    }
}

/// Whether a page of that `Origin` may use a key of these origins; none means any. A request that
/// names no origin comes from no page.
pub fn origin_allowed(origins: &[String], origin: Option<&str>) -> bool {
    origins.is_empty()
        || origin.is_some_and(|origin| origins.iter().any(|allowed| allowed == origin))
}

/// What browsers write for a page that has no origin: one in a sandboxed frame, above all. It names no page in
/// particular, so a key may carry it only if its host is configured for that.
pub const OPAQUE_ORIGIN: &str = "null";

/// An origin as browsers write it: `scheme://host[:port]`, lower case, nothing behind.
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !host.contains(['/', '?', '#', '@', ' ', '*'])
        && !text.chars().any(|c| c.is_ascii_uppercase() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(network: &str, address: &str) -> bool {
        {
            let texts = [network.to_owned()];
            let address = address.parse().unwrap();
            let allowed = network_allowed(&texts, Some(address));
            // Read once or every time: the same.
            let known = Networks::read(&texts).map(|networks| networks.allow(Some(address)));
            assert!(known.is_err() || known == Ok(allowed), "{network} {address}");
            allowed
        }
    }

    #[test]
    fn blocks_ranges_prefixes_and_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.5-10.0.0.9", "10.0.0.9", "10.0.0.10"),
            ("10.0.0.5 - 10.0.0.9", "10.0.0.5", "10.0.0.4"),
            ("192.168.", "192.168.77.1", "192.169.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("::1-::9", "::9", "::a"),
        ] {
            assert!(allowed(network, inside), "{network} {inside}");
            assert!(!allowed(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn mapped_addresses_are_what_they_map() {
        assert!(allowed("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(allowed("10.0.0.1-10.0.0.9", "::ffff:10.0.0.5"));
        assert!(!allowed("::/0", "10.0.0.1"));
    }

    #[test]
    fn nonsense_is_no_network_and_lets_nobody_in() {
        for text in
            ["", "x", "300.", "1.2.3.4.", "10.0.0.9-10.0.0.5", "::1-10.0.0.1", "10.0.0.0/33"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
            assert!(!allowed(text, "10.0.0.6"), "{text}");
        }
        assert!(network_allowed(&[], Some("10.0.0.6".parse().unwrap())));
        assert!(network_allowed(&[], None) && !network_allowed(&["0.0.0.0/0".to_owned()], None));
    }

    #[test]
    fn many_networks_are_one_look_up() {
        let mut texts: Vec<_> = (0..=255).map(|n| format!("10.{n}.0.0-10.{n}.0.9")).collect();
        texts
            .extend(["10.3.0.5-10.3.1.0", "::ffff:192.0.2.0/120", "2001:db8::/32"].map(Into::into));
        let networks = Networks::read(&texts).unwrap();
        for (address, inside) in [
            ("10.0.0.0", true),
            ("10.255.0.9", true),
            ("10.255.0.10", false),
            ("10.3.0.255", true),
            ("10.3.1.1", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("2001:db8::9", true),
            ("::", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!networks.allow(None) && Networks::default().allow(None));
    }

    #[test]
    fn a_block_with_bits_behind_its_length_is_told_the_right_one() {
        let read = |text: &str| Networks::read(&["10.".to_owned(), text.to_owned()]);
        let (at, problem) = read("10.0.0.1/8").unwrap_err();
        assert_eq!(at, 1);
        assert!(problem.contains("10.0.0.0/8"), "{problem}");
        assert!(read("2001:db8::1/32").unwrap_err().1.contains("2001:db8::/32"));
        assert!(read("10.0.0.1/32").is_ok() && read("10.0.0.0/8").is_ok());
        assert!(read("everywhere").unwrap_err().1.contains("10.0.0.0/8"));
    }

    #[test]
    fn origins_are_compared_whole() {
        let origins = ["https://a.example".to_owned()];
        assert!(origin_allowed(&origins, Some("https://a.example")));
        for other in ["https://a.example.evil", "http://a.example", "https://a.example:444", "null"]
        {
            assert!(!origin_allowed(&origins, Some(other)), "{other}");
        }
        assert!(!origin_allowed(&origins, None));
        assert!(origin_allowed(&[], None));
    }

    #[test]
    fn what_is_an_origin() {
        assert!(is_origin("http://127.0.0.1:8080") && is_origin("https://a.example"));
        for text in
            ["a.example", "https://a.example/", "https://A.example", "https://*", "null", "ftp://a"]
        {
            assert!(!is_origin(text), "{text}");
        }
    }
}
