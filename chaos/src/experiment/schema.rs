//! The JSON Schema of experiment files, for editors; made from the same catalog that files are read with.

use serde_json::{Value, json};

use super::{
    file::{DEFAULT_AGAIN_WITHIN, DEFAULT_DEALS, DEFAULT_LEASE, DEFAULT_RATE, TOPOLOGIES},
    model::Invariant,
    time::show,
};
use crate::fault::{CATALOG, Entry};

/// `$ref`s of it stay within it.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Experiment",
        "description": "What is broken when, how that is proved, when it is given up, and what is expected.",
        "type": "object",
        "additionalProperties": false,
        "required": ["experiment", "steady", "expect"],
        "anyOf": [{"required": ["step"]}, {"required": ["random"]}],
        "properties": {
            "experiment": experiment(),
            "parameters": {"type": "object", "description": "Defaults of what stands in braces elsewhere.", "additionalProperties": {"type": "string"}},
            "load": load(),
            "steady": steady(),
            "step": {"type": "array", "items": step(true)},
            "random": random(),
            "abort": abort(),
            "expect": expect(),
        },
        "$defs": {"time": {"type": "string", "pattern": r"^(\d+(ms|s|m|h)|\{\w+\})$", "examples": ["500ms", "10s", "5m", "1h"]}},
    })
}

fn time(about: &str) -> Value {
    json!({"$ref": "#/$defs/time", "description": about})
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn experiment() -> Value {
    let properties = json!({
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,60}$"},
        "hypothesis": {"type": "string", "description": "What is expected to be true, for people."},
        "seed": {"type": "integer", "minimum": 0, "default": 0, "description": "Draws who random(...) is, what shoppers do, and drawn faults."},
        "topology": {"enum": TOPOLOGIES, "default": TOPOLOGIES[0], "description": "What is started when none runs."},
    });
    object(&["name", "hypothesis"], properties)
}

fn load() -> Value {
    let rate = |about: &str, default: f64| json!({"type": "number", "minimum": 0, "maximum": 10_000, "default": default, "description": about});
    let count = || json!({"type": "integer", "minimum": 1});
    object(
        &[],
        json!({
            "rate": rate("Shoppers a second, over all edges.", DEFAULT_RATE),
            "deals": rate("Clients of the inventory itself a second.", DEFAULT_DEALS),
            "node_reads": rate("Reads a second that ask each node by itself for a linearizable answer.", 0.0),
            "sale": object(&["units", "shoppers"], json!({"units": count(), "shoppers": count()})),
        }),
    )
}

fn steady() -> Value {
    let again =
        format!("Longest time from the last heal until a whole window is so again; {} unless given.", show(DEFAULT_AGAIN_WITHIN));
    object(
        &["window"],
        json!({
            "window": time("How long it has to be so before anything is broken, and again afterwards."),
            "checkout_success": {"type": "string", "pattern": r"^>=\s*[\d.]+\s*%$", "examples": [">= 99.9%"]},
            "p99_ms": {"type": "string", "pattern": r"^<=\s*\d+$", "examples": ["<= 150"]},
            "replicas_level": {"type": "boolean", "default": false},
            "again_within": time(&again),
        }),
    )
}

fn step(has_time: bool) -> Value {
    let names = CATALOG.map(|entry| entry.name);
    let mut proofs: Vec<&str> = CATALOG.iter().map(Entry::proof).collect();
    proofs.sort_unstable();
    proofs.dedup();
    let mut properties = json!({
        "fault": {"enum": names, "description": "`chaos explain FAULT` tells of each."},
        "target": {
            "type": "string",
            "description": "Resolved when the fault begins: leader, follower, quorum-minus-one, everything, region:NAME, region-of(TARGET), random(TARGET), KIND, \
                KIND:REGION, or a process.",
            "examples": ["leader", "region-of(leader)", "random(follower)", "edge:*", "region:eu", "postgres"],
        },
        "for": time("How long it is held."),
        "set": {"type": "object", "description": "Parameters of the fault.", "additionalProperties": {"type": "integer"}},
        "proof": {"enum": proofs, "description": "What shows that it took effect; the one of its fault."},
    });
    let mut required = vec!["fault", "target"];
    if has_time {
        properties["at"] = time("From the end of the gate on.");
        let about = "Draws who random(...) is; without it, the experiment's seed and the place of the step do.";
        properties["seed"] = json!({"type": "integer", "minimum": 0, "description": about});
        required.insert(0, "at");
    }
    let mut step = object(&required, properties);
    step["allOf"] = CATALOG.iter().map(of_fault).collect();
    step
}

/// What goes with one fault.
fn of_fault(entry: &Entry) -> Value {
    let parameter = |one: &crate::fault::Parameter| {
        (one.name.to_owned(), json!({"type": "integer", "minimum": one.least, "maximum": one.most, "default": one.default}))
    };
    let parameters: serde_json::Map<String, Value> = entry.parameters.iter().map(parameter).collect();
    let mut then = json!({"properties": {
        "proof": {"const": entry.proof()},
        "set": {"additionalProperties": false, "properties": parameters},
    }});
    if entry.lasts() {
        then["required"] = json!(["for"]);
    } else {
        then["not"] = json!({"required": ["for"]});
    }
    json!({"if": {"properties": {"fault": {"const": entry.name}}}, "then": then})
}

fn random() -> Value {
    let properties = json!({
        "for": time("How long faults are drawn."),
        "every": time("From one fault to the next."),
        "pick": {"type": "array", "minItems": 1, "items": step(false)},
    });
    object(&["for", "every", "pick"], properties)
}

fn abort() -> Value {
    let condition = json!({"type": "string", "anyOf": [
        {"enum": ["invariant.violated", "operator"]},
        {"pattern": r"^error_rate\s+>\s+[\d.]+%\s+for\s+\d+(ms|s|m|h)$"},
    ]});
    let lease =
        format!("Faults heal so long after the last word of whoever injected them; {} unless given.", show(DEFAULT_LEASE));
    object(
        &[],
        json!({"any": {"type": "array", "items": condition, "default": ["invariant.violated", "operator"]}, "lease": time(&lease)}),
    )
}

fn expect() -> Value {
    let names: Vec<&str> = Invariant::NAMES.iter().map(|(name, _)| *name).collect();
    let seconds = |about: &str| json!({"type": "number", "minimum": 0, "maximum": 43_200, "description": about});
    let invariants = json!({"type": "array", "items": {"type": "string", "anyOf": [{"enum": names}, {"pattern": r"^stale\s+<=\s+\d+(ms|s|m|h)$"}]}});
    object(
        &["invariants"],
        json!({
            "rto_s": seconds("From each fault until checkouts are answered again."),
            "rpo_ops": {"type": "integer", "minimum": 0, "default": 0},
            "max_unavailable_s": seconds("Longest time without an answered checkout in a region that is not itself broken."),
            "invariants": invariants,
        }),
    )
}
