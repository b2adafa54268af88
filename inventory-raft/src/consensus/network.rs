//! RPCs between peers: postcard over HTTP/1.1 on kept connections, on a port of their own.
//!
//! Every request names the cluster, the sender and the receiver it means (`peer_gate`). With TLS, both sides' certificates name them as
//! well. Every RPC has the deadline that openraft gives it.

use std::{
    collections::BTreeMap,
    error::Error,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::{Stream, StreamExt, TryStreamExt, future::BoxFuture, stream::BoxStream};
use http::{Request as Sent, StatusCode, request::Builder};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
        VoteRequest, VoteResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use storefront_tls::{Connector, HttpClient, Tls, Wanted};
use tokio::time::timeout;
use tokio_util::io::{ReaderStream, StreamReader};

use super::{
    append_stream::{self, Unanswered},
    node::Raft,
    peer_gate::{Gate, Sender, admit, met, refuse},
    snapshot::{SnapshotDir, SnapshotFile},
    state_machine::SharedState,
    type_config::{Peer, SnapshotMeta, TypeConfig, Vote},
    vacancy::Vacancy,
};

/// Hex of the postcard of `(vote, meta)`; the body is the snapshot file.
const SNAPSHOT_HEADER: &str = "raft-snapshot";

/// Largest RPC body: 64 entries of 128 KiB, and room for the frame.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Longest text of a refusal.
const MAX_REASON_BYTES: usize = 4 * 1024;

/// Longest wait for a connection to a peer, and for the handshake on it.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Longest time until a connection and an answer are there, also when nobody waits for that answer any more: a slow connection and its handshake.
const ASKED_LIMIT: Duration = Duration::from_secs(CONNECT_LIMIT.as_secs() * 3);

/// Longest time for a whole snapshot: 1 GiB at 10 MB/s.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(120);

/// How many times the time to live of one RPC the start of a stream may take: a connection and an answer's head.
const SETUP_TTLS: u32 = 4;

type Rpc<T> = Result<T, RPCError<TypeConfig>>;

type PeerBody = UnsyncBoxBody<Bytes, io::Error>;
type PeerClient = HttpClient<PeerBody>;

/// Links to peers. Those of one peer share their connections, which are to that node and no other.
#[derive(Clone)]
pub(crate) struct NetworkFactory {
    gate: Gate,
    tls: Option<Tls>,
    /// By node; members and those that were.
    clients: Arc<Mutex<BTreeMap<u64, PeerClient>>>,
}

impl NetworkFactory {
    pub(super) fn new(gate: Gate, tls: Option<Tls>) -> Self {
        Self { gate, tls, clients: Arc::default() }
    }
}

impl NetworkFactory {
    fn link(&self, target: u64, node: &Peer) -> PeerLink {
        let connector = || Connector::of(self.tls.as_ref(), Wanted::Node(target)).within(CONNECT_LIMIT);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let http = clients.entry(target).or_insert_with(|| HttpClient::new(connector())).clone();
        PeerLink { gate: self.gate.clone(), http, target, address: node.raft.clone() }
    }

    /// Meets every member that was not met before. Followers have nothing to say to each other until one of them asks for votes, and
    /// then it is too late to learn which directory the other one had.
    pub(super) async fn meet(&self, members: impl Iterator<Item = (u64, Peer)>) {
        let (ours, directories) = (self.gate.directories.ours.0, &self.gate.directories);
        for (id, peer) in members.filter(|(id, _)| *id != ours && directories.of(*id).is_none()) {
            let link = self.link(id, &peer);
            let asked = link.clone().send(link.request("meet").body(whole(Vec::new())));
            if let Err(error) = timeout(CONNECT_LIMIT, asked).await.unwrap_or_else(|late| Err(late.into())) {
                tracing::debug!(id, %error, "a member could not be met");
            }
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = PeerLink;

    async fn new_client(&mut self, target: u64, node: &Peer) -> PeerLink {
        self.link(target, node)
    }
}

/// The way to one peer.
#[derive(Clone)]
pub(crate) struct PeerLink {
    gate: Gate,
    http: PeerClient,
    target: u64,
    address: String,
}

fn unreachable_peer(error: &(impl Error + 'static)) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(error))
}

fn whole(bytes: Vec<u8>) -> PeerBody {
    Full::from(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn streamed(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> PeerBody {
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

impl PeerLink {
    fn request(&self, path: &str) -> Builder {
        self.gate.sign(Sent::post(format!("http://{}/raft/v1/{path}", self.address)), self.target)
    }

    /// Until the head of the answer.
    async fn send(self, request: http::Result<Sent<PeerBody>>) -> io::Result<Incoming> {
        let answer = self.http.send(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;
        self.gate.answered(self.target, answer.headers()).await.map_err(|error| {
            tracing::warn!(%error, "the answer of a peer is not used");
            io::Error::other(error)
        })?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::CONFLICT => {
                let reason = Limited::new(answer.into_body(), MAX_REASON_BYTES).collect().await.map_err(io::Error::other)?;
                let reason = String::from_utf8_lossy(&reason.to_bytes()).into_owned();
                self.gate.directories.deny(format!("node {} refuses this node: {reason}", self.target));
                Err(io::Error::other(reason))
            }
            status => Err(io::Error::other(format!("the peer answered {status}; its log may say why"))),
        }
    }

    async fn ask<A: DeserializeOwned>(&self, request: http::Result<Sent<PeerBody>>) -> io::Result<A> {
        let answer = self.clone().send(request).await?;
        let bytes = Limited::new(answer, MAX_BODY_BYTES).collect().await.map_err(io::Error::other)?.to_bytes();
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }

    async fn call<Q: Serialize, A: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        question: &Q,
        option: &RPCOption,
    ) -> Rpc<A> {
        let body = postcard::to_stdvec(question).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        let (link, request) = (self.clone(), self.request(path).body(whole(body)));
        // A question that is late is given up and its connection is not: where a handshake takes longer than one question may, nobody would
        // ever be asked otherwise.
        let asked = tokio::spawn(async move { timeout(ASKED_LIMIT, link.ask(request)).await? });
        let answer = timeout(option.soft_ttl(), asked).await.map_err(|late| unreachable_peer(&late))?;
        answer.map_err(io::Error::other).flatten().map_err(|error| unreachable_peer(&error))
    }

    async fn send_snapshot(
        &self,
        vote: &Vote,
        meta: &SnapshotMeta,
        file: &SnapshotFile,
    ) -> io::Result<SnapshotResponse<TypeConfig>> {
        let header = postcard::to_stdvec(&(vote, meta)).map_err(io::Error::other)?;
        let body = streamed(ReaderStream::new(tokio::fs::File::open(&file.path).await?));
        let asked = self.ask(self.request("snapshot").header(SNAPSHOT_HEADER, hex(&header)).body(body));
        timeout(SNAPSHOT_TIMEOUT, asked).await?
    }
}

impl RaftNetworkV2<TypeConfig> for PeerLink {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        self.call("append", &rpc, &option).await
    }

    fn stream_append<'s, S>(&'s mut self, input: S, option: RPCOption) -> BoxFuture<'s, Rpc<BoxStream<'s, append_stream::Answer>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let unanswered = Unanswered::new();
            let requests = append_stream::request_body(append_stream::begun(input).await, unanswered.clone());
            // The request lasts as long as this node leads; the setup and each answer have their deadlines.
            let sent = self.clone().send(self.request("append-stream").body(streamed(requests)));
            let answer = timeout(option.soft_ttl() * SETUP_TTLS, sent).await;
            let answer = answer.map_err(|late| unreachable_peer(&late))?.map_err(|error| unreachable_peer(&error))?;
            let answers = append_stream::answers(answer.into_data_stream(), unanswered, option.soft_ttl());
            let answers: BoxStream<'s, _> = Box::pin(answers);
            Ok(answers)
        })
    }

    async fn vote(&mut self, rpc: VoteRequest<TypeConfig>, option: RPCOption) -> Rpc<VoteResponse<TypeConfig>> {
        self.call("vote", &rpc, &option).await
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<TypeConfig>, option: RPCOption) -> Rpc<VoteResponse<TypeConfig>> {
        self.call("pre-vote", &rpc, &option).await
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        self.call("transfer-leader", &rpc, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            sent = self.send_snapshot(&vote, &snapshot.meta, &snapshot.snapshot) => {
                sent.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))
            }
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What the receiving side needs.
#[derive(Clone)]
pub(crate) struct PeerServer {
    pub(crate) raft: Raft,
    pub(crate) shared: Arc<SharedState>,
    pub(crate) snapshots: SnapshotDir,
}

/// The RPCs that peers call, for the Raft port. When a leader's stream ends, `vacancy` hears of it.
pub(super) fn raft_router(server: PeerServer, vacancy: Vacancy, gate: Gate) -> Router {
    Router::new()
        .route("/raft/v1/append", post(append))
        .route("/raft/v1/append-stream", post(|server, request| stream_append(server, request, vacancy)))
        .route("/raft/v1/vote", post(vote))
        .route("/raft/v1/pre-vote", post(pre_vote))
        .route("/raft/v1/transfer-leader", post(transfer_leader))
        .route("/raft/v1/snapshot", post(snapshot))
        .route("/raft/v1/meet", post(met))
        .with_state(server)
        .layer(middleware::from_fn_with_state(gate, admit))
}

fn answer(body: &impl Serialize) -> Response {
    match postcard::to_stdvec(body) {
        Ok(bytes) => bytes.into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

impl PeerServer {
    async fn read<T: DeserializeOwned>(request: Request, vote: fn(&T) -> &Vote) -> Result<T, Response> {
        let sender = Sender::of(&request);
        let bytes: Bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|error| refuse(StatusCode::PAYLOAD_TOO_LARGE, error))?;
        let rpc = postcard::from_bytes(&bytes).map_err(|error| refuse(StatusCode::BAD_REQUEST, error))?;
        sender.check(vote(&rpc))?;
        Ok(rpc)
    }
}

async fn append(State(server): State<PeerServer>, request: Request) -> Result<Response, Response> {
    let rpc: AppendEntriesRequest<TypeConfig> = PeerServer::read(request, |rpc: &AppendEntriesRequest<_>| &rpc.vote).await?;
    let commit = rpc.leader_commit.map_or(0, |last| last.index);
    let heard = crate::clock::now();
    let done = server.raft.append_entries(rpc).await.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    server.shared.heard(commit, heard);
    Ok(answer(&done))
}

async fn stream_append(State(server): State<PeerServer>, request: Request, vacancy: Vacancy) -> Response {
    let (sender, open) = (Sender::of(&request), vacancy.stream());
    let body = request.into_body().into_data_stream();
    let answers = append_stream::serve(&server.raft, server.shared, sender, body);
    Body::from_stream(answers.inspect(move |_| _ = &open)).into_response()
}

async fn vote(State(server): State<PeerServer>, request: Request) -> Result<Response, Response> {
    let rpc = PeerServer::read(request, |rpc: &VoteRequest<_>| &rpc.vote).await?;
    let done = server.raft.vote(rpc).await.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(answer(&done))
}

async fn pre_vote(State(server): State<PeerServer>, request: Request) -> Result<Response, Response> {
    let rpc = PeerServer::read(request, |rpc: &VoteRequest<_>| &rpc.vote).await?;
    let done = server.raft.pre_vote(rpc).await.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(answer(&done))
}

async fn transfer_leader(State(server): State<PeerServer>, request: Request) -> Result<Response, Response> {
    let rpc = PeerServer::read(request, TransferLeaderRequest::from_leader).await?;
    let done = server.raft.handle_transfer_leader(rpc).await.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(answer(&done))
}

async fn snapshot(State(server): State<PeerServer>, request: Request) -> Result<Response, Response> {
    let sender = Sender::of(&request);
    let header = request.headers().get(SNAPSHOT_HEADER).and_then(|value| unhex(value.to_str().ok()?));
    let header = header.and_then(|bytes| postcard::from_bytes::<(Vote, SnapshotMeta)>(&bytes).ok());
    let (vote, meta) = header.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "no snapshot header"))?;
    sender.check(&vote)?;
    let path = server.snapshots.temporary();
    receive(request.into_body(), &path).await.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let snapshot = openraft::alias::SnapshotOf::<TypeConfig, _> { meta, snapshot: SnapshotFile { path } };
    let done = server.raft.install_full_snapshot(vote, snapshot).await;
    Ok(answer(&done.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error))?))
}

/// Streams a snapshot into a synced file.
async fn receive(body: Body, path: &std::path::Path) -> io::Result<()> {
    let mut input = StreamReader::new(TryStreamExt::map_err(body.into_data_stream(), io::Error::other));
    let mut file = tokio::fs::File::create(path).await?;
    tokio::io::copy(&mut input, &mut file).await?;
    file.sync_data().await
}

#[cfg(test)]
mod tests;
