//! `/operate` of the admin port, in front of a scripted controller: who may start a drill, and what the page is told when nobody is there.

use std::{
    io::Write,
    net::TcpStream,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::shop::Shop;

const TOKEN: &str = "a-token-of-the-tests";
const EVENTS: &str = "event: runs\ndata: {\"runs\": [], \"drills\": []}\n\n";

type Heard = Arc<Mutex<Vec<String>>>;

/// What the stream has after its first event.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Nothing,
    /// More than any socket holds.
    NoEnd,
}

async fn answer(
    State((heard, rest)): State<(Heard, Rest)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    heard.lock().unwrap().push(format!("{method} {uri} {token} {}", String::from_utf8_lossy(&body)));
    if uri.path() == "/v1/stream" {
        let first = tokio_stream::once(Ok::<_, std::convert::Infallible>(Bytes::from_static(EVENTS.as_bytes())));
        if rest == Rest::NoEnd {
            let more = tokio_stream::iter(std::iter::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 16 * 1024]))));
            return ([("content-type", "text/event-stream")], Body::from_stream(first.chain(more))).into_response();
        }
        return ([("content-type", "text/event-stream")], Body::from_stream(first.chain(tokio_stream::pending())))
            .into_response();
    }
    let problem = json!({"type": "x/drill-running", "title": "x", "status": 409, "detail": "run 1 has not ended"});
    (StatusCode::CONFLICT, [("content-type", "application/problem+json")], problem.to_string()).into_response()
}

struct Scene {
    shop: Shop,
    heard: Heard,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        Self::with(Rest::Nothing).await
    }

    async fn with(rest: Rest) -> Self {
        let (heard, listener) = (Heard::default(), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(answer).with_state((heard.clone(), rest));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let flags = ["--controller", &address, "--admin-token-file", &token.display().to_string()];
        Self { shop: Shop::start("eu=127.0.0.1:9", &flags).await, heard, _folder: folder }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.shop.http.request(method, format!("{}{path}", self.shop.admin))
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_says_the_admin_token_starts_or_stops_a_drill() {
    let scene = Scene::set().await;
    let post = || scene.request(Method::POST, "/operate/v1/drills");
    let order = json!({"drill": "leader-loss", "region": "eu"});
    let with_cookie = post().header("cookie", format!("token={TOKEN}; authorization=Bearer {TOKEN}"));
    for request in [
        post().json(&order),
        post().json(&order).bearer_auth("another-token-of-nobody"),
        // All that a page of another site could make a browser send.
        with_cookie.header("content-type", "text/plain").header("origin", "https://evil.example").body(order.to_string()),
        scene.request(Method::DELETE, "/operate/v1/drills/running"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers()["www-authenticate"].to_str().unwrap()),
            (StatusCode::UNAUTHORIZED, "Bearer")
        );
    }
    let asked_before = scene.request(Method::OPTIONS, "/operate/v1/drills").header("origin", "https://evil.example");
    let asked_before = asked_before.header("access-control-request-headers", "authorization").send().await.unwrap();
    assert!(asked_before.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
    let form = post().bearer_auth(TOKEN).header("content-type", "text/plain").body(order.to_string());
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let wrong = post().bearer_auth(TOKEN).json(&json!({"drill": "--flag"})).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(scene.heard(), Vec::<String>::new(), "the controller heard of none of it");

    let answer = post().bearer_auth(TOKEN).json(&order).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
        (StatusCode::CONFLICT, "application/problem+json")
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["detail"], "run 1 has not ended", "its own words");
    scene.request(Method::DELETE, "/operate/v1/drills/running").bearer_auth(TOKEN).send().await.unwrap();
    let passed_on = [format!("POST /v1/drills Bearer {TOKEN} {order}"), format!("DELETE /v1/drills/running Bearer {TOKEN} ")];
    assert_eq!(scene.heard(), passed_on);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_passed_on_to_so_many_pages_and_ends_with_the_edge() {
    let scene = Scene::set().await;
    let mut pages = Vec::new();
    for _ in 0..16 {
        let mut page = scene.request(Method::GET, "/operate/v1/stream").send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/event-stream");
        assert_eq!(page.chunk().await.unwrap().unwrap(), EVENTS);
        pages.push(page);
    }
    let more = scene.request(Method::GET, "/operate/v1/stream").send().await.unwrap();
    assert_eq!(more.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(more.text().await.unwrap().contains("16 pages are open"));
    pages.pop();
    storefront_service::testing::eventually("a place for another page", async || {
        scene.request(Method::GET, "/operate/v1/stream").send().await.unwrap().status().is_success().then_some(())
    })
    .await;
    scene.shop.stop().await;
    for mut page in pages {
        // The end of the stream, or of the connection.
        while let Ok(Some(_)) = page.chunk().await {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_do_not_read_give_their_places_up() {
    let scene = Scene::with(Rest::NoEnd).await;
    let address = scene.shop.admin.strip_prefix("http://").unwrap();
    let deaf = || {
        let mut page = TcpStream::connect(address).unwrap();
        page.write_all(b"GET /operate/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        page
    };
    let pages: Vec<TcpStream> = (0..16).map(|_| deaf()).collect();
    let asked = async || scene.request(Method::GET, "/operate/v1/stream").send().await.unwrap().status();
    // Whoever asks the controller has a place. Asking here for one more would take longer than they are kept, on a busy machine.
    let taken = || scene.heard.lock().unwrap().iter().filter(|asked| asked.contains("/v1/stream")).count();
    storefront_service::testing::eventually("all places to be taken", async || (taken() == 16).then_some(())).await;
    storefront_service::testing::eventually("a place for one that reads", async || asked().await.is_success().then_some(()))
        .await;
    drop(pages);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_script() {
    let scene = Scene::set().await;
    let page = scene.request(Method::GET, "/operate").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let html = page.text().await.unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "one script, one style");
    assert!(!html.contains("NONCE") && !html.contains("http://") && !html.contains("https://") && !html.contains("innerHTML"));
    let other = scene.request(Method::GET, "/operate").send().await.unwrap();
    assert_ne!(other.headers()["content-security-policy"].to_str().unwrap(), policy, "another page, another number");
    let public = scene.shop.get("/operate").await;
    assert_eq!(public.status(), StatusCode::NOT_FOUND, "the public port has no such page");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_controller_the_page_says_how_to_have_one() {
    for (flags, said) in [
        (&[][..], "run `chaos serve`"),
        (&["--controller", "127.0.0.1:1"], "the drill controller at 127.0.0.1:1 cannot be asked"),
    ] {
        let shop = Shop::start("eu=127.0.0.1:9", flags).await;
        assert_eq!(shop.http.get(format!("{}/operate", shop.admin)).send().await.unwrap().status(), StatusCode::OK);
        for path in ["/operate/v1/stream", "/operate/v1/drills"] {
            let answer = shop.http.get(format!("{}{path}", shop.admin)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            let problem: Value = answer.json().await.unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
        }
    }
}
