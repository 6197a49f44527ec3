//! Where plugins are looked for, and every manifest that lies there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::check::{Checks, Finding, Id};
use super::config::plugin_lines;
use super::remedy::Remedy;
use crate::commands::shell::quoted;
use crate::config::Config;
use crate::discovery::roots::{Discovery, DiscoveryError, Skipped, discover};
use crate::home::Home;

/// Looks through the roots, which count from `directory`; none when there is nothing to look
/// through. `nearby` are roots that the configuration could name.
pub(super) fn examine(
    checks: &mut Checks,
    config: &Config,
    directory: &Path,
    home: &Home,
    nearby: &[PathBuf],
) -> Option<Discovery> {
    let root = nearby.first().map(PathBuf::as_path);
    let discovery = match discover(&config.runtime_plugins, directory, home) {
        Ok(discovery) => discovery,
        Err(error) => {
            if !matches!(error, DiscoveryError::Disabled) {
                checks.ok(Id::RuntimePlugins, "enabled");
            }
            let id = match error {
                DiscoveryError::Disabled => Id::RuntimePlugins,
                DiscoveryError::NoRoots
                | DiscoveryError::MissingRoot { .. }
                | DiscoveryError::Unreadable { .. }
                | DiscoveryError::TooLarge { .. } => Id::Roots,
            };
            checks.add(id, unlooked(&error, config, root));
            return None;
        }
    };
    checks.ok(Id::RuntimePlugins, "enabled");
    for root in &discovery.roots {
        checks.add(Id::Roots, judge(root));
    }
    manifests(checks, &discovery, root);
    Some(discovery)
}

/// Why nothing was looked through, with the lines that change it.
fn unlooked(error: &DiscoveryError, config: &Config, nearby: Option<&Path>) -> Finding {
    let file = config.path.display();
    let has_roots = config
        .runtime_plugins
        .roots
        .iter()
        .any(|root| !root.trim().is_empty());
    match error {
        DiscoveryError::Disabled | DiscoveryError::NoRoots => {
            let lines = if has_roots {
                "[runtime_plugins]\nenabled = true".to_owned()
            } else {
                plugin_lines(nearby)
            };
            let found = Finding::fail(error.to_string(), format!("let {file} say\n{lines}"));
            match nearby.and_then(Path::to_str) {
                None if !has_roots => found,
                root => found.mended_by(Remedy::LookForPlugins {
                    config: config.path.clone(),
                    root: root.filter(|_| !has_roots).map(str::to_owned),
                }),
            }
        }
        DiscoveryError::MissingRoot { .. } => {
            let mut hint = error.hint().to_owned();
            if let Some(root) = nearby {
                hint.push_str(&format!("; in {file}:\n{}", plugin_lines(Some(root))));
            }
            Finding::fail(error.to_string(), hint)
        }
        DiscoveryError::TooLarge { .. } => Finding::fail(error.to_string(), error.hint()),
        DiscoveryError::Unreadable { path, .. } => Finding::fail(
            error.to_string(),
            format!("{}: chmod u+rx {}", error.hint(), quoted(path)),
        ),
    }
}

fn judge(root: &Path) -> Finding {
    let shown = root.display();
    let mode = fs::metadata(root).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    // A group that may write is how many a team works; everybody is nobody's way.
    if mode & 0o002 == 0 {
        return Finding::ok(shown.to_string());
    }
    Finding::warn(
        format!("everybody on this machine can change {shown} (mode {mode:04o}), and loong runs what lies there"),
        format!("chmod o-w {}", quoted(root)),
    )
    .mended_by(Remedy::Permissions {
        path: root.to_path_buf(),
        take: 0o002,
        give: 0,
    })
}

fn manifests(checks: &mut Checks, discovery: &Discovery, nearby: Option<&Path>) {
    for skipped in &discovery.skipped {
        let seen = skipped.words();
        // A channel plugin that cannot be used stands in somebody's way; a stranger does not.
        if skipped.reason.concerns_a_channel() {
            checks.fail(Id::Manifest, seen, skipped.reason.hint());
        } else {
            checks.warn(Id::Manifest, seen, skipped.reason.hint());
        }
    }
    for duplicate in discovery.duplicates() {
        checks.fail(Id::Manifest, duplicate.to_string(), duplicate.hint());
    }
    for plugin in &discovery.found {
        checks.ok(
            Id::Manifest,
            format!(
                "{} {} at {}",
                plugin.manifest.plugin_id,
                plugin.manifest.version,
                plugin.manifest_path.display()
            ),
        );
    }
    let lost = |it: &Skipped| it.reason.concerns_a_channel();
    if discovery.found.is_empty() && !discovery.skipped.iter().any(lost) {
        let hint = nearby.map_or_else(
            || "let runtime_plugins.roots name the folder that holds your plugins".to_owned(),
            |root| format!("there are some nearby; write\n{}", plugin_lines(Some(root))),
        );
        checks.fail(
            Id::Manifest,
            "no loong.plugin.json of a channel lies below the roots",
            hint,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("/c.toml"), text.to_owned()).unwrap()
    }

    #[test]
    fn the_lines_to_write_are_those_that_are_missing() {
        let near = Some(Path::new("/near"));
        let off = config("[runtime_plugins]\nroots = ['./p']");
        let found = unlooked(&DiscoveryError::Disabled, &off, near);
        assert_eq!(
            found.hint,
            "let /c.toml say\n[runtime_plugins]\nenabled = true"
        );
        let remedy = |root: Option<&str>| Remedy::LookForPlugins {
            config: "/c.toml".into(),
            root: root.map(str::to_owned),
        };
        assert_eq!(found.remedy, Some(remedy(None)));

        let empty = config("");
        for error in [DiscoveryError::Disabled, DiscoveryError::NoRoots] {
            let found = unlooked(&error, &empty, near);
            assert!(
                found.hint.ends_with("enabled = true\nroots = [\"/near\"]"),
                "{found:?}"
            );
            assert_eq!(found.remedy, Some(remedy(Some("/near"))));
            let found = unlooked(&error, &empty, None);
            assert!(
                found.hint.contains("roots = [\"./runtime-plugins\"]"),
                "{found:?}"
            );
            assert_eq!(found.remedy, None, "there is no root to name");
        }
    }

    #[test]
    fn a_root_that_everybody_can_change_is_worth_a_look() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(judge(root.path()).status, Status::Ok);
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let open = judge(root.path());
        assert_eq!(open.status, Status::Warn);
        assert!(open.hint.starts_with("chmod o-w"), "{open:?}");
    }
}
