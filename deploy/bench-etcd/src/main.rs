//! The peer of `cargo deploy bench inventory --against etcd`: closed loops over etcd's own gRPC API.

mod api;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use api::{Compare, KeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse};
use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;
use prost::Message;
use serde::Serialize;
use tonic::{
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// HTTP/2 connections that the callers share; etcd's own benchmark tool uses some too.
const CONNECTIONS: usize = 8;

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// Units of a SKU, so that no round sells out.
const PLENTY: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Puts over many keys
    Put,
    /// Puts of one key
    Hot,
    /// Read a counter, write it one lower if nobody else did; only what went through counts
    Txn,
    /// Linearizable reads over many keys
    Read,
}

#[derive(Debug, Parser)]
struct Args {
    /// host:port of the leader's client API
    #[arg(long)]
    endpoint: String,
    #[arg(long, value_enum)]
    workload: Workload,
    #[arg(long, default_value_t = 256)]
    callers: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Keys that the load is spread over
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
}

/// What a round showed, as one line of JSON.
#[derive(Serialize)]
struct Round {
    ops_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    errors: u64,
}

struct Caller {
    grpc: Grpc<Channel>,
    args: Arc<Args>,
    /// A sequence that differs from caller to caller: which key is next.
    next: usize,
}

impl Caller {
    async fn call<Q: Message + 'static, A: Message + Default + 'static>(
        &mut self,
        method: &'static str,
        request: Q,
    ) -> Option<A> {
        self.grpc.ready().await.ok()?;
        let path = PathAndQuery::from_static(method);
        let answered = self.grpc.unary(tonic::Request::new(request), path, ProstCodec::<Q, A>::default()).await;
        answered.ok().map(tonic::Response::into_inner)
    }

    fn key(&mut self) -> Vec<u8> {
        // Steps by a prime: uniform over the keys, without the cost of a generator.
        self.next = (self.next + 7_919) % self.args.keys;
        if self.args.workload == Workload::Hot { b"bench-0".to_vec() } else { format!("bench-{}", self.next).into_bytes() }
    }

    async fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Option<PutResponse> {
        self.call("/etcdserverpb.KV/Put", PutRequest { key, value }).await
    }

    async fn read(&mut self, key: Vec<u8>) -> Option<KeyValue> {
        let found: RangeResponse = self.call("/etcdserverpb.KV/Range", RangeRequest { key }).await?;
        found.kvs.into_iter().next()
    }

    async fn once(&mut self) -> Option<bool> {
        let key = self.key();
        match self.args.workload {
            // About what a purchase record weighs.
            Workload::Put | Workload::Hot => self.put(key, vec![b'x'; 64]).await.map(|_| true),
            Workload::Read => self.read(key).await.map(|_| true),
            Workload::Txn => {
                let found = self.read(key.clone()).await?;
                let units: u64 = String::from_utf8_lossy(&found.value).parse().ok()?;
                let compare = Compare { result: 0, target: 2, key: key.clone(), mod_revision: Some(found.mod_revision) };
                let put = PutRequest { key, value: (units - 1).to_string().into_bytes() };
                let request = TxnRequest { compare: vec![compare], success: vec![RequestOp { request_put: Some(put) }] };
                let done: TxnResponse = self.call("/etcdserverpb.KV/Txn", request).await?;
                Some(done.succeeded)
            }
        }
    }

    async fn closed_loop(mut self, end: Instant) -> anyhow::Result<(Histogram<u64>, u64, u64)> {
        let mut latencies = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?;
        let (mut done, mut errors) = (0, 0);
        let mut asked = Instant::now();
        while asked < end {
            let answered = self.once().await;
            let now = Instant::now();
            match answered {
                Some(counts) => {
                    done += u64::from(counts);
                    latencies.saturating_record(u64::try_from((now - asked).as_micros()).unwrap_or(LONGEST_US));
                }
                None => errors += 1,
            }
            asked = now;
        }
        Ok((latencies, done, errors))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Arc::new(Args::parse());
    let endpoint = Endpoint::from_shared(format!("http://{}", args.endpoint))?.tcp_nodelay(true);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS.min(args.callers) {
        channels.push(endpoint.connect().await.context("etcd does not answer")?);
    }
    let caller = |n: usize| Caller { grpc: Grpc::new(channels[n % channels.len()].clone()), args: args.clone(), next: n * 31 };
    if matches!(args.workload, Workload::Txn | Workload::Read) {
        let mut filler = caller(0);
        for n in 0..args.keys {
            let filled = filler.put(format!("bench-{n}").into_bytes(), PLENTY.to_string().into_bytes()).await;
            filled.context("the keys cannot be written")?;
        }
    }
    let began = Instant::now();
    let end = began + Duration::from_secs(args.seconds);
    let loops: Vec<_> = (0..args.callers).map(|n| tokio::spawn(caller(n).closed_loop(end))).collect();
    let (mut all, mut done, mut errors) = (Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?, 0, 0);
    for one in loops {
        let (latencies, operations, failed) = one.await??;
        all.add(latencies)?;
        done += operations;
        errors += failed;
    }
    let ops_per_s = done as f64 / began.elapsed().as_secs_f64();
    let round = Round { ops_per_s, p50_us: all.value_at_quantile(0.5), p99_us: all.value_at_quantile(0.99), errors };
    println!("{}", serde_json::to_string(&round)?);
    Ok(())
}
