//! One schema of the whole configuration file, put together from the host's own tables and what the
//! channels bring. Knows JSON Schema; finds no plugins.

use serde_json::{Map, Value, json};

use crate::error::Failure;

const HOST: &str = include_str!("host.schema.json");

/// The schema of the host's tables, and of `channels`: each under the key of its table.
///
/// # Errors
/// A fault of ours.
pub(super) fn document(channels: Vec<(String, Value)>) -> Result<Value, Failure> {
    let mut document: Value = serde_json::from_str(HOST).map_err(|error| {
        Failure::fault("host_schema", "our own schema is no JSON").because(error)
    })?;
    let own = document
        .get_mut("properties")
        .and_then(Value::as_object_mut);
    if let Some(properties) = own {
        for (key, mut schema) in channels {
            // A channel cannot redefine what is the host's.
            if properties.contains_key(&key) {
                continue;
            }
            move_to(&mut schema, &format!("#/properties/{}", escaped(&key)));
            properties.insert(key, schema);
        }
    }
    Ok(document)
}

/// What a channel's table is when its plugin does not say.
pub(super) fn open_table(label: &str) -> Value {
    json!({
        "title": label,
        "description": "The channel's plugin does not describe its keys.",
        "type": "object"
    })
}

/// Refuses every key that the schema does not know, in tables whose keys it does know; tables of other
/// programs beside ours stay allowed.
pub(super) fn close(document: &mut Value) {
    for place in ["properties", "$defs"] {
        if let Some(Value::Object(schemas)) = document.get_mut(place) {
            schemas.values_mut().for_each(close_table);
        }
    }
}

