//! Starting a server process that dies with its parent.

use std::{
    fs::{File, OpenOptions},
    io,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for a server to listen. PostgreSQL replays its log first.
const START_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{program} cannot be run: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program} failed; see {log}")]
    Failed { program: String, log: PathBuf },
    #[error("{program} does not listen after {START_LIMIT:?}; see {log}")]
    TooSlow { program: String, log: PathBuf },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

/// A port of the loopback interface that is free now.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs `program` under `setpriv`, so that the kernel sends it `signal` when the thread that started it ends, and, as root, under another user.
pub fn guarded(program: &Path, user: Option<&str>, signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    // A group of its own: Ctrl-C at the terminal is for the launcher, which stops its processes in order.
    command.process_group(0).args(["--pdeathsig", signal]);
    if let Some(user) = user.filter(|_| rustix::process::geteuid().is_root()) {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg(program);
    command
}

pub(crate) fn log_file(path: &Path) -> Result<File, ServerError> {
    let open = OpenOptions::new().create(true).append(true).open(path);
    open.map_err(|source| ServerError::File { path: path.to_owned(), source })
}

/// Starts a long-running server and waits until its port takes connections.
pub(crate) fn serve(mut command: Command, program: &str, port: u16, log: &Path) -> Result<Child, ServerError> {
    let output = log_file(log)?;
    let error = output.try_clone().map_err(|source| ServerError::File { path: log.to_owned(), source })?;
    command.stdin(Stdio::null()).stdout(output).stderr(error);
    let mut child = command.spawn().map_err(|source| ServerError::Run { program: program.to_owned(), source })?;
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if !matches!(child.try_wait(), Ok(None)) {
            return Err(ServerError::Failed { program: program.to_owned(), log: log.to_owned() });
        }
        if began.elapsed() > START_LIMIT {
            let _ = child.kill();
            return Err(ServerError::TooSlow { program: program.to_owned(), log: log.to_owned() });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}
