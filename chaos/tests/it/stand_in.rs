//! A cluster's API, as far as faults ask it: it keeps objects as the real one does, and everything that was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "shop";
pub(crate) const TOKEN: &str = "token-of-a-service-account";
const FAULT: &str = "chaos.storefront.example/fault";

/// One request that changes something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct Objects {
    /// By plural and name.
    pub(crate) objects: BTreeMap<(String, String), Value>,
    pub(crate) asked: Vec<Asked>,
    /// Requests that the real one would not understand.
    pub(crate) surprises: Vec<String>,
    pub(crate) ignores_policies: bool,
    /// What this service account may not list.
    pub(crate) hidden: Option<&'static str>,
    next_uid: u64,
}

pub(crate) struct StandIn {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<Objects>>,
}

fn pod(name: &str, component: &str, region: &str, uid: u64) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid-{uid}"), "labels": {
            "app.kubernetes.io/part-of": "storefront", "app.kubernetes.io/component": component, "storefront.example/region": region,
        }},
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9000}]}]},
        "status": {"phase": "Running"},
    })
}

impl Objects {
    fn add_pod(&mut self, name: &str, component: &str, region: &str) {
        self.next_uid += 1;
        self.objects.insert(("pods".to_owned(), name.to_owned()), pod(name, component, region, self.next_uid));
    }

    fn add_workload(&mut self, plural: &str, component: &str, pods: &[(&str, &str)]) {
        let labels = json!({"app.kubernetes.io/part-of": "storefront", "app.kubernetes.io/component": component});
        let object = json!({
            "metadata": {"name": component, "labels": labels},
            "spec": {"replicas": pods.len(), "selector": {"matchLabels": {"app.kubernetes.io/component": component}}},
        });
        self.objects.insert((plural.to_owned(), component.to_owned()), object);
        pods.iter().for_each(|(name, region)| self.add_pod(name, component, region));
    }

    pub(crate) fn get(&self, plural: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(plural.to_owned(), name.to_owned()))
    }

    fn list(&self, plural: &str, selector: &str) -> Value {
        let has = |object: &Value, wanted: &str| match wanted.split_once('=') {
            Some((name, value)) => object["metadata"]["labels"][name] == value,
            None => object["metadata"]["labels"][wanted].is_string(),
        };
        let of = self.objects.iter().filter(|((kind, _), object)| kind == plural && has(object, selector));
        json!({"kind": "List", "items": of.map(|(_, object)| object.clone()).collect::<Vec<_>>()})
    }

    /// Whether a policy cuts a pod off.
    fn is_isolated(&self, pod: &Value) -> bool {
        let selects = |policy: &Value| policy["spec"]["podSelector"]["matchLabels"][FAULT] == pod["metadata"]["labels"][FAULT];
        let is_marked = pod["metadata"]["labels"][FAULT].is_string();
        is_marked
            && !self.ignores_policies
            && self.objects.iter().any(|((kind, _), object)| kind == "networkpolicies" && selects(object))
    }

    /// As a controller would: as many pods as there are to be, each with an id of its own.
    fn reconcile(&mut self, component: &str) {
        let workloads = self.objects.iter().filter(|((kind, name), _)| kind != "pods" && name == component);
        let wanted = workloads.map(|(_, object)| object["spec"]["replicas"].as_u64().unwrap()).next().unwrap();
        for nth in 0..wanted {
            let name = format!("{component}-{nth}");
            if self.get("pods", &name).is_none() {
                self.add_pod(&name, component, "eu");
            }
        }
    }

    /// `pods/NAME:9000/proxy/...`
    fn proxy(&self, name: &str, path: &str) -> (StatusCode, String) {
        let Some(pod) = self.get("pods", name).filter(|pod| !self.is_isolated(pod)) else {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({"kind": "Status", "message": "error trying to reach service"}).to_string(),
            );
        };
        let leads = u8::from(pod["metadata"]["name"] == "inventory-1");
        match path {
            "livez" => (StatusCode::OK, "ok\n".to_owned()),
            "metrics" => (StatusCode::OK, format!("# TYPE inventory_term gauge\ninventory_term 7\ninventory_leads {leads}\n")),
            _ => (StatusCode::NOT_FOUND, String::new()),
        }
    }
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return *into = patch.clone() };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(name);
        } else {
            merge(into.as_object_mut().unwrap().entry(name).or_insert(Value::Null), value);
        }
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, json!({"kind": "Status", "status": "Failure", "message": message}).to_string()).into_response()
}

