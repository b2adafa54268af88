//! What is too much, too old, from the future, or asked of a node that is cut off: each has an answer of its own.

use inventory_api::OutcomeCode;
use serde_json::{Value, json};
use storefront_types::{Problem, ProblemType};
use uuid::{NoContext, Timestamp, Uuid};

use super::cluster::{Cluster, context, eventually, is_ok, receive};

/// Status, problem and the whole body of a refusal.
async fn refusal(cluster: &Cluster, path: &str, body: &Value) -> (u16, Problem, Value) {
    let leader = &cluster.nodes[cluster.leader().await].client;
    let answer = cluster.http.post(format!("http://{leader}{path}")).json(body).send().await.unwrap();
    let (status, bytes) = (answer.status().as_u16(), answer.bytes().await.unwrap());
    (status, serde_json::from_slice(&bytes).unwrap(), serde_json::from_slice(&bytes).unwrap())
}

fn of_cups(count: usize) -> Vec<Value> {
    vec![json!({"sku": "cup", "quantity": 1}); count]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_before_the_log() {
    let cluster = Cluster::start().await;
    receive(&cluster.client(), "cup", 1_000).await;
    let field = async |path: &str, body: Value, name: &str| {
        let (status, problem, _) = refusal(&cluster, path, &body).await;
        assert_eq!((status, problem.kind().unwrap()), (400, ProblemType::InvalidRequest), "{path} {name}: {problem:?}");
        assert_eq!(problem.invalid_params[0].name, name);
    };
    field("/v1/purchases", json!({"id": Uuid::now_v7(), "lines": of_cups(257)}), "lines").await;
    let purchase = || json!({"command": "purchase", "id": Uuid::now_v7(), "lines": of_cups(1)});
    field("/v1/batch", json!({"commands": (0..1_025).map(|_| purchase()).collect::<Vec<_>>()}), "commands").await;
    let ids: Vec<Uuid> = (0..1_025).map(|_| Uuid::now_v7()).collect();
    field("/v1/reservations/acknowledge", json!({"ids": ids}), "ids").await;
    let (status, problem, _) = refusal(&cluster, "/v1/purchases", &json!({"id": "x".repeat(140 * 1024)})).await;
    assert_eq!((status, problem.kind().unwrap()), (413, ProblemType::BodyTooLarge));
    let stock = cluster.client().stock(&context(), &"cup".parse().unwrap(), inventory_api::Consistency::Linearizable).await;
    assert_eq!(stock.unwrap().unwrap().on_hand(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_one_sku_are_one_line_and_ids_and_counts_have_bounds() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "cup", 10).await;
    let leader = &cluster.nodes[cluster.leader().await].client;
    let twice = json!({"id": Uuid::now_v7(), "lines": [{"sku": "cup", "quantity": 2}, {"sku": "cup", "quantity": 3}]});
    let bought = cluster.http.post(format!("http://{leader}/v1/purchases")).json(&twice).send().await.unwrap();
    let bought: inventory_api::Outcome = bought.json().await.unwrap();
    assert!(is_ok(&bought) && bought.lines.len() == 1, "{bought:?}");
    assert_eq!(bought.lines[0].allocations[0].quantity, 5);
    // Two hours ahead of every clock, and older than outcomes are remembered.
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    for (seconds, outcome) in [(now + 7_200, OutcomeCode::IdFromFuture), (now - 72 * 3_600, OutcomeCode::IdTooOld)] {
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds.unsigned_abs(), 0));
        let (status, problem, body) = refusal(&cluster, "/v1/purchases", &json!({"id": id, "lines": of_cups(1)})).await;
        assert_eq!((status, problem.kind().unwrap()), (422, ProblemType::CommandRefused), "{body}");
        assert_eq!(body["outcome"], serde_json::to_value(outcome).unwrap());
        assert!(problem.detail.is_some(), "{body}");
    }
    let many = json!({"id": Uuid::now_v7(), "sku": "cup", "location": "eu-1", "on_hand": 10_u64.pow(15) + 1});
    let (_, _, body) = refusal(&cluster, "/v1/stock/count", &many).await;
    assert_eq!(body["outcome"], "overflow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_says_that_its_answer_would_be_too_old() {
    let mut cluster = Cluster::start().await;
    receive(&cluster.client(), "cup", 1).await;
    cluster.level().await;
    let alone = (cluster.leader().await + 1) % 3;
    for at in (0..3).filter(|at| *at != alone) {
        cluster.kill(at);
    }
    let url = format!("http://{}/v1/stock/cup?consistency=local&max_staleness_ms=50", cluster.nodes[alone].client);
    let refused = eventually("the answer to be too old", async || {
        let answer = cluster.http.get(&url).send().await.unwrap();
        (answer.status().as_u16() == 503).then_some(answer)
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Problem = refused.json().await.unwrap();
    assert_eq!(problem.kind().unwrap(), ProblemType::TooStale);
    assert!(problem.detail.unwrap().contains("ms old"));
    // Without a bound it answers, and says as of when.
    let any: Value = cluster.ask(alone, "/v1/stock/cup?consistency=local").await.unwrap();
    assert_eq!(any["locations"][0]["on_hand"], 1);
}
