//! The schema of the channel's block that the plugin folder brings: it has the keys that the
//! component reads, and the defaults are those that the component takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use whatsapp_personal_plugin::config::known_keys;
use whatsapp_personal_plugin::report::{AccountReport, Asked, Health, validate};
use whatsapp_personal_plugin::unknown_key::nearest;

use crate::support::{Variables, fixture};

const SCHEMA: &str =
    include_str!("../../../runtime-plugins/whatsapp-personal-bridge/config.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The properties of the block and of an account.
fn properties(schema: &Value) -> [&Map<String, Value>; 2] {
    let block = &schema["properties"];
    let account = &block["accounts"]["additionalProperties"]["properties"];
    [block, account].map(|properties| properties.as_object().unwrap())
}

/// A keyword of a property, its own or that of what it refers to. Words to choose from stand beside
/// a pattern that also takes them with blanks around.
fn keyword<'a>(schema: &'a Value, property: &'a Value, name: &str) -> Option<&'a Value> {
    let own = property.get(name).or(property["anyOf"][0].get(name));
    own.or_else(|| {
        let pointer = property.get("$ref")?.as_str()?.strip_prefix('#')?;
        keyword(schema, schema.pointer(pointer).unwrap(), name)
    })
}

#[test]
fn the_schema_has_the_keys_that_the_component_reads() {
    let schema = schema();
    let [block, account] =
        properties(&schema).map(|keys| keys.keys().cloned().collect::<BTreeSet<String>>());
    let (known_in_block, known_in_account) = known_keys();
    let set = |keys: Vec<String>| keys.into_iter().collect::<BTreeSet<String>>();
    assert_eq!(
        (block, account),
        (set(known_in_block), set(known_in_account))
    );
}

#[test]
fn every_key_says_what_it_is_and_what_counts_without_it() {
    let schema = schema();
    for (key, property) in properties(&schema).into_iter().flatten() {
        let text = keyword(&schema, property, "description").and_then(Value::as_str);
        let text = text.unwrap_or_else(|| panic!("{key} has no description"));
        assert!(keyword(&schema, property, "type").is_some(), "{key}");
        assert!(
            keyword(&schema, property, "default").is_some() || text.contains("Left out: "),
            "{key} does not say what counts without it"
        );
    }
}

fn only_account(block: &Value) -> AccountReport {
    let none = Variables(BTreeMap::new());
    let report = validate(&block.to_string(), Asked::default(), &none);
    assert!(report.issues.is_empty(), "{block}: {:?}", report.issues);
    let [account] = report.accounts.as_slice() else {
        panic!("{report:?}");
    };
    account.clone()
}

#[test]
fn a_default_of_the_schema_is_what_counts_when_the_key_is_left_out() {
    let schema = schema();
    let [block, _account] = properties(&schema);
    let set = json!({ "enabled": true, "bridge_url": "http://127.0.0.1:39731/bridge", "auth_dir": "~/wa", "allowed_chat_ids": ["*"] });
    let without = only_account(&set);
    for (key, property) in block {
        let default = keyword(&schema, property, "default");
        let Some(default) = default.filter(|_| set.get(key).is_none()) else {
            continue;
        };
        let mut with = set.clone();
        with[key] = default.clone();
        assert_eq!(only_account(&with), without, "{key} = {default}");
    }
    assert!(!only_account(&json!({})).account.enabled);
    assert_eq!(block["enabled"]["default"], false);
}

#[test]
fn examples_and_words_to_choose_from_are_taken() {
    let schema = schema();
    let [block, _account] = properties(&schema);
    for (key, property) in block {
        let values = ["enum", "examples"]
            .into_iter()
            .filter_map(|name| keyword(&schema, property, name)?.as_array())
            .flatten();
        for value in values {
            let mut with = json!({ "enabled": true, "bridge_url": "http://127.0.0.1:39731/bridge", "auth_dir": "~/wa", "allowed_chat_ids": ["*"] });
            with[key] = value.clone();
            for readiness in only_account(&with).readiness {
                assert_eq!(readiness.health, Health::Ready, "{key} = {value}");
            }
        }
    }
}

#[test]
fn the_nearest_name_is_the_one_of_the_table() {
    let table = fixture("nearest.json");
    let known: Vec<&str> = table["known"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for case in table["cases"].as_array().unwrap() {
        let near = nearest(case["written"].as_str().unwrap(), known.iter().copied());
        assert_eq!(json!(near), case["nearest"], "{case}");
    }
}
