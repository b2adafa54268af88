//! Which client a request is counted for.
//!
//! Pure. `X-Forwarded-For` is believed from the right, as far as proxies of our own wrote it: what stands left of the first address that
//! is none of theirs may be anybody's invention.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Addresses looked at: our own proxies stand one behind the other a few times at most.
const MAX_FORWARDED: usize = 16;

/// A network: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let refused = || format!("{text:?} is no network: write 10.0.0.0/8, fd00::/8 or one address");
        let address: IpAddr = address.trim().parse().map_err(|_| refused())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse::<u8>).map_err(|_| refused())?;
        if prefix > longest { Err(refused()) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The client: the peer, or who the peer says it is, if it is a proxy of ours. `forwarded`: the values of `X-Forwarded-For` in order.
pub(super) fn client<'a>(peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>, ours: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| ours.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_ours(client) {
        return client;
    }
    let from_the_right = forwarded.rev().flat_map(|value| value.rsplit(',')).take(MAX_FORWARDED);
    for named in from_the_right {
        // What cannot be read was not written by a proxy of ours: the last one that can be is as far as it goes.
        let Some(address) = address(named.trim()) else { break };
        client = address.to_canonical();
        if !is_ours(client) {
            break;
        }
    }
    client
}

/// An address as proxies write it: alone, with the port it came from, and if it is of IPv6 perhaps in brackets.
fn address(named: &str) -> Option<IpAddr> {
    let in_brackets = || named.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || named.parse::<SocketAddr>().ok().map(|at| at.ip());
    named.parse().ok().or_else(with_port).or_else(in_brackets)
}

/// As one number; an IPv6 client has at least a /64 to choose its addresses from.
pub(super) fn number(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address) >> 64) << 64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(peer: &str, forwarded: &[&str]) -> String {
        let ours = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap(), "192.0.2.7".parse().unwrap()];
        client(peer.parse().unwrap(), forwarded.iter().copied(), &ours).to_string()
    }

    #[test]
    fn only_our_own_proxies_are_believed() {
        assert_eq!(asked("198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
        assert_eq!(asked("10.1.2.3", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(asked("10.1.2.3", &["1.1.1.1, 203.0.113.9", "192.0.2.7"]), "203.0.113.9", "an invented one was believed");
        assert_eq!(asked("10.1.2.3", &["203.0.113.9, nonsense"]), "10.1.2.3");
        assert_eq!(asked("fd00::1", &["2001:db8::5"]), "2001:db8::5");
        assert_eq!(asked("::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(asked("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn a_port_behind_an_address_and_brackets_around_it_are_no_part_of_it() {
        assert_eq!(asked("10.1.2.3", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(asked("10.1.2.3", &["203.0.113.9:4711, 10.0.0.9:80"]), "203.0.113.9");
        assert_eq!(asked("10.1.2.3", &["[2001:db8::5]:4711"]), "2001:db8::5");
        assert_eq!(asked("10.1.2.3", &["[2001:db8::5]"]), "2001:db8::5");
        assert_eq!(asked("10.1.2.3", &["[::ffff:203.0.113.9]:80"]), "203.0.113.9");
        for nonsense in ["203.0.113.9:", "203.0.113.9:99999", "[203.0.113.9]", "[2001:db8::5", "2001:db8::5]:80"] {
            assert_eq!(asked("10.1.2.3", &[nonsense]), "10.1.2.3", "{nonsense}");
        }
    }

    #[test]
    fn networks_are_read_or_refused() {
        for bad in ["", "10.0.0.0/33", "fd00::/129", "example.com", "10.0.0.0/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().contains("::1".parse().unwrap()));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let number = |text: &str| super::number(text.parse().unwrap());
        assert_eq!(number("2001:db8::1"), number("2001:db8::ffff:1"));
        assert_ne!(number("2001:db8::1"), number("2001:db8:0:1::1"));
        assert_ne!(number("10.0.0.1"), number("10.0.0.2"));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_does_not_change_who_it_is(invented in "[ -~]{0,60}") {
            let with = format!("{invented},203.0.113.9");
            prop_assert_eq!(asked("10.1.2.3", &[&with]), "203.0.113.9");
            prop_assert_eq!(asked("198.51.100.1", &[&with]), "198.51.100.1");
        }
    }
}
