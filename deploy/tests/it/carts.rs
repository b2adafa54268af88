//! Carts as shoppers meet them: what changed is told before anything is paid, and a guest's cart comes along.

use reqwest::StatusCode;
use serde_json::{Value, json};
use storefront_types::ProblemType;
use uuid::Uuid;

use super::{
    books::at_rest,
    running::{Running, SALE_CSV},
    shop::{Api, problem, session},
};

/// The names of a JSON object's members.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A price that changes between cart and checkout is seen before it is paid.
async fn prices(running: &Running, api: &Api) {
    let ada = api.register().await;
    api.add(&ada, "CALM-1", 2).await;
    let cart = api.cart(1, &ada).await;
    assert_eq!(
        (members(&cart), members(&cart["lines"][0])),
        (vec!["lines", "total"], vec!["quantity", "sku", "title", "unit_price"])
    );
    running.import(&SALE_CSV.replace("9.50", "11.00")).await;
    api.price_is("calm", 1_100).await;
    let key = Uuid::new_v4().to_string();
    for edge in 0..2 {
        let (kind, refused) = problem(api.checkout(edge, &ada, &key, "Berlin")).await;
        assert_eq!((kind, refused.status), (ProblemType::PriceChanged, 409));
        let usd = |amount: u32| json!({"amount": amount, "currency": "USD"});
        assert_eq!(refused.lines, [json!({"sku": "CALM-1", "quantity": 2, "from": usd(950), "to": usd(1_100)})]);
        at_rest(running).await;
    }
    let cart = api.cart(1, &ada).await;
    assert_eq!((&cart["lines"][0]["unit_price"]["amount"], &cart["total"]["amount"]), (&json!(1_100), &json!(2_200)));
    let change = &cart["changes"][0];
    assert_eq!(
        (&change["change"], &change["sku"], &change["title"]),
        (&json!("price_changed"), &json!("CALM-1"), &json!("Calm Lamp"))
    );
    assert_eq!((&change["from"]["amount"], &change["to"]["amount"]), (&json!(950), &json!(1_100)));
    assert_eq!(members(&api.cart(0, &ada).await), ["lines", "total"], "a change is told once");
    // The refusal left no trace: the key is as good as new.
    let bought = api.checkout(2, &ada, &key, "Berlin").send().await.unwrap();
    assert_eq!(bought.status(), StatusCode::CREATED);
    assert_eq!(bought.json::<Value>().await.unwrap()["total"]["amount"], 2_200);
    // A price that changes afterwards changes no answer.
    running.import(SALE_CSV).await;
    api.price_is("calm", 950).await;
    let again = api.checkout(1, &ada, &key, "Berlin").send().await.unwrap();
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.json::<Value>().await.unwrap()["total"]["amount"], 2_200);
    at_rest(running).await;
}

/// What is short of stock or sold no more is named in the cart, and at checkout.
async fn stock(running: &Running, api: &Api) {
    let bob = api.register().await;
    api.add(&bob, "CALM-1", 1).await;
    api.add(&bob, "SALE-1", 3).await;
    let cart = api.cart(0, &bob).await;
    let short = json!({"change": "fewer_available", "sku": "SALE-1", "title": "Sale Lamp", "wanted": 3, "available": 0});
    assert_eq!(cart["changes"], json!([short]));
    running.import(&SALE_CSV.replace("SALE-1", "SALE-2")).await;
    super::running::eventually("the end of SALE-1", async || {
        let cart = api.cart(0, &bob).await;
        let gone = json!({"change": "sold_no_more", "sku": "SALE-1", "quantity": 3});
        (cart["changes"] == json!([gone]) && cart["lines"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    let (kind, refused) = problem(api.checkout(1, &bob, &Uuid::new_v4().to_string(), "Berlin")).await;
    assert_eq!(kind, ProblemType::InsufficientStock);
    assert_eq!(refused.lines, [json!({"sku": "SALE-1", "requested": 3, "available": 0})]);
    assert!(refused.detail.unwrap().contains("sold no more"));
    at_rest(running).await;
    let removed = api.post(2, "/v1/cart/remove", &bob, &json!({"sku": "SALE-1"})).send().await.unwrap();
    assert_eq!(members(&removed.json().await.unwrap()), ["lines", "total"]);
    let bought = api.checkout(1, &bob, &Uuid::new_v4().to_string(), "Berlin").send().await.unwrap();
    assert_eq!(bought.status(), StatusCode::CREATED);
    running.import(SALE_CSV).await;
    at_rest(running).await;
}

/// A guest's cart comes along into the cart of a known account, once, however often it is asked for.
async fn sign_in(api: &Api) {
    let email = format!("{}@example.org", Uuid::new_v4().simple());
    let account = session(api.sign_in(0, &email, "").await).await;
    api.add(&account, "CALM-1", 2).await;
    let guest = api.add_at(1, "", "CALM-1", 3).await.unwrap();
    api.add_at(1, &guest, "SALE-1", 9_999).await;
    api.add(&account, "SALE-1", 5).await;
    // Twice at once over two regions, and once more.
    let (first, second) = tokio::join!(api.sign_in(1, &email, &guest), api.sign_in(2, &email, &guest));
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    let here = session(first).await;
    assert_eq!(api.sign_in(1, &email, &guest).await.status(), StatusCode::OK);
    for token in [&account, &here] {
        api.cart_is(token, &[("CALM-1", 5), ("SALE-1", 10_000)]).await;
    }
    api.cart_is(&guest, &[]).await;
    // Another account's cart is its own.
    let other = api.register().await;
    api.add(&other, "CALM-1", 1).await;
    assert_eq!(api.sign_in(0, &email, &other).await.status(), StatusCode::OK);
    api.cart_is(&other, &[("CALM-1", 1)]).await;
    api.cart_is(&account, &[("CALM-1", 5), ("SALE-1", 10_000)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_tells_what_changed_and_comes_along() {
    let running = Running::start().await;
    let api = Api::new(&running);
    sign_in(&api).await;
    prices(&running, &api).await;
    stock(&running, &api).await;
}
