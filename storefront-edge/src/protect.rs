//! What keeps this edge and those behind it from more than they carry: limits by client, places by class, and finding out how many.
//!
//! Owns: who is refused, and how cheaply. Must not: know what a request is answered with, or wait for anything: each decision is made
//! from what this process knows at the moment.

mod adaptive;
mod args;
mod class;
mod client;
mod gate;
mod rate;
mod shared;

pub(crate) use adaptive::{Adaptive, AdaptiveSettings};
pub use args::ProtectArgs;
pub(crate) use class::{Class, Place, Places};
pub(crate) use gate::{Client, Gate, guard, measure};
pub(crate) use shared::share;
