//! Our own edge: as a plain cache in front of an origin, or in front of a shop.

use std::path::Path;

use backing_servers::{free_port, guarded};

use super::{
    origin::Origin,
    server::{Server, private_directory},
    shop::Shop,
};
use crate::build::Programs;

/// As a plain cache in front of any origin.
fn in_front_of(origin: &str) -> Vec<String> {
    ["--origin", origin, "--profile", "rfc"].map(str::to_owned).into()
}

pub(super) fn start(programs: &Programs, origin: Origin, otherwise: &Path) -> anyhow::Result<Server> {
    spawn(programs, &in_front_of(&origin.url()), Some(origin), otherwise)
}

/// As the edge of a shop.
pub(super) fn start_before(programs: &Programs, shop: &Shop, otherwise: &Path) -> anyhow::Result<Server> {
    spawn(programs, &shop.arguments(), None, otherwise)
}

fn spawn(programs: &Programs, place: &[String], origin: Option<Origin>, otherwise: &Path) -> anyhow::Result<Server> {
    let (port, admin, directory) = (free_port()?, free_port()?, private_directory("ours", otherwise)?);
    let mut command = guarded(&programs.path("storefront-edge"), None, "KILL");
    command.args(place).args(["--listen", &format!("127.0.0.1:{port}"), "--admin", &format!("127.0.0.1:{admin}")]);
    Server::start("ours", command, port, origin, directory)
}
