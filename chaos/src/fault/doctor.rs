//! What this machine and this topology can be broken with, tried for real.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use deploy_api::MIN_VOTERS;
use fault_proxy::{Condition, LinkSpec, Links};
use serde::Serialize;
use tokio::{net::TcpListener, time::Instant};

use super::{
    inject::Injector,
    probe::{Heard, probe},
};

/// Longest wait for a signal to show, and for an answer over a link of its own.
const LIMIT: Duration = Duration::from_millis(500);

/// Programs that would allow more, where they are: what for, and where Debian has them.
const TOOLS: [(&str, &str, &[&str]); 3] = [
    ("nftables", "packets dropped by the kernel", &["/usr/sbin/nft", "/sbin/nft"]),
    ("tc netem", "loss and reordering of packets", &["/usr/sbin/tc", "/sbin/tc"]),
    (
        "libfaketime",
        "clocks of PostgreSQL and Redis",
        &["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"],
    ),
];

/// One thing that can be injected, or cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub works: bool,
    /// What drills do without when it does not work.
    pub is_needed: bool,
    pub detail: String,
}

fn check(what: &'static str, is_needed: bool, found: Result<String, String>) -> Check {
    let works = found.is_ok();
    Check { what, works, is_needed, detail: found.unwrap_or_else(|why| why) }
}

/// A program of our own that does nothing, and is gone at the end.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

fn signals() -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let victim = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().map_err(text)?;
    let mut victim = Victim(victim);
    let pid = victim.0.id();
    let shows = |wanted: bool| {
        let began = std::time::Instant::now();
        while (state(pid) == Some('T')) != wanted && began.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        (state(pid) == Some('T')) == wanted
    };
    let send = |signal: &str| Command::new("kill").args([signal, &pid.to_string()]).status().map_err(text);
    send("-STOP")?;
    let stopped = shows(true);
    send("-CONT")?;
    let went_on = shows(false);
    victim.0.kill().map_err(text)?;
    let ended = victim.0.wait().map_err(text)?;
    match (stopped, went_on) {
        (true, true) => Ok(format!("a process of our own was stopped, let go on, and killed ({ended})")),
        _ => Err(format!("stopped: {stopped}, went on: {went_on}")),
    }
}

/// Leads a connection over a link of its own, with and without a fault.
async fn link() -> anyhow::Result<String> {
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let target = server.local_addr()?;
    let accepting = tokio::spawn(async move {
        // Ends every connection at once.
        while let Ok((stream, _)) = server.accept().await {
            drop(stream);
        }
    });
    let name = || "trial".to_owned();
    let spec = LinkSpec {
        name: name(),
        from: name(),
        to: name(),
        listen: ([127, 0, 0, 1], 0).into(),
        target,
        base: Condition::default(),
    };
    let links = Links::open(vec![spec])?;
    let address = links.views()[0].listen.to_string();
    let before = probe(&address, LIMIT).await;
    links.set("trial", fault_proxy::Fault { links: vec![name()], condition: Condition::cut(), lease_ms: 5_000 })?;
    let cut = probe(&address, LIMIT).await;
    links.heal("trial");
    let began = Instant::now();
    let after = probe(&address, 4 * LIMIT).await;
    accepting.abort();
    anyhow::ensure!(
        matches!((before, cut, after), (Heard::Answer(_), Heard::Silence, Heard::Answer(_))),
        "before {before:?}, in a black hole {cut:?}, healed {after:?}"
    );
    Ok(format!("a link answered, was silent in a black hole, and answered {:.0?} after it was healed", began.elapsed()))
}

async fn topology(file: &Path) -> Vec<Check> {
    let injector = match Injector::open(file).await {
        Ok(injector) => injector,
        Err(error) => return vec![check("topology", false, Err(format!("{error:#}")))],
    };
    let found = injector.snapshot().await;
    let links = match &found {
        Ok(snapshot) if snapshot.links.is_empty() => Err("it has none; start it with `cargo deploy up --links`".to_owned()),
        Ok(snapshot) => match injector.links().await {
            Ok(links) => Ok(format!(
                "{} links, of which {} are in use",
                snapshot.links.len(),
                links.iter().filter(|link| link.open_connections > 0).count()
            )),
            Err(error) => Err(format!("the proxy does not answer: {error:#}")),
        },
        Err(error) => Err(format!("{error:#}")),
    };
    let leader = match &found {
        Ok(snapshot) => snapshot
            .leader
            .clone()
            .map(|leader| format!("{leader} leads in term {}", snapshot.term))
            .ok_or_else(|| "nobody leads the inventory".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    };
    let votes = match &found {
        Ok(snapshot) if snapshot.leader.is_none() => Err("nobody leads, so no vote can be taken or given back".to_owned()),
        Ok(snapshot) => match snapshot.voters.len() {
            voters if voters > MIN_VOTERS => Ok(format!("{voters} vote, so {} votes can be taken", voters - MIN_VOTERS)),
            voters => Err(format!("{voters} vote, and {MIN_VOTERS} is the least that is left: none can be taken")),
        },
        Err(error) => Err(format!("{error:#}")),
    };
    vec![
        check("topology: links", false, links),
        check("topology: leader", false, leader),
        check("topology: votes (member.demote)", false, votes),
    ]
}

/// All checks; those of a topology where there is one.
pub async fn examine(topology_file: &Path) -> Vec<Check> {
    let mut checks = vec![
        check("signals (process.*)", true, signals()),
        check("links (partition.*, link.*)", true, link().await.map_err(|error| format!("{error:#}"))),
    ];
    let root =
        std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")));
    for (what, purpose, places) in TOOLS {
        let found = places.iter().find(|place| Path::new(place).exists());
        let found = found.ok_or_else(|| format!("not installed; it would allow {purpose}"));
        checks.push(check(
            what,
            false,
            found.map(|place| format!("{place}, {}", if root { "and this is root" } else { "which wants root" })),
        ));
    }
    checks.extend(topology(topology_file).await);
    checks
}
