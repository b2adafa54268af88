//! The sandbox provider as a process beside `orders`.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use backing_servers::free_listener;
use serde_json::Value;

use super::{
    running::{Process, Running, eventually},
    till::{Provider, SECRET, Shop},
};

/// What a sandbox is told to keep its payments in, unless a test wants it to have forgotten them.
pub(crate) const BOOK: &str = "payments.jsonl";

/// It ends with the value.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) url: String,
    admin: String,
    webhooks: Vec<String>,
    folder: tempfile::TempDir,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path, book: &str, [http, admin]: [&str; 2], webhooks: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.args(["payment-sandbox", "--listen", http, "--admin", admin]);
    command.arg("--file").arg(folder.join(book)).arg("--webhook-secret-file").arg(folder.join("secret"));
    if !webhooks.is_empty() {
        command.args(["--webhook", &webhooks.join(",")]);
    }
    command.stdout(Stdio::null()).spawn().unwrap()
}

impl Sandbox {
    /// `webhooks`: where to send them.
    pub(crate) async fn start(running: &Running, webhooks: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let ports: Vec<_> = (0..2).map(|_| free_listener().unwrap()).collect();
        let [http, admin] = [0, 1].map(|at| ports[at].local_addr().unwrap().to_string());
        drop(ports);
        let child = spawn(folder.path(), BOOK, [&http, &admin], webhooks);
        let sandbox = Self { child, url: format!("http://{http}"), admin, webhooks: webhooks.to_vec(), folder };
        sandbox.is_ready(running).await;
        sandbox
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it, and starts one in its place that knows the payments of a book.
    pub(crate) async fn restart(&mut self, running: &Running, book: &str) {
        self.stop();
        let http = self.url.trim_start_matches("http://");
        self.child = spawn(self.folder.path(), book, [http, &self.admin], &self.webhooks);
        self.is_ready(running).await;
    }

    async fn is_ready(&self, running: &Running) {
        let ready = format!("http://{}/readyz", self.admin);
        eventually("the sandbox", async || running.http.get(&ready).send().await.ok().filter(|answer| answer.status() == 200))
            .await;
    }

    /// The provider's payment of an order.
    pub(crate) async fn payment(&self, running: &Running, order: &str) -> Option<Value> {
        let answer = running.http.get(format!("{}/v1/payments/{order}", self.url)).send().await.unwrap();
        (answer.status() == 200).then_some(answer.json().await.unwrap())
    }
}

impl Provider for Sandbox {
    fn flags(&self) -> Vec<String> {
        let secret = self.folder.path().join("secret");
        let flags =
            ["--payments", "sandbox", "--payment-url", &self.url, "--payment-webhook-secret-file", secret.to_str().unwrap()];
        flags.map(str::to_owned).to_vec()
    }

    async fn stage(&self, running: &Running, order: &str) -> String {
        let payment = self.payment(running, order).await;
        payment.map_or_else(|| "none".to_owned(), |payment| payment["stage"].as_str().unwrap().to_owned())
    }
}

impl Shop<Sandbox> {
    /// With so many lamps, and a sandbox that sends no webhooks.
    pub(crate) async fn at_the_sandbox(units: u32) -> Self {
        let running = Running::start().await;
        running.receive("LAMP", "eu-1", units).await;
        let provider = Sandbox::start(&running, &[]).await;
        Self::of(running, provider)
    }

    /// The same, with a process and a shopper whose cart has one lamp.
    pub(crate) async fn open(units: u32, hold_ms: &'static str) -> (Self, Process) {
        let mut shop = Self::at_the_sandbox(units).await;
        shop.hold_ms = hold_ms;
        let orders = shop.orders(None).await;
        (shop, orders)
    }
}
