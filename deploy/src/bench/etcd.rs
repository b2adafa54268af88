//! Three etcd members beside the nodes, measured in alternation with them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use backing_servers::{free_port, guarded};

use super::drive::Round;
use crate::build::{self, Programs};

/// Longest wait for the members to elect a leader.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Members with data of their own; they go with it.
#[derive(Debug)]
pub(super) struct Etcd {
    members: Vec<(String, Child)>,
    load: PathBuf,
    directory: PathBuf,
}

/// The program from Debian's package etcd-server, unpacked below `directory` and not installed: installing would start a service.
fn program(directory: &Path) -> anyhow::Result<PathBuf> {
    let (installed, unpacked) = (PathBuf::from("/usr/bin/etcd"), directory.join("etcd-server/usr/bin/etcd"));
    if let Some(found) = [&installed, &unpacked].into_iter().find(|path| path.exists()) {
        return Ok(found.clone());
    }
    fs::create_dir_all(directory)?;
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let output = Command::new(program).args(arguments).current_dir(directory).output().with_context(|| program.to_owned())?;
        ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run("apt-get", &["download", "-q", "etcd-server"]).context("etcd cannot be fetched; type: apt-get install etcd-server")?;
    let package = fs::read_dir(directory)?.flatten().map(|file| file.path());
    let package = package.into_iter().find(|path| path.extension().is_some_and(|of| of == "deb")).context("no package came")?;
    run("dpkg", &["-x", package.to_str().context("a path that is no text")?, "etcd-server"])?;
    Ok(unpacked)
}

impl Etcd {
    /// Starts three members with empty directories below `directory`, and builds the client.
    pub(super) fn start(programs: &Programs, directory: &Path, tools: &Path) -> anyhow::Result<Self> {
        build::package("bench-etcd")?;
        let program = program(tools)?;
        let mut urls = Vec::new();
        for n in 1..=3 {
            urls.push((n, format!("127.0.0.1:{}", free_port()?), format!("http://127.0.0.1:{}", free_port()?)));
        }
        let cluster = urls.iter().map(|(n, _, peer)| format!("m{n}={peer}")).collect::<Vec<_>>().join(",");
        let mut started = Self { members: Vec::new(), load: programs.path("bench-etcd"), directory: directory.to_owned() };
        for (n, client, peer) in urls {
            fs::create_dir_all(directory)?;
            let log = File::create(directory.join(format!("m{n}.log")))?;
            let client_url = format!("http://{client}");
            let mut command = guarded(&program, None, "KILL");
            command.args(["--name", &format!("m{n}"), "--initial-cluster", &cluster, "--initial-cluster-state", "new"]);
            command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            // Its quota would end a long run; the others of its settings are its own.
            command.args(["--quota-backend-bytes", "8589934592"]).arg("--data-dir").arg(directory.join(format!("m{n}")));
            let child = command.stdout(log.try_clone()?).stderr(log).spawn().context("etcd does not start")?;
            started.members.push((client, child));
        }
        Ok(started)
    }

    /// Client address of the member that leads, by etcd's own metrics.
    async fn leader(&self) -> anyhow::Result<&str> {
        let (http, began) = (reqwest::Client::new(), Instant::now());
        loop {
            for (client, _) in &self.members {
                let Ok(answer) = http.get(format!("http://{client}/metrics")).send().await else { continue };
                if answer.text().await?.lines().any(|line| line == "etcd_server_is_leader 1") {
                    return Ok(client);
                }
            }
            ensure!(began.elapsed() < START_LIMIT, "no etcd member leads; see the logs in {:?}", self.directory);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// One round of a workload of bench-etcd.
    pub(super) async fn round(&self, workload: &str, callers: usize, time: Duration) -> anyhow::Result<Round> {
        let (callers, seconds) = (callers.to_string(), time.as_secs().to_string());
        let mut command = Command::new(&self.load);
        command.args(["--endpoint", self.leader().await?, "--workload", workload, "--callers", &callers, "--seconds", &seconds]);
        // This thread has nothing else to do meanwhile.
        let output = command.output().context("bench-etcd does not start")?;
        ensure!(output.status.success(), "bench-etcd: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for (_, child) in &mut self.members {
            // Best effort: the process may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
