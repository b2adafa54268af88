//! Asking the drill controller.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chaos_api::Order;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use storefront_service::ProblemResponse;
use storefront_tls::{Connector, HttpClient};
use storefront_types::{Problem, ProblemType};
use tokio::time::timeout;

/// Longest wait for the head of its answer, and for a body that ends. It only starts a process.
const LIMIT: Duration = Duration::from_secs(3);

/// Twenty runs with 4 KiB of what each said.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

pub(super) struct Controller {
    http: HttpClient<Full<Bytes>>,
    address: Option<String>,
    token: Option<String>,
}

fn unavailable(detail: String) -> ProblemResponse {
    Problem::new(ProblemType::Unavailable).detail(detail).into()
}

impl Controller {
    pub(super) fn new(address: Option<String>, token: Option<String>) -> Self {
        Self { http: HttpClient::new(Connector::plaintext()), address, token }
    }

    /// Its answer, whatever that is.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        order: Option<&Order>,
    ) -> Result<http::Response<Incoming>, ProblemResponse> {
        let Some(address) = &self.address else {
            let detail = "this edge has no drill controller; run `chaos serve` and start the edge with --controller HOST:PORT";
            return Err(unavailable(detail.to_owned()));
        };
        let token = self.token.as_deref().unwrap_or_default();
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = order.map(serde_json::to_vec).transpose().map_err(|_| ProblemType::Internal)?.unwrap_or_default();
        let request = request.body(Full::from(body)).map_err(|_| ProblemType::Internal)?;
        match timeout(LIMIT, self.http.send(request)).await {
            Ok(Ok(answer)) if answer.status() == http::StatusCode::FORBIDDEN => {
                let detail =
                    format!("the drill controller at {address} does not take this edge's admin token; give both the same");
                Err(Problem::new(ProblemType::BadGateway).detail(detail).into())
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unavailable(format!("the drill controller at {address} cannot be asked: {error}"))),
            Err(_) => Err(unavailable(format!("the drill controller at {address} does not answer"))),
        }
    }
}

/// An answer that ends, as it came.
pub(super) async fn whole(answer: http::Response<Incoming>) -> Result<Response, ProblemResponse> {
    let (head, body) = answer.into_parts();
    let body = timeout(LIMIT, Limited::new(body, MAX_ANSWER_BYTES).collect()).await;
    let Ok(Ok(body)) = body else { return Err(ProblemType::BadGateway.into()) };
    let mut response = (head.status, Body::from(body.to_bytes())).into_response();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}
