//! Waiting until a process says that it is ready.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Longest wait for a process to become ready.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(25);

/// Asks `GET path` until it is 200. `alive` says whether the process still runs; `Err` carries what it last said.
pub(crate) fn wait(admin: &str, path: &str, mut alive: impl FnMut() -> bool) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let said = ask(admin, path);
        match said {
            Ok(()) => return Ok(()),
            Err(_) if !alive() => return Err("it ended".to_owned()),
            Err(said) if began.elapsed() > LIMIT => return Err(format!("not ready after {LIMIT:?}: {said}")),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

/// Asks once.
pub(crate) fn ask(admin: &str, path: &str) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(admin).map_err(text)?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).map_err(text)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(text)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(text)?;
    // Patroni speaks HTTP/1.0.
    if answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200") {
        return Ok(());
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    let said = if body.trim().is_empty() { head.lines().next().unwrap_or("nothing") } else { body };
    Err(said.trim().to_owned())
}
