//! The limits, as given on the command line.

use std::time::Duration;

use super::{client::Network, rate::Limit};

/// How this edge protects itself and what is behind it.
#[derive(Clone, Debug, clap::Args)]
pub struct ProtectArgs {
    /// Requests under way at once beside cache hits: at most; fewer where that makes them wait
    #[arg(long, env = "MAX_REQUESTS", default_value_t = 20_000)]
    pub max_requests: usize,
    /// How late work may run, as a standing queue, before requests are shed
    #[arg(long, env = "MAX_LAG_MS", default_value_t = 50)]
    pub max_lag_ms: u64,
    /// Pages and catalog data per client, RATE:BURST; cache hits of the API are not counted
    #[arg(long, env = "LIMIT_BROWSE", default_value = "200:1000")]
    pub limit_browse: Limit,
    /// Carts, accounts and history per client, RATE:BURST
    #[arg(long, env = "LIMIT_PERSONAL", default_value = "50:200")]
    pub limit_personal: Limit,
    /// Checkouts per client, RATE:BURST
    #[arg(long, env = "LIMIT_CHECKOUT", default_value = "10:50")]
    pub limit_checkout: Limit,
    /// Clients whose rate is remembered
    #[arg(long, env = "LIMIT_CLIENTS", default_value_t = 200_000)]
    pub limit_clients: usize,
    /// Networks of our own proxies, separated by commas: their X-Forwarded-For is believed
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Redis of the region: rates, purges and answers for everybody are shared with its other edges
    #[arg(long, env = "REDIS_URL")]
    pub redis: Option<String>,
    /// Longest election timeout of the inventory: checkouts wait one and a half of it for a leader
    #[arg(long, env = "ELECTION_TIMEOUT_MS", default_value_t = 1_000)]
    pub election_timeout_ms: u64,
    /// Checkouts that wait for a leader at once
    #[arg(long, env = "CHECKOUTS_WAITING", default_value_t = 1_000)]
    pub checkouts_waiting: usize,
}

impl ProtectArgs {
    pub(crate) fn limits(&self) -> [Limit; 3] {
        [self.limit_browse, self.limit_personal, self.limit_checkout]
    }

    pub(crate) fn election_timeout(&self) -> Duration {
        Duration::from_millis(self.election_timeout_ms)
    }

    pub(crate) fn max_lag(&self) -> Duration {
        Duration::from_millis(self.max_lag_ms)
    }
}
