//! Which bridge URLs may be configured: plain HTTP on this machine, nothing that could hide a
//! secret or point elsewhere. Nothing is looked up: an address is judged as it is written.

use std::net::Ipv4Addr;

/// The rule that a URL breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    Invalid,
    NotHttp,
    NotLocal,
    Credentials,
    Query,
    Port,
}

impl UrlError {
    /// Stable code of the rule.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "bridge_url_invalid",
            Self::NotHttp => "bridge_url_not_http",
            Self::NotLocal => "bridge_url_not_local",
            Self::Credentials => "bridge_url_credentials",
            Self::Query => "bridge_url_query",
            Self::Port => "bridge_url_port",
        }
    }

    /// The rule in words, to stand after "because".
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Invalid => {
                "it is no URL (a space, a line break or a foreign character is in it, or the host is missing)"
            }
            Self::NotHttp => "it does not begin with http://",
            Self::NotLocal => {
                "its host is not 127.0.0.1, localhost or [::1], and the bridge must stay on this machine"
            }
            Self::Credentials => "it holds a user name or password",
            Self::Query => "it has a query (?) or a fragment (#)",
            Self::Port => "its port is not a number from 1 to 65535",
        }
    }
}

/// Checks a URL and gives its authority (`host:port` as written, in lower case).
///
/// # Errors
/// The first rule that it breaks.
pub fn authority(url: &str) -> Result<String, UrlError> {
    if !url.bytes().all(|b| b.is_ascii_graphic()) || url.contains('\\') {
        return Err(UrlError::Invalid);
    }
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::NotHttp)?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlError::NotHttp);
    }
    let authority = rest
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    if rest.contains(['?', '#']) {
        return Err(UrlError::Query);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority.as_str(), None),
    };
    if host.is_empty() {
        return Err(UrlError::Invalid);
    }
    if !is_loopback(host) {
        return Err(UrlError::NotLocal);
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err(UrlError::Port);
    }
    Ok(authority)
}

/// Who listens at an authority: host by number where it has one, and port.
#[must_use]
pub fn listener(authority: &str) -> (String, u16) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or_default()),
        Some(_) | None => (authority, 80),
    };
    // Bridges have numbers; a name is brought to the one that they listen on.
    let host = if host == "localhost" {
        "127.0.0.1"
    } else {
        host
    };
    (host.to_owned(), port)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
}

fn is_port(port: &str) -> bool {
    // `parse` would take a sign.
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|number: u16| number > 0)
}
