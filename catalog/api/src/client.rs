//! A small client for other services.

use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use storefront_types::{CallContext, Problem, Sku};

use crate::{CatalogChange, PriceQuotes, PricesRequest, Product, ProductPage, paths};

/// Longest wait for an answer; the catalog answers from memory.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Longest line of the change feed: 1,000 tags of 50 bytes.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// What a caller can do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Try later.
    #[error("the catalog did not answer: {0}")]
    Unavailable(String),
    /// Repeating the request does not help.
    #[error("the catalog refused the request: {}", .0.title)]
    Refused(Box<Problem>),
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogClient {
    http: reqwest::Client,
    base: String,
}

fn away(error: &reqwest::Error) -> ClientError {
    ClientError::Unavailable(error.to_string())
}

impl CatalogClient {
    /// `address`: `host:port`.
    pub fn new(address: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).connect_timeout(Duration::from_millis(500)).build();
        Self { http: http.unwrap_or_default(), base: format!("http://{address}") }
    }

    /// What these SKUs cost now; unknown ones are left out.
    pub async fn prices(&self, context: &CallContext, skus: &[Sku]) -> Result<PriceQuotes, ClientError> {
        let request = self.http.post(format!("{}{}", self.base, paths::PRICES)).json(&PricesRequest { skus: skus.to_vec() });
        Self::answer(context, request).await
    }

    /// A product by id or handle.
    pub async fn product(&self, context: &CallContext, id_or_handle: &str) -> Result<Product, ClientError> {
        let path = paths::PRODUCT.replace("{id_or_handle}", id_or_handle);
        Self::answer(context, self.http.get(format!("{}{path}", self.base))).await
    }

    /// A page of products; `query` as it stands behind the `?`.
    pub async fn products(&self, context: &CallContext, query: &str) -> Result<ProductPage, ClientError> {
        Self::answer(context, self.http.get(format!("{}{}?{query}", self.base, paths::PRODUCTS))).await
    }

    /// Purges after a sequence of an epoch. The stream ends when the connection does.
    pub async fn changes(
        &self,
        context: &CallContext,
        after: Option<(&str, u64)>,
    ) -> Result<impl Stream<Item = Result<CatalogChange, ClientError>> + Send + use<>, ClientError> {
        let query = after.map(|(epoch, sequence)| format!("?epoch={epoch}&after={sequence}")).unwrap_or_default();
        let request = self.http.get(format!("{}{}{query}", self.base, paths::CHANGES)).headers(headers(context));
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(|error| away(&error))?;
        let bytes = tokio_util::io::StreamReader::new(answer.bytes_stream().map_err(std::io::Error::other));
        let codec = tokio_util::codec::LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        Ok(tokio_util::codec::FramedRead::new(bytes, codec).map(|line| {
            let line = line.map_err(|error| ClientError::Unavailable(error.to_string()))?;
            serde_json::from_str(&line).map_err(|error| ClientError::Unavailable(error.to_string()))
        }))
    }

    async fn answer<T: DeserializeOwned>(context: &CallContext, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let answer = request.headers(headers(context)).timeout(TIMEOUT).send().await.map_err(|error| away(&error))?;
        match answer.status() {
            ok if ok.is_success() => answer.json().await.map_err(|error| away(&error)),
            refused if refused.is_client_error() => {
                Err(ClientError::Refused(Box::new(answer.json().await.map_err(|error| away(&error))?)))
            }
            status => Err(ClientError::Unavailable(status.to_string())),
        }
    }
}

fn headers(context: &CallContext) -> HeaderMap {
    let pair = |(name, value): (&'static str, String)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?));
    context.headers().into_iter().filter_map(pair).collect()
}
