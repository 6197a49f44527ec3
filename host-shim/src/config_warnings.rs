//! Tables and keys of the configuration that look like a slip of the pen: nobody reads them, and one
//! of ours is called almost so. Other hosts read the same file, so what is merely unknown is left
//! alone. A channel's own block is judged by its component, `[reply]` by the reply engines.

use crate::config::{Config, RUNTIME_PLUGINS_KEYS, TABLES};
use crate::nearest::nearest;
use crate::serve::reply::provider_config;

/// Something written that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// Dotted path of it.
    pub config_path: String,
    pub message: String,
    pub hint: String,
}

impl ConfigWarning {
    /// Stable; the same word that a channel's component has for it.
    pub const CODE: &'static str = "unknown_key";
}

/// Every slip of the pen in `config`; `channel_keys` are the tables of the channels that are there.
pub fn slips(config: &Config, channel_keys: &[&str]) -> Vec<ConfigWarning> {
    let tables: Vec<&str> = TABLES.iter().chain(channel_keys).copied().collect();
    let mut warnings = of_table(None, config.names(), &tables);
    let mut look = |path: &str, value: Option<&toml::Value>, known: &[&str]| {
        if let Some(table) = value.and_then(toml::Value::as_table) {
            warnings.extend(of_table(
                Some(path),
                table.keys().map(String::as_str),
                known,
            ));
        }
    };
    let plugins = config.section("runtime_plugins");
    look("runtime_plugins", plugins, &RUNTIME_PLUGINS_KEYS);
    let provider = config.section("provider");
    look("provider", provider, &provider_config::KEYS);
    let providers = config.section("providers").and_then(toml::Value::as_table);
    for (id, value) in providers.into_iter().flatten() {
        look(
            &format!("providers.{id}"),
            Some(value),
            &provider_config::KEYS,
        );
    }
    warnings
}

fn of_table<'a>(
    path: Option<&str>,
    written: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Vec<ConfigWarning> {
    let unknown = written.filter(|key| !known.contains(key));
    unknown
        .filter_map(|key| {
            let meant = nearest(key, known.iter().copied())?;
            let config_path = path.map_or_else(|| key.to_owned(), |path| format!("{path}.{key}"));
            Some(ConfigWarning {
                message: format!(
                    "`{config_path}` is nothing that loong knows, so it has no effect"
                ),
                hint: format!("it was probably meant to be `{meant}`"),
                config_path,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let config = Config::parse(Path::new("loong.toml"), text.to_owned()).unwrap();
        let warnings = slips(&config, &["pigeon"]);
        let brief = |warning: ConfigWarning| (warning.config_path, warning.hint);
        warnings.into_iter().map(brief).collect()
    }

    #[test]
    fn each_slip_is_told_with_the_name_that_was_meant() {
        for (text, path, meant) in [
            ("[pigoen]", "pigoen", "`pigeon`"),
            ("[Pigeon]", "Pigeon", "`pigeon`"),
            ("[runtime_plugin]", "runtime_plugin", "`runtime_plugins`"),
            (
                "[runtime_plugins]\nroot = ['.']",
                "runtime_plugins.root",
                "`roots`",
            ),
            ("[provider]\nmodle = 'x'", "provider.modle", "`model`"),
            (
                "[providers.a]\nbase-url = 'x'",
                "providers.a.base-url",
                "`base_url`",
            ),
            (
                "actve_provider = 'a'",
                "actve_provider",
                "`active_provider`",
            ),
        ] {
            let [(at, hint)] = found(text)
                .try_into()
                .unwrap_or_else(|all| panic!("{all:?}"));
            assert_eq!(at, path);
            assert!(hint.contains(meant), "{hint}");
        }
    }

    #[test]
    fn what_is_known_or_another_programs_is_left_alone() {
        for text in [
            "",
            "[pigeon]\nanything = 1",
            "[telegram]\n[memory]\n[tools]\n[feishu]\n[mattermost]",
            "[runtime_plugins]\nenabled = true\nroots = []\nsupported_bridges = []",
            "[provider]\nkind = 'a'\nretry_attempts = 3\n[providers.b]\nmodel = 'x'",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
