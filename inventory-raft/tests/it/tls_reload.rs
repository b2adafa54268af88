//! Certificates, and the authority itself, replaced on disk under load.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use dev_ca::DevCa;
use inventory_api::{Consistency, InventoryClient};
use storefront_tls::{Tls, TlsPaths};
use uuid::Uuid;

use super::{
    cluster::{Cluster, context, eventually, is_ok, purchase, receive, sku},
    identities::{issue, knock},
};

/// A request on a connection that ends with its answer.
const LOOK: &[u8] = b"GET /v1/cluster HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Puts a file in another's place, as whole.
fn replace(path: &Path, with: &[u8]) {
    let temporary = path.with_extension("next");
    fs::write(&temporary, with).unwrap();
    fs::rename(&temporary, path).unwrap();
}

fn replace_pair(files: &TlsPaths, with: &TlsPaths) {
    replace(&files.key, &fs::read(&with.key).unwrap());
    replace(&files.cert, &fs::read(&with.cert).unwrap());
}

/// Callers that buy without end; every purchase must be answered, and the first answer is counted.
struct Buyers {
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Buyers {
    fn start(cluster: &Cluster) -> Self {
        let (stop, bought) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tls = cluster.identities.as_ref().unwrap().client.clone();
        let buyer = |nth: usize| {
            let (stop, bought, tls, addresses) = (stop.clone(), bought.clone(), tls.clone(), cluster.addresses());
            let client =
                move || InventoryClient::new(addresses.clone()).with_tls(Some(&tls)).with_deadline(Duration::from_secs(20));
            tokio::spawn(async move {
                let mut with = client();
                while !stop.load(Ordering::Relaxed) {
                    // Half of them keep their connections; the others open one for each purchase.
                    if nth.is_multiple_of(2) {
                        with = client();
                    }
                    let outcome = with.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap();
                    assert!(is_ok(&outcome), "{outcome:?}");
                    bought.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = (0..4).map(buyer).collect();
        Self { stop, bought, tasks }
    }

    /// Until some more are bought.
    async fn more(&self) {
        let before = self.bought.load(Ordering::Relaxed);
        eventually("more purchases", async || (self.bought.load(Ordering::Relaxed) > before + 20).then_some(())).await;
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.bought.load(Ordering::Relaxed)
    }
}

async fn on_every_node(what: &str, holds: impl AsyncFn(usize) -> bool) {
    for at in 0..3 {
        eventually(&format!("{what} at node {}", at + 1), async || holds(at).await.then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_authority_and_new_certificates_are_taken_up_under_load_and_nothing_is_lost() {
    let mut cluster = Cluster::over_tls().await;
    let client = cluster.client();
    receive(&client, "cup", 1_000_000).await;
    let buyers = Buyers::start(&cluster);
    buyers.more().await;
    let (nodes, files) = {
        let identities = cluster.identities.as_ref().unwrap();
        (identities.nodes.clone(), identities.client_files.clone())
    };
    let folder = tempfile::tempdir().unwrap();
    let old_client = TlsPaths { cert: folder.path().join("old.pem"), key: folder.path().join("old.key"), ..files.clone() };
    fs::copy(&files.cert, &old_client.cert).unwrap();
    fs::copy(&files.key, &old_client.key).unwrap();

    // What cannot be used is said and left alone.
    let certificate = fs::read(&nodes[0].cert).unwrap();
    replace(&nodes[0].cert, b"no certificate");
    eventually("the damaged file to be refused", async || {
        cluster.counted(0, "tls_reloads_total{result=\"failed\"}").await.then_some(())
    })
    .await;
    assert!(cluster.log_of(0).contains("node-1.pem has no certificate in PEM"));
    replace(&nodes[0].cert, &certificate);
    buyers.more().await;

    // Both authorities are believed, then the certificates are changed, then the old authority is believed no more.
    let next = DevCa::open(&folder.path().join("next")).unwrap();
    let new_client = issue(&next, "client", "storefront://test/client");
    let (old_ca, new_ca) = (fs::read(&files.ca).unwrap(), fs::read(&new_client.ca).unwrap());
    replace(&files.ca, &[old_ca, new_ca.clone()].concat());
    on_every_node("both authorities", async |at| knock(&cluster.nodes[at].client, Some(&new_client), LOOK).await.is_ok()).await;
    for (at, paths) in nodes.iter().enumerate() {
        replace_pair(paths, &issue(&next, &format!("node-{}", at + 1), &format!("storefront://test/node/{}", at + 1)));
    }
    replace_pair(&files, &new_client);
    let trusting = Tls::open(new_client).unwrap();
    on_every_node("the new certificate", async |at| {
        let client = InventoryClient::new(vec![cluster.nodes[at].client.clone()]).with_tls(Some(&trusting));
        client.with_deadline(Duration::from_millis(500)).cluster(&context()).await.is_ok()
    })
    .await;
    buyers.more().await;
    replace(&files.ca, &new_ca);
    on_every_node("the end of the old authority", async |at| {
        let heard = knock(&cluster.nodes[at].client, Some(&old_client), LOOK).await;
        let counted = cluster.counted(at, "tls_refused_total{port=\"client\",reason=\"unknown_ca\"}").await;
        counted && heard.is_err_and(|error| error.contains("received fatal alert"))
    })
    .await;

    // Peers find each other again with what is on the disk now.
    let leader = cluster.leader().await;
    cluster.kill(leader);
    buyers.more().await;
    cluster.start_node(leader);
    buyers.more().await;
    let bought = buyers.end().await;
    cluster.level().await;
    let stock = client.stock(&context(), &sku("cup"), Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!((stock.totals.sold, stock.on_hand()), (bought, 1_000_000 - bought));
}
