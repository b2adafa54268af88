//! The edge: a shared HTTP cache in front of the catalog, a router that finds the inventory's leader, and the shop's pages.

mod admission;
mod cache;
mod checkout;
mod coding;
mod config;
mod door;
mod engine;
mod follow;
mod leader;
mod live;
mod operate;
mod pages;
mod protect;
mod proxy;
mod purge;
mod serve;
mod storefront;
mod tier;
mod upstream;

pub use config::{Config, OriginUrl, ProfileName, RegionAddress};
pub use protect::ProtectArgs;
pub use purge::PurgeArgs;
pub use serve::{openapi, run};
