//! What clients saw, one JSON object a line, so that other checkers can read it too.
//!
//! Owns: the form of the lines, writing and strict reading. Must not: judge what the lines tell.
//!
//! Two files belong to a run. The *history* has every operation on the inventory ([`Operation`]); the *shop history* has what shoppers did
//! and saw through edges ([`ShopLine`]). Times are nanoseconds since the run began, of one clock.

mod operation;
mod reader;
mod shop;
mod writer;

pub use operation::{Op, Operation, Out, Settled};
pub use reader::{HistoryError, MAX_LINES, parse, read_operations, read_shop, read_so_far};
pub use shop::{Checkout, Found, Level, Line, Look, ShopLine, Standing};
pub use writer::{Writer, WriterError, Written};
