//! The simulation as its users have it: the program, its arguments and what it prints.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod arguments;
mod program;
mod seeds;
