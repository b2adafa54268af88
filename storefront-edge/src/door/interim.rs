//! 1xx answers, which go to the caller before the answer to a request.
//!
//! hyper's server gives one answer to a request and no more. These are written past it, between two of its writes: [`super::wire`] sends
//! what waits here before it takes the first byte of the answer.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use http::{HeaderMap, StatusCode, header};

/// Bytes that wait for a caller who does not read: two heads full of links. More are left out, for they are hints.
const MAX_WAITING_BYTES: usize = 16 * 1024;

/// 1xx answers to one request in a row: an origin that sends more has lost its way.
const MAX_ANSWERS: u32 = 16;

/// Takes 1xx answers for one request. Ends with the request: what comes later is left out. May be sent between threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interim(Option<(Arc<Queue>, u64)>);

/// Of a connection.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Whether bytes wait, so that a write without any takes no lock.
    waits: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The request whose 1xx answers are taken, counted from 1; 0 for none.
    open: u64,
    answers: u32,
    bytes: Vec<u8>,
    waker: Option<Waker>,
}

impl Interim {
    /// For a caller who cannot take any: of HTTP/1.0, which does not know them (RFC 9110 section 15.2), or of HTTP/2.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// For the request of this number.
    pub(super) fn of(queue: &Arc<Queue>, request: u64) -> Self {
        let mut state = queue.lock();
        (state.open, state.answers) = (request, 0);
        drop(state);
        Self(Some((queue.clone(), request)))
    }

    /// From here on the answer itself is written. No 1xx answer comes after this returns.
    pub(super) fn close(&self) {
        if let Some((queue, _)) = &self.0 {
            queue.lock().open = 0;
        }
    }

    /// Whether it was taken. 100 is between hyper and the caller, 101 is no interim answer; neither is taken.
    pub(crate) fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let Some((queue, request)) = &self.0 else { return false };
        if !status.is_informational() || status == StatusCode::CONTINUE || status == StatusCode::SWITCHING_PROTOCOLS {
            return false;
        }
        let mut state = queue.lock();
        if state.open != *request || state.answers >= MAX_ANSWERS {
            return false;
        }
        let before = state.bytes.len();
        write_head(&mut state.bytes, status, headers);
        if state.bytes.len() > MAX_WAITING_BYTES {
            state.bytes.truncate(before);
            return false;
        }
        state.answers += 1;
        queue.waits.store(true, Ordering::Release);
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
        true
    }
}

fn write_head(into: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    into.extend_from_slice(b"HTTP/1.1 ");
    into.extend_from_slice(status.as_str().as_bytes());
    into.push(b' ');
    into.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    into.extend_from_slice(b"\r\n");
    // A 1xx answer ends with its head: neither length nor connection is its to speak of (RFC 9110 section 8.6).
    let of_the_connection =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE, header::TRAILER];
    for (name, value) in headers.iter().filter(|(name, _)| !of_the_connection.contains(name)) {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"\r\n");
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task to wake when there is something to write.
    pub(super) fn wakes(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    /// What is to be written now.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        self.waits.store(false, Ordering::Release);
        std::mem::take(&mut state.bytes)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn link(length: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::LINK, HeaderValue::from_str(&"x".repeat(length)).unwrap());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
        headers
    }

    #[test]
    fn only_the_open_request_is_heard_and_only_with_1xx() {
        let queue = Arc::new(Queue::default());
        let first = Interim::of(&queue, 1);
        assert!(first.send(StatusCode::EARLY_HINTS, &link(3)));
        for refused in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            assert!(!first.send(refused, &link(3)));
        }
        assert!(queue.waits());
        assert_eq!(queue.take(), b"HTTP/1.1 103 Early Hints\r\nlink: xxx\r\n\r\n");
        assert!(!queue.waits());
        first.close();
        assert!(!first.send(StatusCode::EARLY_HINTS, &link(3)));
        let second = Interim::of(&queue, 2);
        assert!(!first.send(StatusCode::EARLY_HINTS, &link(3)) && second.send(StatusCode::PROCESSING, &HeaderMap::new()));
        assert!(!Interim::none().send(StatusCode::EARLY_HINTS, &link(3)));
    }

    #[test]
    fn what_nobody_reads_has_a_bound() {
        let queue = Arc::new(Queue::default());
        let interim = Interim::of(&queue, 1);
        assert!(!interim.send(StatusCode::EARLY_HINTS, &link(MAX_WAITING_BYTES)));
        assert!(queue.take().is_empty());
        let taken = (0..100).filter(|_| interim.send(StatusCode::EARLY_HINTS, &link(3))).count();
        assert_eq!(taken, MAX_ANSWERS as usize);
    }
}
