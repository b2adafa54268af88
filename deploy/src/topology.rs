//! Topology files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

const THREE_REGIONS: &str = include_str!("../topologies/three-regions.toml");
const ONE_REGION: &str = include_str!("../topologies/one-region.toml");
const ONE_STORE: &str = include_str!("../topologies/one-store.toml");
const HA: &str = include_str!("../topologies/ha.toml");

/// Topologies that are known by name.
const BUILT_IN: [(&str, &str); 3] = [("three-regions", THREE_REGIONS), ("one-region", ONE_REGION), ("ha", HA)];

/// Shortest lease of a primary, in seconds: a look a second and two tries of two seconds to renew it.
const MIN_LEASE_S: u64 = 5;

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
        Ok(spec)
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
        assert!(refused("region = []\n[inventory]\nheartbeat_ms = 1\nelection_ms = 9\n").contains("1, 3 or 5 regions"));
    }
}