type Shared = Arc<Mutex<Objects>>;

async fn answer(State(state): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = state.lock().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    if header("authorization") != format!("Bearer {TOKEN}") {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    if method != Method::GET {
        let line = format!("{method} {uri}");
        state.asked.push(Asked { line, content_type: header("content-type"), body: body.clone() });
    }
    let groups = [
        ("/api/v1", &["pods"][..]),
        ("/apis/apps/v1", &["statefulsets", "deployments"]),
        ("/apis/networking.k8s.io/v1", &["networkpolicies"]),
    ];
    let found = groups.iter().find_map(|(group, plurals)| {
        let rest = uri.path().strip_prefix(group)?.strip_prefix(&format!("/namespaces/{NAMESPACE}/"))?;
        let (plural, name) = rest.split_once('/').unwrap_or((rest, ""));
        plurals.contains(&plural).then(|| (plural.to_owned(), name.to_owned()))
    });
    let Some((plural, name)) = found else {
        state.surprises.push(format!("{method} {uri}"));
        return refused(StatusCode::FORBIDDEN, "pods is forbidden: another namespace");
    };
    if let Some((pod, path)) = name.split_once(":9000/proxy/") {
        return state.proxy(pod, path).into_response();
    }
    if method == Method::GET && name.is_empty() && state.hidden.is_some_and(|hidden| hidden == plural) {
        return refused(StatusCode::FORBIDDEN, &format!("{plural} is forbidden: cannot list"));
    }
    let key = (plural.clone(), name.clone());
    if !name.is_empty() && !state.objects.contains_key(&key) {
        return refused(StatusCode::NOT_FOUND, "not found");
    }
    change(&mut state, &method, &uri, key, body, &header("content-type"))
}

fn change(state: &mut Objects, method: &Method, uri: &Uri, key: (String, String), body: Value, content_type: &str) -> Response {
    let component =
        |object: &Value| object["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap_or_default().to_owned();
    match *method {
        Method::GET if key.1.is_empty() => {
            let query = uri.query().unwrap_or_default();
            let selector = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector=")).unwrap_or_default();
            state.list(&key.0, &selector.replace("%2F", "/").replace("%3D", "=")).to_string().into_response()
        }
        Method::POST if key == ("networkpolicies".to_owned(), String::new()) => {
            let name = body["metadata"]["name"].as_str().unwrap().to_owned();
            state.objects.insert((key.0, name), body);
            StatusCode::CREATED.into_response()
        }
        Method::PATCH if content_type == "application/merge-patch+json" => {
            let object = state.objects.get_mut(&key).unwrap();
            merge(object, &body);
            let (object, is_workload) = (object.clone(), key.0 == "statefulsets" || key.0 == "deployments");
            if is_workload {
                if body["spec"]["template"].is_object() {
                    state.objects.remove(&("pods".to_owned(), format!("{}-0", key.1)));
                }
                state.reconcile(&key.1);
            }
            object.to_string().into_response()
        }
        Method::DELETE => {
            let object = state.objects[&key].clone();
            let uid = &body["preconditions"]["uid"];
            if key.0 == "pods" && *uid != object["metadata"]["uid"] {
                return refused(StatusCode::CONFLICT, "the UID in the precondition does not match");
            }
            state.objects.remove(&key);
            if key.0 == "pods" {
                state.reconcile(&component(&object));
            }
            "{}".into_response()
        }
        _ => {
            state.surprises.push(format!("{method} {uri} as {content_type}"));
            refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not understood")
        }
    }
}

impl StandIn {
    /// Three nodes of the inventory, led by the second, and two edges.
    pub(crate) async fn start() -> Self {
        let mut objects = Objects::default();
        objects.add_workload("statefulsets", "inventory", &[("inventory-0", "eu"), ("inventory-1", "us"), ("inventory-2", "ap")]);
        objects.add_workload("deployments", "edge", &[("edge-0", "eu"), ("edge-1", "us")]);
        let state = Arc::new(Mutex::new(objects));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}
