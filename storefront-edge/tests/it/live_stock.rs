//! Stock at an edge, as a real inventory tells it.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    eventually,
    inventory::{Inventory, Wire},
    shop::Shop,
};

fn time_of(stock: &serde_json::Value) -> OffsetDateTime {
    OffsetDateTime::parse(stock["as_of"].as_str().unwrap(), &Rfc3339).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_answer_and_the_page_and_the_catalog_is_not_asked_again() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 7).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    shop.until_available(7).await;
    eventually("the page", async || shop.text("/products/lamp").await.contains("7 available<").then_some(())).await;
    let page = shop.text("/products/lamp").await;
    assert!(page.contains("availability is not known"), "the large lamp was never received: {page}");
    assert!(shop.stock(1).await.is_null());
    let asked = shop.catalog.asked.load(std::sync::atomic::Ordering::SeqCst);
    inventory.buy("LAMP-S", 2).await;
    inventory.receive("LAMP-L", 3).await;
    shop.until_available(5).await;
    eventually("the page", async || {
        let page = shop.text("/products/lamp").await;
        (page.contains("5 available<") && page.contains("3 available<") && !page.contains("as of")).then_some(())
    })
    .await;
    inventory.buy("LAMP-S", 5).await;
    eventually("the page", async || shop.text("/products/lamp").await.contains("sold out<").then_some(())).await;
    assert_eq!(shop.catalog.asked.load(std::sync::atomic::Ordering::SeqCst), asked);
    // What this version does not know of is passed on.
    assert!(shop.text("/v1/products/lamp").await.contains("\"novel\":1"));
    // Without any change, the time up to which the stock is known goes on.
    let before = time_of(&shop.stock(0).await);
    eventually("the time to go on", async || (time_of(&shop.stock(0).await) > before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_feed_the_time_stands_still_and_the_page_says_it() {
    let mut inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 7).await;
    let wire = Wire::to(inventory.address()).await;
    let shop = Shop::start(&format!("eu={}", wire.address), &[]).await;
    shop.until_available(7).await;
    wire.cut();
    inventory.buy("LAMP-S", 4).await;
    let cut = OffsetDateTime::now_utc();
    eventually("the page to say how old it is", async || {
        shop.text("/products/lamp").await.contains("7 available, as of").then_some(())
    })
    .await;
    let stock = shop.stock(0).await;
    assert!(stock["available"] == 7 && time_of(&stock) <= cut, "{stock} is claimed although the feed was cut at {cut}");
    // The node forgets what changed: it is started again, and its memory begins after the token that the edge has.
    inventory.stop().await;
    inventory.run().await;
    inventory.receive("LAMP-L", 1).await;
    wire.mend();
    shop.until_available(3).await;
    eventually("both in words", async || {
        let page = shop.text("/products/lamp").await;
        (page.contains("3 available<") && page.contains("1 available<")).then_some(())
    })
    .await;
    assert!(time_of(&shop.stock(0).await) > cut);
}

/// Restored from a copy under the same addresses: numbers and versions begin anew, and old tokens lie in its future.
#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_was_restored_is_shown_as_it_is() {
    let mut inventory = Inventory::start().await;
    for units in 1..=9 {
        inventory.receive("LAMP-S", units).await;
    }
    inventory.receive("LAMP-L", 2).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    shop.until_available(45).await;
    inventory.replace().await;
    inventory.receive("LAMP-S", 3).await;
    shop.until_available(3).await;
    eventually("what the copy does not have", async || shop.stock(1).await.is_null().then_some(())).await;
    inventory.buy("LAMP-S", 1).await;
    shop.until_available(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_regions_node_is_followed_while_the_own_is_away() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 7).await;
    let (near, far) = (Wire::to(inventory.address()).await, Wire::to(inventory.address()).await);
    let shop = Shop::start(&format!("us={},eu={}", far.address, near.address), &[]).await;
    shop.until_available(7).await;
    near.cut();
    inventory.buy("LAMP-S", 1).await;
    shop.until_available(6).await;
    near.mend();
    far.cut();
    inventory.buy("LAMP-S", 1).await;
    shop.until_available(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_the_same_for_everybody_and_can_be_validated() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 7).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    shop.until_available(7).await;
    eventually("the page", async || shop.text("/products/lamp").await.contains("7 available<").then_some(())).await;
    let url = format!("{}/products/lamp?utm_source=letter", shop.base);
    let ask = async |cookie: &str| shop.http.get(&url).header("cookie", cookie).send().await.unwrap();
    let (ann, bob) = (ask("session=eu_ann").await, ask("session=eu_bob").await);
    for answer in [&ann, &bob] {
        assert_eq!(answer.headers()["cache-status"], "storefront; hit");
        assert!(answer.headers().get("set-cookie").is_none());
    }
    let etag = ann.headers()["etag"].clone();
    assert!(etag.to_str().unwrap().starts_with('"') && bob.headers()["etag"] == etag);
    let (length, body) = (ann.headers()["content-length"].clone(), ann.text().await.unwrap());
    assert_eq!(body, bob.text().await.unwrap());
    for path in ["/products/lamp", "/v1/products/lamp"] {
        let url = format!("{}{path}", shop.base);
        let etag = shop.get(path).await.headers()["etag"].clone();
        let unchanged = shop.http.get(&url).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!((unchanged.status().as_u16(), unchanged.headers().get("content-length")), (304, None), "{path}");
        assert_eq!(unchanged.headers()["etag"], etag);
    }
    let head = shop.http.head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["content-length"], &head.headers()["etag"]), (200, &length, &etag));
    // Another title: the catalog says so, and nobody sees the old one after that.
    *shop.catalog.title.lock().unwrap() = "Brighter Lamp".to_owned();
    shop.catalog.purge(1, &format!("product:{}", super::shop::PRODUCT_ID));
    eventually("the new title", async || shop.text("/products/lamp").await.contains("<h1>Brighter Lamp</h1>").then_some(()))
        .await;
    tokio::time::timeout(Duration::from_secs(5), shop.stop()).await.unwrap();
}
