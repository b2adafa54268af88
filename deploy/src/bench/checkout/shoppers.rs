//! Shoppers with sessions, and what they do, as the bytes that go over the wire.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use anyhow::{Context, ensure};
use catalog_api::{Product, ProductPage};
use chaos::workload::Shopper;
use futures_util::{StreamExt, TryStreamExt};
use orders_api::paths;
use storefront_types::Sku;
use uuid::Uuid;

use crate::bench::{
    drive::Round,
    wire::{Wire, get},
};

/// Products whose first variants are bought: many, so that no SKU is hot.
const PRODUCTS: usize = 300;

/// Sessions begun at once.
const REGISTERING: usize = 16;

/// How often a session is asked for, and the pause between.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

const ADDRESS: &str =
    r#"{"delivery_address":{"name":"Ada","line1":"1 Main St","city":"Berlin","postal_code":"10115","country":"DE"}}"#;

/// One shopper with a connection of their own.
struct One {
    wire: Wire,
    token: String,
}

/// How a checkout ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Done {
    /// 201
    Recorded,
    /// 202
    Accepted,
}

/// Answers since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bench) struct Counts {
    pub(in crate::bench) recorded: u64,
    pub(in crate::bench) accepted: u64,
}

impl Counts {
    /// Which share of all these are.
    pub(in crate::bench) fn share(&self, part: u64) -> f64 {
        part as f64 / (self.recorded + self.accepted).max(1) as f64
    }

    /// Of the speed of a round, the part that was recorded.
    pub(in crate::bench) fn per_s(&self, round: &Round) -> f64 {
        self.share(self.recorded) * round.ops_per_s
    }
}

/// Those who do nothing at the moment wait in a row.
pub(in crate::bench) struct Shoppers {
    edge: String,
    idle: RefCell<Vec<One>>,
    skus: Vec<Sku>,
    counts: Cell<Counts>,
    turn: Cell<usize>,
    /// What went wrong first.
    refusal: RefCell<Option<String>>,
}

impl Shoppers {
    /// Registers so many at an edge, and learns what there is to buy.
    pub(in crate::bench) async fn make(edge: &str, count: usize) -> anyhow::Result<Self> {
        let http = reqwest::Client::new();
        let registering = futures_util::stream::iter(0..count).map(|_| register(&http, edge));
        let registered: Vec<Shopper> = registering.buffer_unordered(REGISTERING).try_collect().await?;
        let mut idle = Vec::with_capacity(count);
        for shopper in registered {
            idle.push(One { wire: Wire::open(edge).await?, token: shopper.token().to_owned() });
        }
        let skus = skus(edge).await?;
        Ok(Self {
            edge: edge.to_owned(),
            idle: RefCell::new(idle),
            skus,
            counts: Cell::default(),
            turn: Cell::default(),
            refusal: RefCell::default(),
        })
    }

    pub(in crate::bench) fn skus(&self) -> &[Sku] {
        &self.skus
    }

    /// What the first that failed since heard.
    pub(in crate::bench) fn take_refusal(&self) -> Option<String> {
        self.refusal.take()
    }

    pub(in crate::bench) fn take_counts(&self) -> Counts {
        self.counts.take()
    }

    /// A whole checkout of somebody who is idle.
    pub(in crate::bench) async fn buy(&self) -> anyhow::Result<Done> {
        let mut one = self.idle.borrow_mut().pop().context("everybody is in the middle of a checkout")?;
        let done = self.check_out(&mut one).await;
        if let Err(error) = &done {
            self.refusal.borrow_mut().get_or_insert_with(|| format!("{error:#}"));
            // What was left unread must not be the answer to the next.
            one.wire = Wire::open(&self.edge).await?;
        }
        self.idle.borrow_mut().insert(0, one);
        let mut counts = self.counts.get();
        match done {
            Ok(Done::Recorded) => counts.recorded += 1,
            Ok(Done::Accepted) => counts.accepted += 1,
            Err(_) => {}
        }
        self.counts.set(counts);
        done
    }

    async fn check_out(&self, one: &mut One) -> anyhow::Result<Done> {
        for _ in 0..2 {
            let sku = &self.skus[self.turn.replace(self.turn.get() + 1) % self.skus.len()];
            let body = format!(r#"{{"sku":"{sku}","quantity":1}}"#);
            let (status, answer) = one.wire.exchange(&post(paths::CART_ADD, &one.token, "", &body)).await?;
            ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(answer));
        }
        let key = format!("Idempotency-Key: {}\r\n", Uuid::new_v4());
        let (status, answer) = one.wire.exchange(&post(paths::CHECKOUT, &one.token, &key, ADDRESS)).await?;
        match status {
            201 => Ok(Done::Recorded),
            202 => Ok(Done::Accepted),
            _ => anyhow::bail!("{status}: {}", String::from_utf8_lossy(answer)),
        }
    }
}

/// An edge that was up before the services behind it leaves them alone for a moment.
async fn register(http: &reqwest::Client, edge: &str) -> anyhow::Result<Shopper> {
    let mut attempt = 1;
    loop {
        match Shopper::register(http.clone(), edge).await {
            Ok(shopper) => return Ok(shopper),
            Err(error) if attempt == ATTEMPTS => return Err(error.into()),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        attempt += 1;
    }
}

/// A `POST` of a shopper; `more` are further header lines.
fn post(path: &str, token: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The first variants of many products.
async fn skus(edge: &str) -> anyhow::Result<Vec<Sku>> {
    let (mut wire, mut skus, mut cursor) = (Wire::open(edge).await?, Vec::new(), String::new());
    loop {
        let (_, body) = wire.exchange(&get(&format!("{}?limit=100{cursor}", catalog_api::paths::PRODUCTS))).await?;
        let page: ProductPage = serde_json::from_slice(body).context("no page of products")?;
        for item in page.items {
            let (_, body) = wire.exchange(&get(&catalog_api::paths::PRODUCT.replace("{id_or_handle}", &item.handle))).await?;
            let product: Product = serde_json::from_slice(body).context("no product")?;
            skus.extend(product.variants.into_iter().next().map(|variant| variant.sku));
        }
        match page.next_cursor {
            Some(next) if skus.len() < PRODUCTS => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    ensure!(skus.len() > 1, "there is nothing to buy");
    Ok(skus)
}
