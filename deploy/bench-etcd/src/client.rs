//! Calls of etcd's API over a few shared HTTP/2 connections.

use std::time::Duration;

use anyhow::Context;
use prost::Message;
use tonic::{
    Request, Response, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::api::{
    Compare, DefragmentRequest, DefragmentResponse, KeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp,
    TxnRequest, TxnResponse,
};

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A member's API. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Client {
    grpc: Grpc<Channel>,
}

impl Client {
    /// Opens a connection to `address`, which is `host:port`.
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect_timeout(CONNECT_LIMIT);
        let channel = endpoint.connect().await.with_context(|| format!("etcd does not answer at {address}"))?;
        Ok(Self { grpc: Grpc::new(channel) })
    }

    async fn call<Q, A>(&mut self, method: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(method);
        let answered = self.grpc.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await;
        answered.map(Response::into_inner)
    }

    /// Returns when the write is committed and applied.
    pub(crate) async fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Status> {
        let _: PutResponse = self.call("/etcdserverpb.KV/Put", PutRequest { key, value }).await?;
        Ok(())
    }

    /// Writes several keys at once; etcd takes up to 128 in its own settings.
    pub(crate) async fn put_all(&mut self, puts: impl Iterator<Item = PutRequest>) -> Result<(), Status> {
        let success = puts.map(|put| RequestOp { request_put: Some(put) }).collect();
        let _: TxnResponse = self.call("/etcdserverpb.KV/Txn", TxnRequest { compare: Vec::new(), success }).await?;
        Ok(())
    }

    /// Reads one key linearizably, which is what etcd does unless told otherwise.
    pub(crate) async fn read(&mut self, key: Vec<u8>) -> Result<Option<KeyValue>, Status> {
        let found: RangeResponse = self.call("/etcdserverpb.KV/Range", RangeRequest { key }).await?;
        Ok(found.kvs.into_iter().next())
    }

    /// Writes `key` if nobody has since `mod_revision`; tells whether it did.
    pub(crate) async fn replace(&mut self, key: Vec<u8>, value: Vec<u8>, mod_revision: i64) -> Result<bool, Status> {
        let compare = Compare { result: 0, target: 2, key: key.clone(), mod_revision: Some(mod_revision) };
        let success = vec![RequestOp { request_put: Some(PutRequest { key, value }) }];
        let done: TxnResponse = self.call("/etcdserverpb.KV/Txn", TxnRequest { compare: vec![compare], success }).await?;
        Ok(done.succeeded)
    }

    /// Lets the member write its file anew. That also lets go of what its write buffer grew to, of which etcd 3.4 makes a copy
    /// for each read (its pull request 12933 ended that in 3.5).
    pub(crate) async fn defragment(&mut self) -> Result<(), Status> {
        let _: DefragmentResponse = self.call("/etcdserverpb.Maintenance/Defragment", DefragmentRequest {}).await?;
        Ok(())
    }
}
