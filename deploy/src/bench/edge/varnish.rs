//! Debian's Varnish: its configuration, and a private instance.

use std::{fs, path::Path};

use anyhow::Context;
use backing_servers::{Packaged, free_port, guarded};

use super::{
    origin::Origin,
    server::{Server, private_directory},
};

pub(super) const PACKAGE: Packaged = Packaged { program: "/usr/sbin/varnishd", name: "Varnish", package: "varnish" };

/// The built-in behaviour, in front of one origin.
fn configuration(origin_host: &str, origin_port: u16) -> String {
    format!("vcl 4.1;\nbackend default {{\n  .host = \"{origin_host}\";\n  .port = \"{origin_port}\";\n}}\n")
}

/// Objects in memory, threads that wait before the load comes, connections that stay open.
fn arguments(port: u16, directory: &Path, file: &Path) -> Vec<String> {
    let mut arguments = vec!["-F".to_owned(), "-j".to_owned(), "none".to_owned()];
    arguments.extend(["-n".to_owned(), directory.display().to_string(), "-f".to_owned(), file.display().to_string()]);
    arguments.extend(["-a".to_owned(), format!("127.0.0.1:{port}"), "-s".to_owned(), "malloc,512m".to_owned()]);
    for setting in ["thread_pools=2", "thread_pool_min=200", "thread_pool_max=2000", "timeout_idle=600", "listen_depth=4096"] {
        arguments.extend(["-p".to_owned(), setting.to_owned()]);
    }
    arguments
}

pub(super) fn start(origin: Origin, otherwise: &Path) -> anyhow::Result<Server> {
    let (port, directory) = (free_port()?, private_directory("varnish", otherwise)?);
    let file = directory.join("bench.vcl");
    let text = configuration(&origin.address().ip().to_string(), origin.address().port());
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    let mut command = guarded(Path::new(PACKAGE.program), None, "TERM");
    command.args(arguments(port, &directory.join("instance"), &file));
    Server::start("varnish", command, port, Some(origin), directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_origin_and_listens_on_the_loopback_interface_alone() {
        assert!(configuration("127.0.0.1", 23456).contains(".host = \"127.0.0.1\";\n  .port = \"23456\";"));
        let arguments = arguments(12345, Path::new("/private"), Path::new("/private/vcl")).join(" ");
        assert!(
            arguments.contains("-a 127.0.0.1:12345") && arguments.contains("-n /private ") && arguments.contains("malloc,512m")
        );
        assert!(arguments.contains("-F"), "it must not leave the group of its parent: {arguments}");
    }
}
