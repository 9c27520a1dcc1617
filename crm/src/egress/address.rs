//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

/// IPv4 that is not the public internet: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast (RFC 5771)
/// and one address of a cloud's own that lies in public space.
const REFUSED_V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT"), // and Alibaba Cloud's metadata, 100.100.100.200
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"), // and the clouds' metadata, 169.254.169.254
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 88, 99, 0, 24), "6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),            // and broadcast
    (v4(168, 63, 129, 16, 32), "cloud platform"), // Azure's wire server
];

/// IPv6 by name: the IANA IPv6 Special-Purpose Address Registry. What carries an IPv4 address inside is refused whole:
/// the inner address may be private, and a public host has no need of it.
const REFUSED_V6: [(Ipv6Net, &str); 14] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "IPv4-mapped"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "IPv4-compatible"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments"), // and Teredo
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"), // and metadata, fd00:ec2::254
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// The only IPv6 that is assigned as global unicast (IANA, "IPv6 Global Unicast Address Assignments").
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// An address that may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not on the public internet ({range}), nor in a network that feed.allowed_networks names")]
pub struct RefusedAddress {
    /// The address.
    pub address: IpAddr,
    /// What it belongs to, in words.
    pub range: &'static str,
}

/// A URL that may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// Neither https nor, where the operator allows it, http.
    #[error("the address begins with {0}://, not https://")]
    Scheme(String),
    /// There is no host in it.
    #[error("the address has no host")]
    NoHost,
    /// A user name or password, which logs would show.
    #[error("the address carries a user name or password")]
    Credentials,
    /// The host is an address that may not be called.
    #[error(transparent)]
    Address(#[from] RefusedAddress),
}

/// Which addresses may be called: the public internet over https, and what the operator adds.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressPolicy {
    /// Networks that may be called although they are not public (`10.20.0.0/16`: the operator's own CRM, say). An
    /// address is compared as it is: `127.0.0.0/8` does not allow `::ffff:127.0.0.1`.
    pub allowed_networks: Vec<IpNet>,
    /// Whether `http://` may be called. Bodies then travel readable; signatures still hold.
    pub plain_http: bool,
}

impl AddressPolicy {
    /// Whether one address may be called.
    pub fn judge(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        if self.allowed_networks.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        match refused_range(address) {
            Some(range) => Err(RefusedAddress { address, range }),
            None => Ok(()),
        }
    }

    /// Whether a URL may be called, as far as it can be told without resolving its name. The parser has already read
    /// `0x7f.1`, `2130706433` and the like as the addresses they are (WHATWG URL, "host parsing").
    pub fn judge_url(&self, url: &Url) -> Result<(), RefusedUrl> {
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            scheme => return Err(RefusedUrl::Scheme(scheme.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::Credentials);
        }
        match url.host().ok_or(RefusedUrl::NoHost)? {
            Host::Ipv4(address) => Ok(self.judge(address.into())?),
            Host::Ipv6(address) => Ok(self.judge(address.into())?),
            Host::Domain(_) => Ok(()), // judged when it is resolved
        }
    }
}

