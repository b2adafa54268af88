//! A small service is started as every process starts, and driven over its ports.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use axum::{Router, routing};
use http::StatusCode;
use serde::Deserialize;
use storefront_service::{Context, Listeners, Readiness, StrictJson, StrictQuery, routed, serve, with_request_context};
use storefront_types::{Problem, ProblemType};
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    quantity: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: u32,
}

struct Running {
    http: String,
    admin: String,
    readiness: Readiness,
    shutdown: CancellationToken,
    done: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn start() -> Running {
    let listeners = Listeners::loopback().await.unwrap();
    let http = format!("http://{}", listeners.http_addr().unwrap());
    let admin = format!("http://{}", listeners.admin_addr().unwrap());
    let app = Router::new()
        .route("/body", routing::post(|StrictJson(body): StrictJson<Body>| async move { body.quantity.to_string() }))
        .route("/query", routing::get(|StrictQuery(query): StrictQuery<Query>| async move { query.limit.to_string() }))
        .route("/context", routing::get(|Context(context): Context| async move { context.trace.to_string() }))
        .route(
            "/panic",
            routing::get(|| async {
                if true {
                    panic!("planted")
                }
            }),
        );
    let (readiness, shutdown) = (Readiness::new(&["ready"]), CancellationToken::new());
    let done = tokio::spawn(serve(listeners, routed(with_request_context(app)), readiness.clone(), shutdown.clone()));
    Running { http, admin, readiness, shutdown, done }
}

async fn problem(answer: reqwest::Response) -> (ProblemType, Problem) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Problem = answer.json().await.unwrap();
    (problem.kind().unwrap(), problem)
}

#[tokio::test]
async fn bad_input_gets_a_problem_that_names_the_field() {
    let running = start().await;
    let client = reqwest::Client::new();
    let post = |body: String| client.post(format!("{}/body", running.http)).header("content-type", "application/json").body(body);
    assert_eq!(post(r#"{"quantity": 3}"#.into()).send().await.unwrap().text().await.unwrap(), "3");
    let (kind, body) = problem(post(r#"{"quantity": 3, "price": 1}"#.into()).send().await.unwrap()).await;
    assert_eq!((kind, body.invalid_params[0].name.as_str()), (ProblemType::InvalidRequest, "price"));
    let (kind, _) = problem(post(" ".repeat(70_000)).send().await.unwrap()).await;
    assert_eq!(kind, ProblemType::BodyTooLarge);
    let (kind, _) = problem(client.post(format!("{}/body", running.http)).body("x").send().await.unwrap()).await;
    assert_eq!(kind, ProblemType::UnsupportedMediaType);
    for (path, name) in [("/query?limit=x", "limit"), ("/query", "limit"), ("/query?limit=1&page=2", "page")] {
        let (kind, body) = problem(client.get(format!("{}{path}", running.http)).send().await.unwrap()).await;
        assert_eq!((kind, body.invalid_params[0].name.as_str()), (ProblemType::InvalidRequest, name), "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_panics_get_problems() {
    let running = start().await;
    let client = reqwest::Client::new();
    let get = async |path: &str| problem(client.get(format!("{}{path}", running.http)).send().await.unwrap()).await.0;
    assert_eq!(get("/nowhere").await, ProblemType::NotFound);
    assert_eq!(get("/body").await, ProblemType::MethodNotAllowed);
    assert_eq!(get("/panic").await, ProblemType::Internal);
}

#[tokio::test]
async fn one_request_id_and_trace_go_through() {
    let running = start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = reqwest::Client::new().get(format!("{}/context", running.http));
    let answer = request.header("x-request-id", "abc-1").header("traceparent", trace).send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "abc-1");
    let child = answer.text().await.unwrap();
    assert!(child.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && child != trace, "{child}");
}

#[tokio::test]
async fn the_admin_port_tells_readiness_and_metrics_and_the_drain_ends() {
    let running = start().await;
    let client = reqwest::Client::new();
    let get = async |path: &str| client.get(format!("{}{path}", running.admin)).send().await.unwrap();
    assert_eq!(get("/livez").await.status(), StatusCode::OK);
    let unready = get("/readyz").await;
    assert_eq!(unready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unready.text().await.unwrap(), "ready: starting\n");
    running.readiness.set("ready", Ok(()));
    assert_eq!(get("/readyz").await.status(), StatusCode::OK);
    client.get(format!("{}/context", running.http)).send().await.unwrap();
    let metrics = get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("http_request_duration_seconds_bucket{") && metrics.contains("route=\"/context\""), "{metrics}");
    running.shutdown.cancel();
    running.done.await.unwrap().unwrap();
}
