//! Nodes and the command line as processes of the built programs.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use backing_servers::free_listener;
use dev_ca::DevCa;
use serde_json::Value;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// Asks until the answer is there or the deadline over.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) client: String,
    pub(crate) raft: String,
    process: Option<Child>,
}

/// Processes die with it.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    cluster_id: &'static str,
    arguments: Vec<String>,
    /// Without, plaintext.
    pub(crate) ca: Option<DevCa>,
    pub(crate) folder: TempDir,
}

/// The program beside this test's own directory of programs.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built; run `cargo build --workspace --bins`", path.display());
    path
}

impl Cluster {
    /// Nodes with ids 1, 2, ..., the first `first` of which begin the cluster.
    pub(crate) fn new(cluster_id: &'static str, count: u64, arguments: &[&str]) -> Self {
        let listeners: Vec<_> = (0..2 * count).map(|_| free_listener().unwrap()).collect();
        let mut ports = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string());
        let node = |id| Node { id, client: ports.next().unwrap(), raft: ports.next().unwrap(), process: None };
        let nodes = (1..=count).map(node).collect();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { nodes, cluster_id, arguments, ca: None, folder: tempfile::tempdir().unwrap() }
    }

    /// Flags of somebody of this cluster: `node/1`, `client`.
    pub(crate) fn security(&self, who: &str) -> Vec<String> {
        let Some(ca) = &self.ca else { return vec!["--plaintext".to_owned()] };
        let name = format!("storefront://{}/{who}", self.cluster_id).parse().unwrap();
        let files = ca.identity(&who.replace('/', "-"), &name).unwrap();
        let flags = [("--tls-ca", &files.ca), ("--tls-cert", &files.cert), ("--tls-key", &files.key)];
        flags.iter().flat_map(|(flag, path)| [(*flag).to_owned(), text(path).to_owned()]).collect()
    }

    pub(crate) fn data(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("node-{id}"))
    }

    pub(crate) fn peers(&self, count: usize) -> String {
        let peer = |node: &Node| format!("{}=r{}@{}@{}", node.id, node.id, node.client, node.raft);
        self.nodes.iter().take(count).map(peer).collect::<Vec<_>>().join(",")
    }

    /// Starts a node; the `first` nodes begin the cluster together, others wait to be added.
    pub(crate) fn start(&mut self, id: u64, first: usize) {
        let (data, peers, security) = (self.data(id), self.peers(first), self.security(&format!("node/{id}")));
        let log = File::options().create(true).append(true).open(self.folder.path().join(format!("{id}.log"))).unwrap();
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        let mut command = Command::new(program("inventory-raft"));
        command.args(["--node-id", &id.to_string(), "--region", &format!("r{id}"), "--cluster-id", self.cluster_id]);
        command.args(["--listen", &node.client, "--raft-listen", &node.raft, "--data-dir", data.to_str().unwrap()]);
        command.args(&self.arguments).args(security);
        if usize::try_from(id).unwrap() <= first {
            command.args(["--bootstrap", "--peers", &peers]);
        }
        node.process = Some(command.stdout(log).spawn().unwrap());
    }

    pub(crate) fn kill(&mut self, id: u64) {
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        let mut process = node.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Runs the command line against these nodes.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Output {
        self.secured("json", arguments)
    }

    fn secured(&self, output: &str, arguments: &[&str]) -> Output {
        let security = self.security("client");
        self.ctl_with(output, &security.iter().map(String::as_str).chain(arguments.iter().copied()).collect::<Vec<_>>())
    }

    /// With other flags for certificates, or none.
    pub(crate) fn ctl_with(&self, output: &str, arguments: &[&str]) -> Output {
        let endpoints: Vec<&str> = self.nodes.iter().map(|node| node.client.as_str()).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_inventoryctl"));
        command.args(["--output", output, "--endpoints", &endpoints.join(",")]).args(arguments).output().unwrap()
    }

    /// Runs it and gives what a person sees; it must go well.
    pub(crate) fn table(&self, arguments: &[&str]) -> String {
        let output = self.secured("table", arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs it and reads its JSON; it must go well.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Runs it until it goes well.
    pub(crate) fn insist(&self, arguments: &[&str]) {
        let began = Instant::now();
        loop {
            let output = self.ctl(arguments);
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(began.elapsed() < DEADLINE, "{arguments:?} does not go well: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs it; it must be refused with this exit code, and say this.
    pub(crate) fn refused(&self, code: i32, says: &str, arguments: &[&str]) {
        refused(self.ctl(arguments), code, says, arguments);
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.clone()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn refused(output: Output, code: i32, says: &str, arguments: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(code) && said.contains(says), "{arguments:?}: {:?}, {said}", output.status);
}
