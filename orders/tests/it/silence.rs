//! A database behind a network that falls silent: nothing is refused, nothing is answered.

use std::net::SocketAddr;

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::running::{Process, Running, Shopper, eventually};

/// As many requests at once as take all connections of an instance, and more.
const CROWD: usize = 40;

/// Stands between `orders` and PostgreSQL. A connection that was there while it was silent is never answered again, also when it has healed.
pub(crate) struct Gate {
    address: SocketAddr,
    is_silent: watch::Sender<bool>,
}

impl Gate {
    /// `url` is PostgreSQL's own.
    pub(crate) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        let (is_silent, seen) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(between(client, server.clone(), seen.clone()));
            }
        });
        Self { address, is_silent }
    }

    /// The URL through it.
    pub(crate) fn url(&self, url: &str) -> String {
        let (front, rest) = url.rsplit_once('@').unwrap();
        format!("{front}@{}/{}", self.address, rest.split_once('/').unwrap().1)
    }

    pub(crate) fn fall_silent(&self) {
        self.is_silent.send_replace(true);
    }

    pub(crate) fn heal(&self) {
        self.is_silent.send_replace(false);
    }
}

async fn between(client: TcpStream, server: String, mut silent: watch::Receiver<bool>) {
    let server = TcpStream::connect(server).await.unwrap();
    let ((mut client_in, mut client_out), (mut server_in, mut server_out)) = (client.into_split(), server.into_split());
    tokio::select! {
        // Held open, and never read or written again.
        () = async { drop(silent.wait_for(|is_silent| *is_silent).await) } => {
            std::future::pending::<()>().await;
        }
        () = pass_on(&mut client_in, &mut server_out) => {}
        () = pass_on(&mut server_in, &mut client_out) => {}
    }
}

async fn pass_on(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Many requests at once, each with a connection of its own.
async fn crowd(shopper: &Shopper) -> usize {
    let ask = async |_| {
        let request = shopper.http.get(format!("{}/v1/orders", shopper.base)).bearer_auth(&shopper.token);
        request.send().await.is_ok_and(|answer| answer.status() == 200)
    };
    futures_util::future::join_all((0..CROWD).map(ask)).await.into_iter().filter(|is_well| *is_well).count()
}

/// On a machine that does much else meanwhile, some may be told to come again.
async fn all_answered(shopper: &Shopper) {
    eventually("a crowd to be answered", async || (crowd(shopper).await == CROWD).then_some(())).await;
}

/// Connections that are with somebody, as the process itself counts them.
async fn busy(running: &Running, orders: &Process) -> Option<f64> {
    let text = running.http.get(format!("{}/metrics", orders.admin)).send().await.ok()?.text().await.ok()?;
    text.lines().find_map(|line| line.strip_prefix("orders_database_connections_busy "))?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_silence_orders_are_recorded_again_and_no_connections_place_is_lost() {
    let mut running = Running::start().await;
    let direct = running.database_url.clone();
    let gate = Gate::before(&direct).await;
    running.database_url = gate.url(&direct);
    running.receive("LAMP", "eu-1", 100).await;
    let orders = running.orders(None, &[]).await;
    running.database_url = direct;
    let shopper = Shopper::register(&running, &orders).await;
    shopper.buy(&[("LAMP", 1)]).await;
    all_answered(&shopper).await;
    shopper.fill(&[("LAMP", 1)]).await;

    gate.fall_silent();
    // Connections are in the middle of a statement when they fall silent.
    assert_eq!(crowd(&shopper).await, 0);
    let (status, accepted) = shopper.check_out().await;
    assert_eq!(status, 202, "accepted all the same: {accepted}");
    gate.heal();

    let mut sql = running.sql().await;
    eventually("the order to be recorded", async || {
        let recorded = sqlx::query_scalar::<_, i64>("select count(*) from shop_order").fetch_one(&mut sql).await.unwrap();
        (recorded == 2).then_some(())
    })
    .await;
    eventually("another one to be recorded at once", async || {
        shopper.post("/v1/cart/add", &json!({"sku": "LAMP", "quantity": 1})).send().await.ok()?;
        (shopper.check_out().await.0 == 201).then_some(())
    })
    .await;
    eventually("every connection to be back", async || (busy(&running, &orders).await? == 0.0).then_some(())).await;
    all_answered(&shopper).await;
}
