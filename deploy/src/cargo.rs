//! Cargo, called as from a shell.

use std::{env, process::Command};

/// What `cargo run` tells the program it runs about its package. Build scripts that look at it (ring's) would run again for a cargo that
/// inherits it, and all that stands on them, TLS and the clients of both databases, would be compiled twice.
const TOLD: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

fn is_told(name: &str) -> bool {
    TOLD.iter().any(|told| name.starts_with(told))
}

/// The cargo by which this program runs, else the one on the path.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_told)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_nothing_of_this_package_and_keeps_its_settings() {
        assert!(is_told("CARGO_PKG_NAME") && is_told("CARGO_MANIFEST_DIR") && is_told("CARGO_MANIFEST_PATH"));
        assert!(!is_told("CARGO_TARGET_DIR") && !is_told("CARGO_HOME") && !is_told("CARGO_PROFILE_RELEASE_LTO"));
        // A test is told as well.
        assert!(env::var_os("CARGO_PKG_NAME").is_some());
        assert!(cargo().get_envs().any(|(name, value)| name == "CARGO_PKG_NAME" && value.is_none()));
    }
}
