//! A private PostgreSQL under Patroni: primary or synchronous standby, as Patroni and its members in other regions agree through etcd.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Child,
};

use serde_json::{Value, json};

use crate::{
    install::{patroni_bin, postgres_bin},
    postgres::{USER, own},
    spawn::{ServerError, guarded, serve},
};

/// Between two looks of Patroni at its PostgreSQL and at etcd.
const LOOP_S: u64 = 1;

/// How long a primary whose server crashed may take to recover before the standby takes its place.
const RECOVERY_S: u64 = 5;

/// Log kept for a standby that was away; one that was away for longer is made anew from the primary.
const KEPT_LOG: &str = "512MB";

/// Of the roles that Patroni makes, and of its REST interface.
#[derive(Clone, Debug)]
pub struct Passwords {
    pub superuser: String,
    pub replication: String,
    pub rewind: String,
    pub rest: String,
}

/// One member: a Patroni with its PostgreSQL.
#[derive(Clone, Debug)]
pub struct Patroni {
    pub name: String,
    /// All members of one cluster have the same.
    pub cluster: String,
    pub directory: PathBuf,
    pub port: u16,
    pub rest: u16,
    /// Client ports of the etcd members.
    pub etcd: Vec<u16>,
    /// A primary that did not renew its lease for so long has lost it.
    pub lease_s: u64,
    pub passwords: Passwords,
}

impl Patroni {
    /// Returns when Patroni's REST port listens; `/readiness` there says when PostgreSQL takes queries.
    pub fn start(&self, log: &Path) -> Result<Child, ServerError> {
        let file = self.directory.join("patroni.json");
        // JSON is YAML, which is what Patroni reads.
        self.write(&file).map_err(|source| ServerError::File { path: file.clone(), source })?;
        own(&self.directory)?;
        // Told to end, Patroni stops its PostgreSQL, which is not its child; killed, it leaves it behind.
        let mut command = guarded(&patroni_bin(), Some(USER), "TERM");
        command.arg(&file).current_dir(&self.directory);
        serve(command, "patroni", self.rest, log)
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let mut open = fs::OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(file)?;
        file.write_all(self.configuration().to_string().as_bytes())
    }

    /// The PostgreSQL server behind this member, if it runs.
    pub fn postmaster(&self) -> Option<u32> {
        let data = self.directory.join("data");
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let pid = text.lines().next()?.trim().parse().ok()?;
        // The file outlives a crash, and its number may be another process's by now: PostgreSQL works in its data directory.
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (works_in == data.canonicalize().ok()?).then_some(pid)
    }

    fn configuration(&self) -> Value {
        let at = |port: u16| format!("127.0.0.1:{port}");
        let role = |username: &str, password: &str| json!({"username": username, "password": password});
        let Passwords { superuser, replication, rewind, rest } = &self.passwords;
        json!({
            "scope": self.cluster,
            "name": self.name,
            "restapi": {"listen": at(self.rest), "connect_address": at(self.rest), "authentication": role("patroni", rest)},
            "etcd3": {"hosts": self.etcd.iter().map(|port| at(*port)).collect::<Vec<_>>()},
            "bootstrap": {
                "dcs": self.agreed(),
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": at(self.port),
                "connect_address": at(self.port),
                "data_dir": self.directory.join("data"),
                "bin_dir": postgres_bin("postgres").parent(),
                "pgpass": self.directory.join("pgpass"),
                "authentication": {
                    "superuser": role(USER, superuser),
                    "replication": role("replicator", replication),
                    "rewind": role("rewinder", rewind),
                },
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replicator 127.0.0.1/32 scram-sha-256",
                ],
                "parameters": {
                    "unix_socket_directories": "",
                    "shared_buffers": "128MB",
                    "fsync": "on",
                    "synchronous_commit": "on",
                    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
                    "log_min_duration_statement": 1000,
                },
                // A new standby waits for a checkpoint: one that is spread over time takes minutes.
                "basebackup": {"checkpoint": "fast"},
                // What a primary has beyond its standby was acknowledged to nobody.
                "remove_data_directory_on_rewind_failure": true,
                "remove_data_directory_on_diverged_timelines": true,
            },
            "watchdog": {"mode": "off", "safety_margin": -1},
        })
    }

    /// What all members agree on: kept in etcd, written there by the first one.
    fn agreed(&self) -> Value {
        json!({
            "ttl": self.lease_s,
            "loop_wait": LOOP_S,
            // Patroni's rule: loop_wait + 2 x retry_timeout <= ttl.
            "retry_timeout": (self.lease_s - LOOP_S) / 2,
            "primary_start_timeout": RECOVERY_S,
            // Not strict: without a standby the primary goes on alone, and nobody is promoted in its place until one caught up.
            "synchronous_mode": true,
            "synchronous_mode_strict": false,
            "postgresql": {
                "use_pg_rewind": true,
                "use_slots": true,
                "parameters": {"max_connections": 200, "wal_log_hints": "on", "wal_keep_size": KEPT_LOG},
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_agree_on_times_that_patroni_takes() {
        let passwords = Passwords { superuser: "s".into(), replication: "r".into(), rewind: "w".into(), rest: "x".into() };
        for lease_s in 5..60 {
            let member = Patroni {
                name: "postgres-eu".into(),
                cluster: "shop".into(),
                directory: PathBuf::from("/nowhere"),
                port: 1,
                rest: 2,
                etcd: vec![3, 4, 5],
                lease_s,
                passwords: passwords.clone(),
            };
            let agreed = &member.configuration()["bootstrap"]["dcs"];
            let of = |name: &str| agreed[name].as_u64().unwrap();
            assert!(of("retry_timeout") >= 2 && of("loop_wait") + 2 * of("retry_timeout") <= of("ttl"), "{agreed}");
        }
    }
}
