//! A private member of an etcd cluster: own data directory, own ports, loopback only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
};

use crate::{
    install::etcd_bin,
    spawn::{ServerError, guarded, serve},
};

/// etcd's own default; a member that hears nothing for ten times as long asks for votes.
const HEARTBEAT_MS: u64 = 100;

/// One member. All members of a cluster know the same `members`.
#[derive(Clone, Debug)]
pub struct Etcd {
    pub name: String,
    /// Names the cluster: members of another one are refused.
    pub cluster: String,
    pub directory: PathBuf,
    pub client: u16,
    pub peer: u16,
    /// Name and peer port of every member, this one too.
    pub members: Vec<(String, u16)>,
}

impl Etcd {
    /// Returns when the member listens. It answers once a majority of the members does.
    pub fn start(&self, log: &Path) -> Result<Child, ServerError> {
        fs::create_dir_all(&self.directory).map_err(|source| ServerError::File { path: self.directory.clone(), source })?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let members: Vec<String> = self.members.iter().map(|(name, peer)| format!("{name}={}", url(*peer))).collect();
        let mut command = guarded(&etcd_bin(), None, "TERM");
        command.args(["--name", &self.name, "--logger", "zap", "--log-outputs", "stderr", "--data-dir"]);
        command.arg(self.directory.join("data"));
        for (listen, advertise, port) in [
            ("--listen-client-urls", "--advertise-client-urls", self.client),
            ("--listen-peer-urls", "--initial-advertise-peer-urls", self.peer),
        ] {
            command.args([listen, &url(port), advertise, &url(port)]);
        }
        command.args(["--initial-cluster", &members.join(","), "--initial-cluster-token", &self.cluster]);
        let (heartbeat, election) = (HEARTBEAT_MS.to_string(), (10 * HEARTBEAT_MS).to_string());
        command.args(["--heartbeat-interval", &heartbeat, "--election-timeout", &election]);
        // What Patroni keeps there is a few kilobytes, written once a second: an hour of history is more than enough.
        command.args(["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"]);
        serve(command, "etcd", self.client, log)
    }
}
