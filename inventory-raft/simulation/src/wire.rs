//! The network between nodes. Questions and answers are datagrams, which come late, in any order, or not at all; append streams and
//! snapshots go over TCP.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture};
use inventory_raft::simulation::{Node, Pieces, Rpc, Wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::AbortHandle,
};
use tokio_util::io::ReaderStream;
use turmoil::net::{
    TcpListener, TcpStream, UdpSocket,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use crate::{
    dice::Dice,
    talk::{DATAGRAM_BYTES, RPC_PORT, STREAM_PORT, host},
    world::World,
};

/// The first byte on a connection: what it is for.
const APPEND_STREAM: u8 = 1;
const SNAPSHOT: u8 = 2;

const DATAGRAM_RPCS: [Rpc; 4] = [Rpc::Append, Rpc::Vote, Rpc::PreVote, Rpc::TransferLeader];
/// In place of an RPC's number: this is the answer to a question.
const ANSWER: u8 = u8::MAX;

/// A leader opens a stream to each peer for every round of reads, some hundreds a second under this workload. One that tries a peer again
/// without a pause opens thousands within a millisecond.
const MAX_STREAMS_PER_SECOND: u32 = 5_000;

type Awaited = BTreeMap<u64, oneshot::Sender<Bytes>>;

struct Shared {
    world: World,
    node: u64,
    dice: Mutex<Dice>,
    /// Streams opened in a second of simulated time.
    opened: Mutex<(u64, u32)>,
    socket: UdpSocket,
    /// The next question's number, and who waits for answers.
    awaited: Mutex<(u64, Awaited)>,
}

impl Shared {
    fn awaited(&self) -> MutexGuard<'_, (u64, Awaited)> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a stream that is opened, and says whether there are too many.
    fn opens(&self) -> bool {
        let second = turmoil::sim_elapsed().unwrap_or_default().as_secs();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = if opened.0 == second { (second, opened.1 + 1) } else { (second, 1) };
        if opened.1 > MAX_STREAMS_PER_SECOND {
            let node = self.node;
            self.world.state().violated(format!("node {node} opens {MAX_STREAMS_PER_SECOND} streams within a second: it spins"));
        }
        opened.1 > MAX_STREAMS_PER_SECOND
    }

    /// Sends a datagram, which may get lost.
    async fn send(&self, datagram: &[u8], to: impl turmoil::ToSocketAddrs) -> io::Result<()> {
        let lost = self.world.plan.lost_percent;
        let is_calm = self.world.state().is_calm;
        if !is_calm && self.dice.lock().unwrap_or_else(PoisonError::into_inner).percent(lost) {
            return Ok(());
        }
        self.socket.send_to(datagram, to).await.map(drop)
    }
}

/// Forgets a question when nobody waits for its answer any more.
struct Waiting {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.awaited().1.remove(&self.number);
    }
}

/// One node's end of the network.
#[derive(Clone)]
pub(crate) struct NodeWire {
    shared: Arc<Shared>,
}

fn datagram(kind: u8, number: u64, body: &[u8]) -> Vec<u8> {
    [&[kind], &number.to_be_bytes()[..], body].concat()
}

fn parse(datagram: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (kind, rest) = datagram.split_first()?;
    let (number, body) = rest.split_first_chunk()?;
    Some((*kind, u64::from_be_bytes(*number), body))
}

impl NodeWire {
    /// `incarnation` keeps the answers to questions of the node's former life apart.
    pub(crate) async fn bind(world: World, node: u64, incarnation: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind(("0.0.0.0", RPC_PORT)).await?;
        let dice = Mutex::new(world.state().dice.fork());
        let awaited = Mutex::new((incarnation << 32, Awaited::new()));
        Ok(Self { shared: Arc::new(Shared { world, node, dice, opened: Mutex::default(), socket, awaited }) })
    }

    /// Answers peers. Returns with the first error.
    pub(crate) async fn serve(self, node: Node) -> io::Result<()> {
        let listener = TcpListener::bind(("0.0.0.0", STREAM_PORT)).await?;
        let streams = accept(listener, node.clone());
        tokio::try_join!(self.receive(node), streams).map(drop)
    }

