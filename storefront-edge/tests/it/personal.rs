//! Two shoppers and a stranger try to see each other's cart, orders and session, and to put something into what others get. Must not: ask
//! services that behave.

mod shop;

use shop::Shop;

/// Ways to write the targets of what is one's own, or something that a cache could take for it.
const TARGETS: [&str; 44] = [
    "/v1/cart",
    "/v1/cart?",
    "/v1/cart?x.css",
    "/v1/cart?utm_source=a",
    "/v1/cart/",
    "/v1/cart/x.css",
    "/v1/cart;x.css",
    "/v1/cart.css",
    "/v1/cart%2f",
    "/v1/cart%2fx.css",
    "/v1/cart%00.css",
    "/v1/cart%0a.css",
    "/v1/cart%3fx.css",
    "/v1/cart%23x.css",
    "/V1/CART",
    "//v1/cart",
    "/v1//cart",
    "/v1/./cart",
    "/v1/x/../cart",
    "/v1/%63art",
    "/v1%2fcart",
    "/v1/products/../cart",
    "/v1/products/..%2fcart",
    "/v1/products/%2e%2e/cart",
    "/v1/products/%2e%2e%2fcart",
    "/v1/products/..;/cart",
    "/v1/products/lamp/../../cart",
    "/v1/products/lamp?/../../cart",
    "/v1/products/lamp",
    "/v1/orders",
    "/v1/orders/1",
    "/v1/orders/1.png",
    "/v1/orders/checkout/00000000-0000-0000-0000-000000000000",
    "/cart",
    "/cart?x.css",
    "/cart/x.css",
    "/cart;x.css",
    "/cart%2fx.css",
    "/orders",
    "/orders/1",
    "/checkout",
    "/products/../cart",
    "/products/..%2fcart",
    "http://other.example/v1/cart",
];

/// Fields that a cache could be misled by.
const MISLEADING: [&str; 21] = [
    "X-Nothing: a",
    "Accept: text/css",
    "Accept-Encoding: gzip",
    "Range: bytes=0-300",
    "If-None-Match: \"same\"",
    "If-None-Match: *",
    "If-Modified-Since: Fri, 31 Dec 2027 23:59:59 GMT",
    "Cache-Control: only-if-cached",
    "Cache-Control: max-stale",
    "Cache-Control: public, max-age=3600",
    "Connection: Cookie, Authorization",
    "X-HTTP-Method-Override: GET",
    "X-Method-Override: POST",
    "X-Original-URL: /v1/products/lamp",
    "X-Rewrite-URL: /v1/cart",
    "X-Forwarded-Host: other.example",
    "X-Forwarded-Prefix: /v1/products",
    "X-Surrogate-Key: product:1",
    "Vary: X-Nothing",
    "Pragma: cache",
    "Surrogate-Capability: a=\"ESI/1.0\"",
];

/// How a shopper shows who it is. The same for both, but for the name.
const SESSIONS: [&str; 4] = [
    "Cookie: session=eu_NAME",
    "COOKIE: a=b; session=eu_NAME; c=d",
    "cookie: session=\"eu_NAME\"",
    "Authorization: Bearer eu_NAME",
];

fn as_shopper(session: &str, name: &str, misleading: &str) -> Vec<String> {
    vec![session.replace("NAME", name), misleading.to_owned()]
}

async fn nobody_sees_another(shop: &Shop, method: &str, target: &str, session: &str, misleading: &str) {
    let case = format!("{method} {target} {session:?} {misleading:?}");
    for name in ["alice", "bob", "alice"] {
        let (_, text) = shop.ask(method, target, &as_shopper(session, name, misleading)).await;
        let other = if name == "alice" { "bob" } else { "alice" };
        assert!(!text.contains(other), "{name} sees {other} with {case}: {text}");
        let (seen, text) = shop.ask(method, target, &[misleading.to_owned()]).await;
        assert!(!text.contains("alice") && !text.contains("bob"), "a stranger sees {name} with {case}: {text}");
        let kept = seen.head.get("cache-status").is_some_and(|status| status.contains("hit"));
        assert!(!kept || !text.contains("secret"), "a cart is in the cache with {case}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_sees_his_own() {
    let shop = Shop::open().await;
    for target in ["/v1/cart", "/cart"] {
        for name in ["alice", "bob", "alice"] {
            let (seen, text) = shop.ask("GET", target, &as_shopper(SESSIONS[0], name, MISLEADING[0])).await;
            assert!(seen.head.status() == 200 && text.contains(&format!("secret of {name}")), "{target}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_target_shows_anothers() {
    let shop = Shop::open().await;
    for target in TARGETS {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "get"] {
            nobody_sees_another(&shop, method, target, SESSIONS[0], MISLEADING[0]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_field_of_a_request_shows_anothers() {
    let shop = Shop::open().await;
    for target in ["/v1/cart", "/v1/orders/1", "/cart", "/cart/x.css", "/v1/products/lamp"] {
        for misleading in MISLEADING {
            for session in SESSIONS {
                nobody_sees_another(&shop, "GET", target, session, misleading).await;
            }
            nobody_sees_another(&shop, "HEAD", target, SESSIONS[0], misleading).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_sends_does_not_reach_others_through_the_cache() {
    let shop = Shop::open().await;
    let poison = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: evil",
        "X-Forwarded-For: evil",
        "X-Forwarded-Port: 666evil",
        "X-Forwarded-Scheme: evil",
        "X-Forwarded-Prefix: /evil",
        "Forwarded: host=evil.example",
        "X-Host: evil.example",
        "X-Original-URL: /evil",
        "X-Rewrite-URL: /evil",
        "X-HTTP-Method-Override: EVIL",
        "X-Original-Host: evil.example",
        "User-Agent: evil",
        "Referer: http://evil.example/",
        "Origin: http://evil.example",
        "Accept: text/evil",
        "Accept-Language: evil",
        "Accept-Encoding: evil",
        "Via: 1.1 evil",
        "Cookie: evil=evil",
        "Authorization: Basic evil",
        "Range: bytes=evil",
        "If-None-Match: \"evil\"",
        "If-Range: \"evil\"",
        "Connection: evil",
        "X-Anything: evil",
        "X-Request-Id: evil-evil-evil",
        "Cache-Control: evil",
        "Pragma: evil",
        "Surrogate-Key: evil",
        "Max-Forwards: 666evil",
    ];
    for (nth, field) in poison.into_iter().enumerate() {
        for target in
            [format!("/v1/products/{nth}"), format!("/v1/products?page={nth}"), "http://evil.example/v1/categories".to_owned()]
        {
            shop.ask("GET", &target, &[field.to_owned()]).await;
            let (seen, text) = shop.ask("GET", target.trim_start_matches("http://evil.example"), &[]).await;
            assert!(seen.head.status() == 200 && text.contains("catalog GET"), "{target}: {text}");
            assert!(!text.to_ascii_lowercase().contains("evil"), "{field} reached others with {target}: {text}");
        }
    }
    // It was the cache that gave those answers.
    let (seen, _) = shop.ask("GET", "/v1/products/0", &[]).await;
    assert!(seen.head.get("cache-status").is_some_and(|status| status.contains("hit")), "{:?}", seen.head);
}
