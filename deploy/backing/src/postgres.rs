//! A private PostgreSQL: own data directory, own port, loopback only, never as root.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    install::postgres_bin,
    spawn::{ServerError, guarded, log_file, serve},
};

/// The system user that Debian's package brings; PostgreSQL refuses to run as root.
pub(crate) const USER: &str = "postgres";

/// Longest wait until the server takes queries.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running instance. Its superuser is `postgres`, with the password it was given.
#[derive(Debug)]
pub struct Postgres {
    pub port: u16,
    pub child: Child,
}

impl Postgres {
    /// Starts the instance in `directory`, making it first when it is new. A directory that the server's user cannot
    /// reach (below another user's home) is refused with what to do.
    pub fn start(directory: &Path, port: u16, password: &str, log: &Path) -> Result<Self, ServerError> {
        let file_error = |path: &Path, source: io::Error| ServerError::File { path: path.to_owned(), source };
        let data = directory.join("data");
        if !data.join("PG_VERSION").exists() {
            fs::create_dir_all(directory).map_err(|source| file_error(directory, source))?;
            // A cluster has its final name only when it is whole: a start may be interrupted at any moment.
            let unfinished = directory.join("data.new");
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished).map_err(|source| file_error(&unfinished, source))?;
            }
            let password_file = directory.join("initial-password");
            fs::write(&password_file, password).map_err(|source| file_error(&password_file, source))?;
            own(directory)?;
            let mut command = guarded(&postgres_bin("initdb"), Some(USER), "KILL");
            command.args([
                "--auth",
                "scram-sha-256",
                "--username",
                USER,
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-instructions",
            ]);
            command.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&unfinished);
            run(command, "initdb", log)?;
            fs::rename(&unfinished, &data).map_err(|source| file_error(&data, source))?;
            fs::remove_file(&password_file).map_err(|source| file_error(&password_file, source))?;
        }
        let mut command = guarded(&postgres_bin("postgres"), Some(USER), "INT");
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=128MB",
            "fsync=on",
            "synchronous_commit=on",
            "log_line_prefix=%m [%p] %q%u@%d/%a ",
            "log_min_duration_statement=1000",
        ];
        for setting in settings {
            command.args(["-c", setting]);
        }
        let child = serve(command, "postgres", port, log)?;
        let mut server = Self { port, child };
        if let Err(error) = server.wait_ready(password, log) {
            let _ = server.child.kill();
            let _ = server.child.wait();
            return Err(error);
        }
        Ok(server)
    }

    /// A port that takes connections may still refuse queries while the server recovers.
    fn wait_ready(&self, password: &str, log: &Path) -> Result<(), ServerError> {
        let began = Instant::now();
        while Self::query(self.port, password, "select 1").is_err() {
            if began.elapsed() > READY_LIMIT {
                return Err(ServerError::TooSlow { program: "postgres".to_owned(), log: log.to_owned() });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Runs SQL as the superuser of the instance on `port`; gives what psql prints. The SQL goes by the standard input: it may have passwords
    /// in it, and command lines are readable by everybody.
    pub fn query(port: u16, password: &str, sql: &str) -> Result<String, ServerError> {
        let failed = |source: io::Error| ServerError::Run { program: "psql".to_owned(), source };
        let mut command = Command::new(postgres_bin("psql"));
        command.env("PGPASSWORD", password).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", USER, "-d", "postgres"]);
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = command.spawn().map_err(failed)?;
        if let Some(mut input) = psql.stdin.take() {
            // A psql that ended before it read says why below.
            let _ = input.write_all(sql.as_bytes());
        }
        let output = psql.wait_with_output().map_err(failed)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(failed(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))),
        }
    }

    /// URL of a database for the superuser.
    pub fn url(&self, password: &str, database: &str) -> String {
        format!("postgres://{USER}:{password}@127.0.0.1:{}/{database}", self.port)
    }
}

/// As root, the directory and what is in it is the server user's.
pub(crate) fn own(directory: &Path) -> Result<(), ServerError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let mut command = Command::new("chown");
    command.arg("-R").arg(format!("{USER}:{USER}")).arg(directory);
    run(command, "chown", &PathBuf::from("/dev/null"))
}

fn run(mut command: Command, program: &str, log: &Path) -> Result<(), ServerError> {
    let output = log_file(log)?;
    let error = output.try_clone().map_err(|source| ServerError::File { path: log.to_owned(), source })?;
    command.stdin(Stdio::null()).stdout(output).stderr(error);
    let status = command.status().map_err(|source| ServerError::Run { program: program.to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(ServerError::Failed { program: program.to_owned(), log: log.to_owned() }) }
}
