//! What was acknowledged stays: through kills at any moment, power cuts, full disks, failing syncs and torn records.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use inventory_api::{Consistency, InventoryClient, OutcomeCode};
use storefront_types::ReservationId;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::cluster::{Cluster, context, eventually, is_ok, purchase, receive, sku};

/// Units of each SKU; more than any run can sell.
const UNITS: u32 = 1_000_000;

const SKUS: usize = 5;

/// Buyers that buy until told to stop, and what they were told.
struct Buyers {
    stop: Arc<AtomicBool>,
    bought: Arc<Mutex<Vec<Uuid>>>,
    asked: Arc<Mutex<usize>>,
    running: Vec<JoinHandle<()>>,
}

impl Buyers {
    async fn start(client: &InventoryClient) -> Self {
        for n in 0..SKUS {
            receive(client, &format!("sku-{n}"), UNITS).await;
        }
        let mut buyers = Self { stop: Arc::default(), bought: Arc::default(), asked: Arc::default(), running: Vec::new() };
        for n in 0..8 {
            let (client, stop) = (client.clone(), buyers.stop.clone());
            let (bought, asked) = (buyers.bought.clone(), buyers.asked.clone());
            buyers.running.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let id = Uuid::now_v7();
                    *asked.lock().unwrap() += 1;
                    let answered = client.purchase(&context(), &purchase(id, &format!("sku-{}", n % SKUS), 1)).await;
                    if answered.is_ok_and(|outcome| is_ok(&outcome)) {
                        bought.lock().unwrap().push(id);
                    }
                }
            }));
        }
        buyers
    }

    fn count(&self) -> usize {
        self.bought.lock().unwrap().len()
    }

    /// Waits until so many more purchases were acknowledged: the cluster is alive and under load.
    async fn buy(&self, more: usize) {
        let before = self.count();
        eventually("purchases", async || (self.count() >= before + more).then_some(())).await;
    }

    /// Stops, and checks that everything acknowledged is there and that nothing was sold that nobody asked for.
    async fn check(self, cluster: &Cluster, client: &InventoryClient) {
        self.stop.store(true, Ordering::Relaxed);
        for buyer in self.running {
            buyer.await.unwrap();
        }
        let bought = self.bought.lock().unwrap().clone();
        for id in &bought {
            let found = client.reservation(&context(), ReservationId::new(*id)).await.unwrap();
            assert!(found.is_some(), "purchase {id} was acknowledged and is gone");
        }
        let mut sold = 0;
        for n in 0..SKUS {
            let name = sku(&format!("sku-{n}"));
            let stock = client.stock(&context(), &name, Consistency::Linearizable).await.unwrap().unwrap();
            assert_eq!(stock.totals.received - stock.totals.sold, stock.on_hand(), "{stock:?}");
            sold += usize::try_from(stock.totals.sold).unwrap();
        }
        let asked = *self.asked.lock().unwrap();
        assert!((bought.len()..=asked).contains(&sold), "{sold} sold, {} acknowledged, {asked} asked for", bought.len());
        cluster.level().await;
    }
}

