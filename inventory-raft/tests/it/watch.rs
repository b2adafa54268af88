//! The watch with a thousand readers, some of them slow, some that come and go, some through a node that is killed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use inventory_api::StockChange;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    io::StreamReader,
};
use uuid::Uuid;

use super::cluster::{Cluster, context, is_ok, purchase, receive};

const READERS: usize = 1_000;
const SKUS: usize = 12;
const PURCHASES: usize = 240;
const UNITS: u64 = 1_000_000;

/// What a reader is like.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    /// Takes its time over each line.
    Slow,
    /// Drops the stream after some lines and goes on elsewhere, with the last token.
    Wanderer,
}

/// Reads until it has seen the last version of every SKU, and checks every line on the way.
async fn read(nodes: Vec<String>, kind: Kind, mut at: usize, mut token: String, reading: Arc<AtomicUsize>) {
    let (http, mut seen) = (reqwest::Client::new(), BTreeMap::<String, u64>::new());
    let last = PURCHASES as u64 / SKUS as u64 + 1;
    let mut is_counted = false;
    while seen.len() < SKUS || seen.values().any(|version| *version < last) {
        at = (at + 1) % nodes.len();
        let url = format!("http://{}/v1/changes?after={token}", nodes[at]);
        let Ok(answer) = http.get(url).send().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if !is_counted {
            reading.fetch_add(1, Ordering::Relaxed);
            is_counted = true;
        }
        let bytes = StreamReader::new(answer.bytes_stream().map(|chunk| chunk.map_err(std::io::Error::other)));
        let mut lines = FramedRead::new(bytes, LinesCodec::new_with_max_length(64 * 1024));
        let mut read = 0;
        while let Some(Ok(line)) = lines.next().await {
            match serde_json::from_str(&line).unwrap() {
                StockChange::Heartbeat { token: now, .. } => token = now,
                // A node that was just restarted remembers nothing from before; the others do.
                StockChange::Compacted { .. } => break,
                StockChange::Stock { token: now, sku, version, on_hand, .. } => {
                    let before = seen.insert(sku.to_string(), version).unwrap_or(1);
                    assert!(version > before, "{sku}: version {version} after {before}");
                    assert_eq!(on_hand, UNITS + 1 - version, "{sku}: a change is missing in version {version}");
                    token = now;
                    read += 1;
                }
            }
            match kind {
                Kind::Slow => tokio::time::sleep(Duration::from_millis(20)).await,
                Kind::Wanderer if read > 2 + at * 3 => break,
                _ => {}
            }
            if seen.len() == SKUS && seen.values().all(|version| *version >= last) {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_see_every_change_in_order_and_once() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    for n in 0..SKUS {
        assert!(is_ok(&receive(&client, &format!("sku-{n}"), u32::try_from(UNITS).unwrap()).await));
    }
    let token = client.stock_page(&context(), 1, None).await.unwrap().changes_token;
    let (mut readers, reading) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for n in 0..READERS {
        let kind = [Kind::Plain, Kind::Plain, Kind::Slow, Kind::Wanderer][n % 4];
        readers.spawn(read(cluster.addresses(), kind, n, token.clone(), reading.clone()));
    }
    super::cluster::eventually("all to read", async || (reading.load(Ordering::Relaxed) == READERS).then_some(())).await;
    for n in 0..PURCHASES {
        if n == PURCHASES / 2 {
            let follower = (cluster.leader().await + 1) % 3;
            cluster.kill(follower);
            cluster.start_node(follower);
        }
        let outcome = client.purchase(&context(), &purchase(Uuid::now_v7(), &format!("sku-{}", n % SKUS), 1)).await;
        assert!(is_ok(&outcome.unwrap()));
    }
    let all = async {
        while let Some(read) = readers.join_next().await {
            read.unwrap()
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
}
