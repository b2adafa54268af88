//! The stock ledger as a pure state machine: `apply(&mut Inventory, time, Command) -> Outcome`.
//!
//! Owns: every decision about stock. Must not: read a clock, draw a random number, depend on hash order, wait, or do I/O;
//! time and ids come in with the command, so that every replica decides alike.

mod allocate;
mod apply;
mod command;
mod due;
mod levels;
mod movement;
mod movements;
mod names;
mod outcome;
mod pages;
mod queries;
mod records;
mod reservation;
mod state;
mod statement;
pub(crate) mod table;
mod trail;

pub use command::{Command, Entry, Line, LogTime};
pub use levels::{Level, Levels, SkuStock, StockTotals};
pub use movements::{LevelChange, Movement, MovementKind, Told};
pub use outcome::{Code, Outcome, OutcomeLine};
pub use pages::{ChangedPages, StoredPage};
pub use queries::ConfirmedCursor;
pub(crate) use records::RecordHasher;
pub use records::{Frozen, RecordError, RecordLoader};
pub use reservation::{Allocated, Change, Reservation, ReservedLine, State};
pub use state::{FORGET_PER_ENTRY, Inventory, MAX_EXPIRE_PER_COMMAND, MAX_ON_HAND, REMEMBER_MS};
pub use statement::{Balance, Statement, Step};