/// How many kills: 20, or as many as a soak wants.
fn kills() -> usize {
    std::env::var("STOREFRONT_SOAK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_kills_of_random_nodes_under_load() {
    let mut cluster = Cluster::with_snapshots_every(300).await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    for _ in 0..kills() {
        let random = Uuid::new_v4().into_bytes();
        buyers.buy(1 + usize::from(random[0]) / 4).await;
        tokio::time::sleep(Duration::from_micros(u64::from(random[1]) * 50)).await;
        let at = usize::from(random[2]) % 3;
        cluster.kill(at);
        if random[3].is_multiple_of(2) {
            buyers.buy(1).await;
        }
        cluster.start_node(at);
    }
    buyers.buy(1).await;
    buyers.check(&cluster, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_of_all_is_cut_and_unsynced_data_is_gone() {
    let mut cluster = Cluster::with(&["--snapshot-every", "300"], true).await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    let mut taken_back = 0;
    for _ in 0..kills() / 4 {
        buyers.buy(200).await;
        for at in 0..3 {
            taken_back += cluster.cut_power(at).writes;
        }
        for at in 0..3 {
            cluster.start_node(at);
        }
    }
    assert!(taken_back > 0, "nothing was un-synced: the cut proves nothing");
    buyers.buy(1).await;
    buyers.check(&cluster, &client).await;
}

/// A leader sends entries while it still syncs them itself. If it came back as leader of the same term without them, it would give
/// their places in the log to others, and the followers that have them would keep what they have.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_lost_its_unsynced_tail_gives_no_place_in_the_log_twice() {
    let mut cluster = Cluster::with(&[], true).await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    for _ in 0..kills() / 2 {
        buyers.buy(20).await;
        let at = cluster.leader().await;
        cluster.cut_power(at);
        // At once: nobody has missed it yet.
        cluster.start_node(at);
    }
    buyers.buy(1).await;
    buyers.check(&cluster, &client).await;
}

/// The proof of the proof: on disks that only pretend to sync, the same cut does lose what was acknowledged, and it is seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_on_disks_that_lie_about_syncs_is_found() {
    let mut cluster = Cluster::with(&[], true).await;
    let client = cluster.client();
    for node in &cluster.nodes {
        node.disk.as_ref().unwrap().set_sync_lies(true).unwrap();
    }
    receive(&client, "cup", 50).await;
    let id = Uuid::now_v7();
    assert!(is_ok(&client.purchase(&context(), &purchase(id, "cup", 1)).await.unwrap()));
    for at in 0..3 {
        cluster.cut_power(at);
    }
    for at in 0..3 {
        cluster.start_node(at);
    }
    let found = client.reservation(&context(), ReservationId::new(id)).await.unwrap();
    assert!(found.is_none(), "the cut took nothing back: the other tests would not notice a lost purchase");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_is_full_or_fails_to_sync_stops_and_comes_back() {
    let mut cluster = Cluster::with(&[], true).await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    for fails_to_sync in [true, false] {
        // A follower, then whoever leads.
        for victim in ["follower", "leader"] {
            buyers.buy(20).await;
            let leader = cluster.leader().await;
            let at = if victim == "leader" { leader } else { (leader + 1) % 3 };
            let disk = cluster.nodes[at].disk.clone().unwrap();
            let switch = |on| if fails_to_sync { disk.set_sync_fails(on) } else { disk.set_full(on) };
            switch(true).unwrap();
            let mut process = cluster.nodes[at].process.take().unwrap();
            let exit = eventually("the node to stop by itself", async || process.try_wait().unwrap()).await;
            assert!(!exit.success(), "a {victim} that cannot write ended as if nothing had happened");
            buyers.buy(20).await;
            switch(false).unwrap();
            disk.take_back().unwrap();
            cluster.start_node(at);
        }
    }
    buyers.buy(20).await;
    buyers.check(&cluster, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_torn_by_a_crash_is_cut_off() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    for torn in [Torn::Begun, Torn::Cut, Torn::Zeros] {
        buyers.buy(30).await;
        let at = cluster.leader().await;
        cluster.kill(at);
        append(&newest_log(&cluster, at), |log| match torn {
            Torn::Begun => vec![0; 3],
            // Every file begins with a record of the whole state; all but its last byte is how a next one would begin.
            Torn::Cut => log[..SHORTEST_STATE_RECORD - 1].to_vec(),
            Torn::Zeros => vec![0; 200],
        });
        cluster.start_node(at);
        // Its vote is needed: another is away until it has answered.
        let other = (at + 1) % 3;
        cluster.kill(other);
        buyers.buy(10).await;
        cluster.start_node(other);
    }
    buyers.check(&cluster, &client).await;
}

/// Bytes of a record that says that there is nothing yet: no vote, no entry. A whole one at the end of a log would be taken at its word.
const SHORTEST_STATE_RECORD: usize = 18;

enum Torn {
    Begun,
    Cut,
    Zeros,
}

fn newest_log(cluster: &Cluster, at: usize) -> PathBuf {
    let logs = fs::read_dir(cluster.data_of(at).join("log")).unwrap().map(|file| file.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|of| of == "wal")).max().unwrap()
}

fn append(path: &Path, bytes: impl FnOnce(&[u8]) -> Vec<u8>) {
    let bytes = bytes(&fs::read(path).unwrap());
    OpenOptions::new().append(true).open(path).unwrap().write_all(&bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_bytes_that_no_crash_leaves_is_refused_and_the_others_go_on() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "cup", 5).await;
    let at = cluster.leader().await;
    cluster.kill(at);
    append(&newest_log(&cluster, at), |_| vec![0xab; 57]);
    cluster.start_node(at);
    let mut process = cluster.nodes[at].process.take().unwrap();
    let exit = eventually("the node to refuse its log", async || process.try_wait().unwrap()).await;
    assert!(!exit.success());
    let said = cluster.errors_of(at);
    assert!(said.contains("cannot be read") && said.contains("under a new id"), "{said}");
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_no_request() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    let buyers = Buyers::start(&client).await;
    for at in 0..3 {
        buyers.buy(20).await;
        cluster.stop(at).await;
        buyers.buy(5).await;
        cluster.start_node(at);
        eventually("the node to serve", async || cluster.view(at).await.filter(|view| view.leader.is_some())).await;
    }
    buyers.buy(20).await;
    let (bought, asked) = (buyers.bought.clone(), buyers.asked.clone());
    buyers.check(&cluster, &client).await;
    assert_eq!(bought.lock().unwrap().len(), *asked.lock().unwrap(), "a request was lost that its client repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_known_when_asked_again() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "rare", 1).await;
    let (first, second) = (purchase(Uuid::now_v7(), "rare", 1), purchase(Uuid::now_v7(), "rare", 1));
    assert!(is_ok(&client.purchase(&context(), &first).await.unwrap()));
    assert_eq!(client.purchase(&context(), &second).await.unwrap().outcome, OutcomeCode::InsufficientStock);
    for at in 0..3 {
        cluster.kill(at);
    }
    for at in 0..3 {
        cluster.start_node(at);
    }
    receive(&client, "rare", 5).await;
    let (again, refused) =
        (client.purchase(&context(), &first).await.unwrap(), client.purchase(&context(), &second).await.unwrap());
    assert!(is_ok(&again) && again.replayed);
    assert_eq!(refused.outcome, OutcomeCode::InsufficientStock, "a refusal was forgotten");
}
