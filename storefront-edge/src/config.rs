//! Command line and environment.

use std::str::FromStr;

use storefront_service::ListenArgs;
use storefront_tls::InventoryTlsArgs;
use storefront_types::Region;

/// An edge: cached catalog pages and data, and checkouts routed to the inventory's leader.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "storefront-edge", version)]
pub struct Config {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Region of this edge
    #[arg(long, env = "REGION")]
    pub region: Region,
    /// host:port of the catalog
    #[arg(long, env = "CATALOG")]
    pub catalog: String,
    /// orders instances: REGION=HOST:PORT, separated by commas
    #[arg(long, env = "ORDERS", value_delimiter = ',', required = true)]
    pub orders: Vec<RegionAddress>,
    /// inventory nodes: REGION=HOST:PORT, separated by commas
    #[arg(long, env = "INVENTORY", value_delimiter = ',', required = true)]
    pub inventory: Vec<RegionAddress>,
    #[command(flatten)]
    pub inventory_tls: InventoryTlsArgs,
    /// Bytes of the cache in this process
    #[arg(long, env = "CACHE_BYTES", default_value_t = 64 * 1024 * 1024)]
    pub cache_bytes: u64,
    /// Requests served at once; more are told to come back
    #[arg(long, env = "MAX_REQUESTS", default_value_t = 20_000)]
    pub max_requests: usize,
}

/// An address in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionAddress {
    pub region: Region,
    pub address: String,
}

impl FromStr for RegionAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (region, address) = text.split_once('=').ok_or_else(|| format!("{text:?} is not REGION=HOST:PORT"))?;
        let region = region.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { region, address: address.to_owned() })
    }
}
