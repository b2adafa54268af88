//! What one client of the inventory does when it comes: buys, holds and settles, reads, or brings units.

use std::{sync::Arc, time::Duration};

use inventory_api::{ClientError, Consistency, InventoryClient, LineRequest, PurchaseRequest, ReceiveRequest, ReserveRequest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storefront_types::{CallContext, CommandId, Quantity, ReservationId, Sku};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Meter,
    crew::{Answer, Ask, Crew, answer},
};
use crate::history::{Op, Out};

/// How long a hold lasts. Some are left to end by themselves within a run.
const HOLD_MS: u64 = 3_000;

/// Longest time between a hold and its end.
const THINK_MS: u64 = 300;

/// One client of the crew at work.
pub(super) struct Deal {
    pub(super) crew: Arc<Crew>,
    pub(super) meter: Arc<Meter>,
    pub(super) client: u64,
    pub(super) sku: Sku,
    pub(super) due: Instant,
}

impl Deal {
    pub(super) async fn run(self, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let id = Uuid::now_v7();
        let qty = random.random_range(1..=3_u32);
        match random.random_range(0..10) {
            0 => self.receive(id, qty).await,
            1..=3 => self.read().await,
            4..=5 => {
                self.take(Op::Purchase, id, qty).await;
            }
            _ => {
                let held = self.take(Op::Reserve, id, qty).await;
                let (wait_ms, end) = (random.random_range(0..THINK_MS), random.random_range(0..10));
                if held.out == Out::Ok {
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    match end {
                        0 => {}
                        1..=3 => self.end(Op::Release, id).await,
                        _ => self.end(Op::Confirm, id).await,
                    }
                }
            }
        }
        self.crew.dismiss(self.client);
    }

    fn ask(&self, op: Op, id: String, qty: u32) -> Ask<'_> {
        Ask { client: self.client, op, sku: &self.sku, id, qty: u64::from(qty) }
    }

    async fn told(&self, ask: Ask<'_>, call: u64, due: Instant, heard: Answer) {
        let error = match heard.out {
            Out::Unknown => Some("unknown outcome"),
            Out::Fail => Some("not executed"),
            _ => None,
        };
        self.meter.note(due, "all", "inventory", error);
        self.crew.record(&self.meter, ask, call, heard).await;
    }

    /// Holds or buys. An answer that was lost is asked for once more under the same id, as a second line.
    async fn take(&self, op: Op, id: Uuid, qty: u32) -> Answer {
        let (mut due, mut heard) = (self.due, Answer { out: Out::Fail, value: None, ver: None });
        for _ in 0..2 {
            let Ok(quantity) = Quantity::new(qty) else { return heard };
            let line = LineRequest { sku: self.sku.clone(), quantity, locations: Vec::new(), may_split: true };
            let (lines, id, memo, call) = (vec![line], ReservationId::new(id), None, self.meter.now());
            let context = context();
            let outcome = match op {
                Op::Reserve => self.crew.client.reserve(&context, &ReserveRequest { id, lines, ttl_ms: HOLD_MS, memo }).await,
                _ => self.crew.client.purchase(&context, &PurchaseRequest { id, lines, memo }).await,
            };
            heard = answer(op, &self.sku, outcome);
            self.told(self.ask(op, id.to_string(), qty), call, due, heard).await;
            due = Instant::now();
            if heard.out != Out::Unknown {
                break;
            }
        }
        heard
    }

    async fn end(&self, op: Op, id: Uuid) {
        let (due, call, context, named) = (Instant::now(), self.meter.now(), context(), ReservationId::new(id));
        let outcome = match op {
            Op::Confirm => self.crew.client.confirm(&context, named).await,
            _ => self.crew.client.release(&context, named).await,
        };
        self.told(self.ask(op, id.to_string(), 0), call, due, answer(op, &self.sku, outcome)).await;
    }

    /// Asked again until it is known: what arrived is looked up by nothing afterwards.
    async fn receive(&self, id: Uuid, qty: u32) {
        receive(&self.crew, &self.meter, self.client, &self.sku, (id, qty), self.due).await;
    }

    async fn read(&self) {
        let call = self.meter.now();
        let heard = read(&self.crew.client, &self.sku).await;
        self.told(self.ask(Op::Read, String::new(), 0), call, self.due, heard).await;
    }
}

fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

/// How often units are brought before it is given up.
const ATTEMPTS: usize = 12;

/// Brings units, whatever it takes.
pub(super) async fn receive(crew: &Crew, meter: &Meter, client: u64, sku: &Sku, (id, qty): (Uuid, u32), due: Instant) {
    let Ok((quantity, location)) = Quantity::new(qty).map_err(drop).and_then(|qty| Ok((qty, "eu-1".parse().map_err(drop)?)))
    else {
        return;
    };
    let request = ReceiveRequest { id: CommandId::new(id), sku: sku.clone(), location, quantity };
    for _ in 0..ATTEMPTS {
        let call = meter.now();
        let heard = answer(Op::Receive, sku, crew.client.receive(&context(), &request).await);
        let ask = Ask { client, op: Op::Receive, sku, id: id.to_string(), qty: u64::from(qty) };
        crew.record(meter, ask, call, heard).await;
        if heard.out == Out::Ok {
            return meter.note(due, "all", "inventory", None);
        }
    }
    meter.note(due, "all", "inventory", Some("unknown outcome"));
}

/// What is available, linearizably.
pub(super) async fn read(client: &InventoryClient, sku: &Sku) -> Answer {
    match client.stock(&context(), sku, Consistency::Linearizable).await {
        Ok(Some(stock)) => Answer { out: Out::Ok, value: Some(stock.available()), ver: Some(stock.version) },
        Ok(None) => Answer { out: Out::NotFound, value: None, ver: None },
        Err(ClientError::OutcomeUnknown { .. }) => Answer { out: Out::Unknown, value: None, ver: None },
        Err(_) => Answer { out: Out::Fail, value: None, ver: None },
    }
}
