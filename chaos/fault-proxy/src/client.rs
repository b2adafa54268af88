//! A client of the control port.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use storefront_types::Problem;

use crate::wire::{Fault, FaultView, Items, LinkView, Renewal};

/// Longest wait for an answer: the proxy does nothing that takes time.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the fault proxy does not answer: {0}")]
    Away(#[from] reqwest::Error),
    /// The lease of the fault is over, or there never was one.
    #[error("{0}")]
    NotFound(String),
    #[error("the fault proxy refused: {0}")]
    Refused(String),
}

/// The way to a running proxy.
#[derive(Clone, Debug)]
pub struct ProxyClient {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl ProxyClient {
    /// `control`: `host:port`.
    pub fn new(control: &str, token: &str) -> Result<Self, ProxyError> {
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        Ok(Self { http, base: format!("http://{control}/v1"), token: token.to_owned() })
    }

    async fn ask<B: Serialize>(&self, method: Method, path: &str, body: Option<&B>) -> Result<reqwest::Response, ProxyError> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let said = answer.json::<Problem>().await.ok().and_then(|problem| problem.detail).unwrap_or_else(|| status.to_string());
        Err(if status == StatusCode::NOT_FOUND { ProxyError::NotFound(said) } else { ProxyError::Refused(said) })
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ProxyError> {
        Ok(self.ask(Method::GET, path, None::<&()>).await?.json::<Items<T>>().await?.items)
    }

    pub async fn links(&self) -> Result<Vec<LinkView>, ProxyError> {
        self.list("/links").await
    }

    pub async fn faults(&self) -> Result<Vec<FaultView>, ProxyError> {
        self.list("/faults").await
    }

    /// Sets a fault, or another one in its place.
    pub async fn set(&self, id: &str, fault: &Fault) -> Result<(), ProxyError> {
        self.ask(Method::PUT, &format!("/faults/{id}"), Some(fault)).await.map(drop)
    }

    pub async fn renew(&self, id: &str, lease: Duration) -> Result<(), ProxyError> {
        let renewal = Renewal { lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX) };
        self.ask(Method::POST, &format!("/faults/{id}/renew"), Some(&renewal)).await.map(drop)
    }

    /// Also when there is no such fault any more.
    pub async fn heal(&self, id: &str) -> Result<(), ProxyError> {
        match self.ask(Method::DELETE, &format!("/faults/{id}"), None::<&()>).await {
            Ok(_) | Err(ProxyError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn heal_all(&self) -> Result<(), ProxyError> {
        self.ask(Method::DELETE, "/faults", None::<&()>).await.map(drop)
    }
}
