//! What a cluster must keep when processes die.

use inventory_api::{
    ClientError, ClusterView, Consistency, ExtendRequest, OutcomeCode, ReservationState, ReserveRequest, Stock, StockChange,
};
use storefront_types::{Problem, ProblemType, ReservationId};
use tokio_stream::StreamExt;
use uuid::Uuid;

use super::cluster::{Cluster, context, eventually, is_ok, line, purchase, receive, sku};

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_goes_its_way_and_every_step_may_be_repeated() {
    let cluster = Cluster::start().await;
    let (client, context) = (cluster.client(), context());
    receive(&client, "shirt", 5).await;
    let id = ReservationId::new(Uuid::now_v7());
    let hold = ReserveRequest { id, lines: vec![line("shirt", 2)], ttl_ms: 60_000, memo: Some("m".into()) };
    let first = client.reserve(&context, &hold).await.unwrap();
    assert!(is_ok(&first) && first.lines[0].version == 2 && first.expires_at.is_some());
    let again = client.reserve(&context, &hold).await.unwrap();
    assert!(again.replayed && again.lines == first.lines);
    let other = ReserveRequest { lines: vec![line("shirt", 3)], ..hold };
    assert_eq!(client.reserve(&context, &other).await.unwrap().outcome, OutcomeCode::ConflictingDuplicate);
    assert!(is_ok(&client.extend(&context, id, &ExtendRequest { ttl_ms: 90_000 }).await.unwrap()));
    for _ in 0..2 {
        assert!(is_ok(&client.confirm(&context, id).await.unwrap()));
    }
    assert_eq!(client.release(&context, id).await.unwrap().outcome, OutcomeCode::AlreadyConfirmed);
    let listed = client.unacknowledged(&context, 0, 10, None).await.unwrap();
    assert_eq!((listed.items.len(), listed.items[0].memo.as_deref()), (1, Some("m")));
    client.acknowledge(&context, vec![id]).await.unwrap();
    let done = client.reservation(&context, id).await.unwrap().unwrap();
    assert_eq!((done.state, done.memo), (ReservationState::Acknowledged, None));
    let stock = client.stock(&context, &sku("shirt"), Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!((stock.on_hand(), stock.reserved(), stock.totals.sold), (3, 0, 2));
    let too_many = client.purchase(&context, &purchase(Uuid::now_v7(), "shirt", 4)).await.unwrap();
    assert_eq!((too_many.outcome, too_many.lines[0].available), (OutcomeCode::InsufficientStock, Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_by_itself() {
    let cluster = Cluster::start().await;
    let (client, context) = (cluster.client(), context());
    receive(&client, "lamp", 1).await;
    let id = ReservationId::new(Uuid::now_v7());
    client.reserve(&context, &ReserveRequest { id, lines: vec![line("lamp", 1)], ttl_ms: 1_000, memo: None }).await.unwrap();
    eventually("the hold to end", async || {
        let stock = client.stock(&context, &sku("lamp"), Consistency::Linearizable).await.unwrap().unwrap();
        (stock.available() == 1).then_some(())
    })
    .await;
    assert_eq!(client.confirm(&context, id).await.unwrap().outcome, OutcomeCode::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_names_the_leader_and_executes_nothing() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    receive(&cluster.client(), "cup", 1).await;
    let url = format!("http://{}/v1/purchases", cluster.nodes[follower].client);
    let answer = cluster.http.post(url).json(&purchase(Uuid::now_v7(), "cup", 1)).send().await.unwrap();
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.headers()["inventory-leader"], cluster.nodes[leader].client.as_str());
    assert!(answer.headers()["inventory-term"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(answer.json::<Problem>().await.unwrap().kind(), Some(ProblemType::NotLeader));
    let local = format!("http://{}/v1/stock/cup?consistency=local&max_staleness_ms=5000", cluster.nodes[follower].client);
    let stock: inventory_api::Stock = cluster.http.get(local).send().await.unwrap().json().await.unwrap();
    assert_eq!((stock.on_hand(), stock.log_index > 0), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_knows_the_leader_is_answered_when_there_is_another() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let known = |view: &ClusterView| (view.term, view.leader.as_ref().map_or(0, |leader| leader.id));
    let view =
        eventually("a leader in the follower's view", async || cluster.view(follower).await.filter(|v| known(v).1 > 0)).await;
    let (term, id) = known(&view);
    let ask = |wait_ms: u64| {
        let query = format!("known_term={term}&known_leader={id}&wait_ms={wait_ms}");
        let asking = cluster.http.get(format!("http://{}/v1/cluster?{query}", cluster.nodes[follower].client)).send();
        tokio::spawn(async move { asking.await.unwrap().json::<ClusterView>().await.unwrap() })
    };
    assert_eq!(known(&ask(1).await.unwrap()), (term, id));
    let waiting = ask(5_000);
    cluster.kill(leader);
    assert_ne!(known(&waiting.await.unwrap()), (term, id), "it did not wait for the change");
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_leader_under_load_loses_nothing_and_oversells_nothing() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "hot", 40).await;
    let buyers: Vec<_> = (0..120)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let id = Uuid::now_v7();
                let mut outcome = client.purchase(&context(), &purchase(id, "hot", 1)).await;
                // Unknown is never a refusal: the same id is asked for again until it is known. A third asks again anyway.
                while matches!(outcome, Err(ClientError::OutcomeUnknown { .. } | ClientError::NotExecuted { .. })) {
                    outcome = client.purchase(&context(), &purchase(id, "hot", 1)).await;
                }
                if n % 3 == 0 {
                    let again = client.purchase(&context(), &purchase(id, "hot", 1)).await.unwrap();
                    assert_eq!(again.outcome, outcome.as_ref().unwrap().outcome);
                }
                (id, outcome.unwrap())
            })
        })
        .collect();
    let leader = cluster.leader().await;
    cluster.kill(leader);
    let mut sold = Vec::new();
    for buyer in buyers {
        let (id, outcome) = buyer.await.unwrap();
        match outcome.outcome {
            OutcomeCode::Ok => sold.push(id),
            other => assert_eq!(other, OutcomeCode::InsufficientStock),
        }
    }
    assert_eq!(sold.len(), 40);
    cluster.start_node(leader);
    for id in sold {
        let found = client.reservation(&context(), ReservationId::new(id)).await.unwrap().unwrap();
        assert_eq!(found.state, ReservationState::Confirmed);
    }
    let stock = client.stock(&context(), &sku("hot"), Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!((stock.on_hand(), stock.reserved(), stock.totals.sold, stock.version), (0, 0, 40, 41));
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_survives_clean_stops_and_kills_of_all() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "book", 7).await;
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "book", 2)).await.unwrap()));
    let before = cluster.level().await;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    for at in 0..3 {
        cluster.start_node(at);
    }
    cluster.leader().await;
    assert_eq!(cluster.level().await, before);
    assert!((0..3).all(|at| cluster.log_of(at).contains("loaded the state of a clean stop")));
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "book", 1)).await.unwrap()));
    let before = cluster.level().await;
    for at in 0..3 {
        cluster.kill(at);
    }
    for at in 0..3 {
        cluster.start_node(at);
    }
    cluster.leader().await;
    assert_eq!(cluster.level().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_goes_to_its_region_and_comes_back_there_after_a_loss() {
    let mut cluster = Cluster::with(&["--leader-region", "r3"], false).await;
    let in_its_region = async |cluster: &Cluster| {
        eventually("a leader in its region", async || (cluster.leader().await == 2).then_some(())).await;
    };
    in_its_region(&cluster).await;
    cluster.kill(2);
    assert_ne!(cluster.leader().await, 2);
    receive(&cluster.client(), "cup", 3).await;
    cluster.start_node(2);
    in_its_region(&cluster).await;
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_tells_what_it_knew_before_it_hears_a_leader() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "book", 7).await;
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "book", 2)).await.unwrap()));
    cluster.level().await;
    for at in 0..3 {
        cluster.kill(at);
    }
    cluster.start_node(0);
    // Its first word; alone, it hears no leader.
    let first = eventually("an answer", async || cluster.ask::<Stock>(0, "/v1/stock/book?consistency=local").await).await;
    assert_eq!((first.available(), first.totals.sold), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_past_the_log_catches_up_by_a_snapshot() {
    let mut cluster = Cluster::with_snapshots_every(40).await;
    let client = cluster.client();
    let away = (cluster.leader().await + 1) % 3;
    // The leader purges its log behind a snapshot in its own time; a node that comes back before that catches up from the log, so it
    // is sent away again until the log is gone.
    for _ in 0..30 {
        cluster.kill(away);
        for n in 0..160 {
            receive(&client, &format!("sku-{}", n % 10), 1).await;
        }
        cluster.start_node(away);
        cluster.level().await;
        if cluster.log_of(away).contains("installed a snapshot") {
            return;
        }
    }
    panic!("the log was never purged, or the node caught up without a snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_tells_every_change_and_resumes() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "pen", 1).await;
    let start = client.stock_page(&context(), 10, None).await.unwrap().changes_token;
    let mut stream = client.changes(&context(), Some(&start)).await.unwrap();
    receive(&client, "pen", 2).await;
    let token = loop {
        match stream.next().await.unwrap().unwrap() {
            StockChange::Stock { token, available: 3, .. } => break token,
            StockChange::Compacted { .. } => panic!("compacted"),
            _ => {}
        }
    };
    drop(stream);
    receive(&client, "ink", 4).await;
    let mut stream = client.changes(&context(), Some(&token)).await.unwrap();
    let seen = loop {
        if let StockChange::Stock { sku, version, .. } = stream.next().await.unwrap().unwrap() {
            break (sku.to_string(), version);
        }
    };
    assert_eq!(seen, ("ink".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_process_is_gone_is_replaced_without_waiting_for_its_silence() {
    let mut cluster = Cluster::with(&["--election-ms", "6000"], false).await;
    let before = cluster.leader().await;
    receive(&cluster.client(), "cup", 1).await;
    cluster.kill(before);
    let after = cluster.leader().await;
    assert_ne!(after, before);
    let asked = "inventory_elections_for_the_gone_total";
    let others: Vec<usize> = (0..3).filter(|at| *at != before).collect();
    assert!(cluster.counted(others[0], asked).await || cluster.counted(others[1], asked).await, "it waited for the silence");
    assert!(is_ok(&cluster.client().purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
}
