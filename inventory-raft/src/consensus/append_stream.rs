//! Log entries to a peer over one long request: the body carries append requests, the answer's body their results, in order.
//!
//! A request does not wait for the one before it to be answered, so the log's disk of the follower and the wire are busy at the same time.
//! Each message is a length (4 bytes, big-endian) and its postcard.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future::ready, stream};
use openraft::{
    error::{RPCError, Unreachable},
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, time::Instant};

use super::{node::Raft, peer_gate::Sender, state_machine::SharedState, type_config::TypeConfig};

/// Largest message: 64 entries of 128 KiB, and room for the frame.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Requests sent and not yet answered. Four entries are in flight at most, the rest are heartbeats and what a follower that
/// lags catches up with.
const MAX_UNANSWERED: usize = 32;

/// How many times the time to live of one RPC an answer may take: in a queue behind others, and with a sync of a busy disk in
/// it. About an election; sending again sooner would only add to the queue.
const ANSWER_TTLS: u32 = 10;

pub(super) type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;
type Request = AppendEntriesRequest<TypeConfig>;

fn message(of: &impl Serialize) -> io::Result<Bytes> {
    let mut framed = postcard::to_extend(of, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(framed.len() - 4).map_err(io::Error::other)?;
    framed[..4].copy_from_slice(&length.to_be_bytes());
    Ok(framed.into())
}

/// Cuts a stream of bytes into messages. Ends with the first error.
fn messages<T, E>(chunks: impl Stream<Item = Result<Bytes, E>> + Unpin) -> impl Stream<Item = io::Result<T>>
where
    T: DeserializeOwned,
    E: std::error::Error + Send + Sync + 'static,
{
    stream::unfold(Some((chunks, BytesMut::new())), |state| async {
        let (mut chunks, mut buffer) = state?;
        loop {
            match take_message(&mut buffer) {
                Err(error) => return Some((Err(error), None)),
                Ok(Some(message)) => return Some((Ok(message), Some((chunks, buffer)))),
                Ok(None) => {}
            }
            match chunks.next().await {
                Some(Ok(chunk)) => buffer.put(chunk),
                Some(Err(error)) => return Some((Err(io::Error::other(error)), None)),
                None => return None,
            }
        }
    })
}

fn take_message<T: DeserializeOwned>(buffer: &mut BytesMut) -> io::Result<Option<T>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(length) = buffer.get(..4) else { return Ok(None) };
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > MAX_MESSAGE_BYTES {
        return Err(invalid(format!("a message of {length} bytes")));
    }
    if buffer.len() < 4 + length {
        buffer.reserve(4 + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(4);
    postcard::from_bytes(&buffer.split_to(length)).map(Some).map_err(|error| invalid(error.to_string()))
}

/// When the requests that wait for an answer were sent, oldest first.
#[derive(Clone)]
pub(super) struct Unanswered {
    sent: Arc<Mutex<VecDeque<Instant>>>,
    room: Arc<Semaphore>,
    /// No further request will be sent.
    is_over: Arc<AtomicBool>,
}

impl Unanswered {
    pub(super) fn new() -> Self {
        Self { sent: Arc::default(), room: Arc::new(Semaphore::new(MAX_UNANSWERED)), is_over: Arc::default() }
    }

    fn sent(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        self.sent().pop_front();
        self.room.add_permits(1);
    }
}

/// The requests, as soon as there is one. openraft spares a peer that does not answer by being late with the first: a transport that
/// connects before it asks for it would try a peer that is down again and again without a pause.
pub(super) async fn begun<S>(requests: S) -> impl Stream<Item = Request> + Send + Unpin + 'static
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let mut requests = requests.fuse();
    let first = requests.next().await;
    stream::iter(first).chain(requests)
}

/// The body of the long request.
pub(super) fn request_body<S>(requests: S, unanswered: Unanswered) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    stream::unfold((requests, unanswered), |(mut requests, unanswered)| async {
        unanswered.room.acquire().await.ok()?.forget();
        let Some(request) = requests.next().await else {
            unanswered.is_over.store(true, Ordering::Relaxed);
            return None;
        };
        unanswered.sent().push_back(Instant::now());
        Some((message(&request), (requests, unanswered)))
    })
}

