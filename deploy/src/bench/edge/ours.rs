//! Our own edge as a plain cache in front of an origin.

use std::path::Path;

use backing_servers::{free_port, guarded};

use super::{
    origin::Origin,
    server::{Server, private_directory},
};
use crate::build::Programs;

fn arguments(origin: &str, port: u16, admin: u16) -> Vec<String> {
    let (listen, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin}"));
    ["--origin", origin, "--profile", "rfc", "--listen", &listen, "--admin", &admin].map(str::to_owned).into()
}

pub(super) fn start(programs: &Programs, origin: Origin, otherwise: &Path) -> anyhow::Result<Server> {
    let (port, admin, directory) = (free_port()?, free_port()?, private_directory("ours", otherwise)?);
    let mut command = guarded(&programs.path("storefront-edge"), None, "KILL");
    command.args(arguments(&origin.url(), port, admin));
    Server::start("ours", command, port, origin, directory)
}
