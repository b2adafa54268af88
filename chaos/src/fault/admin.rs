//! What is asked of nodes of the inventory: who leads, a mark in the log, a hand-over, their metrics.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use deploy_api::{MIN_VOTERS, ProcessKind, TlsFiles, Topology};
use http::{Method, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use inventory_api::{ClusterView, MarkResponse, MemberRequest, MemberRole, TransferLeaderRequest, paths};
use serde::{Serialize, de::DeserializeOwned};
use storefront_tls::{Connector, HttpClient, Tls, TlsPaths, Wanted};
use tokio::time::timeout;

use crate::watch::metrics;

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(3);

/// A view of five members has a kilobyte, the metrics of a node some 50.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub struct Admin {
    http: HttpClient<Full<Bytes>>,
}

impl Admin {
    pub fn new(topology: &Topology) -> anyhow::Result<Self> {
        let files = topology.inventory_tls.clone();
        let tls = files.map(|TlsFiles { ca, cert, key }| Tls::open(TlsPaths { ca, cert, key })).transpose()?;
        Ok(Self { http: HttpClient::new(Connector::of(tls.as_ref(), Wanted::AnyNode)) })
    }

    async fn ask<T: DeserializeOwned>(&self, address: &str, path: &str, body: Option<&impl Serialize>) -> anyhow::Result<T> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let request = request.header(CONTENT_TYPE, "application/json");
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let answered = async {
            let answer = self.http.send(request.body(bytes.into())?).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
            let body = body.to_bytes();
            ensure!(status.is_success(), "{address} answers {status}: {}", String::from_utf8_lossy(&body));
            Ok(serde_json::from_slice(&body)?)
        };
        timeout(LIMIT, answered).await.with_context(|| format!("{address} does not answer"))?
    }

    /// The view of the node at that address.
    pub(crate) async fn view_of(&self, address: &str) -> anyhow::Result<ClusterView> {
        self.ask(address, paths::CLUSTER, None::<&()>).await
    }

    /// The newest view that any node has: a node that is cut off has an old one and does not know it.
    pub(super) async fn view(&self, topology: &Topology) -> Option<ClusterView> {
        let nodes = topology.http_of(ProcessKind::Inventory);
        let asked = nodes.iter().map(|node| self.view_of(node));
        let views = futures_util::future::join_all(asked).await;
        views.into_iter().flatten().max_by_key(|view| (view.leader.is_some(), view.term, view.applied_index))
    }

    /// Hands leadership to the node at that address.
    pub(super) async fn transfer(&self, view: &ClusterView, to: &str) -> anyhow::Result<()> {
        let leader = view.leader.as_ref().context("nobody leads the inventory now")?;
        let member = view.members.iter().find(|member| member.address == to);
        let request = TransferLeaderRequest { to: member.with_context(|| format!("{to} is no member"))?.id };
        self.ask::<serde_json::Value>(&leader.address, paths::admin::TRANSFER_LEADER, Some(&request)).await.map(drop)
    }

    /// Puts an entry into the log that changes nothing: every node has to write and sync it. Gives its index when it is committed.
    pub(super) async fn mark(&self, view: &ClusterView) -> anyhow::Result<u64> {
        let leader = view.leader.as_ref().context("nobody leads the inventory now")?;
        let marked: MarkResponse = self.ask(&leader.address, paths::admin::MARK, Some(&serde_json::json!({}))).await?;
        Ok(marked.index)
    }

    /// Takes the vote of the member at that address, or gives it back. Each may be asked for again. What is no member is left alone.
    pub async fn set_vote(&self, topology: &Topology, of: &str, votes: bool) -> anyhow::Result<()> {
        let view = self.view(topology).await.context("no node of the inventory answers")?;
        let leader = view.leader.as_ref().context("nobody leads the inventory now")?;
        let Some(member) = view.members.iter().find(|member| member.address == of) else { return Ok(()) };
        if !votes && member.role == MemberRole::Voter {
            let left = view.voters().count() - 1;
            ensure!(left >= MIN_VOTERS, "{left} voters would be left, and {MIN_VOTERS} is the least");
        }
        let path = if votes { paths::admin::PROMOTE } else { paths::admin::DEMOTE };
        self.ask::<serde_json::Value>(&leader.address, path, Some(&MemberRequest { id: member.id })).await.map(drop)
    }

    /// An entry that was committed while the member at that address had no vote: its index, and how many voted.
    pub(super) async fn decided_without(&self, topology: &Topology, of: &str) -> anyhow::Result<(u64, usize)> {
        let view = self.view(topology).await.context("no node of the inventory answers")?;
        let leader = view.leader.context("nobody leads the inventory now")?;
        let before = self.view_of(&leader.address).await?;
        let index = self.mark(&before).await?;
        // What the same leader had before that entry is committed with it.
        let after = self.view_of(&leader.address).await?;
        for seen in [&before, &after] {
            let leads = seen.leader.as_ref() == Some(&leader) && seen.node_id == leader.id && seen.term == before.term;
            ensure!(leads, "the leader changes");
            let member = seen.members.iter().find(|member| member.address == of).context("it is no member any more")?;
            ensure!(member.role == MemberRole::Learner, "it votes");
        }
        Ok((index, after.voters().count()))
    }
}

/// A gauge of a process's admin port, over all its labels.
pub(super) async fn gauge(admin: &str, name: &str) -> anyhow::Result<f64> {
    let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
    let samples = metrics(&http, admin).await?;
    samples.total(name).with_context(|| format!("{admin} has no metric {name}"))
}
