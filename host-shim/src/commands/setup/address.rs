//! An address for one more bridge on this machine: the channel's usual one, on a port of its own.

use std::net::TcpListener;

use url::Url;

use super::question::refused;
use crate::error::Failure;

/// Ports that are tried, one after the other.
const TRIED: u16 = 200;

/// `endpoint` on `port`, or on the first port from its own on that no other account has (`others`) and
/// nobody listens on.
///
/// # Errors
/// `endpoint` is no address, or no port is free.
pub(super) fn address(
    endpoint: &str,
    port: Option<u16>,
    others: &[&str],
) -> Result<String, Failure> {
    let unusable = || {
        refused(format!(
            "the plugin's own address `{endpoint}` cannot be given a port"
        ))
        .hint("say where the bridge answers with --bridge-url")
    };
    let url = Url::parse(endpoint).map_err(|error| unusable().because(error))?;
    let on = |port: u16| {
        let mut url = url.clone();
        url.set_port(Some(port)).ok()?;
        Some(String::from(url))
    };
    if let Some(port) = port {
        return on(port).ok_or_else(unusable);
    }
    let taken: Vec<u16> = others
        .iter()
        .filter_map(|other| Url::parse(other).ok()?.port_or_known_default())
        .collect();
    let first = url.port_or_known_default().ok_or_else(unusable)?;
    let host = url
        .host_str()
        .unwrap_or("127.0.0.1")
        .trim_matches(['[', ']']);
    (first..first.saturating_add(TRIED))
        .find(|port| !taken.contains(port) && TcpListener::bind((host, *port)).is_ok())
        .and_then(on)
        .ok_or_else(|| {
            refused(format!("no port from {first} on is free")).hint("name one with --port")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_or_another_accounts_is_passed_over() {
        // Whatever the machine is busy with: the ports from ours on are ours to compare.
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = busy.local_addr().unwrap().port();
        let endpoint = format!("http://127.0.0.1:{port}/bridge");
        let found = |others: &[&str]| {
            let address = address(&endpoint, None, others).unwrap();
            assert!(address.starts_with("http://127.0.0.1:") && address.ends_with("/bridge"));
            Url::parse(&address).unwrap().port().unwrap()
        };
        let next = found(&[]);
        assert!(next > port);
        let other = format!("http://localhost:{next}/x");
        assert!(found(&[&other]) > next);
    }

    #[test]
    fn a_named_port_is_taken_as_it_is() {
        let endpoint = "http://127.0.0.1:39731/bridge";
        let named = address(endpoint, Some(5), &[]).unwrap();
        assert_eq!(named, "http://127.0.0.1:5/bridge");
        let failure = address("nowhere", Some(5), &[]).unwrap_err();
        assert!(failure.hint.unwrap().contains("--bridge-url"));
    }
}
