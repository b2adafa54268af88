//! Who may ask for faults, and what is said about bad ones.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::proxy::{Proxy, TOKEN};

async fn ask(proxy: &Proxy, method: Method, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let request = Client::new().request(method, format!("http://{}{path}", proxy.control)).bearer_auth(token);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn strangers_and_bad_faults_are_told_why() {
    let proxy = Proxy::start().await;
    assert_eq!(ask(&proxy, Method::GET, "/v1/links", "guess", None).await.0, 403);
    assert_eq!(ask(&proxy, Method::GET, "/readyz", "guess", None).await.0, 200);
    let good = json!({"links": ["a>b"], "condition": {"forward": {"latency_us": 5}}, "lease_ms": 5000});
    for (field, bad, names) in [
        ("links", json!(["a>c"]), "links"),
        ("links", json!([]), "links"),
        ("lease_ms", json!(0), "lease_ms"),
        ("lease_ms", json!(60_001), "lease_ms"),
        ("condition", json!({}), "condition"),
        ("condition", json!({"forward": {"latency_us": 60_000_001}}), "condition"),
        ("condition", json!({"forward": {"speed": 1}}), "condition.forward.speed"),
        ("condition", json!({"forward": {"bytes_per_s": 0}}), "condition.forward.bytes_per_s"),
    ] {
        let mut fault = good.clone();
        fault[field] = bad.clone();
        let (status, said) = ask(&proxy, Method::PUT, "/v1/faults/x", TOKEN, Some(fault)).await;
        assert_eq!((status, said["invalid_params"][0]["name"].as_str()), (400, Some(names)), "{bad}: {said}");
    }
    assert!(proxy.view().await.faults.is_empty());
    assert_eq!(ask(&proxy, Method::PUT, "/v1/faults/x", TOKEN, Some(good)).await.0, 204);
    assert_eq!(proxy.view().await.now.forward.latency_us, 5);
    assert_eq!(ask(&proxy, Method::DELETE, "/v1/faults/x", TOKEN, None).await.0, 204);
    assert_eq!(ask(&proxy, Method::DELETE, "/v1/faults/x", TOKEN, None).await.0, 404);
    assert_eq!(ask(&proxy, Method::POST, "/v1/faults/x/renew", TOKEN, Some(json!({"lease_ms": 5}))).await.0, 404);
}
