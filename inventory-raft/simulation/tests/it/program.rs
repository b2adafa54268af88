//! Runs the program.

use std::process::{Command, Output};

/// What a run of the program left behind.
pub(crate) struct Ran {
    pub(crate) succeeded: bool,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// One seed at a time: other tests run beside, some of them against the clock.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    let program = env!("CARGO_BIN_EXE_inventory-simulation");
    let Output { status, stdout, stderr } =
        Command::new(program).args(arguments).arg("--jobs=1").env_remove("RUST_LOG").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { succeeded: status.success(), out: text(stdout), errors: text(stderr) }
}
