//! One direction of one connection: bytes are read, held for as long as the link says, and written, in order.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    time::sleep_until,
};

use crate::{
    condition::{Condition, Way},
    link::{Direction, Shared},
    schedule::{arrival, most_bytes},
};

/// What is read at once: what a socket of the loopback interface has when its reader is late.
const BUFFER_BYTES: usize = 64 * 1024;

/// With less room than this in the buffer, it is made anew.
const MIN_READ_BYTES: usize = 4 * 1024;

/// Bytes that one direction of a connection may have on the way; more stay with their sender. On a way of 110 ms this is 9.5 MB/s.
const MAX_HELD_BYTES: usize = 1024 * 1024;

/// Why a connection ended before its time.
#[derive(Debug)]
pub(crate) enum Broken {
    /// A fault resets it.
    Reset,
    /// One of the two sides is gone.
    Gone,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

struct Chunk {
    bytes: Bytes,
    sent: Duration,
    draw: f64,
}

pub(crate) struct Pump<'a> {
    pub(crate) from: ReadHalf<'a>,
    pub(crate) to: WriteHalf<'a>,
    pub(crate) link: &'a Shared,
    pub(crate) direction: Direction,
    buffer: BytesMut,
    held: VecDeque<Chunk>,
    held_bytes: usize,
    is_over: bool,
}

enum Step {
    /// The link is another one now.
    Changed,
    Moved,
    /// All that was read is written, and there is no more.
    Done,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(from: ReadHalf<'a>, to: WriteHalf<'a>, link: &'a Shared, direction: Direction) -> Self {
        Self { from, to, link, direction, buffer: BytesMut::new(), held: VecDeque::new(), held_bytes: 0, is_over: false }
    }

    pub(crate) async fn run(mut self, mut condition: watch::Receiver<Condition>) -> Result<(), Broken> {
        loop {
            let now = *condition.borrow_and_update();
            if now.reset {
                return Err(Broken::Reset);
            }
            let way = self.direction.of(&now);
            // One wait for the next change for as long as there is none: asking anew with each chunk would cost a lock each time.
            let mut changed = std::pin::pin!(condition.changed());
            loop {
                match self.step(&way, changed.as_mut()).await? {
                    Step::Changed => break,
                    Step::Moved => {}
                    Step::Done => return Ok(self.to.shutdown().await?),
                }
            }
        }
    }

    /// When something may be done that may not be done now.
    fn wake_at(&self, way: &Way, now: Duration, line_free: Duration) -> Option<Instant> {
        let leaves = self.held.front().map(|chunk| arrival(chunk.sent, chunk.draw, way));
        let takes = (!self.is_over).then_some(line_free);
        let next = [leaves, takes].into_iter().flatten().filter(|at| *at > now).min();
        next.filter(|_| !way.black_hole).map(|at| self.link.began + at)
    }

    async fn step<F>(&mut self, way: &Way, changed: Pin<&mut F>) -> Result<Step, Broken>
    where
        F: Future<Output = Result<(), watch::error::RecvError>>,
    {
        let now = self.link.began.elapsed();
        let line_free = self.link.line(self.direction).free_at(way);
        let writes = !way.black_hole && self.held.front().is_some_and(|chunk| arrival(chunk.sent, chunk.draw, way) <= now);
        if self.is_over && self.held.is_empty() && !way.black_hole {
            return Ok(Step::Done);
        }
        let has_room = !self.is_over && self.held_bytes < MAX_HELD_BYTES;
        let reads = has_room && !way.black_hole && line_free <= now;
        if has_room && !way.black_hole && line_free > now {
            self.link.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let wake = self.wake_at(way, now, line_free);
        let front = self.held.front().map_or(&[][..], |chunk| &chunk.bytes[..]);
        if self.buffer.capacity() < MIN_READ_BYTES {
            self.buffer.reserve(BUFFER_BYTES);
        }
        let mut room = bytes::BufMut::limit(&mut self.buffer, most_bytes(way, BUFFER_BYTES));
        tokio::select! {
            biased;
            _ = changed => Ok(Step::Changed),
            written = self.to.write(front), if writes => {
                let written = written?;
                self.wrote(written);
                Ok(Step::Moved)
            }
            read = self.from.read_buf(&mut room), if reads => {
                let read = read?;
                self.took(read, way);
                Ok(Step::Moved)
            }
            () = until(wake), if wake.is_some() => Ok(Step::Moved),
        }
    }

    fn wrote(&mut self, bytes: usize) {
        let Some(chunk) = self.held.front_mut() else { return };
        chunk.bytes.advance(bytes);
        self.held_bytes -= bytes;
        self.link.count(self.direction, bytes);
        if chunk.bytes.is_empty() {
            self.held.pop_front();
        }
    }

    fn took(&mut self, bytes: usize, way: &Way) {
        if bytes == 0 {
            self.is_over = true;
            return;
        }
        let sent = self.link.line(self.direction).take(self.link.began.elapsed(), bytes, way);
        let draw = if way.jitter_us == 0 { 0.0 } else { rand::random() };
        self.held_bytes += bytes;
        self.held.push_back(Chunk { bytes: self.buffer.split().freeze(), sent, draw });
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
