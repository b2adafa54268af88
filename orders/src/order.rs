//! Orders in PostgreSQL, and their life.

mod batch;
mod dossier;
mod effect;
mod effects;
mod life;
mod life_store;
mod publish;
mod recorder;
mod refund;
mod rows;
mod store;

pub(crate) use dossier::Dossier;
pub(crate) use effects::Effects;
pub(crate) use life::{Command as LifeCommand, Refused};
pub(crate) use life_store::{LifeStore, TransitionError, Wish};
pub(crate) use refund::MoneyBack;
pub(crate) use store::{OrderStore, Recorded};
