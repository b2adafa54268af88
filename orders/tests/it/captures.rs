//! The money of recorded orders: taken once, by one instance, never for an order that was called off, and never given up silently.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{
    running::{Process, TOKEN, eventually},
    sandbox::{BOOK, Sandbox},
    till::{LONG_MS, PATIENT_MS, Shop, books_balance, key, pay, recorded_payment},
};

/// An order that is recorded, and whose instance died before it took the money. Nobody else takes it before a test says so.
async fn uncaptured(shop: &Shop<Sandbox>) -> String {
    shop.crash("after-record", "pm_card_visa").await;
    let newest = "update payment set due_at = now() + interval '1 day'
        where order_id = (select order_id from payment order by created_at desc limit 1) returning order_id::text";
    sqlx::query_scalar(newest).fetch_one(&mut shop.running.sql().await).await.unwrap()
}

async fn sql(shop: &Shop<Sandbox>, text: String) {
    shop.running.sql().await.execute(AssertSqlSafe(text)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_recorded_with_its_payment_or_not_at_all() {
    let (shop, orders) = Shop::open(3, LONG_MS).await;
    let ada = shop.shopper(&orders, 2).await;
    // PostgreSQL answers, and takes no payment.
    sql(&shop, "alter table payment rename to payment_elsewhere".to_owned()).await;
    let (status, order) = pay(&ada, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
    assert_eq!((status, &order["status"]), (202, &json!("accepted")), "{order}");
    let recorded: i64 =
        sqlx::query_scalar("select count(*) from shop_order").fetch_one(&mut shop.running.sql().await).await.unwrap();
    assert_eq!(recorded, 0, "an order without its payment could be called off and its money kept");
    sql(&shop, "alter table payment_elsewhere rename to payment".to_owned()).await;
    let order = order["id"].as_str().unwrap();
    let cancel = format!("/v1/orders/{order}/cancel");
    eventually("the cancellation", async || (ada.post(&cancel, &json!({})).send().await.unwrap().status() == 200).then_some(()))
        .await;
    shop.comes_to(order, "voided").await;
    eventually("the units", async || (shop.running.stock("LAMP").await.on_hand() == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_works_on_a_payment_and_only_on_its_own_providers_and_on_no_order_that_was_called_off() {
    let shop = Shop::at_the_sandbox(10).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(uncaptured(&shop).await);
    }
    let [busy, foreign, cancelled, free] = [0, 1, 2, 3].map(|at: usize| orders[at].as_str());
    sql(&shop, format!("update payment set provider = 'stripe' where order_id = '{foreign}'")).await;
    sql(&shop, format!("update shop_order set status = 'cancelled' where id = '{cancelled}'")).await;
    // Free is due last: whoever takes it has passed over the others.
    let due = format!("now() - case when order_id = '{free}' then interval '0' else interval '1 hour' end");
    sql(&shop, format!("update payment set due_at = {due}")).await;
    let mut other = shop.running.sql().await;
    let mut working = other.begin().await.unwrap();
    working.execute(AssertSqlSafe(format!("select 1 from payment where order_id = '{busy}' for update"))).await.unwrap();
    let _orders = shop.orders(None).await;
    shop.comes_to(free, "captured").await;
    shop.comes_to(cancelled, "voided").await;
    assert_eq!((shop.stage(busy).await, shop.stage(foreign).await), ("authorised".to_owned(), "authorised".to_owned()));
    working.rollback().await.unwrap();
    shop.comes_to(busy, "captured").await;
    assert_eq!(recorded_payment(&shop.running, foreign).await.unwrap(), "authorised");
}

struct Operators<'a> {
    shop: &'a Shop<Sandbox>,
    at: &'a Process,
}

impl Operators<'_> {
    async fn list(&self, state: &str) -> Value {
        let url = format!("{}/admin/v1/payments?state={state}", self.at.admin);
        self.shop.running.http.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }

    async fn retry(&self, order: &str) -> (u16, Value) {
        let url = format!("{}/admin/v1/payments/{order}/retry", self.at.admin);
        let answer = self.shop.running.http.post(url).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// How often instances say that they gave a capture up.
async fn given_up(shop: &Shop<Sandbox>, instances: &[Process]) -> usize {
    let mut sum = 0;
    for instance in instances {
        let told = shop.running.http.get(format!("{}/metrics", instance.admin)).send().await.unwrap().text().await.unwrap();
        let line = told.lines().find(|line| line.starts_with("orders_payments_failed_total") && line.contains("given_up"));
        sum += line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_that_is_refused_is_tried_for_long_then_told_and_an_operator_brings_it_back() {
    let mut shop = Shop::at_the_sandbox(10).await;
    let order = uncaptured(&shop).await;
    // A provider that does not know the payment refuses to capture it.
    shop.provider.restart(&shop.running, "forgotten.jsonl").await;
    sql(&shop, "update payment set due_at = now()".to_owned()).await;
    let instances = [shop.orders(None).await, shop.orders(None).await];
    let operators = Operators { shop: &shop, at: &instances[0] };
    let waiting = eventually("the first attempt", async || {
        let waiting = operators.list("authorised").await["items"][0].clone();
        waiting["last_error"].is_string().then_some(waiting)
    })
    .await;
    assert_eq!((&waiting["order_id"], &waiting["attempts"]), (&json!(order), &json!(1)), "one of the two instances tried it");
    assert!(waiting["last_error"].as_str().unwrap().contains("404"), "{waiting}");
    sql(&shop, "update payment set attempts = 50, due_at = now()".to_owned()).await;
    let failed = eventually("the end of it", async || {
        let failed = operators.list("failed").await["items"].as_array().unwrap().first().cloned();
        failed.filter(|failed| failed["order_id"] == order.as_str())
    })
    .await;
    assert_eq!(failed["attempts"], 51);
    eventually("the alarm", async || (given_up(&shop, &instances).await == 1).then_some(())).await;
    drop(instances);

    shop.provider.restart(&shop.running, BOOK).await;
    let instance = shop.orders(None).await;
    let operators = Operators { shop: &shop, at: &instance };
    let (status, retried) = operators.retry(&order).await;
    assert_eq!((status, &retried["state"], &retried["attempts"]), (200, &json!("authorised"), &json!(0)));
    shop.comes_to(&order, "captured").await;
    assert_eq!(operators.retry(&order).await.0, 409, "there is nothing to capture any more");
    assert_eq!(operators.retry(&key()).await.0, 404);
    assert_eq!(operators.list("captured").await["invalid_params"][0]["name"], "state");
    assert_eq!(books_balance(&shop.running, "LAMP", 10).await, [order]);
}
