//! A private Redis: own data directory, own port, loopback only, append-only file.

use std::{fs, path::Path, process::Child};

use crate::{
    install::redis_bin,
    spawn::{ServerError, guarded, serve},
};

/// A running instance.
#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    pub child: Child,
}

impl Redis {
    pub fn start(directory: &Path, port: u16, log: &Path) -> Result<Self, ServerError> {
        fs::create_dir_all(directory).map_err(|source| ServerError::File { path: directory.to_owned(), source })?;
        let mut command = guarded(&redis_bin(), None, "TERM");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        // What has an end may go for want of room; what has none waits for PostgreSQL.
        command.args(["--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru", "--dir"]).arg(directory);
        Ok(Self { port, child: serve(command, "redis-server", port, log)? })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
