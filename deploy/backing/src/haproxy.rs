//! A private HAProxy in front of a replicated PostgreSQL: one address that is always the primary's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
};

use crate::{
    install::haproxy_bin,
    spawn::{ServerError, guarded, serve},
};

/// Connections at once. PostgreSQL takes 200.
const MAX_CONNECTIONS: u32 = 2_000;

/// One PostgreSQL, and the REST port of its Patroni, which says whether it is the primary.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: String,
    pub port: u16,
    pub rest: u16,
}

#[derive(Clone, Debug)]
pub struct Haproxy {
    pub directory: PathBuf,
    pub port: u16,
    /// `/readyz`, `/livez` and `/metrics`.
    pub admin: u16,
    pub upstreams: Vec<Upstream>,
}

impl Haproxy {
    /// Returns when the proxy listens; `/readyz` says when it knows the primary.
    pub fn start(&self, log: &Path) -> Result<Child, ServerError> {
        let file = self.directory.join("haproxy.cfg");
        let written = fs::create_dir_all(&self.directory).and_then(|()| fs::write(&file, self.configuration()));
        written.map_err(|source| ServerError::File { path: file.clone(), source })?;
        let mut command = guarded(&haproxy_bin(), None, "TERM");
        command.args(["-db", "-f"]).arg(&file);
        serve(command, "haproxy", self.port, log)
    }

    /// A primary that is one no more loses its sessions, so that no pool keeps a way to it. Before the first check all servers count as up: the
    /// proxy is ready when exactly one does.
    fn configuration(&self) -> String {
        let Self { port, admin, .. } = self;
        let server = |Upstream { name, port, rest }: &Upstream| format!("    server {name} 127.0.0.1:{port} port {rest}\n");
        let servers: String = self.upstreams.iter().map(server).collect();
        format!(
            "global
    maxconn {MAX_CONNECTIONS}
    log stdout format raw daemon notice
defaults
    mode tcp
    log global
    retries 1
    timeout connect 1s
    timeout check 1s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:{port}
    option httpchk
    http-check send meth GET uri /primary
    http-check expect status 200
    default-server check inter 1s fastinter 300ms downinter 500ms rise 1 fall 2 on-marked-down shutdown-sessions
{servers}frontend admin
    mode http
    bind 127.0.0.1:{admin}
    timeout client 5s
    acl one_primary nbsrv(postgres) eq 1
    monitor-uri /readyz
    monitor fail unless one_primary
    http-request return status 200 if {{ path /livez }}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request return status 404
"
        )
    }
}
