//! What must hold: inside the nodes at every step, and in what clients saw at the end.

mod history;
mod linear;
mod sku_history;
mod steps;
mod stock_sums;

pub(crate) use history::{History, Op, What, same_decision};
pub(crate) use steps::Steps;
