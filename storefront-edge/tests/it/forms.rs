//! Forms, and what pages tell browsers, when what is behind is away.

use std::sync::atomic::Ordering;

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;

use super::{eventually, inventory::Inventory, shop::Shop};

const NOBODY: &str = "eu=127.0.0.1:9";

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_form_is_refused_and_never_passed_on() {
    let shop = Shop::start(NOBODY, &[]).await;
    let post = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = shop.http.post(format!("{}{path}", shop.base)).body("sku=LAMP-S&quantity=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (session, own) = (("cookie", "session=eu_x"), shop.base.clone());
    for path in ["/cart/add", "/cart/update", "/checkout", "/register"] {
        for foreign in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "null"),
            ("origin", "http://a.example"),
        ] {
            let (status, page) = post(path, &[foreign, session]).await;
            assert!(status == 403 && page.contains("another site"), "{path} {foreign:?}: {status}");
        }
        let (status, page) = post(path, &[session]).await;
        assert!(status == 403 && page.contains("Origin"), "{path}: {status}");
    }
    // The own form goes on to `orders`, which is away here.
    assert_eq!(post("/cart/add", &[("origin", &own), session]).await.0, 503);
    assert_eq!(post("/cart/add", &[("sec-fetch-site", "same-origin"), session]).await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_read_is_told_what_is_wrong_with_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let shop = Shop::start(NOBODY, &[]).await;
    let send = async |framing: &str, body: &str| {
        let mut stream = tokio::net::TcpStream::connect(shop.base.trim_start_matches("http://")).await.unwrap();
        let own = format!("Host: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n{framing}\r\n\r\n{body}");
        stream.write_all(format!("POST /cart/add HTTP/1.1\r\n{own}").as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    };
    let large = "x".repeat(70_000);
    let said = send(&format!("Content-Length: {}", large.len()), &large).await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("at most 65536 bytes"), "{said}");
    let said = send("Transfer-Encoding: chunked", "no length\r\n").await;
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("broke off"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_what_they_may_load() {
    let shop = Shop::start(NOBODY, &[]).await;
    let policy = async |path: &str| {
        let answer = shop.get(path).await;
        let text = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (text("x-content-type-options").as_str(), text("referrer-policy").as_str()),
            ("nosniff", "same-origin"),
            "{path}"
        );
        assert_eq!(text("cross-origin-opener-policy"), "same-origin");
        assert!(text("permissions-policy").contains("camera=()") && text("content-type").starts_with("text/html"));
        text("content-security-policy")
    };
    let product = policy("/products/lamp").await;
    assert!(product.contains("script-src 'self'") && product.contains("connect-src 'self'"));
    for other in ["/", "/products?q=x", "/products/nothing", "/cart", "/register"] {
        let policy = policy(other).await;
        assert!(!policy.contains("script-src") && policy.contains("default-src 'none'"), "{other}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{other}: {policy}");
    }
    let page = shop.text("/products/lamp").await;
    for asset in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = shop.get(asset).await;
        assert_eq!(answer.status(), 200, "{asset}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    }
    assert!(page.contains("data-stock=\"/v1/products/lamp/stock\"") && !page.contains("<script>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_catalog_is_away_says_so_and_its_stock_goes_on() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 9).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    shop.until_available(9).await;
    assert!(!shop.text("/products/lamp").await.contains("does not answer"));
    shop.catalog.is_broken.store(true, Ordering::SeqCst);
    shop.catalog.purge(5, "nothing that is here");
    eventually("the page to say so", async || {
        let answer = shop.get("/products/lamp").await;
        let says = answer.headers()["cache-status"].to_str().unwrap().contains("stale-if-error");
        (says && answer.text().await.unwrap().contains("catalogue does not answer right now")).then_some(())
    })
    .await;
    inventory.buy("LAMP-S", 2).await;
    eventually("the stock", async || shop.text("/products/lamp").await.contains("7 available<").then_some(())).await;
    // Everybody looks at it, and it is asked for about once a second.
    let asked = shop.catalog.asked.load(Ordering::SeqCst);
    for _ in 0..200 {
        shop.text("/products/lamp").await;
    }
    assert!(shop.catalog.asked.load(Ordering::SeqCst) - asked < 20);
    shop.catalog.is_broken.store(false, Ordering::SeqCst);
    eventually("all well", async || (!shop.text("/products/lamp").await.contains("does not answer")).then_some(())).await;
}

/// Cart, and a checkout that comes to what is told.
async fn orders_that_say(checkout: (StatusCode, &'static str)) -> String {
    let (status, kind) = checkout;
    let cart = json!({"lines": [{"sku": "LAMP-S", "title": "Lamp", "quantity": 1, "unit_price": {"amount": 4200, "currency": "USD"}}], "total": {"amount": 4200, "currency": "USD"}});
    let refusal = json!({"type": format!("https://storefront.example/problems/{kind}"), "title": "x", "status": status.as_u16()});
    let routes = Router::new()
        .route(orders_api::paths::CART, get(move || async move { Json(cart) }))
        .route(orders_api::paths::TICKET, post(|| async { Json(json!({"ticket": "t"})) }))
        .route(orders_api::paths::CHECKOUT, post(move || async move { (status, Json(refusal)) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("eu={address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_comes_to_nothing_says_so_and_keeps_the_form() {
    let cases = [
        ((StatusCode::SERVICE_UNAVAILABLE, "unavailable"), 503, "Nothing was bought by this attempt"),
        ((StatusCode::GATEWAY_TIMEOUT, "unknown-outcome"), 504, "We do not know yet whether your order was placed"),
    ];
    for (said, status, words) in cases {
        let orders = orders_that_say(said).await;
        let shop = Shop::start(NOBODY, &["--orders", &orders]).await;
        let form = "key=8a0c6a39-0d5e-4c5e-9d5e-3f9a5b1c2d3e&name=Ann&line1=Street+1&city=Oslo&postal_code=1&country=NO";
        let request = shop.http.post(format!("{}/checkout", shop.base)).header("origin", &shop.base).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("cookie", "session=eu_x");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{said:?}");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
        let page = answer.text().await.unwrap();
        assert!(page.contains(words), "{page}");
        // Sent again, it is the same checkout.
        assert!(page.contains("value=\"8a0c6a39-0d5e-4c5e-9d5e-3f9a5b1c2d3e\"") && page.contains("value=\"Street 1\""), "{page}");
        assert!(page.contains("Buy now"));
    }
}

/// A shop that takes payments, and declines one card.
async fn orders_that_are_paid_for() -> String {
    let cart = json!({"lines": [{"sku": "LAMP-S", "title": "Lamp", "quantity": 1, "unit_price": {"amount": 4200, "currency": "USD"}}], "total": {"amount": 4200, "currency": "USD"}});
    let problem = |kind: &str, status: u16| json!({"type": format!("https://storefront.example/problems/{kind}"), "title": "x", "status": status});
    let check_out = move |Json(body): Json<serde_json::Value>| async move {
        match body["payment_method"].as_str() {
            None => {
                let mut wanted = problem("invalid-request", 400);
                wanted["invalid_params"] = json!([{"name": "payment_method", "reason": "give the id of a card"}]);
                (StatusCode::BAD_REQUEST, Json(wanted))
            }
            Some("pm_good") => {
                let order = json!({"id": "8a0c6a39-0d5e-8c5e-9d5e-3f9a5b1c2d3e", "status": "placed", "lines": [], "total": {"amount": 4200, "currency": "USD"},
                    "delivery_address": body["delivery_address"], "placed_at": "2026-01-01T00:00:00Z"});
                (StatusCode::CREATED, Json(order))
            }
            Some(_) => (StatusCode::PAYMENT_REQUIRED, Json(problem("payment-declined", 402))),
        }
    };
    let routes = Router::new()
        .route(orders_api::paths::CART, get(move || async move { Json(cart) }))
        .route(orders_api::paths::TICKET, post(|| async { Json(json!({"ticket": "t"})) }))
        .route(orders_api::paths::SETTLE_CART, post(|| async { Json(json!({})) }))
        .route(orders_api::paths::CHECKOUT, post(check_out));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("eu={address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn where_payments_are_taken_the_page_asks_for_one_and_another_after_a_decline() {
    const KEY: &str = "8a0c6a39-0d5e-4c5e-9d5e-3f9a5b1c2d3e";
    let orders = orders_that_are_paid_for().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let shop = Shop::start(NOBODY, &["--orders", &orders]).await;
    let send = async |more: &str| {
        let form = format!("key={KEY}&name=Ann&line1=Street+1&city=Oslo&postal_code=1&country=NO{more}");
        let request = client.post(format!("{}/checkout", shop.base)).header("origin", &shop.base).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("cookie", "session=eu_x");
        request.send().await.unwrap()
    };
    let page = client
        .get(format!("{}/checkout", shop.base))
        .header("cookie", "session=eu_x")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("name=\"name\"") && !page.contains("payment_method"), "{page}");
    let asked = send("").await;
    assert_eq!(asked.status(), 400);
    let page = asked.text().await.unwrap();
    assert!(page.contains("name=\"payment_method\"") && page.contains("give the id of a card") && page.contains(KEY), "{page}");
    let declined = send("&payment_method=pm_bad").await;
    assert_eq!(declined.status(), 402);
    let page = declined.text().await.unwrap();
    assert!(page.contains("The payment was declined") && page.contains("value=\"pm_bad\""), "{page}");
    assert!(!page.contains(KEY), "a refusal is final for its key");
    let bought = send("&payment_method=pm_good").await;
    assert_eq!((bought.status().as_u16(), bought.headers()["location"].to_str().unwrap().starts_with("/orders/")), (303, true));
}
