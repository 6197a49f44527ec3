//! The configuration file: whether it can be read, and who else can read or change it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use toml::Value;

use super::check::{Checks, Finding, Id};
use super::reach::me;
use super::remedy::Remedy;
use crate::cli::Global;
use crate::commands::shell::quoted;
use crate::config::Config;
use crate::discovery::manifest::{FILE_NAME, Manifest};
use crate::home::Home;

/// How keys end whose text nobody else should read, whoever's tables they stand in.
const SECRETS: [&str; 4] = ["api_key", "password", "secret", "token"];

/// Reads it; none when nothing can be read from it. `nearby` are roots that it could name.
pub(super) fn examine(
    checks: &mut Checks,
    global: &Global,
    home: &Home,
    nearby: &[PathBuf],
) -> Option<Config> {
    let config = match Config::find(global.config.as_deref(), home) {
        Ok(config) => config,
        Err(failure) if failure.code == "config_missing" => {
            let path = Config::locate(global.config.as_deref(), home);
            checks.fail(
                Id::Config,
                failure.to_string(),
                how_to_write_one(&path, nearby),
            );
            return None;
        }
        Err(failure) => {
            checks.add(Id::Config, failure);
            return None;
        }
    };
    checks.ok(Id::Config, config.path.display().to_string());
    if let Some(found) = access(&config) {
        checks.add(Id::ConfigAccess, found);
    }
    Some(config)
}

/// The lines of `[runtime_plugins]`, as they are to stand in the file.
pub(super) fn plugin_lines(root: Option<&Path>) -> String {
    let root = root.map_or("./runtime-plugins".into(), Path::to_string_lossy);
    format!("[runtime_plugins]\nenabled = true\nroots = [{root:?}]")
}

fn how_to_write_one(path: &Path, nearby: &[PathBuf]) -> String {
    let root = nearby.first();
    let channel = root.and_then(|root| channel_in(root));
    let channel = channel.as_deref().unwrap_or("<channel>");
    format!(
        "loong {channel} setup\nor name another file with --config or LOONG_CONFIG_PATH, or write {} by hand, beginning with\n{}\nand with the channel's own table below",
        path.display(),
        plugin_lines(root.map(PathBuf::as_path))
    )
}

/// The channel of the first plugin in a root, to name in a command.
fn channel_in(root: &Path) -> Option<String> {
    let mut folders: Vec<_> = fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.iter().find_map(|folder| {
        let manifest = Manifest::read(&folder.join(FILE_NAME));
        Some(manifest.ok()?.channel_id)
    })
}

fn access(config: &Config) -> Option<Finding> {
    let metadata = fs::metadata(&config.path).ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    let mut secrets = Vec::new();
    for (key, value) in config.document() {
        collect(key, value, &mut secrets);
    }
    let owner = match metadata.uid() {
        owner if owner == me() => Owner::Me,
        0 => Owner::Root,
        _ => Owner::Other,
    };
    Some(judge(&config.path, mode, owner, &secrets))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Me,
    Root,
    Other,
}

fn judge(path: &Path, mode: u32, owner: Owner, secrets: &[String]) -> Finding {
    let (shown, typed) = (path.display(), quoted(path));
    if owner == Owner::Other {
        Finding::warn(
            format!(
                "{shown} belongs to another user, who decides what loong does and which programs it runs"
            ),
            "use a configuration of your own, with --config or LOONG_CONFIG_PATH",
        )
    } else if mode & 0o044 != 0 && !secrets.is_empty() {
        Finding::warn(
            format!(
                "others can read {shown} (mode {mode:04o}), and it holds a secret: {}",
                secrets.join(", ")
            ),
            format!("chmod 600 {typed}\nor keep the secret in a variable: api_key = {{ env = \"NAME\" }}"),
        )
        .mended_by(Remedy::close_file(path))
    } else if mode & 0o022 != 0 {
        Finding::warn(
            format!(
                "others can change {shown} (mode {mode:04o}), and with it which programs loong runs"
            ),
            format!("chmod go-w {typed}"),
        )
        .mended_by(Remedy::lock_out(path))
    } else {
        Finding::ok(format!("mode {mode:04o}"))
    }
}

/// Paths of the keys that hold a secret as text, never what they hold.
fn collect(path: &str, value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let key = path.rsplit('.').next().unwrap_or(path);
            let text = text.trim();
            // `${NAME}` is the name of a variable.
            let secret = SECRETS.iter().any(|end| key.ends_with(end));
            if secret && !text.is_empty() && !text.starts_with("${") {
                secrets.push(path.to_owned());
            }
        }
        Value::Table(table) => {
            for (key, value) in table {
                collect(&format!("{path}.{key}"), value, secrets);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(path, item, secrets)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn secrets(text: &str) -> Vec<String> {
        let document: toml::Table = toml::from_str(text).unwrap();
        let mut secrets = Vec::new();
        for (key, value) in &document {
            collect(key, value, &mut secrets);
        }
        secrets
    }

    #[test]
    fn a_secret_is_text_and_not_the_name_of_a_variable() {
        for (text, found) in [
            ("[provider]\napi_key = 'k'", "provider.api_key"),
            ("[providers.a]\napi_key = 'k'", "providers.a.api_key"),
            ("[[x]]\nbot_token = 'k'", "x.bot_token"),
        ] {
            assert_eq!(secrets(text), [found]);
        }
        for text in [
            "[provider]\napi_key = '${NAME}'",
            "[provider]\napi_key = { env = 'NAME' }",
            "[provider]\napi_key = ' '",
            "[provider]\napi_key = 5",
            "[provider]\nmodel = 'api_key'",
        ] {
            assert!(secrets(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn who_else_can_read_a_secret_or_change_the_file_is_told() {
        let key = ["provider.api_key".to_owned()];
        let table: [(u32, Owner, &[String], Status, &str); 9] = [
            (0o600, Owner::Me, &key, Status::Ok, ""),
            (0o644, Owner::Me, &[], Status::Ok, ""),
            (0o644, Owner::Me, &key, Status::Warn, "chmod 600 /c.toml"),
            (0o640, Owner::Me, &key, Status::Warn, "chmod 600 /c.toml"),
            (0o604, Owner::Root, &key, Status::Warn, "chmod 600 /c.toml"),
            (0o664, Owner::Me, &[], Status::Warn, "chmod go-w /c.toml"),
            (0o602, Owner::Me, &key, Status::Warn, "chmod go-w /c.toml"),
            (0o644, Owner::Root, &[], Status::Ok, ""),
            (0o600, Owner::Other, &[], Status::Warn, "--config"),
        ];
        for (mode, owner, secrets, status, hint) in table {
            let found = judge(Path::new("/c.toml"), mode, owner, secrets);
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.hint.contains(hint), "{found:?}");
            let mended = found.remedy.is_some();
            assert_eq!(mended, status == Status::Warn && owner != Owner::Other);
        }
    }
}
