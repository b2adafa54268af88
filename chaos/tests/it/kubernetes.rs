//! `--target kubernetes`: every request that changes something is looked at, and so is what it leaves behind.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use storefront_service::testing::eventually;
use tokio::process::Command;

use crate::stand_in::{Asked, NAMESPACE, StandIn, TOKEN};

const FAULT: &str = "chaos.storefront.example/fault";

struct Cluster {
    api: StandIn,
    folder: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self { api: StandIn::start().await, folder }
    }

    fn chaos(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.args(arguments).args(["--kubernetes-api", &self.api.url, "--namespace", NAMESPACE, "--kubernetes-token-file"]);
        command.arg(self.folder.path().join("token")).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.chaos(arguments).output().await.unwrap()
    }

    /// As the API keeps it now.
    fn object(&self, plural: &str, name: &str) -> Value {
        self.api.state.lock().unwrap().get(plural, name).cloned().unwrap_or_default()
    }

    fn policies(&self) -> usize {
        self.api.state.lock().unwrap().objects.keys().filter(|(plural, _)| plural == "networkpolicies").count()
    }

    fn marked_pods(&self) -> usize {
        let state = self.api.state.lock().unwrap();
        state.objects.values().filter(|object| object["metadata"]["labels"][FAULT].is_string()).count()
    }

    fn is_understood(&self) {
        assert_eq!(self.api.state.lock().unwrap().surprises, Vec::<String>::new());
    }
}

fn text(output: &Output) -> String {
    format!("{:?} {}{}", output.status.code(), String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn lines(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.line.as_str()).collect()
}

#[tokio::test]
async fn the_leaders_pod_is_deleted_without_grace_and_by_its_id() {
    let cluster = Cluster::start().await;
    let output = cluster.run(&["inject", "process.kill", "--target", "kubernetes:leader", "--for", "1ms"]).await;
    assert!(output.status.success() && text(&output).contains("took effect: 1 pods are gone"), "{}", text(&output));
    let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 1, "preconditions": {"uid": "uid-2"}});
    let line = "DELETE /api/v1/namespaces/shop/pods/inventory-1".to_owned();
    assert_eq!(cluster.api.asked(), [Asked { line, content_type: "application/json".to_owned(), body }]);
    cluster.is_understood();
}

#[tokio::test]
async fn all_edges_stay_away_until_the_end_and_are_as_many_as_before() {
    let cluster = Cluster::start().await;
    let output = cluster.run(&["inject", "process.kill", "--target", "kubernetes:edge:*", "--for", "1ms"]).await;
    assert!(output.status.success(), "{}", text(&output));
    let asked = cluster.api.asked();
    let (deployment, pod) = ("PATCH /apis/apps/v1/namespaces/shop/deployments/edge", "DELETE /api/v1/namespaces/shop/pods/edge");
    assert_eq!(lines(&asked), [deployment, &format!("{pod}-0"), &format!("{pod}-1"), deployment]);
    let (down, up) = (&asked[0], &asked[3]);
    assert_eq!(down.content_type, "application/merge-patch+json");
    assert_eq!(down.body["spec"], json!({"replicas": 0}));
    assert_eq!(down.body["metadata"]["annotations"]["chaos.storefront.example/replicas"], "2");
    assert!(down.body["metadata"]["labels"][FAULT].as_str().unwrap().starts_with("process.kill-"));
    assert!(down.body["metadata"]["annotations"]["chaos.storefront.example/expires"].as_str().unwrap().ends_with('Z'));
    assert_eq!(up.body["spec"], json!({"replicas": 2}));
    let edge = cluster.object("deployments", "edge");
    assert_eq!((&edge["spec"]["replicas"], &edge["metadata"]["annotations"]), (&json!(2), &json!({})), "nothing is left behind");
    cluster.is_understood();
}

