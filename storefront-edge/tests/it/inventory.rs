//! A real inventory of one node, behind a wire that can be cut.

use std::{sync::Arc, time::Duration};

use backing_servers::free_listener;
use clap::Parser;
use inventory_api::{InventoryClient, PurchaseRequest, ReceiveRequest};
use inventory_raft::{Config, RaftListener};
use storefront_service::{Listeners, background_context};
use storefront_types::{CommandId, Quantity, ReservationId, Sku};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::eventually;

pub(crate) struct Inventory {
    client_port: String,
    raft_port: String,
    folder: TempDir,
    cluster: &'static str,
    client: InventoryClient,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Inventory {
    pub(crate) async fn start() -> Self {
        let ports: Vec<_> = (0..2).map(|_| free_listener().unwrap()).collect();
        let [client_port, raft_port] = [0, 1].map(|at: usize| ports[at].local_addr().unwrap().to_string());
        drop(ports);
        let client = InventoryClient::new(vec![client_port.clone()]).with_deadline(Duration::from_secs(20));
        let mut inventory =
            Self { client_port, raft_port, folder: tempfile::tempdir().unwrap(), cluster: "first", client, running: None };
        inventory.run().await;
        inventory
    }

    /// Starts the node on its own ports, with what it had.
    pub(crate) async fn run(&mut self) {
        let peer = format!("1=eu@{}@{}", self.client_port, self.raft_port);
        let data = self.folder.path().join("node").to_str().unwrap().to_owned();
        let mut line = vec![
            "inventory-raft",
            "--node-id",
            "1",
            "--region",
            "eu",
            "--bootstrap",
            "--plaintext",
            "--cluster-id",
            self.cluster,
        ];
        line.extend(["--peers", &peer, "--data-dir", &data, "--listen", &self.client_port, "--raft-listen", &self.raft_port]);
        let config = Config::parse_from(line);
        let bound = eventually("the node's ports", async || {
            let (listeners, raft) = (config.listen.bind().await.ok()?, RaftListener::bind(&config).await.ok()?);
            Some((listeners, raft))
        });
        let (listeners, raft): (Listeners, RaftListener) = bound.await;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let node = tokio::spawn(async move { inventory_raft::run(config, listeners, raft, stopped).await.unwrap() });
        self.running = Some((stop, node));
    }

    /// Stops the node in good order.
    pub(crate) async fn stop(&mut self) {
        let (stop, node) = self.running.take().unwrap();
        stop.cancel();
        node.await.unwrap();
    }

    /// Another cluster in its place, with nothing of what it had.
    pub(crate) async fn replace(&mut self) {
        self.stop().await;
        (self.folder, self.cluster) = (tempfile::tempdir().unwrap(), "restored");
        self.run().await;
    }

    pub(crate) fn address(&self) -> &str {
        &self.client_port
    }

    pub(crate) async fn receive(&self, sku: &str, units: u32) {
        let request = ReceiveRequest {
            id: CommandId::new(Uuid::now_v7()),
            sku: Sku::parse(sku).unwrap(),
            location: "eu-1".parse().unwrap(),
            quantity: Quantity::new(units).unwrap(),
        };
        self.client.receive(&background_context(), &request).await.unwrap();
    }

    pub(crate) async fn buy(&self, sku: &str, units: u32) {
        let line = serde_json::json!({"sku": sku, "quantity": units});
        let request = serde_json::json!({"id": ReservationId::new(Uuid::now_v7()), "lines": [line]});
        let request: PurchaseRequest = serde_json::from_value(request).unwrap();
        self.client.purchase(&background_context(), &request).await.unwrap();
    }
}

/// Passes bytes on until it is cut; then all its connections are gone and new ones get nothing.
pub(crate) struct Wire {
    pub(crate) address: String,
    cut: tokio::sync::watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = (listener.local_addr().unwrap().to_string(), Arc::new(address.to_owned()));
        let cut = tokio::sync::watch::Sender::new(false);
        let state = cut.subscribe();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (mut state, far) = (state.clone(), far.clone());
                if *state.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut to) = TcpStream::connect(far.as_str()).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                        _ = state.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { address: near, cut }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }
}
