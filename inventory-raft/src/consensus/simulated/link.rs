//! The talk between peers over a simulated network: the bodies and the append stream of production, without HTTP.

use std::{fs, io, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    error::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
        VoteRequest, VoteResponse,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::super::{
    append_stream::{self, Unanswered},
    network::PeerServer,
    peer_gate::Sender,
    snapshot::SnapshotFile,
    type_config::{Peer, SnapshotMeta, TypeConfig, Vote},
};
use super::log::stored;
use crate::simulation::{Pieces, Rpc, StoredVote, Wire};

type Answered<T> = Result<T, RPCError<TypeConfig>>;

/// How many times the time to live of an RPC the start of a stream, or a snapshot, may take.
const LONG_TTLS: u32 = 4;

#[derive(Clone)]
pub(super) struct Links {
    pub(super) wire: Arc<dyn Wire>,
}

impl RaftNetworkFactory<TypeConfig> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _: &Peer) -> Link {
        Link { wire: self.wire.clone(), target }
    }
}

/// The way to one peer.
pub(super) struct Link {
    wire: Arc<dyn Wire>,
    target: u64,
}

fn unreachable_peer(error: &io::Error) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(error))
}

impl Link {
    async fn call<A: DeserializeOwned>(&self, rpc: Rpc, question: &impl Serialize, limit: std::time::Duration) -> io::Result<A> {
        let body = postcard::to_stdvec(question).map_err(io::Error::other)?;
        let answer = timeout(limit, self.wire.call(self.target, rpc, body.into())).await??;
        postcard::from_bytes(&answer).map_err(io::Error::other)
    }

    async fn send_snapshot(
        &self,
        vote: &Vote,
        meta: &SnapshotMeta,
        file: &SnapshotFile,
        limit: std::time::Duration,
    ) -> io::Result<SnapshotResponse<TypeConfig>> {
        self.call(Rpc::Snapshot, &(vote, meta, fs::read(&file.path)?), limit).await
    }
}

impl RaftNetworkV2<TypeConfig> for Link {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answered<AppendEntriesResponse<TypeConfig>> {
        self.call(Rpc::Append, &rpc, option.soft_ttl()).await.map_err(|error| unreachable_peer(&error))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Answered<BoxStream<'s, append_stream::Answer>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let unanswered = Unanswered::new();
            let requests = append_stream::request_body(append_stream::begun(input).await, unanswered.clone());
            let opened = self.wire.stream(self.target, requests.boxed());
            let answers = timeout(option.soft_ttl() * LONG_TTLS, opened).await.map_err(io::Error::from);
            let answers = answers.and_then(|opened| opened).map_err(|error| unreachable_peer(&error))?;
            let answers: BoxStream<'s, _> = append_stream::answers(answers, unanswered, option.soft_ttl()).boxed();
            Ok(answers)
        })
    }

    async fn vote(&mut self, rpc: VoteRequest<TypeConfig>, option: RPCOption) -> Answered<VoteResponse<TypeConfig>> {
        self.call(Rpc::Vote, &rpc, option.soft_ttl()).await.map_err(|error| unreachable_peer(&error))
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<TypeConfig>, option: RPCOption) -> Answered<VoteResponse<TypeConfig>> {
        self.call(Rpc::PreVote, &rpc, option.soft_ttl()).await.map_err(|error| unreachable_peer(&error))
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Answered<TransferLeaderResponse<TypeConfig>> {
        self.call(Rpc::TransferLeader, &rpc, option.soft_ttl()).await.map_err(|error| unreachable_peer(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            sent = self.send_snapshot(&vote, &snapshot.meta, &snapshot.snapshot, option.soft_ttl() * LONG_TTLS) => {
                sent.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))
            }
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> io::Result<T> {
    postcard::from_bytes(body).map_err(io::Error::other)
}

fn write(answer: &impl Serialize) -> io::Result<Bytes> {
    postcard::to_stdvec(answer).map(Bytes::from).map_err(io::Error::other)
}

impl PeerServer {
    /// Answers a question. `promised` hears of each vote that this node is about to tell another that it has.
    pub(crate) async fn answer(&self, rpc: Rpc, body: Bytes, promised: impl Fn(StoredVote)) -> io::Result<Bytes> {
        match rpc {
            Rpc::Append => {
                let request: AppendEntriesRequest<TypeConfig> = read(&body)?;
                let (commit, heard) = (request.leader_commit.map_or(0, |last| last.index), crate::clock::now());
                let done = self.raft.append_entries(request).await.map_err(io::Error::other)?;
                self.shared.heard(commit, heard);
                write(&done)
            }
            Rpc::Vote => {
                let given = self.raft.vote(read(&body)?).await.map_err(io::Error::other)?;
                promised(stored(&given.vote));
                write(&given)
            }
            Rpc::PreVote => write(&self.raft.pre_vote(read(&body)?).await.map_err(io::Error::other)?),
            Rpc::TransferLeader => write(&self.raft.handle_transfer_leader(read(&body)?).await.map_err(io::Error::other)?),
            Rpc::Snapshot => {
                let (vote, meta, file): (Vote, SnapshotMeta, Vec<u8>) = read(&body)?;
                let path = self.snapshots.temporary();
                fs::write(&path, file)?;
                let snapshot = openraft::alias::SnapshotOf::<TypeConfig, _> { meta, snapshot: SnapshotFile { path } };
                write(&self.raft.install_full_snapshot(vote, snapshot).await.map_err(io::Error::other)?)
            }
        }
    }

    pub(crate) fn answer_stream(&self, requests: Pieces<'static>) -> Pieces<'static> {
        let answers = append_stream::serve(&self.raft, self.shared.clone(), Sender::ANYBODY, requests);
        answers.boxed()
    }
}
