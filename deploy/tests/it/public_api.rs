//! The public API at an edge, good and bad input, as any program would use it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use storefront_types::ProblemType;
use uuid::Uuid;

use super::{
    running::{Running, eventually},
    shop::{Api, named, problem},
};

async fn accounts_and_carts(api: &Api) {
    let token = api.register().await;
    let cart = |body: Value| api.post(0, "/v1/cart/add", &token, &body);
    assert_eq!(problem(cart(json!({"sku": "nothing", "quantity": 1}))).await.0, ProblemType::UnknownSku);
    for quantity in [json!(0), json!(-1), json!(2_000_000_000), json!(20_000), json!("1"), json!(1.5)] {
        assert_eq!(named(cart(json!({"sku": "CALM-1", "quantity": quantity}))).await, "quantity");
    }
    assert_eq!(named(cart(json!({"sku": "CALM-1", "quantity": 1, "price": 1}))).await, "price");
    assert_eq!(named(cart(json!({"quantity": 1}))).await, "sku");
    assert_eq!(problem(cart(json!({"sku": "x".repeat(70_000), "quantity": 1}))).await.0, ProblemType::BodyTooLarge);
    let register = |body: Value| api.post(0, "/v1/users/register", "", &body);
    assert_eq!(named(register(json!({"email": "ada", "phone_number": "+4930123456"}))).await, "email");
    assert_eq!(named(register(json!({"email": "a@b.example", "phone_number": "1"}))).await, "phone_number");
    let known = json!({"email": "Known@example.org", "phone_number": "+4930123456"});
    assert_eq!(register(known.clone()).send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(register(known).send().await.unwrap().status(), StatusCode::OK);
    // A guest's cart begins a session and comes along at registration.
    let guest = api.post(0, "/v1/cart/add", "", &json!({"sku": "CALM-1", "quantity": 2})).send().await.unwrap();
    let session = guest.headers()["session-token"].to_str().unwrap().to_owned();
    let body = json!({"email": format!("{}@example.org", Uuid::new_v4().simple()), "phone_number": "+4930123456"});
    let user: Value = api.post(1, "/v1/users/register", &session, &body).send().await.unwrap().json().await.unwrap();
    let cart: Value = api.get(2, "/v1/cart", user["session_token"].as_str().unwrap()).await.json().await.unwrap();
    assert_eq!((&cart["lines"][0]["quantity"], &cart["total"]["amount"]), (&json!(2), &json!(1_900)));
}

async fn checkouts(api: &Api) {
    let (ada, bob) = (api.register().await, api.register().await);
    let key = Uuid::new_v4().to_string();
    let bare = |token: &str| api.post(0, "/v1/orders/checkout", token, &json!({"delivery_address": {}}));
    assert_eq!(problem(bare(&ada)).await.0, ProblemType::MissingIdempotencyKey);
    assert_eq!(problem(bare(&ada).header("idempotency-key", "a b")).await.0, ProblemType::InvalidIdempotencyKey);
    assert_eq!(named(bare(&ada).header("idempotency-key", &key)).await, "delivery_address.name");
    assert_eq!(problem(api.checkout(0, &ada, &key, "Berlin")).await.0, ProblemType::EmptyCart);
    assert_eq!(problem(api.checkout(0, "", &key, "Berlin")).await.0, ProblemType::Unauthenticated);
    api.add(&ada, "CALM-1", 1).await;
    assert_eq!(named(api.checkout(0, &ada, &key, "")).await, "delivery_address.city");
    // More than there is: each line is named, the cart stays.
    api.add(&ada, "SALE-1", 3).await;
    let (kind, refused) = problem(api.checkout(0, &ada, &key, "Berlin")).await;
    assert_eq!((kind, &refused.lines[0]["sku"]), (ProblemType::InsufficientStock, &json!("SALE-1")));
    let cart: Value = api.get(0, "/v1/cart", &ada).await.json().await.unwrap();
    assert_eq!(cart["lines"].as_array().unwrap().len(), 2);
    api.post(0, "/v1/cart/remove", &ada, &json!({"sku": "SALE-1"})).send().await.unwrap();
    let key = Uuid::new_v4().to_string();
    let (first, second) =
        tokio::join!(api.checkout(0, &ada, &key, "Berlin").send(), api.checkout(1, &ada, &key, "Berlin").send());
    let (first, second): (Value, Value) = (first.unwrap().json().await.unwrap(), second.unwrap().json().await.unwrap());
    assert_eq!((&first["id"], &first["placed_at"]), (&second["id"], &second["placed_at"]));
    let order = first["id"].as_str().unwrap().to_owned();
    assert_eq!(problem(api.checkout(2, &ada, &key, "Paris")).await.0, ProblemType::IdempotencyKeyReused);
    assert_eq!(api.get(1, &format!("/v1/orders/{order}"), &ada).await.status(), StatusCode::OK);
    assert_eq!(api.get(1, &format!("/v1/orders/{order}"), &bob).await.status(), StatusCode::NOT_FOUND);
    let state: Value = api.get(1, &format!("/v1/orders/checkout/{key}"), &ada).await.json().await.unwrap();
    assert_eq!((&state["state"], &state["order_id"]), (&json!("placed"), &first["id"]));
    let history: Value = api.get(2, "/v1/orders", &ada).await.json().await.unwrap();
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.get(2, "/v1/orders", "eu_forged").await.status(), StatusCode::UNAUTHORIZED);
    eventually("the cart to be settled", async || {
        let cart: Value = api.get(0, "/v1/cart", &ada).await.json().await.unwrap();
        cart["lines"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    api.add(&bob, "CALM-1", 500).await;
    let (kind, short) = problem(api.checkout(1, &bob, &Uuid::new_v4().to_string(), "Oslo")).await;
    assert_eq!(
        (kind, &short.lines[0]["sku"], &short.lines[0]["requested"]),
        (ProblemType::InsufficientStock, &json!("CALM-1"), &json!(500))
    );
    assert!(short.lines[0]["available"].as_u64().unwrap() < 30);
}

async fn caching(api: &Api) {
    let path = "/v1/products/calm";
    // A purge for what was bought above may still be on its way.
    let hit = eventually("an answer from the cache", async || {
        let answer = api.get(0, path, "").await;
        answer.headers()["cache-status"].to_str().unwrap().contains("hit").then_some(answer)
    })
    .await;
    let text = |name: &str| hit.headers()[name].to_str().unwrap().to_owned();
    assert!(text("age").parse::<u64>().is_ok() && text("x-edge-region") == "eu" && hit.headers().get("surrogate-key").is_none());
    let again = api.http.get(format!("http://{}{path}", api.edges[0])).header("if-none-match", text("etag"));
    assert_eq!(again.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    for internal in ["/internal/v1/checkout-tickets", "/v1/prices", "/v1/changes", "/admin/v1/state-hash"] {
        assert_eq!(api.post(0, internal, "", &json!({})).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{internal}");
    }
    // What was bought above is seen in cached answers soon, at every edge.
    for edge in 0..3 {
        eventually("the stock in cached answers", async || {
            let product: Value = api.get(edge, path, "").await.json().await.unwrap();
            (product["variants"][0]["stock"]["available"] == 29).then_some(())
        })
        .await;
    }
    let page =
        api.http.get(format!("http://{}/products/calm", api.edges[1])).timeout(Duration::from_secs(5)).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("<h1>Calm Lamp</h1>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_contracts() {
    let running = Running::start().await;
    let api = Api::new(&running);
    accounts_and_carts(&api).await;
    checkouts(&api).await;
    caching(&api).await;
}
