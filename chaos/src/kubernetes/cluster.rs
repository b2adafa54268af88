//! Asking the cluster's API.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use deploy_api::ProcessKind;
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use storefront_tls::HttpClient;
use tokio::time::timeout;

use super::{
    access::Access,
    world::{Items, PART_OF, Pod, PodObject, WorkloadKind, WorkloadObject, World},
};
use crate::watch::{Samples, whole};

/// Longest wait for an answer of the API.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for a pod, by way of the API.
pub(super) const POD_LIMIT: Duration = Duration::from_secs(3);

/// Objects of one kind that are looked at; a shop has some tens.
const MAX_OBJECTS: usize = 500;

/// A pod has some 10 KB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

const MERGE: &str = "application/merge-patch+json";

/// One namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    http: HttpClient<Full<Bytes>>,
    access: Access,
}

/// `%2F` and the like, as a label selector needs it in a query.
fn escaped(selector: &str) -> String {
    selector.replace('/', "%2F").replace('=', "%3D")
}

impl Cluster {
    pub fn open(access: Access) -> anyhow::Result<Self> {
        Ok(Self { http: HttpClient::new(access.connector()?), access })
    }

    /// `group` is `api/v1` or `apis/GROUP/VERSION`.
    pub(super) fn path(&self, group: &str, plural: &str, rest: &str) -> String {
        format!("/{group}/namespaces/{}/{plural}{rest}", self.access.namespace)
    }

    /// The status and body of whatever comes.
    async fn send(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, &Value)>,
        limit: Duration,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.access.base));
        request = request
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("chaos/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = self.access.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match content {
            Some((media_type, body)) => {
                request = request.header(header::CONTENT_TYPE, media_type);
                serde_json::to_vec(body)?
            }
            None => Vec::new(),
        };
        let asked = async {
            let answer = self.http.send(request.body(body.into())?).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
            Ok((status, body.to_bytes()))
        };
        let asked: anyhow::Result<_> =
            timeout(limit, asked).await.with_context(|| format!("{} does not answer", self.access.base))?;
        asked.with_context(|| self.access.base.clone())
    }

    /// `None` where there is no such object.
    pub(super) async fn ask(&self, method: Method, path: &str, content: Option<(&str, &Value)>) -> anyhow::Result<Option<Bytes>> {
        let (status, body) = self.send(method.clone(), path, content, LIMIT).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            // A `Status` object says why.
            let said = serde_json::from_slice::<Value>(&body).ok().and_then(|said| Some(said["message"].as_str()?.to_owned()));
            bail!("the cluster answers {status} to {method} {path}: {}", said.unwrap_or_default());
        }
        Ok(Some(body))
    }

    pub(super) async fn patch(&self, path: &str, patch: &Value) -> anyhow::Result<bool> {
        Ok(self.ask(Method::PATCH, path, Some((MERGE, patch))).await?.is_some())
    }

    pub(super) async fn create(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        self.ask(Method::POST, path, Some(("application/json", object)))
            .await?
            .with_context(|| format!("there is no {path}"))
            .map(drop)
    }

    /// All objects with that label.
    pub(super) async fn list<T: DeserializeOwned>(&self, group: &str, plural: &str, selector: &str) -> anyhow::Result<Vec<T>> {
        let path = self.path(group, plural, &format!("?labelSelector={}&limit={MAX_OBJECTS}", escaped(selector)));
        let answer = self.ask(Method::GET, &path, None).await?.with_context(|| format!("there is no {path}"))?;
        let whole: Value = serde_json::from_slice(&answer)?;
        let more = whole["metadata"]["continue"].as_str().is_some_and(|more| !more.is_empty());
        ensure!(!more, "there are more than {MAX_OBJECTS} {plural} with {selector}");
        Ok(serde_json::from_value::<Items<T>>(whole).with_context(|| path)?.items)
    }

    /// Everything of the storefront, now.
    pub async fn world(&self) -> anyhow::Result<World> {
        let selector = format!("{}={}", PART_OF.0, PART_OF.1);
        let pods: Vec<PodObject> = self.list("api/v1", "pods", &selector).await?;
        let mut workloads = Vec::new();
        for kind in WorkloadKind::ALL {
            workloads.push((kind, self.list::<WorkloadObject>("apis/apps/v1", kind.plural(), &selector).await?));
        }
        Ok(World::of(pods, workloads))
    }

    /// What a pod's admin port answers, by way of the API: it needs no way into the cluster's network.
    pub(super) async fn admin(&self, pod: &Pod, path: &str) -> anyhow::Result<Bytes> {
        let port = pod.admin_port.with_context(|| format!("{} has no port with the name \"admin\"", pod.name))?;
        let path = self.path("api/v1", "pods", &format!("/{}:{port}/proxy{path}", pod.name));
        let (status, body) = self.send(Method::GET, &path, None, POD_LIMIT).await?;
        ensure!(status.is_success(), "{} answers {status}", pod.name);
        Ok(body)
    }

    /// The pod that leads the inventory, and its term: that of the highest term that says so of itself.
    pub async fn leader(&self, world: &World) -> Option<(String, u64)> {
        let nodes = world.pods.iter().filter(|pod| pod.component == ProcessKind::Inventory && pod.is_running);
        let asked = nodes.map(async |pod| {
            let text = self.admin(pod, "/metrics").await.ok()?;
            let samples = Samples::parse(std::str::from_utf8(&text).ok()?).ok()?;
            let term = samples.total("inventory_term")?;
            (samples.total("inventory_leads")? > 0.0).then(|| (pod.name.clone(), whole(term)))
        });
        join_all(asked).await.into_iter().flatten().max_by_key(|(_, term)| *term)
    }
}
