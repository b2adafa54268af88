//! Checkouts that race with themselves, with another tab and with a price.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use storefront_types::ProblemType;
use uuid::Uuid;

use super::{
    books::{at_rest, receive},
    running::{Running, SALE_CSV, eventually},
    shop::{Api, problem},
};

/// Rounds of each race: another one comes first in some.
const ROUNDS: usize = 5;

fn key() -> String {
    Uuid::new_v4().to_string()
}

async fn orders_of(api: &Api, token: &str) -> Vec<Value> {
    let history: Value = api.get(0, "/v1/orders", token).await.json().await.unwrap();
    history["items"].as_array().unwrap().clone()
}

/// One key, twice and more at once over all regions: one order, the same answer.
async fn same_key(running: &Running, api: &Api) {
    for _ in 0..ROUNDS {
        let (ada, key) = (api.register().await, key());
        api.add(&ada, "SALE-1", 2).await;
        let answers = join_all((0..6).map(|n| api.checkout(n % 3, &ada, &key, "Berlin").send())).await;
        let mut orders = Vec::new();
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), StatusCode::CREATED);
            let order: Value = answer.json().await.unwrap();
            orders.push((order["id"].clone(), order["placed_at"].clone(), order["total"].clone()));
        }
        assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "{orders:?}");
        assert_eq!(orders_of(api, &ada).await.len(), 1);
        at_rest(running).await;
    }
}

/// One key for two carts or two addresses: the first is bought, the others are told.
async fn same_key_other_content(running: &Running, api: &Api) {
    for _ in 0..ROUNDS {
        let (ada, key) = (api.register().await, key());
        api.add(&ada, "SALE-1", 1).await;
        let cities = ["Berlin", "Paris", "Oslo"];
        let answers = join_all((0..3).map(|n| api.checkout(n, &ada, &key, cities[n]).send())).await;
        let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 2, "{statuses:?}");
        eventually("an empty cart", async || api.cart(0, &ada).await["lines"].as_array()?.is_empty().then_some(())).await;
        api.add(&ada, "SALE-1", 2).await;
        let bought = orders_of(api, &ada).await;
        let city = bought[0]["delivery_address"]["city"].as_str().unwrap();
        let (kind, _) = problem(api.checkout(1, &ada, &key, city)).await;
        assert_eq!(kind, ProblemType::IdempotencyKeyReused, "another cart under the key of an order");
        assert_eq!(orders_of(api, &ada).await.len(), 1);
        at_rest(running).await;
    }
}

/// The cart is emptied in another tab while it is bought: either it was bought as it was, or there was nothing to buy.
async fn other_tab(running: &Running, api: &Api) {
    for _ in 0..ROUNDS {
        let (ada, key) = (api.register().await, key());
        api.add(&ada, "SALE-1", 1).await;
        let body = json!({"sku": "SALE-1", "quantity": 0});
        let (bought, emptied) =
            tokio::join!(api.checkout(1, &ada, &key, "Berlin").send(), api.post(0, "/v1/cart/update", &ada, &body).send());
        let (bought, emptied) = (bought.unwrap(), emptied.unwrap());
        match bought.status() {
            StatusCode::CREATED => assert_eq!(bought.json::<Value>().await.unwrap()["lines"][0]["quantity"], 1),
            status => {
                let refused: Value = bought.json().await.unwrap();
                assert!(status == 400 && refused["type"].as_str().unwrap().ends_with("/empty-cart"), "{refused}");
                assert_eq!(emptied.status(), StatusCode::OK);
            }
        }
        at_rest(running).await;
        api.cart_is(&ada, &[]).await;
    }
    let (ada, key) = (api.register().await, key());
    api.add(&ada, "SALE-1", 1).await;
    api.post(2, "/v1/cart/remove", &ada, &json!({"sku": "SALE-1"})).send().await.unwrap();
    assert_eq!(problem(api.checkout(0, &ada, &key, "Berlin")).await.0, ProblemType::EmptyCart);
    at_rest(running).await;
}

/// Many changes of one cart at once over all regions: each counts.
async fn one_cart_from_everywhere(api: &Api) {
    let ada = api.register().await;
    join_all((0..12).map(|n| api.add_at(n % 3, &ada, "SALE-1", 1))).await;
    api.cart_is(&ada, &[("SALE-1", 12)]).await;
}

/// The price changes while it is bought: what was bought was bought at the price that was shown, or not at all.
async fn price(running: &Running, api: &Api) {
    for (n, (was, now)) in [("19.99", "25.00"), ("25.00", "19.99")].into_iter().enumerate() {
        let shown = if n == 0 { 1_999 } else { 2_500 };
        let mut shoppers = Vec::new();
        for _ in 0..8 {
            let ada = api.register().await;
            api.add(&ada, "SALE-1", 1).await;
            shoppers.push((ada, key()));
        }
        let csv = SALE_CSV.replace("19.99", now);
        let buying = async {
            let mut answers = Vec::new();
            for (n, (ada, key)) in shoppers.iter().enumerate() {
                let (first, second) = tokio::join!(
                    api.checkout(n % 3, ada, key, "Berlin").send(),
                    api.checkout((n + 1) % 3, ada, key, "Berlin").send()
                );
                answers.push([first.unwrap().status().as_u16(), second.unwrap().status().as_u16()]);
            }
            answers
        };
        let (answers, ()) = tokio::join!(buying, running.import(&csv));
        for ((ada, key), statuses) in shoppers.iter().zip(answers) {
            assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?} from {was} to {now}");
            let orders = orders_of(api, ada).await;
            assert!(orders.iter().all(|order| order["total"]["amount"] == shown), "{orders:?}");
            assert_eq!(orders.len(), usize::from(statuses.contains(&201)), "{statuses:?}");
            // Whatever came of it: after a look the same key buys, at the price that was seen, or gives the order that it made.
            let seen = api.cart(0, ada).await["total"]["amount"].clone();
            let bought = api.checkout(0, ada, key, "Berlin").send().await.unwrap();
            let (status, order): (_, Value) = (bought.status(), bought.json().await.unwrap());
            assert_eq!(status, StatusCode::CREATED, "{order}");
            assert!(order["total"]["amount"] == if orders.is_empty() { seen } else { json!(shown) });
        }
        api.price_is("sale", if n == 0 { 2_500 } else { 1_999 }).await;
        at_rest(running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_order_whatever_races_with_it() {
    let running = Running::start().await;
    receive(&running, "SALE-1", 500).await;
    let api = Api::new(&running);
    same_key(&running, &api).await;
    same_key_other_content(&running, &api).await;
    other_tab(&running, &api).await;
    one_cart_from_everywhere(&api).await;
    price(&running, &api).await;
}
