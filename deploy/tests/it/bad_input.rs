//! Bad input at an edge: a clear problem document each, and no stock held afterwards.

use std::fmt::Write;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use storefront_types::ProblemType as P;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::{
    books::at_rest,
    refused::{self, Row, invalid, row},
    running::Running,
    shop::{Api, address},
};

/// More products than a cart has lines.
fn catalog() -> String {
    let mut csv = super::running::SALE_CSV.to_owned();
    for n in 0..60 {
        writeln!(csv, "many-{n},Many {n},Home > Lighting,Title,Default Title,MANY-{n},5,1.00").unwrap();
    }
    csv
}

struct Shopper<'a> {
    api: &'a Api,
    token: String,
}

impl Shopper<'_> {
    /// A checkout of a body as it is, under a fresh key.
    fn raw(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.api.http.post(self.api.url(1, "/v1/orders/checkout")).bearer_auth(&self.token).body(body);
        request.header("content-type", "application/json").header("idempotency-key", Uuid::new_v4().to_string())
    }

    fn to(&self, address: &Value) -> RequestBuilder {
        self.raw(json!({"delivery_address": address}).to_string())
    }

    /// A checkout to an address of which one field is otherwise.
    fn with(&self, field: &str, value: Value) -> RequestBuilder {
        let mut address = address("Berlin");
        address[field] = value;
        self.to(&address)
    }

    fn cart(&self, action: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.api.http.post(self.api.url(0, &format!("/v1/cart/{action}"))).bearer_auth(&self.token);
        request.header("content-type", "application/json").body(body)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.api.http.get(self.api.url(2, path)).bearer_auth(&self.token)
    }
}

fn addresses(ada: &Shopper<'_>) -> Vec<Row> {
    let mut without = address("Berlin");
    without.as_object_mut().unwrap().remove("city");
    vec![
        invalid("no address", ada.raw("{}"), "delivery_address"),
        invalid("an address that is null", ada.to(&Value::Null), "delivery_address"),
        invalid("an address that is a text", ada.to(&json!("Berlin")), "delivery_address"),
        invalid("an address without its city", ada.to(&without), "delivery_address.city"),
        invalid("an empty name", ada.with("name", json!("")), "delivery_address.name"),
        invalid("a name of blanks", ada.with("name", json!("  ")), "delivery_address.name"),
        invalid("a street of 10 kB", ada.with("line1", json!("x".repeat(10_000))), "delivery_address.line1"),
        invalid("a second line of 10 kB", ada.with("line2", json!("x".repeat(10_000))), "delivery_address.line2"),
        invalid("a line break in a name", ada.with("name", json!("Ada\nBob")), "delivery_address.name"),
        invalid("a bell in a city", ada.with("city", json!("Ber\u{7}lin")), "delivery_address.city"),
        invalid("a NUL in a region", ada.with("region", json!("\u{0}")), "delivery_address.region"),
        invalid("a name that is written backwards", ada.with("name", json!("a\u{202e}b")), "delivery_address.name"),
        invalid("a paragraph separator", ada.with("line1", json!("a\u{2029}b")), "delivery_address.line1"),
        invalid("a country that is none", ada.with("country", json!("XX")), "delivery_address.country"),
        invalid("a country in small letters", ada.with("country", json!("de")), "delivery_address.country"),
        invalid("a country of three letters", ada.with("country", json!("DEU")), "delivery_address.country"),
        invalid("two countries", ada.with("country", json!("DE FR")), "delivery_address.country"),
        invalid("a postal code that is a number", ada.with("postal_code", json!(10_115)), "delivery_address.postal_code"),
        invalid("a field that no address has", ada.with("planet", json!("Mars")), "delivery_address.planet"),
    ]
}

