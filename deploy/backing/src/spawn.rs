//! Starting a server process that dies with its parent.

use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{TcpListener, TcpStream},
    ops::Range,
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

/// Ports for servers, below those that Linux gives to outgoing connections (ip_local_port_range in ip(7)): one of these is still free
/// when the server comes to it.
const PORTS: Range<u16> = 12_000..32_000;

/// Ports looked at before giving up.
const MAX_TRIES: usize = 1_000;

/// A listener on a free port of the loopback interface, which holds the port while others are looked for.
pub fn free_listener() -> io::Result<TcpListener> {
    let any = || {
        let random = RandomState::new().build_hasher().finish() % u64::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(random).unwrap_or_default()
    };
    let bound = (0..MAX_TRIES).find_map(|_| TcpListener::bind(("127.0.0.1", any())).ok());
    bound.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// A port of the loopback interface that is free now.
pub fn free_port() -> io::Result<u16> {
    Ok(free_listener()?.local_addr()?.port())
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
pub fn serve(mut command: Command, program: &str, port: u16, log: &Path) -> Result<Child, ServerError> {
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
