//! Where bridges that run side by side have their port and their folder. Two in one place would
//! take each other's login and messages, so that is found out before the first one starts.

use std::path::PathBuf;

use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::real_path::real;

/// What one bridge has for itself.
#[derive(Debug)]
pub(super) struct Place {
    /// Whose it is, as configured.
    pub(super) account: String,
    pub(super) address: BridgeAddress,
    /// Absolute.
    pub(super) auth_dir: PathBuf,
}

/// Makes sure that no two share a port or a folder.
///
/// # Errors
/// The first two that do, by name.
pub(super) fn apart(places: &[Place]) -> Result<(), Failure> {
    let mut earlier: Vec<(&Place, PathBuf)> = Vec::new();
    for place in places {
        let folder = real(&place.auth_dir);
        for (other, taken) in &earlier {
            let both = format!("the accounts `{}` and `{}`", other.account, place.account);
            // Bridges listen on 127.0.0.1 alone, whatever name the operator wrote.
            if other.address.port() == place.address.port() {
                return Err(Failure::operator(
                    "bridges_share_port",
                    format!("{both} have one port, {}", place.address.port()),
                )
                .hint("give each account a bridge_url with a port of its own"));
            }
            if *taken == folder {
                return Err(Failure::operator(
                    "bridges_share_auth_dir",
                    format!(
                        "{both} have one folder for their login, {}",
                        folder.display()
                    ),
                )
                .hint("give each account an auth_dir of its own"));
            }
        }
        earlier.push((place, folder));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place(account: &str, url: &str, auth_dir: PathBuf) -> Place {
        Place {
            account: account.to_owned(),
            address: BridgeAddress::parse(url).unwrap(),
            auth_dir,
        }
    }

    #[test]
    fn bridges_with_a_port_and_a_folder_of_their_own_are_apart() {
        let places = [
            place("home", "http://127.0.0.1:1001/bridge", "/no/home".into()),
            place("work", "http://127.0.0.1:1002/bridge", "/no/work".into()),
            place("inner", "http://127.0.0.1:1003/bridge", "/no/work/x".into()),
        ];
        assert_eq!(apart(&places), Ok(()));
    }

    #[test]
    fn one_port_is_one_place_whatever_the_host_is_called() {
        for url in [
            "http://127.0.0.1:1001/other",
            "http://localhost:1001/bridge",
        ] {
            let refusal = apart(&[
                place("a", "http://127.0.0.1:1000/", "/no/a".into()),
                place("home", "http://127.0.0.1:1001/bridge", "/no/home".into()),
                place("work", url, "/no/work".into()),
            ])
            .unwrap_err();
            assert_eq!(refusal.code, "bridges_share_port");
            let words = "the accounts `home` and `work` have one port, 1001";
            assert_eq!(refusal.message, words);
        }
    }

    #[test]
    fn one_folder_is_found_behind_every_way_to_write_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |written: &str| root.path().join(written);
        fs::create_dir_all(at("wa/home")).unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        symlink(at("wa"), at("link")).unwrap();
        symlink(at("wa/home"), at("elsewhere/home")).unwrap();
        for (one, other) in [
            ("wa/home", "wa/home/"),
            ("wa/home", "wa//./home"),
            ("wa/home", "wa/work/../home"),
            ("wa/home", "link/home"),
            ("wa/home", "elsewhere/home"),
            // Through the link, `..` is the folder of what it points at.
            ("wa/new", "elsewhere/home/../new"),
            ("link/not/yet", "wa/not/here/../yet/"),
        ] {
            let refusal = apart(&[
                place("home", "http://127.0.0.1:1001/", at(one)),
                place("work", "http://127.0.0.1:1002/", at(other)),
            ])
            .unwrap_err();
            assert_eq!(refusal.code, "bridges_share_auth_dir", "{one} {other}");
            let words = "the accounts `home` and `work` have one folder";
            assert!(refusal.message.starts_with(words), "{refusal}");
        }
    }
}
