//! What accounts may not share: a port, because one bridge can listen on it, and a folder, because
//! it holds one login. Looks over all accounts of all channels.

use std::path::PathBuf;

use super::account::Served;
use super::check::{Checks, Id};
use crate::real_path::real;

/// Compares every enabled account with those before it.
pub(super) fn examine(checks: &mut Checks, accounts: &[Served]) {
    let enabled: Vec<&Served> = accounts.iter().filter(|account| account.enabled).collect();
    for (place, account) in enabled.iter().enumerate() {
        let earlier = enabled.get(..place).unwrap_or_default();
        checks.about(Some(&account.channel), Some(&account.label));
        if let Some(port) = port(account)
            && let Some(other) = earlier
                .iter()
                .find(|other| self::port(other) == Some(port.clone()))
        {
            checks.fail(
                Id::SharedPort,
                format!("its bridge_url has the host and port of {}: {}:{}", other.name(), port.0, port.1),
                format!("give each account a port of its own: bridge_url = \"http://127.0.0.1:{}/bridge\"", free_port(&enabled)),
            );
        }
        if let Some(folder) = folder(account)
            && let Some(other) = earlier
                .iter()
                .find(|other| self::folder(other).as_ref() == Some(&folder))
        {
            checks.fail(
                Id::SharedAuthDir,
                format!(
                    "its auth_dir is that of {}: {}",
                    other.name(),
                    folder.display()
                ),
                format!(
                    "give each account a folder of its own: auth_dir = \"~/.loong/{}/{}\"",
                    account.channel, account.label
                ),
            );
        }
    }
    checks.about(None, None);
}

/// By number: `localhost` is no other place.
fn port(account: &Served) -> Option<(String, u16)> {
    let address = account.address.as_ref()?.numbered();
    Some((address.host().to_owned(), address.port()))
}

/// Where it really is: paths that differ may lead to one folder.
fn folder(account: &Served) -> Option<PathBuf> {
    account.auth_dir.as_deref().map(real)
}

/// One above all that are taken here.
fn free_port(accounts: &[&Served]) -> u16 {
    let taken = accounts
        .iter()
        .filter_map(|account| port(account))
        .map(|(_, port)| port);
    taken
        .max()
        .and_then(|port| port.checked_add(1))
        .unwrap_or(39731)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::BridgeAddress;

    fn account(label: &str, url: &str, folder: PathBuf) -> Served {
        Served {
            channel: "pigeon-post".into(),
            id: label.into(),
            label: label.into(),
            enabled: true,
            address: BridgeAddress::parse(url).ok(),
            auth_dir: Some(folder),
        }
    }

    fn failed(accounts: &[Served]) -> Vec<(Id, String)> {
        let mut checks = Checks::default();
        examine(&mut checks, accounts);
        let checks = checks.into_vec().into_iter();
        checks
            .map(|check| (check.id, check.account.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn one_port_is_one_port_however_the_host_is_written() {
        let at = |label: &str, url: &str| account(label, url, format!("/nowhere/{label}").into());
        let first = at("a", "http://127.0.0.1:39731/bridge");
        let table = [
            ("http://127.0.0.1:39731/other", true),
            ("http://localhost:39731/bridge", true),
            ("http://127.0.0.1:39732/bridge", false),
            ("http://127.0.0.2:39731/bridge", false),
        ];
        for (url, shared) in table {
            let found = failed(&[first.clone(), at("b", url)]);
            let expected = if shared {
                vec![(Id::SharedPort, "b".to_owned())]
            } else {
                vec![]
            };
            assert_eq!(found, expected, "{url}");
        }
        let off = Served {
            enabled: false,
            ..at("b", "http://127.0.0.1:39731/bridge")
        };
        assert!(failed(&[first, off]).is_empty());
    }

    #[test]
    fn one_folder_is_one_folder_through_dots_and_links_and_before_it_exists() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        std::fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        let with = |label: &str, path: &str, port: u16| {
            account(label, &format!("http://127.0.0.1:{port}/"), at(path))
        };
        for (one, two, shared) in [
            ("real", "real", true),
            ("real", "link", true),
            ("real", "real/../real/", true),
            ("real/new", "link/./new", true),
            ("real", "other", false),
        ] {
            let found = failed(&[with("a", one, 1), with("b", two, 2)]);
            let expected = if shared {
                vec![(Id::SharedAuthDir, "b".to_owned())]
            } else {
                vec![]
            };
            assert_eq!(found, expected, "{one} {two}");
        }
    }
}
