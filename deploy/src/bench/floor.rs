//! The least that one replicated write can take on this machine: two syncs of a log and two round trips over the loopback.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

/// Repetitions; the median is told.
const TIMES: usize = 1_000;

/// Bytes of a small log entry.
const ENTRY: usize = 256;

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// An append and its `fdatasync`.
fn sync(directory: &Path) -> anyhow::Result<Duration> {
    let path = directory.join("floor");
    let (mut file, mut times) = (File::create(&path)?, Vec::with_capacity(TIMES));
    for _ in 0..TIMES {
        let began = Instant::now();
        file.write_all(&[0; ENTRY])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(median(times))
}

/// There and back on a kept connection.
fn round_trip() -> anyhow::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut there = TcpStream::connect(listener.local_addr()?)?;
    let (mut back, _) = listener.accept()?;
    there.set_nodelay(true)?;
    back.set_nodelay(true)?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let mut bytes = [0; ENTRY];
        for _ in 0..TIMES {
            back.read_exact(&mut bytes)?;
            back.write_all(&bytes)?;
        }
        Ok(())
    });
    let (mut bytes, mut times) = ([0; ENTRY], Vec::with_capacity(TIMES));
    for _ in 0..TIMES {
        let began = Instant::now();
        there.write_all(&bytes)?;
        there.read_exact(&mut bytes)?;
        times.push(began.elapsed());
    }
    echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))??;
    Ok(median(times))
}

/// Two syncs and two round trips.
pub(super) fn measure(directory: &Path) -> anyhow::Result<Duration> {
    Ok(2 * sync(directory)? + 2 * round_trip()?)
}
