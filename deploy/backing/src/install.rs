//! Finds the servers' programs; as root, installs what is missing from Debian's packages.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";
const REDIS: &str = "/usr/bin/redis-server";

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

/// Returns when both servers can be run. `say` is told before anything is installed.
pub fn ensure_installed(say: impl Fn(&str)) -> Result<(), InstallError> {
    let wanted = [(POSTGRES, "PostgreSQL 15", "postgresql-15"), (REDIS, "Redis 7", "redis-server")];
    let missing: Vec<_> = wanted.into_iter().filter(|(program, ..)| !Path::new(program).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|(_, name, _)| *name).collect::<Vec<_>>().join(" and ");
    let packages: Vec<&str> = missing.iter().map(|(_, _, package)| *package).collect();
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
