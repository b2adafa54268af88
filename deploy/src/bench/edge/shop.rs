//! A scripted shop behind an edge, of a known capacity: a catalog that carries so many requests a second and queues the others, and
//! `orders` beside an inventory whose leader is known.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use catalog_api::{CatalogChange, paths as catalog};
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use inventory_api::{ClusterView, Leader, NodeState, paths as inventory};
use orders_api::{TicketResponse, paths as orders};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{
    listening::{Answer, Listening},
    origin::{KEPT, object},
};

/// What the catalog carries: answers under way at once, and how long each takes.
pub(super) const CATALOG_AT_ONCE: usize = 8;
pub(super) const CATALOG_TAKES: Duration = Duration::from_millis(20);

/// `orders` is not what limits.
const ORDERS_TAKES: Duration = Duration::from_millis(5);

/// The catalog's feed says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Its parts at addresses of their own; they end with this value.
#[derive(Debug)]
pub(super) struct Shop {
    catalog: Listening,
    orders: Listening,
    inventory: Listening,
}

impl Shop {
    pub(super) fn start(body_bytes: usize) -> anyhow::Result<Self> {
        let (body, places) = (Bytes::from(vec![b'x'; body_bytes]), Arc::new(Semaphore::new(CATALOG_AT_ONCE)));
        let catalog = Listening::start(move |request: Request<Incoming>| browse(request, body.clone(), places.clone()))?;
        let orders = Listening::start(sell)?;
        let inventory = Listening::start(async |request: Request<Incoming>| {
            let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            match request.uri().path() {
                inventory::CLUSTER => json(StatusCode::OK, &led_by(host)),
                _ => empty(StatusCode::NOT_FOUND),
            }
        })?;
        Ok(Self { catalog, orders, inventory })
    }

    /// Where an edge finds them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let at = |region: &str, listening: &Listening| format!("{region}{}", listening.address);
        let (orders, inventory) = (at("eu=", &self.orders), at("eu=", &self.inventory));
        let mut arguments = vec!["--region".to_owned(), "eu".to_owned(), "--catalog".to_owned(), at("", &self.catalog)];
        arguments.extend(["--orders".to_owned(), orders, "--inventory".to_owned(), inventory]);
        arguments.push("--inventory-plaintext".to_owned());
        arguments
    }
}

async fn browse(request: Request<Incoming>, body: Bytes, places: Arc<Semaphore>) -> Answer {
    if request.uri().path() == catalog::CHANGES {
        return feed();
    }
    let _place = places.acquire().await;
    tokio::time::sleep(CATALOG_TAKES).await;
    object(body, KEPT)
}

async fn sell(request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // A body that is not read would end the connection.
    let _ = request.into_body().collect().await;
    tokio::time::sleep(ORDERS_TAKES).await;
    match (method, path.as_str()) {
        (Method::POST, orders::TICKET) => json(StatusCode::OK, &TicketResponse { ticket: "bench".to_owned(), copied: false }),
        (Method::POST, orders::CHECKOUT) => empty(StatusCode::CREATED),
        (Method::POST, orders::SETTLE_CART) => empty(StatusCode::OK),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

/// A node that leads alone.
fn led_by(address: &str) -> ClusterView {
    let leader = Leader { id: 1, address: address.to_owned() };
    ClusterView {
        cluster_id: "bench".to_owned(),
        node_id: 1,
        state: NodeState::Leader,
        term: 1,
        leader: Some(leader),
        members: Vec::new(),
        last_log_index: 1,
        applied_index: 1,
    }
}

/// Never ends, and never purges anything.
fn feed() -> Answer {
    let epoch = || "bench".to_owned();
    let first = stream::once(async move { CatalogChange::Reset { epoch: epoch(), sequence: 0 } });
    let later = stream::unfold((), move |()| async move {
        tokio::time::sleep(HEARTBEAT).await;
        Some((CatalogChange::Heartbeat { epoch: epoch(), sequence: 0 }, ()))
    });
    let lines = first.chain(later).map(|change| {
        let mut line = serde_json::to_vec(&change).unwrap_or_default();
        line.push(b'\n');
        Ok(Frame::data(Bytes::from(line)))
    });
    Response::new(StreamBody::new(lines).boxed_unsync())
}

fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
