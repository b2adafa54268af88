//! Open product pages are told of changes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;

use super::{
    eventually,
    inventory::{Inventory, Wire},
    shop::{PRODUCT_ID, Shop},
};

/// An open page.
struct Page {
    bytes: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: String,
}

impl Page {
    async fn open(shop: &Shop, last: Option<&str>) -> Self {
        let mut request = shop.http.get(format!("{}/v1/products/lamp/stock", shop.base));
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
        Self { bytes: Box::pin(answer.bytes_stream()), text: String::new() }
    }

    /// The next block of the stream; `None` at its end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let more = tokio::time::timeout(Duration::from_secs(30), self.bytes.next()).await.expect("nothing was told in time");
            self.text.push_str(std::str::from_utf8(&more?.expect("the stream broke off")).unwrap());
        }
    }

    /// The next event: its id and what it tells.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream ended");
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                assert_eq!(field("event: ").as_deref(), Some("stock"));
                return (id, serde_json::from_str(&data).unwrap());
            }
        }
    }

    /// Reads until the stock is of now; an edge that has just begun does not know that yet.
    async fn until_current(&mut self) -> Value {
        loop {
            let (_, told) = self.event().await;
            if told["current"] == true {
                return told;
            }
        }
    }

    /// Reads until the small lamp's stock is so, and gives the event's id.
    async fn until(&mut self, units: u64) -> String {
        loop {
            let (id, told) = self.event().await;
            if told["variants"][0]["stock"]["available"] == units {
                return id;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_is_told_of_each_change_and_goes_on_where_it_was() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 9).await;
    let wire = Wire::to(inventory.address()).await;
    let shop = Shop::start(&format!("eu={}", wire.address), &[]).await;
    shop.until_available(9).await;
    let mut page = Page::open(&shop, None).await;
    let told = page.until_current().await;
    assert_eq!(told["variants"][0]["sku"], "LAMP-S");
    assert!(told["variants"][1]["stock"].is_null());
    inventory.buy("LAMP-S", 4).await;
    let id = page.until(5).await;
    // Back with the newest id: nothing is repeated, and the next change comes.
    let mut again = Page::open(&shop, Some(&id)).await;
    assert!(!again.block().await.unwrap().contains("event:"));
    inventory.buy("LAMP-S", 1).await;
    again.until(4).await;
    page.until(4).await;
    wire.cut();
    let (_, told) = page.event().await;
    assert_eq!((&told["current"], &told["variants"][0]["stock"]["available"]), (&false.into(), &4.into()));
    for path in ["/v1/products/nothing/stock", &format!("/v1/products/{PRODUCT_ID}/stocks")] {
        assert_eq!(shop.get(path).await.status(), 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pages_than_there_is_room_for_are_sent_away_until_one_closes() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 9).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &["--max-stock-streams", "2"]).await;
    let first = Page::open(&shop, None).await;
    let mut second = Page::open(&shop, None).await;
    second.until_current().await;
    let refused = shop.get("/v1/products/lamp/stock").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"10".parse().unwrap()));
    assert!(shop.text("/products/lamp").await.contains("9 available<"), "the page itself needs no room");
    drop(first);
    eventually("room", async || (shop.get("/v1/products/lamp/stock").await.status() == 200).then_some(())).await;
    second.block().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_does_not_take_everybodys_room() {
    let proxied = ["--max-stock-streams", "4", "--max-stock-streams-per-client", "2", "--trusted-proxies", "127.0.0.1"];
    let shop = Shop::start("eu=127.0.0.1:9", &proxied).await;
    let open = async |client: &str| {
        let request = shop.http.get(format!("{}/v1/products/lamp/stock", shop.base)).header("x-forwarded-for", client);
        request.send().await.unwrap()
    };
    let held = [open("203.0.113.1").await, open("203.0.113.1").await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    let refused = open("203.0.113.1").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"10".parse().unwrap()));
    let told: Value = refused.json().await.unwrap();
    assert!(told["detail"].as_str().unwrap().contains("your address"), "{told}");
    assert_eq!(open("203.0.113.2").await.status(), 200, "one client's pages were another's");
    drop(held);
    eventually("room", async || (open("203.0.113.1").await.status() == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_edge_stops() {
    let inventory = Inventory::start().await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    let mut page = Page::open(&shop, None).await;
    page.event().await;
    let stopping = tokio::time::timeout(Duration::from_secs(8), shop.stop());
    let reading = async { while page.block().await.is_some() {} };
    let (stopped, ()) = tokio::join!(stopping, reading);
    assert!(stopped.is_ok(), "the drain waited for an open page");
}