fn close_table(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        return;
    };
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(close_table);
    }
    for inner in ["additionalProperties", "items"] {
        if let Some(inner) = fields.get_mut(inner) {
            close_table(inner);
        }
    }
    let says_already = ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|keyword| fields.contains_key(*keyword));
    if fields.contains_key("properties") && !says_already {
        // Unlike `additionalProperties`, it sees what a schema says by reference.
        fields.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// Makes a schema that stood alone one that stands at `place` of a document: its references to itself
/// follow, and it is no document any more. One with an `$id` is its own document wherever it stands.
fn move_to(schema: &mut Value, place: &str) {
    let Value::Object(fields) = schema else {
        return;
    };
    if fields.contains_key("$id") {
        return;
    }
    fields.remove("$schema");
    refer_from(fields, place);
}

fn refer_from(fields: &mut Map<String, Value>, place: &str) {
    for (name, value) in fields {
        match value {
            Value::String(reference) if name == "$ref" => {
                if let Some(pointer) = reference.strip_prefix('#') {
                    *reference = format!("{place}{pointer}");
                }
            }
            Value::Object(inner) => refer_from(inner, place),
            Value::Array(items) => {
                let inner = items.iter_mut().filter_map(Value::as_object_mut);
                inner.for_each(|inner| refer_from(inner, place));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::{Config, RUNTIME_PLUGINS_KEYS, TABLES};
    use crate::serve::reply::config::{ACCOUNT_KEYS, KEYS, ReplySettings};
    use crate::serve::reply::provider_config;

    fn host() -> Value {
        document(Vec::new()).unwrap()
    }

    fn keys_at(pointer: &str) -> BTreeSet<String> {
        let host = host();
        let properties = host.pointer(pointer).unwrap().as_object().unwrap();
        properties.keys().cloned().collect()
    }

    #[test]
    fn the_hosts_tables_have_the_keys_that_the_host_reads() {
        let table: [(&str, &[&str]); 5] = [
            ("/properties", &TABLES),
            (
                "/properties/runtime_plugins/properties",
                &RUNTIME_PLUGINS_KEYS,
            ),
            ("/properties/reply/properties", &KEYS),
            (
                "/properties/reply/properties/accounts/additionalProperties/properties",
                &ACCOUNT_KEYS,
            ),
            ("/$defs/provider/properties", &provider_config::KEYS),
        ];
        for (pointer, keys) in table {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(keys_at(pointer), keys, "{pointer}");
        }
    }

    fn reads(table: &str, key: &str, value: &Value) -> bool {
        let set = "[provider]\nkind = \"ollama\"\nmodel = \"m\"\n";
        let text = match table {
            "provider" => format!("{set}{key} = {value}"),
            _ => format!("{set}[{table}]\n{key} = {value}"),
        };
        let config = Config::parse(Path::new("loong.toml"), text).unwrap();
        ReplySettings::read(&config, &[], None, &|_| None).is_ok()
    }

    #[test]
    fn the_limits_of_numbers_are_those_that_the_host_keeps() {
        let host = host();
        let mut seen = 0;
        for (table, pointer) in [
            ("reply", "/properties/reply/properties"),
            ("provider", "/$defs/provider/properties"),
        ] {
            for (key, schema) in host.pointer(pointer).unwrap().as_object().unwrap() {
                let (Some(least), Some(most)) =
                    (schema["minimum"].as_i64(), schema["maximum"].as_i64())
                else {
                    continue;
                };
                seen += 1;
                for (number, fits) in [
                    (least - 1, false),
                    (least, true),
                    (most, true),
                    (most + 1, false),
                ] {
                    assert_eq!(
                        reads(table, key, &json!(number)),
                        fits,
                        "{table}.{key} = {number}"
                    );
                }
            }
        }
        assert_eq!(seen, 5);
    }

    #[test]
    fn the_defaults_and_choices_are_those_of_the_host() {
        let host = host();
        let reply = &host["properties"]["reply"]["properties"];
        let config = |more: &str| {
            let text = format!(
                "[reply]\ncommand = [\"x\"]\n{more}[provider]\nkind = \"ollama\"\nmodel = \"m\""
            );
            let config = Config::parse(Path::new("loong.toml"), text).unwrap();
            ReplySettings::read(&config, &[], None, &|_| None).unwrap()
        };
        let without = config("");
        for key in ["timeout_s", "concurrency", "history_turns"] {
            let with = config(&format!("{key} = {}\n", reply[key]["default"]));
            assert_eq!(with, without, "{key}");
        }
        for engine in reply["engine"]["enum"].as_array().unwrap() {
            let with = config(&format!("engine = {engine}\n"));
            assert_eq!(with.engine_name(), engine.as_str().unwrap());
        }
    }

    #[test]
    fn every_key_says_what_it_is_and_what_counts_without_it() {
        fn look(path: &str, schema: &Value) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{key}");
                let text = property["description"].as_str();
                let text = text.unwrap_or_else(|| panic!("{path} has no description"));
                assert!(
                    ["type", "$ref"].iter().any(|it| property.get(it).is_some()),
                    "{path} has no type"
                );
                assert!(
                    property.get("default").is_some()
                        || text.contains("Left out: ")
                        || text.contains("must be there"),
                    "{path} does not say what counts without it"
                );
                look(&path, property);
                look(&path, &property["additionalProperties"]);
            }
        }
        look("", &host());
        look("provider", &host()["$defs"]["provider"]);
    }

    #[test]
    fn a_channels_schema_refers_to_itself_where_it_now_stands() {
        let pigeon = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}, "c": {"$ref": "urn:x"}},
            "$defs": {"a": {"type": "string"}}
        });
        let own = json!({"$id": "urn:dove", "properties": {"a": {"$ref": "#/$defs/a"}}});
        let channels = [("p/g", pigeon), ("dove", own.clone()), ("reply", json!({}))];
        let channels = channels.map(|(key, schema)| (key.to_owned(), schema));
        let document = document(channels.into()).unwrap();
        let pigeon = &document["properties"]["p/g"];
        assert!(pigeon.get("$schema").is_none());
        let moved = "#/properties/p~1g/$defs/a";
        assert_eq!(pigeon["properties"]["a"]["$ref"], moved);
        assert_eq!(pigeon["properties"]["b"]["anyOf"][0]["$ref"], moved);
        assert_eq!(pigeon["properties"]["c"]["$ref"], "urn:x");
        assert!(document.pointer(&moved[1..]).is_some());
        assert_eq!(document["properties"]["dove"], own);
        assert_eq!(
            document["properties"]["reply"],
            host()["properties"]["reply"]
        );
    }

    #[test]
    fn closing_refuses_unknown_keys_where_keys_are_known_and_nowhere_else() {
        let channels = [
            ("open".to_owned(), open_table("Open")),
            (
                "free".to_owned(),
                json!({"properties": {"x": {}}, "additionalProperties": {"type": "string"}}),
            ),
        ];
        let mut document = document(channels.into()).unwrap();
        close(&mut document);
        let closed = |pointer: &str| {
            document
                .pointer(pointer)
                .unwrap()
                .get("unevaluatedProperties")
                .is_some()
        };
        assert!(closed("/properties/runtime_plugins") && closed("/$defs/provider"));
        for open in [
            "",
            "/properties/reply",
            "/properties/providers",
            "/properties/open",
            "/properties/free",
        ] {
            assert!(!closed(open), "{open}");
        }
    }
}
