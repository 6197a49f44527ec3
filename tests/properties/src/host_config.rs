//! The configuration file as the host reads it.

use std::path::Path;

use loong::config::{Config, RuntimePlugins};
use loong::config_warnings::slips;
use loong::home::Home;
use loong::serve::reply::config::{EngineKind, ReplySettings};
use proptest::prelude::*;

use crate::input::{text, text_with};

const TOML: &[&str] = &[
    "[runtime_plugins]\n",
    "enabled = true\n",
    "roots = [\"./a\"]\n",
    "[reply]\n",
    "engine = \"echo\"\n",
    "engine = \"command\"\n",
    "command = [\"a\"]\n",
    "timeout_s = 3\n",
    "concurrency = 0\n",
    "history_turns = -1\n",
    "[provider]\n",
    "kind = \"ollama\"\n",
    "model = \"m\"\n",
    "api_key = { env = \"KEY\" }\n",
    "base_url = \"http://127.0.0.1:1/\"\n",
    "[providers.a]\n",
    "active_provider = \"a\"\n",
    "[reply.accounts.work]\n",
    "instructions = \"\"\"\n",
    "\"\"\"\n",
    "[[a]]\n",
    "a.b = 1\n",
    "[whatsapp_personal]\n",
    "x = 1e400\n",
    "1979-05-27T07:32:00Z",
    "{",
    "}",
    "'",
    "nan",
    "0x",
    "\r\n",
    "# é\n",
];

properties!(
    no_text_whatever_breaks_the_reading(text_with(TOML), |text| {
        match Config::parse(Path::new("loong.toml"), text.clone()) {
            Ok(config) => {
                let plain: toml::Table = toml::from_str(&text).unwrap();
                assert_eq!(config.document().len(), plain.len());
                for warning in slips(&config, &["whatsapp_personal"]) {
                    assert!(
                        !warning.config_path.is_empty()
                            && !warning.message.is_empty()
                            && !warning.hint.is_empty()
                    );
                }
                for engine in [
                    None,
                    Some(EngineKind::Echo),
                    Some(EngineKind::Command),
                    Some(EngineKind::Provider),
                ] {
                    let variable = |name: &str| (name == "KEY").then(|| "secret".to_owned());
                    match ReplySettings::read(&config, &["work"], engine, &variable) {
                        Ok(settings) => {
                            assert!(settings.concurrency > 0 && !settings.timeout.is_zero())
                        }
                        Err(failure) => assert!(failure.hint.is_some(), "{failure:?}"),
                    }
                }
            }
            Err(failure) => {
                assert_eq!(failure.code, "config_invalid");
                assert!(failure.hint.is_some() && failure.cause.is_some());
                within(&failure.message, &text);
            }
        }
    }),
    the_hosts_own_table_is_read_as_it_is_written(
        (any::<bool>(), prop::collection::vec(text(), 0..4), text()),
        |(enabled, roots, more)| {
            let mut plugins = toml::Table::new();
            plugins.insert("enabled".to_owned(), enabled.into());
            plugins.insert("roots".to_owned(), toml::Value::from(roots.clone()));
            let mut document = toml::Table::new();
            document.insert("runtime_plugins".to_owned(), plugins.into());
            document.insert("more".to_owned(), more.into());
            let text = toml::to_string(&document).unwrap();
            let config = Config::parse(Path::new("loong.toml"), text).unwrap();
            assert_eq!(config.runtime_plugins, RuntimePlugins { enabled, roots });
            assert_eq!(config.document(), &document);
            assert_eq!(
                config
                    .typed_section::<toml::Table>("runtime_plugins")
                    .unwrap()
                    .as_ref(),
                document["runtime_plugins"].as_table()
            );
        }
    ),
    only_a_tilde_before_a_slash_is_the_home(
        prop_oneof![
            text().boxed(),
            text().prop_map(|rest| format!("~{rest}")).boxed(),
            text().prop_map(|rest| format!("~/{rest}")).boxed()
        ],
        |path| {
            let expanded = Home::at("/srv/loong", "/home/ana").expand(&path);
            if path == "~" || path.starts_with("~/") {
                assert!(expanded.starts_with("/home/ana"));
            } else {
                assert_eq!(expanded, Path::new(&path));
            }
        }
    ),
);

/// The place that an error names is one of the file.
fn within(message: &str, text: &str) {
    let place = message.split_once("loong.toml").unwrap().1;
    let mut numbers = place
        .split(':')
        .skip(1)
        .map(|number| number.parse::<usize>().unwrap());
    if let (Some(line), Some(column)) = (numbers.next(), numbers.next()) {
        let lines: Vec<&str> = text.split('\n').collect();
        assert!((1..=lines.len()).contains(&line), "{message}");
        assert!(
            (1..=lines[line - 1].chars().count() + 1).contains(&column),
            "{message}"
        );
    }
}
