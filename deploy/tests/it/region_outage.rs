//! Carts and sessions while PostgreSQL, a Redis or a region's `orders` is away: what was acknowledged is there afterwards, once.

use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    books::at_rest,
    running::{Running, eventually},
    shop::Api,
};

const REDIS: [&str; 3] = ["redis-eu", "redis-us", "redis-ap"];

async fn connect(running: &Running, name: &str) -> MultiplexedConnection {
    let topology = running.topology();
    let process = topology.processes.iter().find(|process| process.name == name).unwrap();
    let client = redis::Client::open(format!("redis://{}", process.http)).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// A Redis loses all that it has.
async fn flush(running: &Running, name: &str) {
    let mut redis = connect(running, name).await;
    let before: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
    let _: () = redis.flushall().await.unwrap();
    assert!(before > 0, "there was nothing to lose in {name}");
}

/// Until a cart's copy is in Redis, which had lost everything: while PostgreSQL is there, a copy is no promise.
async fn is_copied(running: &Running, api: &Api, token: &str) {
    let mut redis = connect(running, "redis-eu").await;
    let _: () = redis.flushall().await.unwrap();
    eventually("a copy of a cart", async || {
        api.cart(0, token).await;
        let keys: Vec<String> = redis.keys("cart:*").await.unwrap();
        (!keys.is_empty()).then_some(())
    })
    .await;
}

/// Until `orders` sees that PostgreSQL answers again: a registration needs it.
async fn postgres_is_back(api: &Api) {
    for edge in 0..api.edges.len() {
        eventually("PostgreSQL", async || {
            let email = format!("{}@example.org", Uuid::new_v4().simple());
            api.sign_in(edge, &email, "").await.status().is_success().then_some(())
        })
        .await;
    }
}

/// Until the guest's session, and with it the cart with something on sale, was written behind: before that, the loss of both the instance and
/// Redis is the one that is not survived.
async fn are_recorded(running: &Running) {
    let mut sql = PgConnection::connect(&running.topology().databases["orders"]).await.unwrap();
    eventually("the guest's session to be written behind", async || {
        let both = "select exists (select from session join cart using (shopper_id) where cart.lines::text like '%SALE-1%')";
        sqlx::query_scalar::<_, bool>(both).fetch_one(&mut sql).await.unwrap().then_some(())
    })
    .await;
}

/// With PostgreSQL there, all of Redis may go at any time.
async fn without_redis(running: &Running, api: &Api) {
    let ada = api.register().await;
    let guest = api.add_at(1, "", "CALM-1", 4).await.unwrap();
    api.add(&ada, "CALM-1", 2).await;
    for redis in REDIS {
        flush(running, redis).await;
    }
    api.cart_is(&ada, &[("CALM-1", 2)]).await;
    api.cart_is(&guest, &[("CALM-1", 4)]).await;
    for redis in REDIS {
        running.kill(redis).await;
    }
    api.add_at(2, &ada, "CALM-1", 1).await;
    api.cart_is(&ada, &[("CALM-1", 3)]).await;
    for redis in REDIS {
        running.start_process(redis).await;
    }
    api.cart_is(&ada, &[("CALM-1", 3)]).await;
}

/// With PostgreSQL away, the loss of Redis alone takes nothing that was acknowledged; also what began meanwhile.
async fn without_postgres(running: &Running, api: &Api) {
    let ada = api.register().await;
    api.add(&ada, "CALM-1", 2).await;
    is_copied(running, api, &ada).await;
    running.kill("postgres").await;
    api.add(&ada, "CALM-1", 1).await;
    let guest = api.add_at(0, "", "CALM-1", 7).await.unwrap();
    api.add(&guest, "SALE-1", 1).await;
    flush(running, "redis-eu").await;
    api.cart_is_at(0, &guest, &[("CALM-1", 7), ("SALE-1", 1)]).await;
    api.add(&guest, "CALM-1", 1).await;
    running.start_process("postgres").await;
    postgres_is_back(api).await;
    let lines = [("CALM-1", 8), ("SALE-1", 1)];
    api.cart_is(&guest, &lines).await;
    api.cart_is(&ada, &[("CALM-1", 3)]).await;
    are_recorded(running).await;
    // In the record: an instance that knows nothing of it, and no Redis, still tell it.
    running.kill("orders-eu").await;
    flush(running, "redis-eu").await;
    running.start_process("orders-eu").await;
    api.cart_is(&guest, &lines).await;
    api.cart_is(&ada, &[("CALM-1", 3)]).await;
}

/// Two regions change one cart while PostgreSQL is away: what was done in both counts, once.
async fn two_regions(running: &Running, api: &Api) {
    let ada = api.register().await;
    api.add(&ada, "CALM-1", 1).await;
    api.add(&ada, "SALE-1", 5).await;
    // The other region learns of session and cart.
    running.kill("orders-eu").await;
    api.cart_is_at(1, &ada, &[("CALM-1", 1), ("SALE-1", 5)]).await;
    running.start_process("orders-eu").await;
    running.kill("postgres").await;
    api.add_at(0, &ada, "CALM-1", 2).await;
    running.kill("orders-eu").await;
    // What eu did is in its Redis; us goes on from what it knows.
    api.add_at(1, &ada, "CALM-1", 4).await;
    let removed = api.post(1, "/v1/cart/remove", &ada, &json!({"sku": "SALE-1"})).send().await.unwrap();
    assert!(removed.status().is_success());
    api.cart_is_at(1, &ada, &[("CALM-1", 5)]).await;
    running.start_process("postgres").await;
    running.start_process("orders-eu").await;
    postgres_is_back(api).await;
    api.cart_is(&ada, &[("CALM-1", 7)]).await;
    // Nothing waits any more, so nothing can be taken a second time.
    for name in REDIS {
        eventually("all to be written behind", async || {
            let waiting: u64 = connect(running, name).await.hlen("carts-unwritten").await.unwrap();
            (waiting == 0).then_some(())
        })
        .await;
    }
    api.cart_is(&ada, &[("CALM-1", 7)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_change_of_a_cart_is_lost_or_counted_twice() {
    let running = Running::start().await;
    let api = Api::new(&running);
    without_redis(&running, &api).await;
    without_postgres(&running, &api).await;
    two_regions(&running, &api).await;
    at_rest(&running).await;
}
