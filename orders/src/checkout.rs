//! The checkout: a pure saga, and what runs its effects.

mod acknowledger;
mod address;
mod attempts;
mod closing;
mod going_on;
mod late_record;
mod memo;
mod outcomes;
mod paying;
mod quote;
mod runner;
mod saga;
mod step;
mod ticket;
mod till;

pub(crate) use acknowledger::Acknowledger;
pub(crate) use address::check as check_address;
pub(crate) use attempts::newest_attempt;
pub(crate) use closing::Closed;
pub(crate) use going_on::{Ended, is_unpaid};
#[cfg(test)]
pub(crate) use memo::Paying;
pub(crate) use memo::{Memo, attempt_id, order_id};
pub(crate) use quote::Repriced;
pub(crate) use runner::{Checkout, Runner, memo_of};
pub(crate) use saga::{Answer, Away, MAX_ATTEMPTS};
pub(crate) use ticket::{CartOf, Ticket, TicketKey};
pub(crate) use till::{GivenBack, Till};
