//! Topology files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

const THREE_REGIONS: &str = include_str!("../topologies/three-regions.toml");
const ONE_REGION: &str = include_str!("../topologies/one-region.toml");
const ONE_STORE: &str = include_str!("../topologies/one-store.toml");
const HA: &str = include_str!("../topologies/ha.toml");

/// Topologies that are known by name.
const BUILT_IN: [(&str, &str); 3] = [("three-regions", THREE_REGIONS), ("one-region", ONE_REGION), ("ha", HA)];

/// Shortest lease of a primary, in seconds: a look a second and two tries of two seconds to renew it.
const MIN_LEASE_S: u64 = 5;

/// Round trips that are known by name.
const WAN: [(&str, u64); 3] = [("eu-us", 80), ("us-ap", 150), ("ap-eu", 220)];

/// Longest round trip: around the world over a geostationary satellite.
const MAX_ROUND_TRIP_MS: u64 = 1_000;

/// How much longer than the longest round trip the times of the consensus must be.
const HEARTBEAT_ROUND_TRIPS: u64 = 2;
const ELECTION_ROUND_TRIPS: u64 = 10;

/// Regions and timings of a topology.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub(crate) inventory: Inventory,
    /// Who takes payments.
    #[serde(default)]
    pub(crate) payments: Payments,
    /// Where PostgreSQL runs; without it, one server in the first region.
    pub(crate) postgres: Option<Replicated>,
    /// Region of the catalog; without it, the first.
    pub(crate) catalog: Option<String>,
    /// Connections between processes are led through links that can be made bad.
    #[serde(default)]
    pub(crate) links: bool,
    /// Nodes of the inventory have a disk that can be made full or fail, and a clock that can be set.
    #[serde(default)]
    pub(crate) fault_points: bool,
    /// A drill controller runs beside the others, and the edges' admin ports lead operators to it.
    #[serde(default)]
    pub(crate) drills: bool,
    /// Round trips between regions, in milliseconds, by `REGION-REGION`; they need links, and there are links.
    #[serde(default)]
    pub(crate) wan: BTreeMap<String, u64>,
    #[serde(rename = "region")]
    pub(crate) regions: Vec<RegionSpec>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inventory {
    /// Without certificates: whoever is on this machine may read and change stock.
    #[serde(default)]
    pub(crate) plaintext: bool,
    pub(crate) heartbeat_ms: u64,
    pub(crate) election_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Payments {
    /// Orders are complete without payment
    #[default]
    None,
    /// A provider of our own, with cards that decline, time out, answer late or are lost
    Sandbox,
}

/// A primary and its standbys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replicated {
    /// While the data is new, the first is the primary.
    pub(crate) regions: Vec<String>,
    /// A primary that is not heard of for so long is replaced.
    pub(crate) lease_s: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegionSpec {
    pub(crate) name: String,
    /// Its stock location.
    pub(crate) location: String,
    /// Whether it has an edge, `orders` and a Redis; without, it has a node of the inventory alone.
    #[serde(default = "yes")]
    pub(crate) storefront: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("cannot read {path}: {source}; the topologies known by name are three-regions, one-region and ha")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is no topology: {message}")]
    Malformed { path: PathBuf, message: String },
}

impl Spec {
    /// The same with an inventory that has no certificates.
    #[must_use]
    pub fn in_plaintext(mut self) -> Self {
        self.inventory.plaintext = true;
        self
    }

    /// The same with another provider of payments.
    #[must_use]
    pub fn with_payments(self, payments: Payments) -> Self {
        Self { payments, ..self }
    }

    /// The same with links between its processes.
    #[must_use]
    pub fn with_links(self) -> Self {
        Self { links: true, ..self }
    }

    /// The same with a drill controller, which operators reach at the edges' admin ports.
    #[must_use]
    pub fn with_drills(self) -> Self {
        Self { drills: true, ..self }
    }

    /// The same with disks and clocks of the inventory that can be made wrong.
    #[must_use]
    pub fn with_fault_points(self) -> Self {
        Self { fault_points: true, ..self }
    }

    /// The same with regions as far from each other as Europe, the United States and Asia are; what the topology says itself stays.
    #[must_use]
    pub fn with_wan(mut self) -> Self {
        for (pair, round_trip_ms) in WAN {
            let names: Vec<&str> = pair.split('-').collect();
            let are_there = names.iter().all(|name| self.regions.iter().any(|region| region.name == *name));
            if are_there && self.round_trip_ms(names[0], names[1]) == 0 {
                self.wan.entry(pair.to_owned()).or_insert(round_trip_ms);
            }
        }
        self.links = true;
        self.with_time_for_round_trips()
    }

    /// A heartbeat has to be there and back before the next, and an election outlasts several.
    fn with_time_for_round_trips(mut self) -> Self {
        let longest = self.wan.values().copied().max().unwrap_or_default();
        let timing = &mut self.inventory;
        timing.heartbeat_ms = timing.heartbeat_ms.max(HEARTBEAT_ROUND_TRIPS * longest);
        timing.election_ms = timing.election_ms.max(ELECTION_ROUND_TRIPS * longest).max(3 * timing.heartbeat_ms);
        self
    }

    pub(crate) fn has_links(&self) -> bool {
        self.links || !self.wan.is_empty()
    }

    /// Between two regions, and back.
    pub(crate) fn round_trip_ms(&self, one: &str, other: &str) -> u64 {
        let of = |a: &str, b: &str| self.wan.get(&format!("{a}-{b}")).copied();
        of(one, other).or_else(|| of(other, one)).unwrap_or_default()
    }

    /// The least of a storefront.
    pub(crate) fn one_region() -> Result<Self, SpecError> {
        Self::parse(ONE_REGION, Path::new("one-region.toml"))
    }

    /// One storefront with an inventory of three nodes.
    pub(crate) fn one_store() -> Result<Self, SpecError> {
        Self::parse(ONE_STORE, Path::new("one-store.toml"))
    }

    /// Regions with a storefront; they come first.
    pub(crate) fn storefronts(&self) -> &[RegionSpec] {
        let count = self.regions.iter().take_while(|region| region.storefront).count();
        &self.regions[..count]
    }

    /// The topology of that name or in that file; without either, three regions.
    pub fn read(path: Option<&Path>) -> Result<Self, SpecError> {
        let path = path.unwrap_or_else(|| Path::new(BUILT_IN[0].0));
        if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| Path::new(name) == path) {
            return Self::parse(text, path);
        }
        let unreadable = |source| SpecError::Unreadable { path: path.to_owned(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?, path)
    }

    /// Region of the catalog.
    pub(crate) fn catalog_region(&self) -> &str {
        self.catalog.as_deref().unwrap_or(&self.regions[0].name)
    }

    /// Where regions are far from each other, the leader stands beside PostgreSQL, which a checkout asks too.
    pub(crate) fn leader_region(&self) -> Option<&str> {
        let database = self.postgres.as_ref().and_then(|postgres| postgres.regions.first());
        (!self.wan.is_empty()).then(|| database.map_or(self.regions[0].name.as_str(), String::as_str))
    }

    fn parse(text: &str, path: &Path) -> Result<Self, SpecError> {
        let malformed = |message: String| SpecError::Malformed { path: path.to_owned(), message };
        let spec: Self = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let names: std::collections::BTreeSet<_> = spec.regions.iter().map(|region| &region.name).collect();
        if names.len() != spec.regions.len() || ![1, 3, 5].contains(&names.len()) {
            return Err(malformed("1, 3 or 5 regions of different names are needed, one voter in each".to_owned()));
        }
        let plain =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if let Some(region) = spec.regions.iter().find(|region| !plain(&region.name) || !plain(&region.location)) {
            return Err(malformed(format!("{:?}: names have lower-case letters, digits and '-'", region.name)));
        }
        if spec.storefronts().is_empty() || spec.regions[spec.storefronts().len()..].iter().any(|region| region.storefront) {
            return Err(malformed("regions with a storefront come first, and there is at least one".to_owned()));
        }
        if spec.inventory.election_ms < 3 * spec.inventory.heartbeat_ms {
            return Err(malformed("election_ms must be at least three times heartbeat_ms".to_owned()));
        }
        spec.check_places().map_err(malformed)?;
        spec.check_wan().map_err(malformed)?;
        Ok(spec.with_time_for_round_trips())
    }

    /// Whether round trips are between two regions that there are, told once.
    fn check_wan(&self) -> Result<(), String> {
        let names: Vec<&str> = self.regions.iter().map(|region| region.name.as_str()).collect();
        let pairs = || names.iter().flat_map(|one| names.iter().map(move |other| (*one, *other)));
        for (pair, round_trip_ms) in &self.wan {
            // Names may have a '-' of their own.
            let meant = pairs().find(|(one, other)| one != other && format!("{one}-{other}") == *pair);
            let Some((one, other)) = meant else {
                return Err(format!("wan: {pair:?} is no pair of its regions, which are {}", names.join(", ")));
            };
            if self.wan.contains_key(&format!("{other}-{one}")) {
                return Err(format!("wan: {pair:?} is there in both orders; one round trip is enough"));
            }
            if *round_trip_ms > MAX_ROUND_TRIP_MS {
                return Err(format!("wan: {pair:?} may be {MAX_ROUND_TRIP_MS} ms at most, there and back"));
            }
        }
        Ok(())
    }

    /// Whether PostgreSQL and the catalog stand in regions that there are.
    fn check_places(&self) -> Result<(), String> {
        let known = |name: &&String| self.regions.iter().any(|region| region.name == **name);
        let placed = self.postgres.iter().flat_map(|postgres| &postgres.regions).chain(&self.catalog);
        if let Some(unknown) = placed.clone().find(|name| !known(name)) {
            return Err(format!("{unknown:?} is no region of it"));
        }
        let Some(Replicated { regions, lease_s }) = &self.postgres else { return Ok(()) };
        let different: std::collections::BTreeSet<_> = regions.iter().collect();
        if different.len() != regions.len() || regions.len() < 2 || self.regions.len() < 3 {
            return Err("postgres.regions: two or more different ones, of three regions at least".to_owned());
        }
        if *lease_s < MIN_LEASE_S {
            return Err(format!("postgres.lease_s: at least {MIN_LEASE_S}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_topologies_are_good_and_bad_ones_say_where() {
        assert_eq!(Spec::one_region().unwrap().regions.len(), 1);
        assert_eq!(Spec::read(None).unwrap().regions.len(), 3);
        let store = Spec::one_store().unwrap();
        assert_eq!((store.regions.len(), store.storefronts().len()), (3, 1));
        let ha = Spec::read(Some(Path::new("ha"))).unwrap();
        assert!(ha.postgres.is_some() && !ha.postgres.unwrap().regions.contains(&"ap".to_owned()));
        assert!(Spec::read(Some(Path::new("hA"))).unwrap_err().to_string().contains("one-region and ha"));
        let refused = |text: &str| Spec::parse(text, Path::new("x.toml")).unwrap_err().to_string();
        assert!(refused("[inventory]\nheartbeat_ms = 1\nelection_ms = 9\nspeed = 3\n").contains("line 4"));
        let places = |change: &str, into: &str| refused(&HA.replace(change, into));
        assert!(places("\"us\"]", "\"uk\"]").contains("\"uk\" is no region"));
        assert!(places("\"us\"]", "\"eu\"]").contains("different ones"));
        assert!(places("lease_s = 5", "lease_s = 4").contains("at least 5"));
        let wan = |wan: &str| Spec::parse(&format!("{wan}\n{THREE_REGIONS}"), Path::new("x.toml"));
        let refused_wan = |text: &str| wan(text).unwrap_err().to_string();
        assert!(refused_wan("wan = { eu-uk = 9 }").contains("no pair of its regions, which are eu, us, ap"));
        assert!(refused_wan("wan = { eu-us = 9, us-eu = 9 }").contains("both orders"));
        assert!(refused_wan("wan = { eu-us = 1001 }").contains("1000 ms at most"));
        let far = wan("wan = { us-eu = 90 }").unwrap();
        assert!(far.has_links() && far.round_trip_ms("eu", "us") == 90 && far.round_trip_ms("eu", "ap") == 0);
        let world = far.with_wan();
        assert_eq!((Spec::read(None).unwrap().leader_region(), world.leader_region()), (None, Some("eu")));
        assert_eq!((world.round_trip_ms("eu", "us"), world.wan.len()), (90, 3), "what it says itself stays");
        assert_eq!((world.round_trip_ms("us", "ap"), world.round_trip_ms("eu", "ap")), (150, 220));
        assert_eq!((world.inventory.heartbeat_ms, world.inventory.election_ms), (440, 2_200));
        assert!(refused("region = []\n[inventory]\nheartbeat_ms = 1\nelection_ms = 9\n").contains("1, 3 or 5 regions"));
    }
}
