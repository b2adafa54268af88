//! Shoppers and their sessions.
//!
//! A session is a random 256-bit token behind the name of its home region. Only its SHA-256 is stored. PostgreSQL has every
//! session; the home region's Redis has it too, so that a shopper stays signed in while PostgreSQL is away.

mod contact;
mod sessions;
mod store;
mod token;

pub(crate) use contact::{Email, PhoneNumber};
pub(crate) use store::{AccountError, Accounts, Session};
pub(crate) use token::SessionToken;
