//! JSON Schemas of events, made from the types that are sent.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::event::{
    KINDS, OrderAllocated, OrderCancelled, OrderDelivered, OrderPaid, OrderPartlyCancelled, OrderPlaced, OrderReturned,
    OrderShipped,
};

/// Where a type's own parts are found in the OpenAPI way, and in a schema of its own.
const IN_OPENAPI: &str = "#/components/schemas/";
const IN_SCHEMA: &str = "#/$defs/";

/// Name (as the event's `type`) and JSON Schema (2020-12) of each event's data. Unknown fields are allowed: later versions may add some.
pub fn event_schemas() -> Vec<(&'static str, Value)> {
    let made = [
        of::<OrderPlaced>(),
        of::<OrderPaid>(),
        of::<OrderAllocated>(),
        of::<OrderShipped>(),
        of::<OrderDelivered>(),
        of::<OrderCancelled>(),
        of::<OrderReturned>(),
        of::<OrderPartlyCancelled>(),
    ];
    KINDS.into_iter().zip(made).map(|(name, schema)| (name, named(name, schema))).collect()
}

fn of<T: ToSchema + PartialSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let value = |schema| serde_json::to_value(schema).unwrap_or_default();
    let defs: Map<String, Value> = parts.into_iter().map(|(name, schema)| (name, value(schema))).collect();
    let mut schema = value(T::schema());
    if let Some(object) = schema.as_object_mut().filter(|_| !defs.is_empty()) {
        object.insert("$defs".to_owned(), Value::Object(defs));
    }
    schema
}

fn named(name: &str, mut schema: Value) -> Value {
    point_into_schema(&mut schema);
    let mut all = Map::new();
    all.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    all.insert("$id".to_owned(), json!(format!("https://storefront.example/schemas/{name}.json")));
    if let Value::Object(own) = schema {
        all.extend(own);
    }
    Value::Object(all)
}

fn point_into_schema(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => *text = text.replace(IN_OPENAPI, IN_SCHEMA),
                    other => point_into_schema(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point_into_schema),
        _ => {}
    }
}