fn refused_range(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, name)| *name),
        IpAddr::V6(address) => REFUSED_V6
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map(|(_, name)| *name)
            .or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some("not global unicast")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_be_called() {
        for (address, expected) in [
            ("8.8.8.8", None),
            ("1.1.1.1", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("223.255.255.255", None),
            ("2606:4700:4700::1111", None),
            ("2a00:1450:4001:81b::200e", None),
            ("0.0.0.0", Some("this network")),
            ("0.1.2.3", Some("this network")),
            ("10.0.0.1", Some("private")),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("192.168.1.1", Some("private")),
            ("100.64.0.1", Some("carrier-grade NAT")),
            ("100.100.100.200", Some("carrier-grade NAT")),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("169.254.169.254", Some("link-local")),
            ("168.63.129.16", Some("cloud platform")),
            ("192.0.0.170", Some("protocol assignments")),
            ("192.0.2.1", Some("documentation")),
            ("198.19.255.255", Some("benchmarking")),
            ("224.0.0.1", Some("multicast")),
            ("239.255.255.250", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("reserved")),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::127.0.0.1", Some("IPv4-compatible")),
            ("::ffff:127.0.0.1", Some("IPv4-mapped")),
            ("::ffff:8.8.8.8", Some("IPv4-mapped")),
            ("64:ff9b::a9fe:a9fe", Some("NAT64")),
            ("64:ff9b:1::1", Some("NAT64")),
            ("100::1", Some("discard")),
            ("2001::1", Some("protocol assignments")),
            ("2001:db8::1", Some("documentation")),
            ("2002:7f00:1::", Some("6to4")),
            ("3fff::1", Some("documentation")),
            ("4000::1", Some("not global unicast")),
            ("fd00:ec2::254", Some("unique local")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("not global unicast")),
            ("ff02::1", Some("multicast")),
        ] {
            let judged = AddressPolicy::default().judge(address.parse().unwrap());
            assert_eq!(judged.err().map(|refused| refused.range), expected, "{address}");
        }
    }

    #[test]
    fn what_the_operator_allows() {
        let policy = AddressPolicy { allowed_networks: vec!["10.20.0.0/16".parse().unwrap()], plain_http: false };
        for (address, allowed) in [("10.20.3.4", true), ("10.21.0.1", false), ("::ffff:10.20.3.4", false)] {
            assert_eq!(policy.judge(address.parse().unwrap()).is_ok(), allowed, "{address}");
        }
    }

    #[test]
    fn urls() {
        let loopback = RefusedUrl::Address(RefusedAddress { address: Ipv4Addr::LOCALHOST.into(), range: "loopback" });
        for (url, expected) in [
            ("https://crm.example/hook", Ok(())),
            ("https://1.1.1.1:8443/hook", Ok(())),
            ("http://crm.example/hook", Err(RefusedUrl::Scheme("http".into()))),
            ("file:///etc/passwd", Err(RefusedUrl::Scheme("file".into()))),
            ("https://user@crm.example/", Err(RefusedUrl::Credentials)),
            ("https://:secret@crm.example/", Err(RefusedUrl::Credentials)),
            ("https://127.0.0.1/", Err(loopback.clone())),
            ("https://2130706433/", Err(loopback.clone())),
            ("https://0x7f.1/", Err(loopback.clone())),
            ("https://0177.0.0.1/", Err(loopback.clone())),
            ("https://127.0.0.1./", Err(loopback)),
        ] {
            assert_eq!(AddressPolicy::default().judge_url(&Url::parse(url).unwrap()), expected, "{url}");
        }
        for url in ["https://[::1]/", "https://[::ffff:7f00:1]/", "https://[fe80::1]/", "https://[64:ff9b::7f00:1]/"] {
            let judged = AddressPolicy::default().judge_url(&Url::parse(url).unwrap());
            assert!(matches!(judged, Err(RefusedUrl::Address(_))), "{url}");
        }
        let plain = AddressPolicy { plain_http: true, ..AddressPolicy::default() };
        assert_eq!(plain.judge_url(&Url::parse("http://crm.example/hook").unwrap()), Ok(()));
        assert!(plain.judge_url(&Url::parse("http://169.254.169.254/latest/meta-data").unwrap()).is_err());
    }

    proptest! {
        /// The standard library's own classes, which are written differently, never disagree towards danger.
        #[test]
        fn nothing_that_the_standard_library_calls_internal_is_allowed(bits: u32, wide: u128) {
            let four = Ipv4Addr::from(bits);
            if four.is_private() || four.is_loopback() || four.is_link_local() || four.is_multicast()
                || four.is_broadcast() || four.is_documentation() || four.is_unspecified() {
                prop_assert!(AddressPolicy::default().judge(four.into()).is_err());
            }
            prop_assert!(AddressPolicy::default().judge(four.to_ipv6_mapped().into()).is_err());
            let six = Ipv6Addr::from(wide);
            if six.is_loopback() || six.is_multicast() || six.is_unique_local() || six.is_unicast_link_local() {
                prop_assert!(AddressPolicy::default().judge(six.into()).is_err());
            }
        }
    }
}
