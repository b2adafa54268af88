//! `edge/hit-64`, `edge/hit-256`: one object of 4 KiB from the cache, ours and the peers in alternation.

use anyhow::{Context, ensure};

use super::{
    bare::Bare,
    nginx,
    origin::{Answers, Origin},
    ours, processor,
    server::Server,
    varnish,
    wrk::{WARM_UP_SECONDS, Wrk},
};
use crate::{
    bench::{Bench, Peer, drive::Round, table::Measured},
    build::Programs,
};

/// The object: its path and size.
pub(super) const PATH: &str = "/object";
pub(super) const BODY_BYTES: usize = 4 * 1024;

/// Tries of one run: a stray error of the machine must not end a bench of minutes, a second one in a row is no stray.
const TRIES: usize = 3;

/// One of the measured.
pub(super) struct Target<'a> {
    pub(super) system: &'static str,
    pub(super) url: String,
    /// Its origin must hear nothing while hits are counted.
    pub(super) server: Option<&'a Server>,
    /// The process whose time is told.
    pub(super) pid: Option<u32>,
}

impl<'a> Target<'a> {
    /// The object from a server's cache.
    pub(super) fn of(system: &'static str, server: &'a Server) -> Self {
        Self { system, url: server.url(PATH), server: Some(server), pid: Some(server.pid()) }
    }

    /// One run after a warm-up. It does not count when an error was answered or the origin was asked.
    pub(super) fn run(&self, wrk: &Wrk, connections: u32, seconds: u64) -> anyhow::Result<Run> {
        let asked = || self.server.map_or(0, Server::asked);
        let used = || self.pid.map(processor::used).transpose();
        let once = || {
            wrk.run(&self.url, connections, WARM_UP_SECONDS)?;
            let (before, used_before) = (asked(), used()?);
            let round = wrk.run(&self.url, connections, seconds)?;
            ensure!(asked() == before, "the origin was asked {} times while hits were counted", asked() - before);
            let spent = used()?.zip(used_before).map(|(after, before)| after.saturating_sub(before));
            let hits = round.ops_per_s * seconds as f64;
            Ok(Run { round, processor_us: spent.map(|spent| spent.as_secs_f64() * 1e6 / hits) })
        };
        for _ in 1..TRIES {
            match once() {
                Ok(run) => return Ok(run),
                Err(error) => eprintln!("{}: a run does not count and is made again: {error:#}", self.system),
            }
        }
        once().with_context(|| format!("{} cannot be measured", self.system))
    }
}

/// One run, and what one answer took of the processors, where that is known.
pub(super) struct Run {
    pub(super) round: Round,
    processor_us: Option<f64>,
}

/// The runs of one target.
pub(super) struct Row {
    pub(super) measured: Measured,
    /// Of one answer, the median.
    processor_us: Option<f64>,
}

impl Row {
    fn of(name: &'static str, system: &'static str, runs: &[Run]) -> anyhow::Result<Self> {
        let rounds: Vec<Round> = runs.iter().map(|run| run.round).collect();
        let mut processor: Vec<f64> = runs.iter().filter_map(|run| run.processor_us).collect();
        processor.sort_by(f64::total_cmp);
        let measured = Measured::of(name, system, &rounds)?;
        Ok(Self { measured, processor_us: processor.get(processor.len() / 2).copied() })
    }
}

