//! The ledger of a SKU through HTTP: whole, in pages, on every node, after restarts and from a snapshot.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use inventory_api::{
    AdjustRequest, Balance, BatchRequest, CommandRequest, InventoryClient, LedgerPage, LevelChange, MoveRequest, Movement,
    MovementKind, ReserveRequest, StockAt,
};
use storefront_types::{CommandId, LocationId, Problem, ProblemType, Quantity, ReservationId};
use uuid::Uuid;

use super::cluster::{Cluster, context, is_ok, line, purchase, receive, sku};

const ALL: u64 = 100_000;

fn place(name: &str) -> LocationId {
    name.parse().unwrap()
}

fn hold(id: Uuid) -> ReserveRequest {
    ReserveRequest { id: ReservationId::new(id), lines: vec![line("cup", 2)], ttl_ms: 60_000, memo: None }
}

/// Eight movements of cups, one of each kind that does not take waiting, and the ids of what made them.
async fn filled(cluster: &Cluster) -> Vec<(MovementKind, Uuid)> {
    let (client, context) = (cluster.client(), context());
    let [moved, adjusted, held, given_back, bought] = [(); 5].map(|()| Uuid::now_v7());
    let received = receive(&client, "cup", 20).await.id;
    let (id, quantity) = (CommandId::new(moved), Quantity::new(4).unwrap());
    let request = MoveRequest { id, sku: sku("cup"), location: place("eu-1"), to: place("us-1"), quantity };
    assert!(is_ok(&client.move_units(&context, &request).await.unwrap()));
    for id in [held, given_back] {
        assert!(is_ok(&client.reserve(&context, &hold(id)).await.unwrap()));
    }
    assert!(is_ok(&client.confirm(&context, ReservationId::new(held)).await.unwrap()));
    assert!(is_ok(&client.release(&context, ReservationId::new(given_back)).await.unwrap()));
    assert!(is_ok(&client.purchase(&context, &purchase(bought, "cup", 3)).await.unwrap()));
    let request = AdjustRequest { id: CommandId::new(adjusted), sku: sku("cup"), location: place("us-1"), quantity: -1 };
    assert!(is_ok(&client.adjust(&context, &request).await.unwrap()));
    // Refusals and repetitions move nothing.
    assert!(!is_ok(&client.purchase(&context, &purchase(Uuid::now_v7(), "cup", 99)).await.unwrap()));
    assert!(client.purchase(&context, &purchase(bought, "cup", 3)).await.unwrap().replayed);
    vec![
        (MovementKind::Received, received),
        (MovementKind::Moved, moved),
        (MovementKind::Reserved, held),
        (MovementKind::Reserved, given_back),
        (MovementKind::Confirmed, held),
        (MovementKind::Released, given_back),
        (MovementKind::Purchased, bought),
        (MovementKind::Adjusted, adjusted),
    ]
}

fn names(page: &[Movement]) -> Vec<(MovementKind, Uuid)> {
    page.iter().map(|movement| (movement.kind, movement.id)).collect()
}

/// The balance with the movements added to it; locations with nothing are left out.
fn after(opening: &Balance, movements: &[Movement]) -> Balance {
    let mut levels: std::collections::BTreeMap<LocationId, (i64, i64)> = std::collections::BTreeMap::new();
    let signed = |units: u64| i64::try_from(units).unwrap();
    for at in &opening.locations {
        levels.insert(at.location.clone(), (signed(at.on_hand), signed(at.reserved)));
    }
    for LevelChange { location, on_hand, reserved } in movements.iter().flat_map(|movement| &movement.changes) {
        let level = levels.entry(location.clone()).or_default();
        *level = (level.0 + on_hand, level.1 + reserved);
    }
    let at = |(location, (on_hand, reserved)): (LocationId, (i64, i64))| {
        let (on_hand, reserved) = (u64::try_from(on_hand).unwrap(), u64::try_from(reserved).unwrap());
        StockAt { location, on_hand, reserved, available: on_hand - reserved }
    };
    Balance { version: opening.version + movements.len() as u64, locations: levels.into_iter().map(at).collect() }
}

