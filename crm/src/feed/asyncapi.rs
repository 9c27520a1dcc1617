//! The description of the broker's exchange, AsyncAPI 3.0; `schemas/asyncapi.json` is this, and a test holds real changes to it.
//! (<https://www.asyncapi.com/docs/reference/specification/v3.0.0>)

use afterglow_domain::{ConsentState, Segment};
use serde_json::{Value, json};

use crate::webhook::CONTENT_TYPE;

const RECORD: &str = "What is known of the viewer, whole: the newest is enough, an older one may be dropped.";

/// The description of what is published, for an installation whose `bus.prefix` is `afterglow`.
pub fn asyncapi() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Afterglow's changes",
            "version": "1",
            "description": "Every change of a brand's viewers, numbered without a gap but for people who were forgotten, published to a \
                RabbitMQ topic exchange: at least once, each brand's in order. Bind a queue of your own."
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": { "host": "broker.example:5671", "protocol": "amqps", "protocolVersion": "0-9-1" }
        },
        "channels": {
            "changes": {
                "address": "{brand}.{kind}",
                "description": "The routing key. Bind with `lumen.*` for a brand's, `#.forgotten` for all who are to be forgotten.",
                "parameters": {
                    "brand": { "description": "The brand's id." },
                    "kind": { "description": "What happened.", "enum": ["changed", "forgotten"] }
                },
                "messages": {
                    "changed": { "$ref": "#/components/messages/changed" },
                    "forgotten": { "$ref": "#/components/messages/forgotten" }
                },
                "bindings": { "amqp": {
                    "is": "routingKey",
                    "exchange": { "name": "afterglow.changes", "type": "topic", "durable": true, "autoDelete": false },
                    "bindingVersion": "0.3.0"
                } }
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "channel": { "$ref": "#/channels/changes" },
                "messages": [
                    { "$ref": "#/channels/changes/messages/changed" },
                    { "$ref": "#/channels/changes/messages/forgotten" }
                ],
                "bindings": { "amqp": { "deliveryMode": 2, "mandatory": true, "bindingVersion": "0.3.0" } }
            }
        },
        "components": {
            "messages": {
                "changed": message("changed", "Something of a viewer became known, or changed."),
                "forgotten": message("forgotten", "A person asked to be forgotten: forget them as well.")
            },
            "schemas": { "changed": event("changed", &record()), "forgotten": event("forgotten", &json!({ "type": "null" })) }
        }
    })
}

fn event_type(kind: &str) -> String {
    format!("app.afterglow.viewer.{kind}")
}

fn message(kind: &str, summary: &str) -> Value {
    json!({
        "name": kind,
        "summary": summary,
        "description": "The AMQP property message-id is the event's `id`, the property type its `type`.",
        "contentType": CONTENT_TYPE,
        "payload": { "$ref": format!("#/components/schemas/{kind}") },
        "bindings": { "amqp": { "messageType": event_type(kind), "bindingVersion": "0.3.0" } }
    })
}

/// A CloudEvent in structured mode, with this `data`.
fn event(kind: &str, data: &Value) -> Value {
    let text = || json!({ "type": "string" });
    object(&json!({
        "specversion": { "type": "string", "const": "1.0" },
        "id": { "type": "string", "format": "uuid", "description": "The change: the same whenever it is told." },
        "source": { "type": "string", "format": "uri-reference", "description": "`/viewers/` and the account." },
        "type": { "type": "string", "const": event_type(kind) },
        "subject": { "type": "string", "description": "The viewer, as the account sees them." },
        "time": { "type": "string", "format": "date-time" },
        "datacontenttype": { "type": "string", "const": "application/json" },
        "brand": text(),
        "account": text(),
        "sequence": {
            "type": "string", "pattern": "^[0-9]{20}$",
            "description": "Its place in the brand's feed, also the cursor of `/v1/brands/BRAND/changes`."
        },
        "data": data
    }))
}

fn record() -> Value {
    let text = || json!({ "type": "string" });
    let moment = |or: &str| json!({ "type": ["string", or], "format": "date-time" });
    let mut said: Vec<Value> = [ConsentState::OptedOut, ConsentState::Ambiguous, ConsentState::OptedIn]
        .iter()
        .map(|state| json!(state.as_str()))
        .collect();
    said.push(Value::Null);
    let mut record = object(&json!({
        "brand": text(),
        "account": text(),
        "viewer": text(),
        "username": { "type": ["string", "null"], "description": "The handle, when known." },
        "segment": { "type": "string", "enum": Segment::ALL.map(Segment::as_str) },
        "score": { "type": "number", "minimum": 0, "description": "The faded score, to three decimals." },
        "tags": { "type": "array", "items": text(), "uniqueItems": true },
        "consent": {
            "type": ["string", "null"], "enum": said,
            "description": "What they said about being written to; null if they never spoke of it."
        },
        "last_contact": moment("null"),
        "first_seen": { "type": "string", "format": "date-time" }
    }));
    record["description"] = json!(RECORD);
    record
}

/// An object of which every property is there.
fn object(properties: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().map(|all| all.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "required": names, "properties": properties })
}
