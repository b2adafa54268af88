//! Finds the servers' programs; as root, installs what is missing from Debian's packages.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";
const REDIS: &str = "/usr/bin/redis-server";
const PATRONI: &str = "/usr/bin/patroni";
const ETCD: &str = "/usr/bin/etcd";
const HAPROXY: &str = "/usr/sbin/haproxy";

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{missing} is not installed. Type: sudo apt-get install --no-install-recommends {packages}")]
    NotRoot { missing: String, packages: String },
    #[error("apt-get could not install {packages}; its last words: {output}")]
    Failed { packages: String, output: String },
}

/// The directory of PostgreSQL's programs.
pub(crate) fn postgres_bin(program: &str) -> PathBuf {
    Path::new(POSTGRES).with_file_name(program)
}

pub(crate) fn redis_bin() -> PathBuf {
    PathBuf::from(REDIS)
}

pub(crate) fn patroni_bin() -> PathBuf {
    PathBuf::from(PATRONI)
}

pub(crate) fn etcd_bin() -> PathBuf {
    PathBuf::from(ETCD)
}

pub(crate) fn haproxy_bin() -> PathBuf {
    PathBuf::from(HAPROXY)
}

/// A program of one of Debian's packages.
#[derive(Clone, Copy, Debug)]
pub struct Packaged {
    /// Where the package puts it.
    pub program: &'static str,
    /// For people.
    pub name: &'static str,
    pub package: &'static str,
}

const SERVERS: [Packaged; 2] = [
    Packaged { program: POSTGRES, name: "PostgreSQL 15", package: "postgresql-15" },
    Packaged { program: REDIS, name: "Redis 7", package: "redis-server" },
];

const REPLICATION: [Packaged; 4] = [
    Packaged { program: PATRONI, name: "Patroni", package: "patroni" },
    Packaged { program: ETCD, name: "etcd", package: "etcd-server" },
    // What Patroni speaks to etcd with.
    Packaged { program: "/usr/lib/python3/dist-packages/etcd/__init__.py", name: "python3-etcd", package: "python3-etcd" },
    Packaged { program: HAPROXY, name: "HAProxy", package: "haproxy" },
];

/// Returns when PostgreSQL can be run as primary and standby, with both servers as well.
pub fn ensure_replication_installed(say: impl Fn(&str)) -> Result<(), InstallError> {
    ensure_packages(&[&SERVERS[..], &REPLICATION[..]].concat(), say)
}

/// Returns when both servers can be run. `say` is told before anything is installed.
pub fn ensure_installed(say: impl Fn(&str)) -> Result<(), InstallError> {
    ensure_packages(&SERVERS, say)
}

/// Returns when all of `wanted` can be run. No server is started by its package.
pub fn ensure_packages(wanted: &[Packaged], say: impl Fn(&str)) -> Result<(), InstallError> {
    let missing: Vec<_> = wanted.iter().filter(|one| !Path::new(one.program).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|one| one.name).collect::<Vec<_>>().join(" and ");
    let packages: Vec<&str> = missing.iter().map(|one| one.package).collect();
    if !rustix::process::geteuid().is_root() {
        return Err(InstallError::NotRoot { missing: names, packages: packages.join(" ") });
    }
    say(&format!("installing {names} from Debian's packages"));
    apt_get(&["update"], &packages)?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], &packages[..]].concat(), &packages)
}

fn apt_get(arguments: &[&str], packages: &[&str]) -> Result<(), InstallError> {
    let failed = |output: String| InstallError::Failed { packages: packages.join(" "), output };
    let output = Command::new("apt-get")
        .args(arguments)
        .stdin(Stdio::null())
        // Debian starts a server when its package is installed, and makes a cluster for PostgreSQL; RUNLEVEL=1 keeps it from starting.
        .envs([("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(failed(text.lines().rev().take(3).collect::<Vec<_>>().join(" / ")))
}
