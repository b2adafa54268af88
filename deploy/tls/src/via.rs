//! Ways around: connections to an address that everybody knows are led to another one, of a link in between.
//!
//! The address that is known stays who somebody is, in the membership, in hints and in logs; only the connection goes elsewhere.

use std::{collections::BTreeMap, str::FromStr, sync::OnceLock};

/// For the whole process, which has one view of its network.
static VIA: OnceLock<BTreeMap<String, (String, u16)>> = OnceLock::new();

/// `ADVERTISED=LINK`, `host:port` each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    advertised: String,
    link: (String, u16),
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || format!("{text:?} is not HOST:PORT=HOST:PORT");
        let (advertised, link) = text.split_once('=').ok_or_else(shape)?;
        let address = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            Some((host.to_owned(), port.parse::<u16>().ok()?)).filter(|(host, _)| !host.is_empty())
        };
        address(advertised).ok_or_else(shape)?;
        Ok(Self { advertised: advertised.to_owned(), link: address(link).ok_or_else(shape)? })
    }
}

/// From now on. The first call stands.
pub(crate) fn lead(ways: Vec<Via>) {
    if !ways.is_empty() {
        VIA.get_or_init(|| ways.into_iter().map(|way| (way.advertised, way.link)).collect());
    }
}

/// Where to connect for that address.
pub(crate) fn route(host: &str, port: u16) -> (&str, u16) {
    let Some(ways) = VIA.get() else { return (host, port) };
    ways.get(&format!("{host}:{port}")).map_or((host, port), |(host, port)| (host, *port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_two_addresses_and_others_are_left_alone() {
        for bad in ["", "a:1", "a=b", "a:1=b", "a=b:1", "a:1=:2", "a:1=b:x"] {
            assert!(bad.parse::<Via>().is_err(), "{bad:?}");
        }
        lead(vec!["node:1=127.0.0.1:2".parse().unwrap()]);
        assert_eq!(route("node", 1), ("127.0.0.1", 2));
        assert_eq!(route("node", 2), ("node", 2));
    }
}