/// The results in the body of the answer. Each must come within its time; the stream ends with the first that says stop.
pub(super) fn answers<'a, E>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'a,
    unanswered: Unanswered,
    ttl: Duration,
) -> impl Stream<Item = Answer> + Send + 'a
where
    E: std::error::Error + Send + Sync + 'static,
{
    let results = Box::pin(messages(body));
    stream::unfold(Some((results, unanswered)), move |state| async move {
        let (mut results, unanswered) = state?;
        match next_in_time(&mut results, &unanswered, ttl * ANSWER_TTLS).await? {
            Ok(result) => {
                unanswered.answered();
                let go_on = StreamAppendResult::<TypeConfig>::is_ok(&result);
                Some((Ok(result), go_on.then_some((results, unanswered))))
            }
            Err(error) => Some((Err(RPCError::Unreachable(Unreachable::new(&error))), None)),
        }
    })
}

async fn next_in_time<T>(
    results: &mut (impl Stream<Item = io::Result<T>> + Unpin),
    unanswered: &Unanswered,
    limit: Duration,
) -> Option<io::Result<T>> {
    loop {
        let oldest = unanswered.sent().front().copied();
        let deadline = oldest.unwrap_or_else(Instant::now) + limit;
        match tokio::time::timeout_at(deadline, results.next()).await {
            Ok(next) => return next,
            // The peer may never hear that the requests have ended, and so not end its answers: as when a link was cut just then.
            Err(_) if unanswered.sent().is_empty() && unanswered.is_over.load(Ordering::Relaxed) => return None,
            // Nothing was asked for: no answer is late.
            Err(_) if unanswered.sent().front().is_none_or(|sent| sent.elapsed() < limit) => {}
            Err(_) => return Some(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The receiving side: what the body of the answer carries.
pub(super) fn serve<E>(
    raft: &Raft,
    shared: Arc<SharedState>,
    sender: Sender,
    body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    E: std::error::Error + Send + Sync + 'static,
{
    // What the leader said with each request, until the request is dealt with.
    let said: Arc<Mutex<VecDeque<_>>> = Arc::default();
    let hearing = said.clone();
    let requests = messages::<Request, E>(body)
        .take_while(|next| ready(next.is_ok()))
        .filter_map(|next| ready(next.ok()))
        .take_while(move |request| ready(sender.may_say(&request.vote)))
        .inspect(move |request| {
            let commit = request.leader_commit.map_or(0, |last| last.index);
            hearing.lock().unwrap_or_else(PoisonError::into_inner).push_back((commit, crate::clock::now()));
        });
    raft.stream_append(requests).map(move |done| {
        let result = done.map_err(io::Error::other)?;
        let heard = said.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let (Some((commit, at)), Ok(_)) = (heard, &result) {
            shared.heard(commit, at);
        }
        message(&result)
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::{super::type_config::Vote, *};

    #[tokio::test]
    async fn answers_end_after_the_last_although_the_peer_does_not_end_them() {
        let unanswered = Unanswered::new();
        let request = Request { vote: Vote::new(1, 1), prev_log_id: None, leader_commit: None, entries: Vec::new() };
        let requests = stream::iter([request.clone(), request]);
        assert_eq!(request_body(requests, unanswered.clone()).count().await, 2);
        let success: StreamAppendResult<TypeConfig> = Ok(None);
        let arrived = stream::iter([message(&success), message(&success)]);
        let body = arrived.chain(stream::pending::<io::Result<Bytes>>()).boxed();
        let answered = answers(body, unanswered, Duration::from_millis(2)).map(|answer| answer.is_ok());
        assert_eq!(answered.collect::<Vec<_>>().await, [true, true]);
    }

    #[tokio::test]
    async fn messages_come_out_whole_however_they_were_cut() {
        let sent: Vec<String> = (0..20).map(|n| "x".repeat(n * 7)).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|text| message(text).unwrap()).collect();
        for size in [1, 3, 50, 10_000] {
            let chunks: Vec<io::Result<Bytes>> = bytes.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let found = pin!(messages::<String, _>(stream::iter(chunks)));
            let found: Vec<String> = found.map(Result::unwrap).collect().await;
            assert_eq!(found, sent);
        }
        let huge = vec![Ok::<_, io::Error>(Bytes::from_static(&[0xff; 8]))];
        let mut refused = pin!(messages::<String, _>(stream::iter(huge)));
        assert!(refused.next().await.unwrap().is_err());
        assert!(refused.next().await.is_none());
    }
}
