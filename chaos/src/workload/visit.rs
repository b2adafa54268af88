//! One shopper from the door to the answer: looks, thinks, fills a cart, checks out, comes back over another edge with the same key, or leaves.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    Meter, Sale, Shopper,
    catalogue::{Offer, product},
    shopper::{Heard, ShopperError, Told},
};
use crate::history::{Checkout, Line, Look, Out, ShopLine, Writer};

/// Longest time a shopper thinks between two steps.
const THINK_MS: u64 = 400;

/// Of ten shoppers, so many do not wait for their answer.
const IMPATIENT_OF_TEN: u32 = 2;

/// Registering needs PostgreSQL; guests are those who can still buy while it is away.
const REGISTER_OF_TEN: u32 = 2;

/// How long those wait.
const PATIENCE: Duration = Duration::from_millis(250);

/// Times a shopper asks again, and the pause between, which grows.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(150);

/// What shoppers share.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) http: reqwest::Client,
    /// `host:port` and region.
    pub(super) edges: Vec<(String, String)>,
    pub(super) offers: Vec<Offer>,
    /// What everybody wants once it is open.
    pub(super) sale: Option<Arc<Sale>>,
    pub(super) writer: Writer<ShopLine>,
    pub(super) meter: Arc<Meter>,
    /// When the run began, by the wall.
    pub(super) began_at: OffsetDateTime,
}

impl Shop {
    pub(super) fn since_began(&self, at: OffsetDateTime) -> u64 {
        u64::try_from((at - self.began_at).whole_nanoseconds()).unwrap_or_default()
    }

    /// The nth shopper, who was due then.
    pub(super) async fn visit(&self, nth: u64, due: Instant, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let near = usize::try_from(nth).unwrap_or_default() % self.edges.len();
        let home = &self.edges[near].1;
        let wanted = self.wanted(&mut random);
        let thinks: Vec<Duration> = (0..2).map(|_| Duration::from_millis(random.random_range(0..THINK_MS))).collect();
        let at = self.look(near, wanted[0].0, due).await;
        tokio::time::sleep(thinks[0]).await;
        let registers = random.random_range(0..10) < REGISTER_OF_TEN;
        let (shopper, at) = match self.fill(at, &wanted, registers).await {
            Ok(filled) => filled,
            Err(missing) => return self.meter.note(due, home, "checkout", Some(missing)),
        };
        let lines = wanted.iter().map(|(offer, qty)| Line { sku: offer.sku.to_string(), qty: u64::from(*qty) }).collect();
        tokio::time::sleep(thinks[1]).await;
        // Steps before that were slow make the checkout late, and that counts.
        let intended = (due + thinks[0] + thinks[1]).min(Instant::now());
        let is_impatient = random.random_range(0..10) < IMPATIENT_OF_TEN;
        let comes_back = random.random_bool(0.5);
        self.check_out(&shopper, (nth, home, at, lines), intended, is_impatient.then_some(comes_back)).await;
    }

    /// The edge, and those that shoppers turn to when it does not serve them, in their order.
    fn from(&self, at: usize) -> impl Iterator<Item = usize> {
        let edges = self.edges.len();
        (at..at + edges).map(move |nth| nth % edges)
    }

