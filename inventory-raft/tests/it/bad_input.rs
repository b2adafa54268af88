//! Each bad input gets a problem document of its own type, and changes nothing.

use serde_json::{Value, json};
use storefront_types::{Problem, ProblemType};
use uuid::Uuid;

use super::cluster::{Cluster, context, eventually, is_ok, purchase, receive};

async fn refused(cluster: &Cluster, path: &str, body: Value) -> (ProblemType, Problem) {
    let leader = &cluster.nodes[cluster.leader().await].client;
    let answer = cluster.http.post(format!("http://{leader}{path}")).json(&body).send().await.unwrap();
    assert!(answer.status().is_client_error(), "{path} {body}: {}", answer.status());
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Problem = answer.json().await.unwrap();
    (problem.kind().unwrap(), problem)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_command_is_named() {
    let cluster = Cluster::start().await;
    receive(&cluster.client(), "cup", 3).await;
    let id = Uuid::now_v7();
    let one = |line: Value| json!({"id": id, "lines": [line]});
    let field = async |body: Value, name: &str| {
        let (kind, problem) = refused(&cluster, "/v1/purchases", body).await;
        assert_eq!((kind, problem.invalid_params[0].name.as_str()), (ProblemType::InvalidRequest, name));
    };
    field(one(json!({"sku": "cup", "quantity": 0})), "lines[0].quantity").await;
    field(one(json!({"sku": "cup", "quantity": -1})), "lines[0].quantity").await;
    field(one(json!({"sku": "cup", "quantity": 2_000_000_000})), "lines[0].quantity").await;
    field(one(json!({"sku": "a/b", "quantity": 1})), "lines[0].sku").await;
    field(one(json!({"sku": "cup", "quantity": 1, "price": 1})), "lines[0].price").await;
    field(json!({"id": id, "lines": []}), "lines").await;
    field(json!({"id": "x", "lines": []}), "id").await;
    field(json!({"id": id, "lines": [{"sku": "cup", "quantity": 1}], "memo": "x".repeat(4_097)}), "memo").await;
    let (kind, _) = refused(&cluster, "/v1/purchases", one(json!({"sku": "nothing", "quantity": 1}))).await;
    assert_eq!(kind, ProblemType::UnknownSku);
    let nowhere = json!({"id": Uuid::now_v7(), "lines": [{"sku": "cup", "quantity": 1, "locations": ["mars-1"]}]});
    assert_eq!(refused(&cluster, "/v1/purchases", nowhere).await.0, ProblemType::UnknownLocation);
    let old = json!({"id": "01800000-0000-7000-8000-000000000000", "lines": [{"sku": "cup", "quantity": 1}]});
    assert_eq!(refused(&cluster, "/v1/purchases", old).await.0, ProblemType::CommandRefused);
    let held = json!({"id": Uuid::now_v7(), "lines": [{"sku": "cup", "quantity": 1}], "ttl_ms": 5});
    assert_eq!(refused(&cluster, "/v1/reservations", held).await.1.invalid_params[0].name, "ttl_ms");
    let path = format!("/v1/reservations/{}/confirm", Uuid::now_v7());
    assert_eq!(refused(&cluster, &path, json!({})).await.0, ProblemType::NotFound);
    let nothing = json!({"id": Uuid::now_v7(), "sku": "cup", "location": "eu-1", "quantity": 0});
    assert_eq!(refused(&cluster, "/v1/stock/adjust", nothing).await.1.invalid_params[0].name, "quantity");
    assert_eq!(refused(&cluster, "/v1/batch", json!({"commands": []})).await.1.invalid_params[0].name, "commands");
    let stock: Value = cluster
        .http
        .get(format!("http://{}/v1/stock/cup?consistency=local", cluster.nodes[cluster.leader().await].client))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(stock["locations"][0]["on_hand"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_answers_each_command_in_order() {
    let cluster = Cluster::start().await;
    receive(&cluster.client(), "cup", 1).await;
    let buy = |units: u32| json!({"command": "purchase", "id": Uuid::now_v7(), "lines": [{"sku": "cup", "quantity": units}]});
    let body = json!({"commands": [buy(2), buy(1), buy(1)]});
    let leader = &cluster.nodes[cluster.leader().await].client;
    let answer: Value =
        cluster.http.post(format!("http://{leader}/v1/batch")).json(&body).send().await.unwrap().json().await.unwrap();
    let outcomes: Vec<_> = answer["outcomes"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["insufficient_stock", "ok", "insufficient_stock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_somebody_else_is_refused_by_name() {
    let mut cluster = Cluster::start().await;
    cluster.kill(0);
    let data = cluster.data_of(0).to_owned();
    let start = |id: &str, cluster_id: &str| {
        let mut node = std::process::Command::new(env!("CARGO_BIN_EXE_inventory-raft"));
        node.args(["--node-id", id, "--region", "r1", "--cluster-id", cluster_id, "--raft-listen", "127.0.0.1:0"])
            .arg("--plaintext");
        let output = node.arg("--data-dir").arg(&data).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(start("9", "test").contains("belongs to node 1 of cluster \"test\""));
    assert!(start("1", "other").contains("belongs to node 1 of cluster \"test\""));
    let identity = data.join("identity.json");
    let before = std::fs::read_to_string(&identity).unwrap();
    for (version, said) in [(99, "run a newer release"), (1, "has the older format 1")] {
        let mut other: Value = serde_json::from_str(&before).unwrap();
        other["format_version"] = version.into();
        std::fs::write(&identity, other.to_string()).unwrap();
        assert!(start("1", "test").contains(said));
    }
    // Nothing was lost by the attempts: with its own identity the node comes back.
    std::fs::write(&identity, before).unwrap();
    cluster.start_node(0);
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_under_an_id_and_one_that_lost_its_directory_are_refused_by_name() {
    let mut cluster = Cluster::start().await;
    let client = cluster.client();
    receive(&client, "cup", 3).await;
    cluster.level().await;
    // On its own directory and ports, and with the same peers: it comes to the others with node 1's id.
    let peers: Vec<_> = cluster.nodes.iter().map(|n| format!("{}=r{}@{}@{}", n.id, n.id, n.client, n.raft)).collect();
    let second = tempfile::tempdir().unwrap();
    let mut node = std::process::Command::new(env!("CARGO_BIN_EXE_inventory-raft"));
    node.args(["--node-id", "1", "--region", "r1", "--cluster-id", "test", "--bootstrap", "--plaintext"]);
    node.args(["--raft-listen", "127.0.0.1:0", "--peers", &peers.join(","), "--data-dir"]).arg(second.path());
    let output = tokio::task::spawn_blocking(move || node.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("two nodes run under one id"), "{said}");
    // Node 1 itself, with nothing where its promises were.
    cluster.kill(0);
    let (data, aside) = (cluster.data_of(0).to_owned(), cluster.data_of(0).with_extension("aside"));
    std::fs::rename(&data, &aside).unwrap();
    cluster.start_node(0);
    let mut process = cluster.nodes[0].process.take().unwrap();
    let exit = eventually("the node to be refused", async || process.try_wait().unwrap()).await;
    let said = cluster.errors_of(0);
    assert!(!exit.success() && said.contains("join under a new id"), "{said}");
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
    // Nothing was lost by the attempts: with its own directory the node comes back.
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    cluster.start_node(0);
    cluster.level().await;
}
