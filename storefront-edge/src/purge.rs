//! Purges that operators order: taken at the admin port, told to every edge of every region through the regions' Redis, in order; a
//! lost one is noticed and makes everything stale.
//!
//! Owns: what an order may say, the numbered list of purges in a region's Redis, telling regions and hearing of it. Must not: decide
//! what a purge does to an answer; that is `cache`.

mod admin;
mod args;
mod bus;
mod follow;
mod ledger;
mod order;
mod owed;

pub use args::PurgeArgs;
pub(crate) use bus::Lane;
pub(crate) use ledger::{CATALOG, EPOCH, MARKS, Place, STREAM, key_mark, tag_mark};

use std::{collections::BTreeMap, sync::Arc};

use axum::Router;
use tokio::task::JoinHandle;

use crate::{
    config::{Config, ProfileName},
    engine::Engine,
    tier::Tier,
};
use bus::Bus;

/// What runs beside the server.
pub(crate) struct Purging {
    /// Routes of the admin port.
    pub(crate) admin: Router,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// Begins to follow the own region's purges and to take orders.
pub(crate) fn start(config: &Config, engine: &Arc<Engine>) -> anyhow::Result<Purging> {
    let mut regions: BTreeMap<_, _> = config.purge.purge_redis.iter().map(|at| (at.region.clone(), at.address.clone())).collect();
    if let Some(own) = &config.protect.redis {
        regions.insert(config.region.clone(), own.clone());
    }
    let by = uuid::Uuid::new_v4().to_string();
    let bus = Arc::new(Bus::new(engine.clone(), config.region.clone(), by.clone(), &regions)?);
    let mut tasks = bus.background();
    if let (Some(own), Some(lane)) = (regions.get(&config.region), bus.own_lane()) {
        let (tier, writing) = Tier::new(tier_name(config), config.origin.is_none(), own, lane.clone())?;
        engine.set_second(tier);
        tasks.push(tokio::spawn(writing));
        tasks.push(tokio::spawn(follow::follow(engine.clone(), redis::Client::open(own.as_str())?, by)));
    }
    let urls = if config.origin.is_some() { order::Urls::OfHosts } else { order::Urls::OfOneOrigin };
    Ok(Purging { admin: admin::router(bus, config.purge.token()?, urls), tasks })
}

/// Edges that cache other things, or by other rules, share nothing.
fn tier_name(config: &Config) -> &'static str {
    match (&config.origin, config.profile) {
        (None, _) => "shop",
        (Some(_), ProfileName::Rfc) => "rfc",
        (Some(_), ProfileName::Storefront) => "storefront",
    }
}
