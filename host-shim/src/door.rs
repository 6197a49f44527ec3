//! The one door out of the sandbox, between two halves that do not know each other: the component
//! side asks through [`BridgeDoor`], the bridge side answers. The address is decided here and
//! checked before any guest runs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use async_trait::async_trait;
use url::{Host, Url};

use crate::plain_text::quoted_value;

/// Where a bridge answers: `http` on a loopback address, and nothing else can be one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BridgeAddress(Url);

/// Why a text is no bridge address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is no URL")]
    NoUrl(String),
    #[error("`{0}` is not http: a bridge is spoken to over plain http on this machine")]
    NotHttp(String),
    #[error("`{0}` leaves this machine: a bridge must be on a loopback address")]
    NotLoopback(String),
    #[error("`{0}` carries a user name or a password")]
    Credentials(String),
    /// Two readers could take it for two addresses, and the component is one of them.
    #[error(
        "the address of `{0}` is not written plainly: a host as it is shown here, a port from 1 to 65535, no query, no fragment"
    )]
    Odd(String),
}

impl BridgeAddress {
    /// Reads `url`.
    ///
    /// # Errors
    /// It is not `http` on 127.0.0.0/8, `[::1]` or `localhost`, in their one plain form. No name is
    /// looked up.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let written = url.trim();
        let parsed = Url::parse(written)
            .map_err(|_ignored| AddressError::NoUrl(quoted_value(&without_secrets(url))))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(AddressError::Credentials(redacted(&parsed)));
        }
        if parsed.scheme() != "http" {
            return Err(AddressError::NotHttp(redacted(&parsed)));
        }
        let loopback = match parsed.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if !loopback {
            return Err(AddressError::NotLoopback(redacted(&parsed)));
        }
        if !is_plainly(written, &parsed) {
            return Err(AddressError::Odd(redacted(&parsed)));
        }
        Ok(Self(parsed))
    }

    /// The whole URL, to connect to.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Where `health` is asked for: one segment below the endpoint.
    pub fn health_url(&self) -> Url {
        self.below("health")
    }

    /// Where its numbers are.
    pub fn metrics_url(&self) -> Url {
        self.below("metrics")
    }

    /// Where an operator's commands are given: two segments below the endpoint.
    pub fn admin_url(&self, what: &str) -> Url {
        self.below(&format!("admin/{what}"))
    }

    /// The same address, by number when it is written as `localhost`: a name has two, and only one
    /// of them can be the bridge's.
    #[must_use]
    pub fn numbered(&self) -> Self {
        let mut url = self.0.clone();
        if self.host() == "localhost" {
            // Cannot fail: the scheme is http, and the number is a host.
            url.set_ip_host(Ipv4Addr::LOCALHOST.into()).ok();
        }
        Self(url)
    }

    fn below(&self, segments: &str) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}/{segments}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(None);
        url
    }

    /// The host as written: `127.0.0.1`, `[::1]` or `localhost`.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The fixed address behind the host; none for `localhost`, which is both 127.0.0.1 and ::1.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) | None => None,
        }
    }

    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// The path of the endpoint, with its leading `/`.
    pub fn path(&self) -> &str {
        self.0.path()
    }
}

/// Scheme, host and port: the path may hold a secret.
impl fmt::Display for BridgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host(), self.port())
    }
}

/// What a bridge answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    #[error("nothing answers at {0}")]
    Unreachable(String),
    #[error("the bridge did not answer in time")]
    TimedOut,
    /// The answer, in bytes, as far as it is known.
    #[error("the bridge's answer is larger than the host accepts ({0} bytes)")]
    TooLarge(u64),
    #[error("the bridge's answer cannot be read: {0}")]
    Broken(String),
    #[error("the host does not let this call out: {0}")]
    Refused(String),
    /// It got neither the request nor the token.
    #[error(
        "something else answers at {0}: it cannot prove that it is the bridge that `bridge run` started"
    )]
    Impostor(String),
}

/// Carries one request to one bridge.
#[async_trait]
pub trait BridgeDoor: Send + Sync + fmt::Debug {
    /// Posts a JSON `body` to exactly `address` and waits at most `timeout` for the whole answer.
    ///
    /// # Errors
    /// There is no whole answer.
    async fn post(
        &self,
        address: &BridgeAddress,
        body: String,
        timeout: Duration,
    ) -> Result<Answer, DoorError>;
}

/// Whether `written` says what `parsed` understood, character by character: a URL parser forgives
/// much, and whoever forgives otherwise connects elsewhere.
fn is_plainly(written: &str, parsed: &Url) -> bool {
    let plain = written
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\\?#".contains(&b));
    let written = written.to_ascii_lowercase();
    let Some(rest) = written.strip_prefix("http://").filter(|_| plain) else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = parsed.host_str().unwrap_or_default();
    match authority.strip_prefix(host) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|b| b.is_ascii_digit())
                && digits
                    .parse()
                    .is_ok_and(|port: u16| port > 0 && Some(port) == parsed.port_or_known_default())
        }),
        None => false,
    }
}

