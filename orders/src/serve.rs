//! `orders serve`.

use std::{sync::Arc, time::Duration};

use axum::Router;
use catalog_api::CatalogClient;
use futures_util::FutureExt;
use inventory_api::InventoryClient;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use storefront_service::{Door, Listeners, Readiness, beside_admin_with, routed, serve_connections, with_request_context};
use time::OffsetDateTime;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    account::Accounts,
    cart::{Carts, Sweep},
    checkout::{Acknowledger, Runner, TicketKey, Till},
    config::ServeArgs,
    database::{self, Connections},
    follow::Follower,
    http::{self, AdminToken, Desk, Shop, admin_router},
    order::{Effects, LifeStore, MoneyBack, OrderStore},
    outbox::{self, Relay},
    payment::{self, Holds, PaymentStore, Rest},
    prices::Catalog,
    reconcile::{Claims, Reconciler},
    supervise::Background,
};

/// Redis answers in a millisecond or counts as away.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);

/// Between two attempts to write carts behind, or to reach PostgreSQL for its migrations.
const RETRY: Duration = Duration::from_millis(500);

/// Between two steps through what is old: 500 rows in 10 s are four million a day.
const SWEEP: Duration = Duration::from_secs(10);

/// Longest wait for open requests after the signal to stop. Longer than a checkout's deadline at the edge.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves one region until `shutdown`. Starts and serves also while PostgreSQL or Redis is away.
pub async fn serve(args: ServeArgs, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let readiness = Readiness::new(&["database"]);
    let mut background = Background::new(readiness.clone());
    let sql = database::pool(&args.database_url)?;
    let redis = connect(&args.redis_url)?;
    let inventory = InventoryClient::new(args.inventory.clone()).with_tls(args.inventory_tls.clone().open()?.as_ref());
    let store = OrderStore::new(sql.clone());
    let carts = Carts::new(sql.clone(), redis.clone());
    let accounts = Accounts::new(sql.clone(), redis.clone(), args.region.clone());
    let payments = PaymentStore::new(sql.clone());
    let life = LifeStore::new(sql.clone());
    let till = Till {
        payments: args.payment.open()?,
        store: payments.clone(),
        holds: Holds { store: payments, redis },
        hold: args.payment.hold(),
        life: life.clone(),
    };
    let runner = Runner {
        store: store.clone(),
        inventory: inventory.clone(),
        catalog: Catalog::new(CatalogClient::new(&args.catalog)),
        acknowledger: Acknowledger::start(inventory.clone(), &mut background),
        max_price_age: args.max_price_age(),
        till,
    };
    let rest = Rest { runner: runner.clone(), older_than: args.payment.reconcile_after() };
    let (schema, known) = watch::channel(false);
    let admin = aftermath(&args, &life, &runner, &carts, &mut background)?;
    for relay in outbox::relays(&args.events, &args.region, &args.database_url, &args.redis_url)? {
        let state = (Arc::new(Mutex::new(relay)), known.clone());
        background.start(format!("events-{}", state.0.lock().await.name()), state, tell);
    }
    let shop = Shop {
        accounts: accounts.clone(),
        carts: carts.clone(),
        runner,
        key: TicketKey::read(&args.internal_key_file)?,
        rest: rest.clone(),
        webhooks: args.payment.webhooks()?,
        life,
    };
    let url = args.database_url.clone();
    let reconciler = Reconciler { store, inventory, claims: Some(Claims::new(&url)) };
    let older_than_ms = args.reconcile_after_ms;
    background.start("database-watch", sql.clone(), database::watch);
    background.start("schema", (url, sql.clone(), readiness.clone(), schema), keep_schema);
    background.start("reconcile", reconciler, move |reconciler| reconciler.run(older_than_ms));
    background.start("write-behind", (accounts, carts), write_behind);
    background.start("sweep", sql, sweep);
    if rest.runner.till.payments.are_taken() {
        background.start("payments", rest, payment::run);
    }
    let app = with_request_context(http::router(shop));
    tracing::info!(http = %listeners.http_addr()?, "listening");
    let stopped = shutdown.clone().cancelled_owned();
    let server = serve_connections(listeners.http, Door::Open, routed(app), stopped).map(Ok);
    beside_admin_with(admin, DRAIN, listeners.admin, readiness, shutdown, server).await
}

/// What happens to orders after they were placed: the operators' routes, and what goes on behind.
fn aftermath(
    args: &ServeArgs,
    life: &LifeStore,
    runner: &Runner,
    carts: &Carts,
    background: &mut Background,
) -> anyhow::Result<Router> {
    let desk = Desk { life: life.clone(), runner: runner.clone() };
    let admin = admin_router(desk, AdminToken::read(args.admin_token_file.as_deref())?);
    let money = MoneyBack { till: runner.till.clone() };
    let effects = Effects { life: life.clone(), inventory: runner.inventory.clone(), money };
    let follower = Follower::new(&args.redis_url, carts.clone(), args.region.clone())?;
    background.start("effects", effects, Effects::run);
    background.start("follow", follower, Follower::run);
    Ok(admin)
}

/// Not before the schema is this version's: rows of the version before are brought into this one's shape with it.
async fn tell((relay, mut known): (Arc<Mutex<Relay>>, watch::Receiver<bool>)) {
    if known.wait_for(|is_known| *is_known).await.is_ok() {
        relay.lock().await.run().await;
    }
}

fn connect(url: &str) -> anyhow::Result<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(REDIS_TIMEOUT))
        .set_connection_timeout(Some(REDIS_TIMEOUT))
        .set_number_of_retries(0);
    Ok(ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?)
}

/// Ready as soon as the schema is there with the partitions of now; later outages of PostgreSQL are lived through.
async fn keep_schema((url, sql, readiness, known): (String, Connections, Readiness, watch::Sender<bool>)) {
    while let Err(error) = schema(&url, &sql).await {
        tracing::info!(%error, "the schema is not there yet");
        readiness.set("database", Err(format!("the schema is not there yet: {error}")));
        tokio::time::sleep(RETRY).await;
    }
    readiness.set("database", Ok(()));
    known.send_replace(true);
    database::keep_months_ahead(sql).await;
}

async fn schema(url: &str, sql: &Connections) -> anyhow::Result<()> {
    database::migrate(url).await?;
    database::make_months(sql, OffsetDateTime::now_utc()).await?;
    Ok(())
}

async fn write_behind((accounts, carts): (Accounts, Carts)) {
    loop {
        tokio::time::sleep(RETRY).await;
        match accounts.write_behind().await {
            Ok(0) => {}
            Ok(written) => tracing::info!(written, "sessions were written behind"),
            Err(error) => tracing::debug!(%error, "sessions wait to be written behind"),
        }
        match carts.write_behind().await {
            Ok(0) => {}
            Ok(written) => tracing::info!(written, "carts were written behind"),
            Err(error) => tracing::debug!(%error, "carts wait to be written behind"),
        }
    }
}

async fn sweep(sql: Connections) {
    let mut sweep = Sweep::default();
    loop {
        tokio::time::sleep(SWEEP).await;
        match sweep.step(&sql, OffsetDateTime::now_utc()).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "idle carts and sessions ended"),
            Err(error) => tracing::debug!(%error, "idle carts wait for their end"),
        }
    }
}
