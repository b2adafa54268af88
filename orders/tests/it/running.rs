//! `orders` as a process beside a real inventory, catalog, PostgreSQL and Redis, all of the test's own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use backing_servers::{Redis, free_listener, free_port};
use clap::Parser;
use inventory_api::{Consistency, InventoryClient, OutcomeCode, ReceiveRequest, Stock};
use inventory_raft::RaftListener;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use storefront_service::Listeners;
pub(crate) use storefront_service::testing::eventually;
use storefront_types::{CallContext, CommandId, Quantity, Sku};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const TOKEN: &str = "operators-token-of-the-tests";

/// Three products without stock but what a test receives.
pub(crate) const PRODUCTS: &str = "Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n\
    lamp,Lamp,Home,Title,Default Title,LAMP,0,20.00\n\
    mug,Mug,Home,Title,Default Title,MUG,0,5.00\n\
    gift,Gift,Home,Title,Default Title,GIFT,0,0.00\n";

/// A process of `orders`; it ends with the value.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: String,
    pub(crate) admin: String,
}

impl Process {
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until a fault point ended it.
    pub(crate) async fn crashed(&mut self) {
        eventually("the crash", async || self.child.try_wait().unwrap().filter(|status| !status.success())).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Everything that `orders` needs.
pub(crate) struct Running {
    pub(crate) http: Client,
    pub(crate) inventory: InventoryClient,
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    inventory_address: String,
    catalog: String,
    catalog_url: String,
    folder: tempfile::TempDir,
    redis: Redis,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.redis.child.kill();
        let _ = self.redis.child.wait();
    }
}

async fn database(kind: &str) -> String {
    let server = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
    let name = format!("{kind}_{}", Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

impl Running {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = Redis::start(&folder.path().join("redis"), free_port().unwrap(), &folder.path().join("redis.log")).unwrap();
        let stop = CancellationToken::new();
        let inventory_address = start_inventory(folder.path().join("node"), &stop).await;
        let (catalog, catalog_url) = start_catalog(folder.path().join("products.csv"), &stop).await;
        let running = Self {
            http: Client::new(),
            inventory: InventoryClient::new(vec![inventory_address.clone()]),
            database_url: database("orders").await,
            redis_url: redis.url(),
            inventory_address,
            catalog,
            catalog_url,
            folder,
            redis,
            stop,
        };
        eventually("a leader", async || running.inventory.cluster(&context()).await.ok()?.leader).await;
        running
    }

    /// Starts a process of `orders` in `eu` and waits until it is ready, or until an armed fault point ended it.
    pub(crate) async fn orders(&self, fault: Option<&str>, more: &[&str]) -> Process {
        let key = self.folder.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        let ports: Vec<_> = (0..2).map(|_| free_listener().unwrap()).collect();
        let [http, admin] = [0, 1].map(|at| ports[at].local_addr().unwrap().to_string());
        drop(ports);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("orders.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command.args(["serve", "--region", "eu", "--listen", &http, "--admin", &admin, "--redis-url", &self.redis_url]);
        command.args(["--inventory", &self.inventory_address, "--inventory-plaintext", "--catalog", &self.catalog]);
        command.arg("--internal-key-file").arg(key).args(more);
        command.env("DATABASE_URL", &self.database_url).env("ADMIN_TOKEN", TOKEN);
        fault.into_iter().for_each(|point| {
            command.env("ORDERS_FAULT", point);
        });
        let child = command.stdout(Stdio::from(log)).stderr(Stdio::inherit()).spawn().unwrap();
        let mut process = Process { child, http: format!("http://{http}"), admin: format!("http://{admin}") };
        let ready = format!("{}/readyz", process.admin);
        eventually("orders to be ready", async || {
            let is_over = process.child.try_wait().unwrap().is_some();
            let answer = self.http.get(&ready).send().await;
            (is_over || answer.is_ok_and(|answer| answer.status() == 200)).then_some(())
        })
        .await;
        process
    }

    /// The products are these from now on.
    pub(crate) async fn import(&self, products: &str) {
        import(self.folder.path().join("changed.csv"), products, &self.catalog_url).await;
    }

    /// What processes of `orders` have said so far.
    pub(crate) async fn log(&self) -> String {
        tokio::fs::read_to_string(self.folder.path().join("orders.log")).await.unwrap_or_default()
    }

    /// Units arrive.
    pub(crate) async fn receive(&self, sku: &str, location: &str, units: u32) {
        let request = ReceiveRequest {
            id: CommandId::new(Uuid::now_v7()),
            sku: Sku::parse(sku).unwrap(),
            location: location.parse().unwrap(),
            quantity: Quantity::new(units).unwrap(),
        };
        assert_eq!(self.inventory.receive(&context(), &request).await.unwrap().outcome, OutcomeCode::Ok);
    }

    pub(crate) async fn stock(&self, sku: &str) -> Stock {
        self.inventory.stock(&context(), &Sku::parse(sku).unwrap(), Consistency::Linearizable).await.unwrap().unwrap()
    }

    /// On hand at each location that has any.
    pub(crate) async fn on_hand(&self, sku: &str) -> Vec<(String, u64)> {
        let locations = self.stock(sku).await.locations.into_iter();
        locations.filter(|at| at.on_hand > 0).map(|at| (at.location.to_string(), at.on_hand)).collect()
    }

    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// Runs a command of the program against the database; gives what it says.
    pub(crate) fn outbox(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        let done = command.arg("outbox").args(arguments).env("DATABASE_URL", &self.database_url).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// The envelopes in the region's stream, in order.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let entries: Vec<(String, Vec<(String, String)>)> =
            redis::cmd("XRANGE").arg("events:orders").arg("-").arg("+").query_async(&mut redis).await.unwrap();
        entries.into_iter().map(|(_, fields)| serde_json::from_str(&fields[0].1).unwrap()).collect()
    }
}

pub(crate) fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

async fn start_inventory(data: PathBuf, stop: &CancellationToken) -> String {
    let ports: Vec<_> = (0..3).map(|_| free_listener().unwrap()).collect();
    let [client, raft, admin] = [0, 1, 2].map(|at| ports[at].local_addr().unwrap().to_string());
    drop(ports);
    let peer = format!("1=eu@{client}@{raft}");
    let line = ["inventory-raft", "--node-id", "1", "--region", "eu", "--cluster-id", "test", "--bootstrap", "--plaintext"];
    let places = ["--listen", &client, "--raft-listen", &raft, "--admin", &admin, "--peers", &peer];
    let data = ["--data-dir", data.to_str().unwrap(), "--min-free-bytes", "0"];
    let config = inventory_raft::Config::parse_from(line.into_iter().chain(places).chain(data));
    let (listeners, raft) = (config.listen.bind().await.unwrap(), RaftListener::bind(&config).await.unwrap());
    let stop = stop.clone();
    tokio::spawn(async move { inventory_raft::run(config, listeners, raft, stop).await.unwrap() });
    client
}

async fn import(csv: PathBuf, products: &str, url: &str) {
    std::fs::write(&csv, products).unwrap();
    let import = catalog::Config::parse_from(["catalog", "import", csv.to_str().unwrap(), "--database-url", url]);
    assert_eq!(catalog::run_tool(import.command).await.unwrap(), 0);
}

/// Gives its address and its database.
async fn start_catalog(csv: PathBuf, stop: &CancellationToken) -> (String, String) {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: catalog::ServeArgs,
    }
    let url = database("catalog").await;
    import(csv, PRODUCTS, &url).await;
    let listeners = Listeners::loopback().await.unwrap();
    let address = listeners.http_addr().unwrap().to_string();
    let args = Line::parse_from(["catalog", "--database-url", &url]).args;
    tokio::spawn(catalog::serve(args, listeners, stop.clone()));
    (address, url)
}

/// A shopper at a process of `orders`, as an edge would speak for them.
pub(crate) struct Shopper {
    pub(crate) http: Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

impl Shopper {
    pub(crate) async fn register(running: &Running, orders: &Process) -> Self {
        let (http, base) = (running.http.clone(), orders.http.clone());
        let body = json!({"email": format!("{}@example.org", Uuid::new_v4().simple()), "phone_number": "+4930123456"});
        let answer = http.post(format!("{base}/v1/users/register")).json(&body).send().await.unwrap();
        let token = answer.json::<Value>().await.unwrap()["session_token"].as_str().unwrap().to_owned();
        Self { http, base, token }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Puts lines into the cart, and waits for the catalog to know their prices.
    pub(crate) async fn fill(&self, lines: &[(&str, u32)]) {
        for (sku, quantity) in lines {
            let body = json!({"sku": sku, "quantity": quantity});
            eventually("a price", async || (self.post("/v1/cart/add", &body).send().await.ok()?.status() == 200).then_some(()))
                .await;
        }
    }

    /// Checks the cart out and leaves it as it is, as an edge does that dies then. Gives the status and the order.
    pub(crate) async fn check_out(&self) -> (u16, Value) {
        let ticket: Value = self.post("/internal/v1/checkout-tickets", &json!({})).send().await.unwrap().json().await.unwrap();
        let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
        let request = self.post("/v1/orders/checkout", &json!({"delivery_address": address}));
        let request = request.header("idempotency-key", Uuid::new_v4().to_string());
        let answer = request.header("checkout-ticket", ticket["ticket"].as_str().unwrap()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Buys lines; gives the id of the order.
    pub(crate) async fn buy(&self, lines: &[(&str, u32)]) -> String {
        self.fill(lines).await;
        let (status, order) = self.check_out().await;
        assert_eq!(status, 201, "{order}");
        order["id"].as_str().unwrap().to_owned()
    }
}

/// An operator at the admin port.
pub(crate) struct Operator {
    http: Client,
    base: String,
}

impl Operator {
    pub(crate) fn at(running: &Running, orders: &Process) -> Self {
        Self { http: running.http.clone(), base: format!("{}/admin/v1/orders", orders.admin) }
    }

    /// Sends a command; gives status and answer.
    pub(crate) async fn send(&self, path: &str, key: Option<&str>, body: Value) -> (u16, Value) {
        let mut request = self.http.post(format!("{}/{path}", self.base)).bearer_auth(TOKEN).json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }
}