#[tokio::test]
async fn a_rolling_restart_changes_the_template_as_kubectl_does() {
    let cluster = Cluster::start().await;
    let output = cluster.run(&["inject", "process.rolling-restart", "--target", "kubernetes:inventory", "--for", "1ms"]).await;
    assert!(output.status.success(), "{}", text(&output));
    let asked = cluster.api.asked();
    assert_eq!(lines(&asked), ["PATCH /apis/apps/v1/namespaces/shop/statefulsets/inventory"]);
    let annotations = &asked[0].body["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string(), "{annotations}");
}

#[tokio::test]
async fn an_isolated_region_is_seen_to_be_cut_off_and_its_lease_is_renewed() {
    let cluster = Cluster::start().await;
    let arguments =
        ["inject", "partition.isolate", "--target", "kubernetes:region-of(leader)", "--for", "1s", "--lease", "600ms"];
    let output = cluster.run(&arguments).await;
    assert!(output.status.success() && text(&output).contains("nobody reaches 2 pods"), "{}", text(&output));
    let says = ["which heard 2 of them before", "what other pods reach, and connections that were open, was not looked at"];
    assert!(says.iter().all(|says| text(&output).contains(says)), "{}", text(&output));
    let asked = cluster.api.asked();
    let made = asked.iter().position(|asked| asked.line.starts_with("POST")).unwrap();
    let policy = &asked[made];
    assert_eq!(policy.line, "POST /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies");
    let id = policy.body["metadata"]["labels"][FAULT].as_str().unwrap();
    let spec = json!({"podSelector": {"matchLabels": {FAULT: id}}, "policyTypes": ["Ingress", "Egress"]});
    assert_eq!((&policy.body["spec"], &policy.body["kind"]), (&spec, &json!("NetworkPolicy")));
    // Both pods are marked before there is a policy, so that it is at them from its first moment.
    let marks: Vec<&str> = lines(&asked[..made]);
    let pod = "PATCH /api/v1/namespaces/shop/pods";
    assert_eq!(marks, [format!("{pod}/edge-1"), format!("{pod}/inventory-1")]);
    assert_eq!(asked[0].body, json!({"metadata": {"labels": {FAULT: id}}}));
    let path = format!("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/chaos-{id}");
    assert!(asked.iter().filter(|asked| asked.line == format!("PATCH {path}")).count() >= 2, "{asked:?}");
    assert!(asked.iter().any(|asked| asked.line == format!("DELETE {path}")));
    assert_eq!((cluster.policies(), cluster.marked_pods()), (0, 0));
    cluster.is_understood();
}

#[tokio::test]
async fn a_policy_that_the_network_ignores_took_no_effect() {
    let cluster = Cluster::start().await;
    cluster.api.state.lock().unwrap().ignores_policies = true;
    let output = cluster.run(&["inject", "partition.isolate", "--target", "kubernetes:edge:eu", "--for", "1ms"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("DID NOT TAKE EFFECT: edge-0 still answers"), "{}", text(&output));
    assert_eq!((cluster.policies(), cluster.marked_pods()), (0, 0));
}

#[tokio::test]
async fn what_a_killed_tool_left_is_healed_when_its_lease_is_over_or_by_heal_all() {
    let cluster = Cluster::start().await;
    let whole = cluster.run(&["heal", "--all", "--target", "kubernetes"]).await;
    assert!(text(&whole).contains("nothing was broken"), "{}", text(&whole));
    let arguments = ["inject", "partition.isolate", "--target", "kubernetes:edge:eu", "--for", "10m", "--lease", "60s"];
    let mut tool = cluster.chaos(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    eventually("a policy", async || (cluster.policies() == 1).then_some(())).await;
    tool.kill().await.unwrap();
    let early = cluster.run(&["heal", "--expired", "--target", "kubernetes"]).await;
    assert!(text(&early).contains("nothing was broken") && cluster.policies() == 1, "{}", text(&early));
    let told = cluster.run(&["list", "--target", "kubernetes", "--output", "json"]).await;
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told["active"][0]["object"].as_str().unwrap().starts_with("networkpolicies/chaos-partition.isolate-"), "{told}");
    for policy in cluster.api.state.lock().unwrap().objects.values_mut().filter(|object| object["kind"] == "NetworkPolicy") {
        policy["metadata"]["annotations"]["chaos.storefront.example/expires"] = json!("2026-01-01T00:00:00Z");
    }
    let late = cluster.run(&["heal", "--expired", "--target", "kubernetes"]).await;
    assert!(text(&late).contains("1 faults are healed"), "{}", text(&late));
    assert_eq!((cluster.policies(), cluster.marked_pods()), (0, 0));
    cluster.is_understood();
}

#[tokio::test]
async fn what_may_not_be_listed_is_told_and_keeps_nothing_else_from_being_healed() {
    let cluster = Cluster::start().await;
    let arguments = ["inject", "partition.isolate", "--target", "kubernetes:edge:eu", "--for", "10m", "--lease", "60s"];
    let mut tool = cluster.chaos(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    eventually("a policy", async || (cluster.policies() == 1).then_some(())).await;
    tool.kill().await.unwrap();
    for hidden in ["statefulsets", "pods"] {
        cluster.api.state.lock().unwrap().hidden = Some(hidden);
        let output = cluster.run(&["heal", "--all", "--target", "kubernetes"]).await;
        let says = text(&output);
        assert!(!output.status.success() && says.contains(&format!("{hidden} is forbidden")), "{hidden}: {says}");
        assert_eq!(cluster.policies(), 0, "{hidden}");
    }
    cluster.api.state.lock().unwrap().hidden = None;
    let output = cluster.run(&["heal", "--all", "--target", "kubernetes"]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(cluster.marked_pods(), 0);
    cluster.is_understood();
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anything_is_changed() {
    let cluster = Cluster::start().await;
    for (arguments, said) in [
        (&["inject", "process.pause", "--target", "kubernetes:leader"][..], "process.pause cannot be done by a cluster's API"),
        (&["inject", "member.demote", "--target", "kubernetes:leader"], "member.demote cannot be done by a cluster's API"),
        (&["inject", "process.kill", "--target", "kubernetes:redis"], "redis:* is nobody here; there are edge-0"),
        (&["inject", "process.kill", "--target", "kubernetes:leader", "--lease", "90s"], "a lease is up to 60 s"),
        (&["heal", "--expired"], "--target"),
    ] {
        let output = cluster.run(arguments).await;
        assert!(!output.status.success() && text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
    std::fs::write(cluster.folder.path().join("token"), "another").unwrap();
    let output = cluster.run(&["heal", "--all", "--target", "kubernetes"]).await;
    assert!(text(&output).contains("401") && text(&output).contains("Unauthorized"), "{}", text(&output));
    assert_eq!(cluster.api.asked(), []);
}
