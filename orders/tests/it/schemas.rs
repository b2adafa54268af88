//! The committed JSON Schemas of events are those of the types that are sent, and take what is sent.

use serde_json::Value;

fn path(name: &str) -> String {
    format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_schemas_are_current() {
    for (name, schema) in orders::event_schemas() {
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path(name), &current).unwrap();
        }
        let committed = std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(
            committed == current,
            "{name} is not current: a change of its shape is a new version of the event. \
            If only fields were added, run the test again with UPDATE_SCHEMAS=1 and commit it"
        );
    }
}

/// Checks an envelope, and its data against the schema that it names.
pub(crate) fn validate(event: &Value) {
    let text = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{name} of {event}"));
    assert_eq!((text("specversion"), text("datacontenttype")), ("1.0", "application/json"));
    assert_eq!((text("source"), text("subject")), ("/storefront/orders", text("partitionkey")));
    let sequence: u32 = text("sequence").parse().unwrap();
    assert_eq!(text("id"), format!("{}:{sequence}", text("subject")));
    assert_eq!(event["data"]["order_id"], event["subject"]);
    let name = text("dataschema").strip_prefix("https://storefront.example/schemas/").unwrap().strip_suffix(".json").unwrap();
    assert_eq!(name, text("type"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&event["data"]).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:?} in {event}");
    // A schema that takes anything would prove nothing.
    assert!(!validator.is_valid(&serde_json::json!({})));
}