/// Runs of all targets in alternation; each round begins with another one. One row for each, in their order.
pub(super) fn alternate(
    bench: &Bench<'_>,
    wrk: &Wrk,
    name: &'static str,
    connections: u32,
    targets: &[Target<'_>],
) -> anyhow::Result<Vec<Row>> {
    let mut runs: Vec<Vec<Run>> = targets.iter().map(|_| Vec::new()).collect();
    for nth in 1..=bench.args.rounds {
        let first = usize::try_from(nth)? % targets.len();
        for at in (first..targets.len()).chain(0..first) {
            let target = &targets[at];
            bench.progress.set_message(format!("{name}, round {nth} of {} of {}", bench.args.rounds, target.system));
            runs[at].push(target.run(wrk, connections, bench.args.seconds)?);
        }
    }
    targets.iter().zip(&runs).map(|(target, runs)| Row::of(name, target.system, runs)).collect()
}

/// Ours, and the peers that were asked for.
pub(super) struct Systems {
    ours: Server,
    peers: Vec<Server>,
    bare: Option<Bare>,
}

impl Systems {
    pub(super) fn start(bench: &Bench<'_>, programs: &Programs, directory: &std::path::Path) -> anyhow::Result<Self> {
        let origin = || Origin::start(Answers::immediate(BODY_BYTES));
        let ours = ours::start(programs, origin()?, directory)?;
        let (mut peers, mut bare) = (Vec::new(), None);
        for peer in &bench.args.against {
            match peer {
                Peer::Nginx => peers.push(nginx::start(origin()?, directory)?),
                Peer::Varnish => peers.push(varnish::start(origin()?, directory)?),
                Peer::Bare => bare = Some(Bare::start(PATH, BODY_BYTES)?),
                Peer::Etcd => {}
            }
        }
        Ok(Self { ours, peers, bare })
    }

    /// Ends all others.
    pub(super) fn into_ours(self) -> Server {
        self.ours
    }

    /// Everything that answers, once it answers from its cache.
    async fn targets(&self) -> anyhow::Result<Vec<Target<'_>>> {
        let mut targets = Vec::new();
        for server in [&self.ours].into_iter().chain(&self.peers) {
            server.fill(PATH).await?;
            targets.push(Target::of(server.system, server));
        }
        let bare = self.bare.as_ref().map(|bare| format!("http://{}{PATH}", bare.address));
        targets.extend(bare.map(|url| Target { system: "bare", url, server: None, pid: None }));
        Ok(targets)
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, wrk: &Wrk, systems: &Systems) -> anyhow::Result<()> {
    let targets = systems.targets().await?;
    for (name, connections) in [("edge/hit-64", 64), ("edge/hit-256", 256)] {
        let rows = alternate(bench, wrk, name, connections, &targets)?;
        bench.notes.push(processor_time(name, &rows));
        let rows: Vec<Measured> = rows.into_iter().map(|row| row.measured).collect();
        bench.notes.extend(comparison(&rows));
        bench.measured.extend(rows);
    }
    Ok(())
}

/// How many hits one processor carries that does nothing else follows from it.
pub(super) fn processor_time(name: &str, rows: &[Row]) -> String {
    let each = rows.iter().filter_map(|row| Some((row.measured.system, row.processor_us?)));
    let each: Vec<String> =
        each.map(|(system, us)| format!("{system} {us:.2} us ({:.0}/s on one processor)", 1e6 / us)).collect();
    format!("{name}: processor time of one answer: {}", each.join(", "))
}

/// Ours against the fastest peer; the bare loop is no peer, it has no rules to keep.
fn comparison(rows: &[Measured]) -> Option<String> {
    let ours = rows.iter().find(|row| row.system == "ours")?;
    let peers = || rows.iter().filter(|row| !["ours", "bare"].contains(&row.system));
    let best = peers().max_by(|a, b| a.ops_per_s.total_cmp(&b.ops_per_s))?;
    let slowest = peers().map(|row| row.p99_us).max()?;
    let least = peers().map(|row| row.p99_us).min()?;
    let (times, ours_p99) = (ours.ops_per_s / best.ops_per_s, ours.p99_us);
    Some(format!(
        "{}: {times:.2} x {} (at least 2.0), p99 {ours_p99} us against {least} to {slowest} us (not above)",
        ours.bench, best.system
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real ones, as a bench starts them.
    #[tokio::test]
    async fn peers_answer_from_their_caches_and_leave_nothing_behind() {
        backing_servers::ensure_packages(&[nginx::PACKAGE, varnish::PACKAGE], |text| eprintln!("{text}")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for start in [nginx::start, varnish::start] {
            let peer = start(Origin::start(Answers::immediate(BODY_BYTES)).unwrap(), folder.path()).unwrap();
            peer.fill(PATH).await.unwrap();
            for _ in 0..20 {
                let answer = reqwest::get(peer.url(PATH)).await.unwrap();
                assert_eq!(answer.bytes().await.unwrap().len(), BODY_BYTES, "{}", peer.system);
            }
            assert_eq!(peer.asked(), 1, "{}", peer.system);
            let (url, directory) = (peer.url(PATH), peer.directory().to_owned());
            assert!(directory.exists());
            drop(peer);
            assert!(reqwest::get(url).await.is_err() && !directory.exists());
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_never_kept_is_no_hit() {
        let folder = tempfile::tempdir().unwrap();
        backing_servers::ensure_packages(&[nginx::PACKAGE], |text| eprintln!("{text}")).unwrap();
        let peer = nginx::start(Origin::start(Answers { control: "no-store", ..Answers::immediate(16) }).unwrap(), folder.path())
            .unwrap();
        let refused = peer.fill(PATH).await.unwrap_err().to_string();
        assert!(refused.contains("nginx does not keep"), "{refused}");
    }

    fn row(system: &'static str, ops_per_s: f64, p99_us: u64) -> Measured {
        Measured::of("edge/hit-64", system, &[Round { ops_per_s, p50_us: 1, p99_us, errors: 0 }]).unwrap()
    }

    #[test]
    fn ours_is_compared_with_the_fastest_peer_and_not_with_the_bare_loop() {
        let rows =
            [row("ours", 150_000.0, 900), row("nginx", 60_000.0, 800), row("varnish", 75_000.0, 2_000), row("bare", 2e5, 1)];
        let said = comparison(&rows).unwrap();
        assert_eq!(said, "edge/hit-64: 2.00 x varnish (at least 2.0), p99 900 us against 800 to 2000 us (not above)");
        assert!(comparison(&rows[..1]).is_none());
    }
}
