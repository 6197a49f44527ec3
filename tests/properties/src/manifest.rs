//! A plugin's manifest, and the folders in which manifests are looked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use loong::config::RuntimePlugins;
use loong::discovery::manifest::{FILE_NAME, Manifest};
use loong::discovery::roots::discover;
use loong::home::Home;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::input::{self, json, like, text, text_with};

const WORDS: &[&str] = &[
    "api_version",
    "v1alpha1",
    "plugin_id",
    "version",
    "channel_id",
    "endpoint",
    "metadata",
    "setup",
    "surface",
    "channel",
    "loong_component_file",
    "loong_component_wit",
    "loong:channel@0.1.0",
    "channel_aliases_json",
    "channel_target_kinds_json",
    "channel_environment_json",
    "channel_selection_order",
    "channel_config_schema_file",
    "pigeon.wasm",
    "../x",
    "/x",
    "[\"a\"]",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\"api_version\":\"v1alpha1\"",
    "\"setup\":{\"surface\":\"channel\"}",
    "\\u0000",
];

properties!(
    no_text_whatever_breaks_the_reading(text_with(JSON), |text| {
        sound(&text);
    }),
    a_manifest_of_any_shape_is_refused_in_words_or_sound(
        prop::collection::vec((prop::sample::select(POINTERS), json(WORDS)), 0..4),
        |changes| {
            let mut manifest = good("pigeon-post", "pigeon.wasm", &[]);
            for (pointer, value) in changes {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                if let Some(Value::Object(fields)) = manifest.pointer_mut(parent) {
                    fields.insert(key.to_owned(), value);
                }
            }
            sound(&manifest.to_string());
        }
    ),
    what_is_well_written_is_read_as_it_is_written(
        (
            like("[a-z][a-z-]{0,10}"),
            like("[a-z]{1,8}(/[a-z.]{1,8}x){0,2}"),
            prop::collection::vec(like("[a-zA-Z0-9][a-zA-Z0-9._-]{0,10}"), 0..4),
            any::<u32>(),
            prop::collection::vec((text(), text()), 0..4)
        ),
        |(channel, file, aliases, order, more)| {
            let mut manifest = good(&channel, &file, &aliases);
            let metadata = manifest["metadata"].as_object_mut().unwrap();
            metadata.insert(
                "channel_selection_order".to_owned(),
                json!(order.to_string()),
            );
            for (key, value) in &more {
                metadata.entry(key.clone()).or_insert(json!(value));
            }
            let expected: Map<String, Value> = metadata.clone();
            let read = Manifest::parse(&manifest.to_string()).unwrap();
            assert_eq!(
                (read.channel_id.as_str(), read.selection_order),
                (channel.as_str(), order)
            );
            assert_eq!(read.component, Path::new(&file));
            assert_eq!(read.aliases, aliases);
            assert!(
                aliases
                    .iter()
                    .chain([&channel])
                    .all(|name| read.is_called(name))
            );
            assert_eq!(json!(read.metadata), Value::Object(expected));
        }
    ),
    every_manifest_below_a_root_is_found_or_told_once(
        prop::collection::vec((folder(), any::<bool>(), any::<bool>()), 0..8),
        5,
        |folders| {
            let place = input::folder();
            let (mut good_ones, mut all) = (BTreeSet::new(), BTreeSet::new());
            for (folder, is_good, has_component) in folders {
                let folder = place.path().join("root").join(folder);
                fs::create_dir_all(&folder).unwrap();
                let manifest = if is_good {
                    good("pigeon-post", "pigeon.wasm", &[]).to_string()
                } else {
                    "{".to_owned()
                };
                let file = folder.join(FILE_NAME);
                if !all.insert(file.clone()) {
                    continue;
                }
                fs::write(&file, manifest).unwrap();
                if has_component {
                    fs::write(folder.join("pigeon.wasm"), "").unwrap();
                }
                if is_good && has_component {
                    good_ones.insert(file);
                }
            }
            fs::create_dir_all(place.path().join("root")).unwrap();
            // Two names for one folder find nothing twice.
            let plugins = RuntimePlugins {
                enabled: true,
                roots: vec!["./root".to_owned(), "root/../root".to_owned()],
            };
            let found = discover(
                &plugins,
                place.path(),
                &Home::at(place.path(), place.path()),
            )
            .unwrap();
            let plugins: Vec<_> = found
                .found
                .iter()
                .map(|plugin| plugin.manifest_path.clone())
                .collect();
            let skipped: Vec<_> = found
                .skipped
                .iter()
                .map(|skipped| skipped.manifest_path.clone())
                .collect();
            assert_eq!(plugins.iter().cloned().collect::<BTreeSet<_>>(), good_ones);
            assert_eq!(plugins.len() + skipped.len(), all.len());
            assert_eq!(
                plugins.into_iter().chain(skipped).collect::<BTreeSet<_>>(),
                all
            );
        }
    ),
);

const POINTERS: &[&str] = &[
    "/api_version",
    "/plugin_id",
    "/version",
    "/channel_id",
    "/endpoint",
    "/metadata",
    "/setup",
    "/setup/surface",
    "/setup/x",
    "/x",
    "/metadata/loong_component_file",
    "/metadata/loong_component_wit",
    "/metadata/channel_aliases_json",
    "/metadata/channel_environment_json",
    "/metadata/channel_selection_order",
    "/metadata/channel_config_schema_file",
    "/metadata/channel_label",
    "/metadata/x",
];

fn sound(text: &str) {
    match Manifest::parse(text) {
        Ok(manifest) => {
            let named = [
                &manifest.plugin_id,
                &manifest.version,
                &manifest.channel_id,
                &manifest.label,
                &manifest.config_key,
            ];
            assert!(
                named.iter().all(|name| !name.trim().is_empty()),
                "{manifest:?}"
            );
            assert!(
                manifest
                    .endpoint
                    .as_ref()
                    .is_none_or(|url| !url.trim().is_empty())
            );
            for path in [Some(&manifest.component), manifest.config_schema.as_ref()]
                .into_iter()
                .flatten()
            {
                assert!(
                    path.components()
                        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
                );
                assert!(!path.as_os_str().is_empty() && path.is_relative());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

fn good(channel: &str, file: &str, aliases: &[String]) -> Value {
    json!({
        "api_version": "v1alpha1",
        "plugin_id": "pigeon-loft",
        "version": "1.2.3",
        "channel_id": channel,
        "metadata": {
            "loong_component_file": file,
            "loong_component_wit": "loong:channel@0.1.0",
            "channel_aliases_json": json!(aliases).to_string(),
        },
        "setup": { "surface": "channel" },
    })
}

fn folder() -> impl Strategy<Value = String> {
    like("[a-z]{1,3}(/[a-z .é]{1,3}x){0,3}")
}
