//! `wrk`, the load generator: run, and what it says read.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use backing_servers::Packaged;
use serde::Deserialize;

use crate::bench::drive::Round;

pub(super) const PACKAGE: Packaged = Packaged { program: "/usr/bin/wrk", name: "wrk", package: "wrk" };

/// Load before a run that counts.
pub(super) const WARM_UP_SECONDS: u64 = 1;

/// Connections are spread over the threads; one for each processor.
fn threads(connections: u32) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.min(usize::try_from(connections).unwrap_or(1)).max(1)
}

/// Says everything in one line at the end. It has no function that is called for each request, so that it costs nothing meanwhile.
const SCRIPT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"#;

/// The line of [`SCRIPT`].
#[derive(Debug, Deserialize)]
struct Said {
    requests: u64,
    duration_us: u64,
    p50_us: u64,
    p99_us: u64,
    connect: u64,
    read: u64,
    write: u64,
    /// Answers of 400 and above.
    status: u64,
    /// Answers that took more than two seconds.
    timeout: u64,
}

/// `wrk` with its script.
#[derive(Debug)]
pub(super) struct Wrk {
    script: PathBuf,
}

impl Wrk {
    /// Keeps the script in `directory`.
    pub(super) fn new(directory: &Path) -> anyhow::Result<Self> {
        let script = directory.join("report.lua");
        std::fs::write(&script, SCRIPT).with_context(|| script.display().to_string())?;
        Ok(Self { script })
    }

    /// Kept connections in closed loops for some seconds.
    pub(super) fn run(&self, url: &str, connections: u32, seconds: u64) -> anyhow::Result<Round> {
        let mut command = Command::new(PACKAGE.program);
        command.args(["-t", &threads(connections).to_string(), "-c", &connections.to_string()]);
        let output = command.args(["-d", &format!("{seconds}s"), "-s"]).arg(&self.script).arg(url).output();
        let output = output.context("wrk cannot be run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
        parse(&text).with_context(|| format!("wrk against {url}"))
    }
}

/// A run with a single error is no run: what was refused would count as fast.
fn parse(output: &str) -> anyhow::Result<Round> {
    let line = output.lines().rev().find(|line| line.starts_with('{')).context("wrk did not report")?;
    let said: Said = serde_json::from_str(line).with_context(|| format!("wrk's report: {line}"))?;
    if said.connect + said.read + said.write + said.status + said.timeout > 0 {
        let Said { connect, read, write, status, timeout, .. } = said;
        bail!("errors: {connect} connections, {read} reads, {write} writes, {status} statuses over 399, {timeout} over 2 s");
    }
    ensure!(said.requests > 0 && said.duration_us > 0, "nothing was answered");
    let ops_per_s = said.requests as f64 / (said.duration_us as f64 / 1e6);
    Ok(Round { ops_per_s, p50_us: said.p50_us, p99_us: said.p99_us, errors: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 2s test @ http://127.0.0.1:8080/\n  2 threads and 64 connections\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.02ms    1.10ms  20.11ms   90.01%\n    Req/Sec    34.02k     2.11k   38.55k    70.00%\n  135401 requests in 2.00s, 571.02MB read\nRequests/sec:  67600.12\nTransfer/sec:    285.10MB\n";

    #[test]
    fn reads_the_report_below_what_wrk_prints_for_people() {
        let line = r#"{"requests":135401,"duration_us":2002901,"p50_us":812,"p99_us":4907,"connect":0,"read":0,"write":0,"status":0,"timeout":0}"#;
        let round = parse(&format!("{OUTPUT}\n{line}\n")).unwrap();
        assert!((round.ops_per_s - 67_602.44).abs() < 0.01, "{round:?}");
        assert_eq!((round.p50_us, round.p99_us, round.errors), (812, 4907, 0));
    }

    #[test]
    fn a_run_with_errors_is_refused_and_says_which() {
        let line =
            r#"{"requests":9,"duration_us":2002901,"p50_us":8,"p99_us":9,"connect":0,"read":2,"write":0,"status":7,"timeout":0}"#;
        let refused = parse(&format!("{OUTPUT}\n{line}\n")).unwrap_err().to_string();
        assert!(refused.contains("2 reads") && refused.contains("7 statuses over 399"), "{refused}");
        assert!(parse(OUTPUT).unwrap_err().to_string().contains("did not report"));
        let nothing = line.replace(":9,", ":0,").replace(":2,", ":0,").replace(":7,", ":0,");
        assert!(parse(&nothing).unwrap_err().to_string().contains("nothing was answered"));
    }
}