    /// A cart with all that is wanted and the edge that gave it, or what there is none of.
    async fn fill(&self, at: usize, wanted: &[(&Offer, u32)], registers: bool) -> Result<(Shopper, usize), &'static str> {
        for at in self.from(at) {
            match self.fill_at(&self.edges[at].0, wanted, registers).await {
                Ok(shopper) => return Ok((shopper, at)),
                Err(error) if error.is_away() => {}
                Err(_) => break,
            }
        }
        Err(if registers { "no session" } else { "no cart" })
    }

    async fn fill_at(&self, edge: &str, wanted: &[(&Offer, u32)], registers: bool) -> Result<Shopper, ShopperError> {
        let (shopper, rest) = match wanted {
            [(offer, qty), rest @ ..] if !registers => {
                (Shopper::guest(self.http.clone(), edge, (offer.sku.as_str(), *qty)).await?, rest)
            }
            all => (Shopper::register(self.http.clone(), edge).await?, all),
        };
        for (offer, qty) in rest {
            shopper.add(edge, offer.sku.as_str(), *qty).await?;
        }
        Ok(shopper)
    }

    /// One to three different things, or one of what is on sale.
    fn wanted(&self, random: &mut ChaCha8Rng) -> Vec<(&Offer, u32)> {
        if let Some(sale) = self.sale.as_ref().filter(|sale| sale.is_open()) {
            return vec![(&sale.offer, 1)];
        }
        let first = random.random_range(0..self.offers.len());
        let kinds = random.random_range(1..=3).min(self.offers.len());
        (0..kinds).map(|n| (&self.offers[(first + n) % self.offers.len()], random.random_range(1..=2))).collect()
    }

    /// Looks at a product, over another edge if the nearest does not show it. Gives the edge that did.
    async fn look(&self, near: usize, offer: &Offer, due: Instant) -> usize {
        let home = &self.edges[near].1;
        for at in self.from(near) {
            let (edge, region) = &self.edges[at];
            let call = self.meter.now();
            let product = match product(&self.http, edge, &offer.handle).await {
                Ok(product) => product,
                Err(error) if error.is_away() => continue,
                Err(_) => break,
            };
            let ret = self.meter.now();
            self.meter.note(due, home, "browse", None);
            let of_it = product.variants.into_iter().find(|variant| variant.sku == offer.sku);
            if let Some(stock) = of_it.and_then(|variant| variant.stock) {
                let (edge, region, sku) = (edge.clone(), region.clone(), offer.sku.to_string());
                let as_of = self.since_began(stock.as_of);
                self.writer.write(ShopLine::Look(Look { edge, region, sku, call, ret, value: stock.available, as_of })).await;
            }
            return at;
        }
        self.meter.note(due, home, "browse", Some("no page"));
        near
    }

    /// `impatient`: does not wait, and comes back or not.
    async fn check_out(
        &self,
        shopper: &Shopper,
        (nth, home, at, lines): (u64, &str, usize, Vec<Line>),
        intended: Instant,
        impatient: Option<bool>,
    ) {
        let key = Uuid::new_v4().to_string();
        self.meter.awaits(intended, home, "checkout");
        for attempt in 0..ATTEMPTS {
            let (edge, region) = &self.edges[(at + attempt as usize) % self.edges.len()];
            let call = self.meter.now();
            let asked = shopper.check_out_fully(edge, &key);
            let left = match (attempt, impatient) {
                (0, Some(_)) => timeout(PATIENCE, asked).await.ok(),
                _ => Some(asked.await),
            };
            let ret = left.is_some().then(|| self.meter.now());
            let waited = left.is_some();
            let Told { heard, status, lines: ordered } =
                left.unwrap_or(Told { heard: Heard::Unknown, status: None, lines: Vec::new() });
            let (out, order) = match (heard, status) {
                (Heard::Accepted(order), _) => (Out::Ok, Some(order)),
                (Heard::SoldOut, _) => (Out::Insufficient, None),
                (Heard::Unknown, Some(400..=499)) => (Out::Fail, None),
                (Heard::Unknown, _) => (Out::Unknown, None),
            };
            // What the order has is what the shopper was told; whether that is what was put into the cart is another question.
            let other = out == Out::Ok && !same(&lines, &ordered);
            let lines = if out == Out::Ok { ordered } else { lines.clone() };
            let (edge, region, key) = (edge.clone(), region.clone(), key.clone());
            let ret = ret.filter(|_| out != Out::Unknown || status.is_some());
            let line = Checkout { shopper: nth, key, edge, region, home: home.to_owned(), lines, call, ret, out, order, status };
            self.writer.write(ShopLine::Checkout(line)).await;
            match (out, waited, impatient) {
                (Out::Ok | Out::Insufficient, ..) => {
                    let wrong = other.then_some("order differs from the cart");
                    return self.meter.note(intended, home, "checkout", wrong);
                }
                // Went away; nobody knows, and that is no error of the shop.
                (_, false, Some(false)) => return self.meter.left(intended, home, "checkout"),
                _ => {}
            }
            tokio::time::sleep(PAUSE * (attempt + 1)).await;
        }
        self.meter.note(intended, home, "checkout", Some("no answer"));
    }
}

/// Whether an order has what was put into the cart.
fn same(cart: &[Line], order: &[Line]) -> bool {
    let sorted = |lines: &[Line]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    sorted(cart) == sorted(order)
}