/// The whole ledger as this node has it.
async fn local(cluster: &Cluster, at: usize, name: &str) -> LedgerPage {
    let url = format!("http://{}/v1/ledger/{name}?limit=200&consistency=local", cluster.nodes[at].client);
    cluster.http.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_says_what_moved_the_stock_and_adds_up() {
    let cluster = Cluster::start().await;
    let expected = filled(&cluster).await;
    let (client, context) = (cluster.client(), context());
    let whole = client.ledger(&context, &sku("cup"), ALL, 200, None).await.unwrap().unwrap();
    assert_eq!((names(&whole.items), whole.next_cursor.as_deref()), (expected, None));
    let versions: Vec<u64> = whole.items.iter().map(|movement| movement.version).collect();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>());
    let (opening, closing) = (whole.opening.clone().unwrap(), whole.closing.clone().unwrap());
    assert_eq!((opening.version, opening.locations.iter().map(|at| at.on_hand).sum::<u64>()), (0, 0));
    assert_eq!(after(&opening, &whole.items), closing);
    let stock = client.stock(&context, &sku("cup"), inventory_api::Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!((closing.version, &closing.locations), (stock.version, &stock.locations));
    // In pages, while further movements come: the pages end where the first one said.
    let first = client.ledger(&context, &sku("cup"), 5, 2, None).await.unwrap().unwrap();
    receive(&client, "cup", 1).await;
    let (mut items, mut cursor) = (first.items.clone(), first.next_cursor.clone());
    while let Some(next) = &cursor {
        let page = client.ledger(&context, &sku("cup"), ALL, 2, Some(next)).await.unwrap().unwrap();
        assert!(page.items.len() <= 2 && page.opening.is_none() && page.closing.is_none());
        items.extend(page.items);
        cursor = page.next_cursor;
    }
    assert_eq!(items, whole.items[3..]);
    assert_eq!(after(&first.opening.unwrap(), &items), closing);
    assert!(client.ledger(&context, &sku("nothing"), ALL, 2, None).await.unwrap().is_none());
}

/// So many movements that the opening balance takes several steps, while more come.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_ledger_adds_up_while_more_is_sold() {
    let cluster = Cluster::start().await;
    let (client, context) = (cluster.client(), context());
    receive(&client, "cup", 1_000_000).await;
    let sell = async |client: &InventoryClient, count: usize| {
        let one = || CommandRequest::Purchase(purchase(Uuid::now_v7(), "cup", 1));
        let commands = std::iter::repeat_with(one).take(count).collect();
        client.batch(&super::cluster::context(), &BatchRequest { commands }).await.unwrap();
    };
    for _ in 0..9 {
        sell(&client, 1_000).await;
    }
    let (stop, seller) = (Arc::new(AtomicBool::new(false)), client.clone());
    let stopped = stop.clone();
    let selling = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            sell(&seller, 20).await;
        }
    });
    let first = client.ledger(&context, &sku("cup"), 100_000, 200, None).await.unwrap().unwrap();
    let (mut items, mut cursor) = (first.items, first.next_cursor);
    while let Some(next) = &cursor {
        let page = client.ledger(&context, &sku("cup"), ALL, 200, Some(next)).await.unwrap().unwrap();
        items.extend(page.items);
        cursor = page.next_cursor;
    }
    stop.store(true, Ordering::Relaxed);
    selling.await.unwrap();
    let (opening, closing) = (first.opening.unwrap(), first.closing.unwrap());
    assert!(items.len() > 9_000 && opening.version == 0);
    assert_eq!(after(&opening, &items), closing);
    let stock = client.stock(&context, &sku("cup"), inventory_api::Consistency::Linearizable).await.unwrap().unwrap();
    assert!(stock.version > closing.version, "nothing was sold meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_page_of_a_ledger_is_refused_by_name() {
    let cluster = Cluster::start().await;
    filled(&cluster).await;
    let leader = cluster.leader().await;
    let refused = async |at: usize, path: &str| {
        let answer = cluster.http.get(format!("http://{}/v1/ledger/{path}", cluster.nodes[at].client)).send().await.unwrap();
        let problem: Problem = answer.json().await.unwrap();
        (problem.kind().unwrap(), problem.invalid_params.first().map(|param| param.name.clone()))
    };
    let invalid = |name: &str| (ProblemType::InvalidRequest, Some(name.to_owned()));
    assert_eq!(refused(leader, "nothing").await, (ProblemType::UnknownSku, None));
    // No cursor, no order, beyond the newest version, before what is known.
    for cursor in ["x", "3", "5.3", "3.3", "3.99", "-1.3", "1.2.3"] {
        assert_eq!(refused(leader, &format!("cup?cursor={cursor}")).await, invalid("cursor"), "{cursor}");
    }
    assert_eq!(refused(leader, "cup?cursor=3.5&last=3").await, invalid("last"));
    assert_eq!(refused(leader, "cup?last=100001").await, invalid("last"));
    assert_eq!(refused(leader, "cup?limit=0").await, invalid("limit"));
    assert_eq!(refused(leader, "cup?limit=201").await, invalid("limit"));
    assert_eq!(refused(leader, "%20").await, invalid("sku"));
    assert_eq!(refused(leader, "cup?lats=3").await.0, ProblemType::InvalidRequest);
    assert_eq!(refused((leader + 1) % 3, "cup").await.0, ProblemType::NotLeader);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_has_the_same_ledger_after_clean_stops_kills_and_a_snapshot() {
    let mut cluster = Cluster::with_snapshots_every(40).await;
    let client = cluster.client();
    let expected = filled(&cluster).await;
    cluster.level().await;
    let before = local(&cluster, 0, "cup").await;
    assert_eq!(names(&before.items), expected);
    let same = async |cluster: &Cluster| {
        for at in 0..3 {
            let found = local(cluster, at, "cup").await;
            assert_eq!((&found.opening, &found.items, &found.closing), (&before.opening, &before.items, &before.closing));
        }
    };
    for clean in [true, false] {
        for at in 0..3 {
            if clean { cluster.stop(at).await } else { cluster.kill(at) }
        }
        for at in 0..3 {
            cluster.start_node(at);
        }
        cluster.leader().await;
        cluster.level().await;
        same(&cluster).await;
    }
    // A node that was away until the log was purged gets all from a snapshot.
    let away = (cluster.leader().await + 1) % 3;
    for _ in 0..30 {
        cluster.kill(away);
        for n in 0..160 {
            receive(&client, &format!("sku-{}", n % 10), 1).await;
        }
        cluster.start_node(away);
        cluster.level().await;
        if cluster.log_of(away).contains("installed a snapshot") {
            same(&cluster).await;
            let (there, here) = (local(&cluster, away, "sku-3").await, local(&cluster, (away + 1) % 3, "sku-3").await);
            assert!(there.items.len() >= 16 && there.items == here.items);
            return;
        }
    }
    panic!("the log was never purged, or the node caught up without a snapshot");
}
