//! The supervisor's control port: one JSON line asks, one answers, with a token that only the owner's file has.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Topology, fault::Hold, fault::HoldView};

/// A process may take its time to become ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Longest line; a topology with all its links has under 60 KiB.
pub const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// `control.json`: where the port is, for its owner alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlAddress {
    pub address: String,
    pub token: String,
    /// Whether catalog and stock are there as well.
    pub ready: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    Status,
    Kill(Vec<String>),
    Start(Vec<String>),
    Down,
    /// Makes processes faulty until the lease is over.
    Hold(Hold),
    /// Milliseconds from now on.
    Renew(String, u64),
    Heal(String),
    HealAll,
    Holds,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    pub token: String,
    pub ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Status(Box<Topology>),
    Done,
    /// Of the started processes, those that are not ready.
    Started(Vec<String>),
    Holds(Vec<HoldView>),
    Failed(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("nothing is up under the name {name:?}; `cargo deploy up` starts it")]
    NothingUp { name: String },
    #[error("the supervisor does not answer: {0}")]
    Away(#[from] std::io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("an unexpected answer of the supervisor: {0}")]
    Unexpected(String),
}

type Asked<T> = Result<T, ControlError>;

/// The way to a running supervisor.
#[derive(Clone, Debug)]
pub struct Control {
    address: ControlAddress,
}

impl Control {
    /// The control file that lies beside a topology's file.
    pub fn file_beside(topology: &Path) -> PathBuf {
        topology.with_file_name("control.json")
    }

    /// Fails with what to do when nothing is up under this name.
    pub fn open(file: &Path, name: &str) -> Asked<Self> {
        let nothing = || ControlError::NothingUp { name: name.to_owned() };
        let bytes = std::fs::read(file).map_err(|_| nothing())?;
        let control = Self { address: serde_json::from_slice(&bytes).map_err(|_| nothing())? };
        // A file without a supervisor behind it was left by one that was killed.
        control.status().map_err(|_| nothing())?;
        Ok(control)
    }

    pub fn is_ready(&self) -> bool {
        self.address.ready
    }

    /// What the control ports of the topology ask for.
    pub fn token(&self) -> &str {
        &self.address.token
    }

    pub fn status(&self) -> Asked<Topology> {
        match self.ask(Ask::Status)? {
            Reply::Status(topology) => Ok(*topology),
            other => Err(unexpected(&other)),
        }
    }

    pub fn kill(&self, processes: &[String]) -> Asked<()> {
        self.ask(Ask::Kill(processes.to_vec())).map(drop)
    }

    /// Gives those that run and cannot work before others run as well.
    pub fn start(&self, processes: &[String]) -> Asked<Vec<String>> {
        match self.ask(Ask::Start(processes.to_vec()))? {
            Reply::Started(early) => Ok(early),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes processes faulty until the lease is over or the hold is healed.
    pub fn hold(&self, hold: Hold) -> Asked<()> {
        self.ask(Ask::Hold(hold)).map(drop)
    }

    /// Fails when the hold is over.
    pub fn renew(&self, id: &str, lease: Duration) -> Asked<()> {
        self.ask(Ask::Renew(id.to_owned(), u64::try_from(lease.as_millis()).unwrap_or(u64::MAX))).map(drop)
    }

    /// Also when there is no such hold any more. Comes back when its processes work again.
    pub fn heal(&self, id: &str) -> Asked<()> {
        self.ask(Ask::Heal(id.to_owned())).map(drop)
    }

    pub fn heal_all(&self) -> Asked<()> {
        self.ask(Ask::HealAll).map(drop)
    }

    pub fn holds(&self) -> Asked<Vec<HoldView>> {
        match self.ask(Ask::Holds)? {
            Reply::Holds(holds) => Ok(holds),
            other => Err(unexpected(&other)),
        }
    }

    /// Returns when everything has stopped.
    pub fn down(&self) -> Asked<()> {
        let pid = self.status()?.supervisor_pid;
        self.ask(Ask::Down)?;
        while Path::new(&format!("/proc/{pid}")).exists() && self.status().is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn ask(&self, ask: Ask) -> Asked<Reply> {
        let mut stream = TcpStream::connect(&self.address.address)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let malformed = |error: serde_json::Error| ControlError::Unexpected(error.to_string());
        let question = Question { token: self.address.token.clone(), ask };
        stream.write_all(serde_json::to_string(&question).map_err(malformed)?.as_bytes())?;
        stream.write_all(b"\n")?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line)?;
        match serde_json::from_str(&line).map_err(malformed)? {
            Reply::Failed(reason) => Err(ControlError::Failed(reason)),
            reply => Ok(reply),
        }
    }
}

fn unexpected(reply: &Reply) -> ControlError {
    ControlError::Unexpected(format!("{reply:?}"))
}