    async fn receive(&self, node: Node) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let (length, from) = self.shared.socket.recv_from(&mut buffer).await?;
            let Some((kind, number, body)) = parse(&buffer[..length]) else { continue };
            let body = Bytes::copy_from_slice(body);
            if kind == ANSWER {
                if let Some(waiter) = self.shared.awaited().1.remove(&number) {
                    let _ = waiter.send(body);
                }
                continue;
            }
            let Some(rpc) = DATAGRAM_RPCS.get(usize::from(kind)).copied() else { continue };
            let (shared, node) = (self.shared.clone(), node.clone());
            tokio::spawn(async move {
                let promised = |vote| shared.world.promised(shared.node, vote);
                if let Ok(answer) = node.answer(rpc, body, promised).await {
                    // What does not get through is lost like any message.
                    let _ = shared.send(&datagram(ANSWER, number, &answer), from).await;
                }
            });
        }
    }

    fn question(&self, kind: u8, to: u64, body: &Bytes) -> BoxFuture<'static, io::Result<Bytes>> {
        let (sender, answer) = oneshot::channel();
        let number = {
            let mut awaited = self.shared.awaited();
            awaited.0 += 1;
            let number = awaited.0;
            awaited.1.insert(number, sender);
            number
        };
        let (waiting, question) = (Waiting { shared: self.shared.clone(), number }, datagram(kind, number, body));
        Box::pin(async move {
            waiting.shared.send(&question, (host(to), RPC_PORT)).await?;
            answer.await.map_err(io::Error::other)
        })
    }
}

impl Wire for NodeWire {
    fn call(&self, to: u64, rpc: Rpc, body: Bytes) -> BoxFuture<'static, io::Result<Bytes>> {
        match DATAGRAM_RPCS.iter().position(|other| *other == rpc).and_then(|at| u8::try_from(at).ok()) {
            Some(kind) => self.question(kind, to, &body),
            None => Box::pin(send_snapshot(to, body)),
        }
    }

    fn stream(&self, to: u64, requests: Pieces<'static>) -> BoxFuture<'static, io::Result<Pieces<'static>>> {
        let goes_too_fast = self.shared.opens();
        Box::pin(async move {
            if goes_too_fast {
                // Time stands still while a node spins.
                std::future::pending::<()>().await;
            }
            let (read, mut write) = TcpStream::connect((host(to), STREAM_PORT)).await?.into_split();
            write.write_u8(APPEND_STREAM).await?;
            let pump = tokio::spawn(pump(requests, write)).abort_handle();
            let answers: Pieces<'static> = Answers { pieces: ReaderStream::new(read), pump }.boxed();
            Ok(answers)
        })
    }
}

async fn pump(mut pieces: Pieces<'static>, mut to: OwnedWriteHalf) -> io::Result<()> {
    while let Some(piece) = pieces.next().await {
        to.write_all(&piece?).await?;
    }
    to.shutdown().await
}

/// The answers of a stream; its requests end with them.
struct Answers {
    pieces: ReaderStream<OwnedReadHalf>,
    pump: AbortHandle,
}

impl Stream for Answers {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_next_unpin(context)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

async fn send_snapshot(to: u64, body: Bytes) -> io::Result<Bytes> {
    let mut stream = TcpStream::connect((host(to), STREAM_PORT)).await?;
    stream.write_u8(SNAPSHOT).await?;
    stream.write_u32(u32::try_from(body.len()).map_err(io::Error::other)?).await?;
    stream.write_all(&body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer.into()) }
}

async fn accept(listener: TcpListener, node: Node) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let node = node.clone();
        tokio::spawn(async move {
            // A connection that breaks is the caller's to open again.
            let _ = connection(stream, node).await;
        });
    }
}

async fn connection(mut stream: TcpStream, node: Node) -> io::Result<()> {
    if stream.read_u8().await? == APPEND_STREAM {
        let (read, write) = stream.into_split();
        return pump(node.answer_stream(ReaderStream::new(read).boxed()), write).await;
    }
    let length = stream.read_u32().await?;
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut body).await?;
    let answer = node.answer(Rpc::Snapshot, body.into(), |_| ()).await?;
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
