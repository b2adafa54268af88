//! What people and other programs read of a run: one page, JUnit, and the difference of two runs.
//!
//! Owns: figures, words and pictures. Must not: judge; verdicts come with the run.

mod chart;
mod diff;
mod figures;
mod html;
mod junit;
mod story;

pub use diff::{Change, diff};
pub use html::html;
pub use junit::junit;
pub use story::{sentences, verdict, word};
