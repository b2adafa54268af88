//! Which PostgreSQL is the primary, and whether a standby has all that it has.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use backing_servers::Postgres;
use deploy_api::Process;

use crate::readiness::{self, LIMIT};

const POLL: Duration = Duration::from_millis(100);

/// A PostgreSQL that may be the primary.
pub(crate) struct Member {
    name: String,
    port: u16,
    /// `host:port` of its Patroni; none where there is one PostgreSQL alone.
    rest: Option<String>,
    directory: Option<PathBuf>,
}

impl Member {
    pub(crate) fn of(process: &Process) -> Self {
        let port = process.http.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
        Self { name: process.name.clone(), port, rest: process.admin.clone(), directory: process.data_dir.clone() }
    }

    /// Whether it ever had data.
    pub(crate) fn is_new(&self) -> bool {
        self.directory.as_ref().is_none_or(|directory| !directory.join("data").join("PG_VERSION").exists())
    }

    /// A primary takes writes; Patroni says so a moment before PostgreSQL does.
    fn is_primary(&self, password: &str) -> bool {
        let chosen = self.rest.as_ref().is_none_or(|rest| readiness::ask(rest, "/primary").is_ok());
        chosen && Postgres::query(self.port, password, "select pg_is_in_recovery()").is_ok_and(|said| said == "f")
    }
}

fn wait<T>(what: &str, members: &[Member], mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > LIMIT {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            bail!("{what} after {LIMIT:?}; see `cargo deploy logs` of {}", names.join(", "));
        }
        thread::sleep(POLL);
    }
}

/// The primary's port.
pub(crate) fn wait_for_primary(members: &[Member], password: &str) -> anyhow::Result<u16> {
    let look = || members.iter().find(|member| member.is_primary(password)).map(|member| member.port);
    wait("no PostgreSQL is the primary", members, look)
}

/// Returns when a standby has every commit before its client hears of it; at once where there is no standby.
pub(crate) fn wait_for_standby(members: &[Member]) -> anyhow::Result<()> {
    let is_synchronous = |member: &Member| member.rest.as_ref().is_some_and(|rest| readiness::ask(rest, "/sync").is_ok());
    let look = || (members.len() == 1 || members.iter().any(is_synchronous)).then_some(());
    wait("no PostgreSQL is a synchronous standby", members, look)
}