/// As much of what is no URL as cannot be a password or a secret path.
pub(crate) fn without_secrets(written: &str) -> String {
    if written.contains('@') {
        return "\u{2026}".to_owned();
    }
    let host = written.find("://").map_or(0, |at| at + 3);
    let rest = written.get(host..).unwrap_or_default();
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    written.get(..host + end).unwrap_or_default().to_owned()
}

fn redacted(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_this_machine_is_an_address() {
        for good in [
            "http://127.0.0.1:39731/bridge",
            "http://127.9.9.9/",
            "http://[::1]:1/x",
            "http://localhost:39731/bridge",
            "HTTP://LOCALHOST:1",
        ] {
            assert!(BridgeAddress::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name_of_the_rule() {
        use AddressError::{Credentials, NoUrl, NotHttp, NotLoopback};
        type Rule = fn(String) -> AddressError;
        let table: [(&str, Rule, &str); 10] = [
            ("", NoUrl, ""),
            ("127.0.0.1:39731", NoUrl, "127.0.0.1:39731"),
            ("https://127.0.0.1/", NotHttp, "https://127.0.0.1"),
            ("file:///etc/passwd", NotHttp, "file://"),
            ("http://10.0.0.1/", NotLoopback, "http://10.0.0.1"),
            ("http://0.0.0.0/", NotLoopback, "http://0.0.0.0"),
            (
                "http://localhost.example.org/",
                NotLoopback,
                "http://localhost.example.org",
            ),
            (
                "http://[::ffff:127.0.0.1]/",
                NotLoopback,
                "http://[::ffff:7f00:1]",
            ),
            (
                "http://127.0.0.1.example.org/",
                NotLoopback,
                "http://127.0.0.1.example.org",
            ),
            ("http://ana:pw@127.0.0.1/", Credentials, "http://127.0.0.1"),
        ];
        for (text, rule, shown) in table {
            assert_eq!(
                BridgeAddress::parse(text),
                Err(rule(shown.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn a_url_connects_to_what_the_table_says_or_is_refused_as_the_component_refuses_it() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/bridge-urls.json")).unwrap();
        let cases = table["cases"].as_array().unwrap();
        assert!(cases.len() >= 100, "a table without cases proves nothing");
        for case in cases {
            let url = case["url"].as_str().unwrap();
            let seen = match BridgeAddress::parse(url) {
                Ok(address) => {
                    let address = address.numbered();
                    serde_json::json!({ "host": address.host(), "port": address.port() })
                }
                Err(error) => {
                    assert!(crate::plain_text::is_plain(&error.to_string()), "{url:?}");
                    serde_json::Value::Null
                }
            };
            assert_eq!(seen, case["connects"], "{url:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_told_without_its_secrets() {
        for (url, shown) in [
            ("http://ana:pw@127.0.0.1:65536/", "\u{2026}"),
            ("http://127.0.0.1:65536/secret", "http://127.0.0.1:65536"),
            ("127.0.0.1:x?secret", "127.0.0.1:x"),
        ] {
            let refused = AddressError::NoUrl(shown.to_owned());
            assert_eq!(BridgeAddress::parse(url), Err(refused), "{url}");
        }
    }

    #[test]
    fn the_health_address_is_below_the_endpoint() {
        for (url, health) in [
            (
                "http://127.0.0.1:1/bridge",
                "http://127.0.0.1:1/bridge/health",
            ),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/health"),
            (
                "http://127.0.0.1:1/bridge/",
                "http://127.0.0.1:1/bridge/health",
            ),
        ] {
            assert_eq!(
                BridgeAddress::parse(url).unwrap().health_url().as_str(),
                health
            );
        }
    }

    #[test]
    fn localhost_can_be_written_as_the_one_number_that_bridges_have() {
        for (url, numbered) in [
            ("http://localhost:1/b", "http://127.0.0.1:1/b"),
            ("http://[::1]:1/b", "http://[::1]:1/b"),
        ] {
            let address = BridgeAddress::parse(url).unwrap();
            assert_eq!(address.numbered().url().as_str(), numbered);
            assert_eq!(
                address.numbered().admin_url("status").as_str(),
                format!("{numbered}/admin/status")
            );
        }
    }

    #[test]
    fn shown_to_a_person_the_address_keeps_its_path_to_itself() {
        let address = BridgeAddress::parse("http://127.0.0.1:39731/bridge/secret").unwrap();
        assert_eq!(address.to_string(), "http://127.0.0.1:39731");
    }
}
