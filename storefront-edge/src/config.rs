//! Command line and environment.

use std::{path::PathBuf, str::FromStr, time::Duration};

use http::uri::Scheme;
use http_cache_policy::Profile;

use storefront_service::ListenArgs;
use storefront_tls::{Connector, InventoryTlsArgs, PublicTls, TlsError};
use storefront_types::Region;
use tokio_util::task::TaskTracker;

use crate::{
    door::{Door, PROTOCOLS},
    live::StreamLimits,
    protect::ProtectArgs,
    purge::PurgeArgs,
};

/// An edge: cached catalog pages and data, and checkouts routed to the inventory's leader.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "storefront-edge", version)]
pub struct Config {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Region of this edge
    #[arg(long, env = "REGION", default_value = "local")]
    pub region: Region,
    /// Serve as a plain reverse-proxy cache in front of this origin, http[s]://HOST[:PORT], instead of the shop
    #[arg(long, env = "ORIGIN", conflicts_with_all = ["catalog", "orders", "inventory"])]
    pub origin: Option<OriginUrl>,
    /// Authorities (PEM) that may have signed the certificate of an https origin; without it, those that this machine trusts
    #[arg(long, env = "ORIGIN_CA", requires = "origin")]
    pub origin_ca: Option<PathBuf>,
    /// What the cache in front of --origin may keep: by the letter of RFC 9111, or as in front of the shop (no Set-Cookie, no
    /// guessed lifetimes, no forcing by clients)
    #[arg(long, env = "PROFILE", default_value = "rfc", requires = "origin")]
    pub profile: ProfileName,
    /// host:port of the catalog
    #[arg(long, env = "CATALOG", required_unless_present = "origin", default_value = "", hide_default_value = true)]
    pub catalog: String,
    /// orders instances: REGION=HOST:PORT, separated by commas
    #[arg(long, env = "ORDERS", value_delimiter = ',', required_unless_present = "origin")]
    pub orders: Vec<RegionAddress>,
    /// inventory nodes: REGION=HOST:PORT, separated by commas
    #[arg(long, env = "INVENTORY", value_delimiter = ',', required_unless_present = "origin")]
    pub inventory: Vec<RegionAddress>,
    #[command(flatten)]
    pub inventory_tls: InventoryTlsArgs,
    /// Bytes of the cache in this process
    #[arg(long, env = "CACHE_BYTES", default_value_t = 64 * 1024 * 1024)]
    pub cache_bytes: u64,
    /// Threads that serve connections, each with its own listener; default: one for each processor
    #[arg(long, env = "WORKERS")]
    pub workers: Option<std::num::NonZeroUsize>,
    /// Connections at once; more wait in the kernel's queue
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 250_000)]
    pub max_connections: usize,
    /// Seconds after which a caller who takes nothing of an answer is cut off
    #[arg(long, env = "STALL_LIMIT_S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub stall_limit_s: u64,
    /// Certificate of the public port, those above it behind it (PEM); looked at again while the process runs. Without it the port
    /// is plaintext
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Open product pages that are told of changes of stock; more are told to come back
    #[arg(long, env = "MAX_STOCK_STREAMS", default_value_t = 20_000)]
    pub max_stock_streams: usize,
    /// The same for one client (an IPv4 address, an IPv6 /64), who may be many shoppers behind one address
    #[arg(long, env = "MAX_STOCK_STREAMS_PER_CLIENT", default_value_t = 200)]
    pub max_stock_streams_per_client: usize,
    #[command(flatten)]
    pub protect: ProtectArgs,
    #[command(flatten)]
    pub purge: PurgeArgs,
    /// host:port of the drill controller (`chaos serve`), which takes this edge's admin token: operators see the topology and start drills at
    /// /operate of the admin port
    #[arg(long, env = "CONTROLLER", conflicts_with = "origin")]
    pub controller: Option<String>,
}

impl Config {
    /// How the public port is served, its certificate read and followed. Must be called inside a runtime.
    pub(crate) fn door(&self, work: TaskTracker) -> Result<Door, TlsError> {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let workers = self.workers.map_or_else(processors, std::num::NonZeroUsize::get);
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(PublicTls::open(cert, key)?.followed().server_config(&PROTOCOLS)?),
            _ => None,
        };
        Ok(Door { workers, max_connections: self.max_connections, stall_limit: self.stall_limit(), work, tls })
    }

    pub(crate) fn stream_limits(&self) -> StreamLimits {
        let (most, per_client) = (self.max_stock_streams, self.max_stock_streams_per_client);
        StreamLimits { most, per_client, stall: self.stall_limit() }
    }

    pub(crate) fn stall_limit(&self) -> Duration {
        Duration::from_secs(self.stall_limit_s)
    }
}

impl Config {
    /// How the origin is reached.
    pub(crate) fn origin_connector(&self, origin: &OriginUrl) -> anyhow::Result<Connector> {
        if origin.scheme == Scheme::HTTPS {
            return Ok(Connector::public(self.origin_ca.as_deref())?);
        }
        anyhow::ensure!(self.origin_ca.is_none(), "--origin-ca is for an https origin; say --origin https://{}", origin.address);
        Ok(Connector::plaintext())
    }
}

/// Longest wait for the head of an origin's answer, and between two pieces of its body.
pub(crate) const ORIGIN_PATIENCE: Duration = Duration::from_secs(30);

/// How strictly a cache in front of `--origin` keeps to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProfileName {
    Rfc,
    Storefront,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Rfc => Self::RFC,
            ProfileName::Storefront => Self::STOREFRONT,
        }
    }
}

/// `http[s]://host[:port]`: where the origin listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginUrl {
    pub scheme: Scheme,
    /// `host:port`
    pub address: String,
}

impl FromStr for OriginUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: http::Uri = text.parse().map_err(|_| format!("{text:?} is no URL; say http://HOST:PORT"))?;
        let scheme = url.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme)).cloned();
        let scheme = scheme.ok_or_else(|| format!("{text:?}: say http://HOST:PORT or https://HOST:PORT"))?;
        let default_port = if scheme == Scheme::HTTPS { 443 } else { 80 };
        if url.path() != "/" || url.query().is_some() {
            return Err(format!("{text:?}: paths of requests are passed on as they are; leave the path out"));
        }
        let host = url.host().ok_or_else(|| format!("{text:?} names no host"))?;
        Ok(Self { scheme, address: format!("{host}:{}", url.port_u16().unwrap_or(default_port)) })
    }
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
