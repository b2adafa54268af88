//! The supervisor's control port: one JSON line asks, one answers, with a token that only the owner's file has.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use deploy_api::Topology;
use serde::{Deserialize, Serialize};

use crate::{plan::Place, secrets::write_private, supervisor::Supervisor};

/// A process may take its time to become ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Longest line; a topology has under 10 KiB.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Address {
    address: String,
    token: String,
    /// Whether catalog and stock are there as well.
    ready: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Status,
    Kill(Vec<String>),
    Start(Vec<String>),
    Down,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    token: String,
    ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Status(Box<Topology>),
    Done,
    /// Of the started processes, those that are not ready.
    Started(Vec<String>),
    Failed(String),
}

/// The way to a running supervisor.
#[derive(Debug)]
pub struct Control {
    address: Address,
}

impl Control {
    /// Fails with what to do when nothing is up under this name.
    pub fn connect(place: &Place) -> anyhow::Result<Self> {
        let missing = || format!("nothing is up under the name {:?}; `cargo deploy up` starts it", place.name);
        let bytes = std::fs::read(place.control_file()).with_context(missing)?;
        let control = Self { address: serde_json::from_slice(&bytes)? };
        // A file without a supervisor behind it was left by one that was killed.
        control.status().with_context(missing)?;
        Ok(control)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.address.ready
    }

    pub fn status(&self) -> anyhow::Result<Topology> {
        match self.ask(Ask::Status)? {
            Reply::Status(topology) => Ok(*topology),
            other => bail!("an unexpected answer: {other:?}"),
        }
    }

    pub fn kill(&self, processes: &[String]) -> anyhow::Result<()> {
        self.ask(Ask::Kill(processes.to_vec())).map(drop)
    }

    /// Gives those that run and cannot work before others run as well.
    pub fn start(&self, processes: &[String]) -> anyhow::Result<Vec<String>> {
        match self.ask(Ask::Start(processes.to_vec()))? {
            Reply::Started(early) => Ok(early),
            other => bail!("an unexpected answer: {other:?}"),
        }
    }

    /// Returns when everything has stopped.
    pub fn down(&self) -> anyhow::Result<()> {
        let pid = self.status()?.supervisor_pid;
        self.ask(Ask::Down)?;
        while std::path::Path::new(&format!("/proc/{pid}")).exists() && self.status().is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn ask(&self, ask: Ask) -> anyhow::Result<Reply> {
        let mut stream = TcpStream::connect(&self.address.address)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let question = Question { token: self.address.token.clone(), ask };
        stream.write_all(serde_json::to_string(&question)?.as_bytes())?;
        stream.write_all(b"\n")?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line)?;
        match serde_json::from_str(&line)? {
            Reply::Failed(reason) => bail!(reason),
            reply => Ok(reply),
        }
    }
}

/// Opens the port and answers on it as long as the process lives.
pub(crate) fn listen(supervisor: Supervisor) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let token = supervisor.secrets().control.clone();
    let address = Address { address: listener.local_addr()?.to_string(), token, ready: false };
    write_private(&supervisor.place().control_file(), &serde_json::to_vec(&address)?)?;
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let supervisor = supervisor.clone();
            thread::spawn(move || answer(&supervisor, stream));
        }
    })?;
    Ok(())
}

/// Notes in the control file that the topology is ready for its users.
pub(crate) fn announce(place: &Place) -> anyhow::Result<()> {
    let address: Address = serde_json::from_slice(&std::fs::read(place.control_file())?)?;
    write_private(&place.control_file(), &serde_json::to_vec(&Address { ready: true, ..address })?)
}

fn answer(supervisor: &Supervisor, stream: TcpStream) {
    let mut line = String::new();
    let read = stream.try_clone().map(|stream| BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line));
    let Ok(Ok(_)) = read else { return };
    let Ok(question) = serde_json::from_str::<Question>(&line) else { return };
    if question.token != supervisor.secrets().control {
        return;
    }
    let done = |result: anyhow::Result<()>| result.map_or_else(|error| Reply::Failed(format!("{error:#}")), |()| Reply::Done);
    let reply = match question.ask {
        Ask::Status => Reply::Status(Box::new(supervisor.topology())),
        Ask::Kill(names) => done(supervisor.kill_all(&names)),
        Ask::Start(names) => {
            supervisor.start_all_of(&names).map_or_else(|error| Reply::Failed(format!("{error:#}")), Reply::Started)
        }
        Ask::Down => {
            supervisor.ask_to_stop();
            Reply::Done
        }
    };
    let mut stream = stream;
    if let Ok(text) = serde_json::to_string(&reply) {
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\n"));
    }
}