fn bodies(ada: &Shopper<'_>) -> Vec<Row> {
    let body = |more: &str| format!(r#"{{"delivery_address": {}{more}}}"#, address("Berlin"));
    let plain = |kind: &str| {
        let request = ada.api.http.post(ada.api.url(0, "/v1/orders/checkout")).bearer_auth(&ada.token).body(body(""));
        let request = request.header("idempotency-key", Uuid::new_v4().to_string());
        if kind.is_empty() { request } else { request.header("content-type", kind) }
    };
    let lines = |n: usize| format!(r#", "lines": [{}]"#, vec![r#"{"sku":"CALM-1","quantity":1}"#; n].join(","));
    let twice = format!(r#", "delivery_address": {}"#, address("Oslo"));
    vec![
        invalid("nothing", ada.raw(""), "body"),
        invalid("no JSON", ada.raw("delivery_address=Berlin"), "body"),
        invalid("half a body", ada.raw(r#"{"delivery_address":"#), "delivery_address"),
        invalid("an array", ada.raw("[]"), "body"),
        invalid("a number", ada.raw("1"), "body"),
        invalid("two bodies", ada.raw(body("") + "{}"), "body"),
        invalid("arrays in arrays", ada.raw("[".repeat(30_000)), "body"),
        invalid("objects in objects", ada.raw(r#"{"delivery_address":"#.repeat(2_000)), "delivery_address.delivery_address"),
        invalid("text that is not UTF-8", ada.raw(b"{\"delivery_address\": \"\xff\"}".to_vec()), "delivery_address"),
        invalid("one member twice", ada.raw(body(&twice)), "delivery_address"),
        invalid("a currency of the client's", ada.raw(body(r#", "currency": "XXX""#)), "currency"),
        invalid("a total of the client's", ada.raw(body(r#", "total": {"amount": 1, "currency": "USD"}"#)), "total"),
        invalid("lines of the client's", ada.raw(body(&lines(1))), "lines"),
        invalid("a payment method that is a number", ada.raw(body(r#", "payment_method": 1"#)), "payment_method"),
        row("10,000 lines", ada.raw(body(&lines(10_000))), P::BodyTooLarge),
        row("a body of 1 MB", ada.raw("x".repeat(1 << 20)), P::BodyTooLarge),
        row("a form", plain("application/x-www-form-urlencoded"), P::UnsupportedMediaType),
        row("plain text", plain("text/plain"), P::UnsupportedMediaType),
        row("no type", plain(""), P::UnsupportedMediaType),
    ]
}

fn keys(ada: &Shopper<'_>) -> Vec<Row> {
    let under = |key: &[u8]| {
        let request = ada.api.post(0, "/v1/orders/checkout", &ada.token, &json!({"delivery_address": address("Berlin")}));
        request.header("idempotency-key", reqwest::header::HeaderValue::from_bytes(key).unwrap())
    };
    let no_key = ada.api.post(0, "/v1/orders/checkout", &ada.token, &json!({"delivery_address": address("Berlin")}));
    let bad: [(&str, &[u8]); 7] = [
        ("an empty key", b""),
        ("an empty key in quotes", b"\"\""),
        ("a key with a blank", b"a b"),
        ("a key with a tab", b"a\tb"),
        ("a key with a slash", b"../v1/orders"),
        ("a key of 145 bytes", &[b'k'; 145]),
        ("a key of other letters", "schl\u{fc}ssel".as_bytes()),
    ];
    let mut rows: Vec<Row> = bad.into_iter().map(|(what, key)| row(what, under(key), P::InvalidIdempotencyKey)).collect();
    rows.push(row("no key", no_key, P::MissingIdempotencyKey));
    rows.push(row("two keys", under(b"one").header("idempotency-key", "two"), P::InvalidIdempotencyKey));
    rows.push(row("a line break in a path", ada.get("/v1/orders/checkout/a%0d%0ax-evil:%201"), P::InvalidIdempotencyKey));
    rows.push(row("a key that nothing was bought under", ada.get("/v1/orders/checkout/nothing"), P::NotFound));
    rows
}

fn quantities(ada: &Shopper<'_>) -> Vec<Row> {
    let add = |quantity: &str| ada.cart("add", format!(r#"{{"sku": "CALM-1", "quantity": {quantity}}}"#));
    let update = |quantity: &str| ada.cart("update", format!(r#"{{"sku": "CALM-1", "quantity": {quantity}}}"#));
    let wrong = ["0", "-1", "1.5", "1e3", "\"1\"", "null", "true", "[1]", "4294967296", "9223372036854775808", "1e400", "10001"];
    let mut rows: Vec<Row> = wrong.iter().map(|quantity| invalid("a quantity to add", add(quantity), "quantity")).collect();
    let wrong = ["-1", "1.5", "\"1\"", "null", "4294967296", "-9223372036854775809", "10001"];
    rows.extend(wrong.iter().map(|quantity| invalid("a quantity to set", update(quantity), "quantity")));
    // 9,999 are there: the sum is past the bound of a line, though each part is within it.
    rows.push(invalid("a sum past the bound", ada.cart("add", r#"{"sku": "MANY-0", "quantity": 9999}"#), "quantity"));
    let sku = |sku: &str| ada.cart("add", json!({"sku": sku, "quantity": 1}).to_string());
    for (what, name) in
        [("no SKU", ""), ("a SKU of 129 bytes", &*"s".repeat(129)), ("a path", "../x"), ("a line break", "a\r\nb")]
    {
        rows.push(invalid(what, sku(name), "sku"));
    }
    rows.extend([
        Row { param: Some("sku"), ..row("a SKU of nobody's", sku("NOTHING-1"), P::UnknownSku) },
        invalid("a SKU that is a number", ada.cart("add", r#"{"sku": 1, "quantity": 1}"#), "sku"),
        invalid("a SKU twice", ada.cart("add", r#"{"sku": "CALM-1", "sku": "SALE-1", "quantity": 1}"#), "sku"),
        invalid("a price of the client's", ada.cart("add", r#"{"sku": "CALM-1", "quantity": 1, "unit_price": 1}"#), "unit_price"),
        invalid(
            "a currency of the client's",
            ada.cart("add", r#"{"sku": "CALM-1", "quantity": 1, "currency": "XXX"}"#),
            "currency",
        ),
        invalid("what is not in the cart, set", ada.cart("update", r#"{"sku": "SALE-1", "quantity": 1}"#), "sku"),
        invalid("what is not in the cart, removed", ada.cart("remove", r#"{"sku": "SALE-1"}"#), "sku"),
        invalid("one line more than a cart has", ada.cart("add", r#"{"sku": "MANY-55", "quantity": 1}"#), "sku"),
    ]);
    rows
}

fn others(ada: &Shopper<'_>, bobs_order: &str) -> Vec<Row> {
    let bobs = format!("/v1/orders/{bobs_order}");
    let method = ada.api.http.request(Method::DELETE, ada.api.url(0, "/v1/cart")).bearer_auth(&ada.token);
    vec![
        row("another shopper's order", ada.get(&bobs), P::NotFound),
        row("an order of nobody's", ada.get(&format!("/v1/orders/{}", Uuid::new_v4())), P::NotFound),
        invalid("an order id that is none", ada.get("/v1/orders/1%27or%271"), "id"),
        invalid("a page of none", ada.get("/v1/orders?limit=0"), "limit"),
        invalid("a page of a million", ada.get("/v1/orders?limit=1000000"), "limit"),
        invalid("a page of words", ada.get("/v1/orders?limit=ten"), "limit"),
        invalid("a cursor that is none", ada.get("/v1/orders?cursor=%27"), "cursor"),
        invalid("a parameter that is none", ada.get("/v1/orders?shopper=1"), "shopper"),
        row("a forged session", ada.api.http.get(ada.api.url(0, "/v1/orders")).bearer_auth("eu_forged"), P::Unauthenticated),
        row("no session", ada.api.http.get(ada.api.url(0, "/v1/orders")), P::Unauthenticated),
        row("a method that is none", method, P::MethodNotAllowed),
    ]
}

/// What no client library sends: written by hand.
async fn raw_heads(api: &Api, token: &str) {
    let body = json!({"delivery_address": address("Berlin")}).to_string();
    let length = body.len();
    for key in ["a\rb", "a\u{0}b", "a\n b", "a\u{7f}"] {
        let mut stream = tokio::net::TcpStream::connect(&api.edges[0]).await.unwrap();
        let head = format!(
            "POST /v1/orders/checkout HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\nidempotency-key: {key}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{key:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_named_and_holds_no_stock() {
    let running = Running::selling(&catalog()).await;
    let api = Api::new(&running);
    let (ada, bob) = (Shopper { api: &api, token: api.register().await }, api.register().await);
    api.add(&bob, "CALM-1", 1).await;
    let order: Value = api.checkout(0, &bob, &Uuid::new_v4().to_string(), "Oslo").send().await.unwrap().json().await.unwrap();
    for n in 0..49 {
        api.add(&ada.token, &format!("MANY-{n}"), 1).await;
    }
    api.add(&ada.token, "CALM-1", 1).await;
    let set = ada.cart("update", r#"{"sku": "MANY-0", "quantity": 9999}"#).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::OK);
    let before = api.cart(0, &ada.token).await["lines"].clone();
    refused::all(&running, quantities(&ada)).await;
    refused::all(&running, others(&ada, order["id"].as_str().unwrap())).await;
    refused::all(&running, addresses(&ada)).await;
    refused::all(&running, bodies(&ada)).await;
    refused::all(&running, keys(&ada)).await;
    raw_heads(&api, &ada.token).await;
    at_rest(&running).await;
    // None of it changed a cart or made an order.
    assert_eq!(api.cart(0, &ada.token).await["lines"], before);
    let history: Value = api.get(0, "/v1/orders", &ada.token).await.json().await.unwrap();
    assert_eq!(history["items"], json!([]));
}
