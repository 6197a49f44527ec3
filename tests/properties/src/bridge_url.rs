//! Which addresses may be spoken to, as the component judges them, as the host does, and as a parser says
//! that neither wrote.

use loong::door::BridgeAddress;
use proptest::prelude::*;
use url::{Host, Url};
use whatsapp_personal_plugin::bridge_url::{authority, listener};

use crate::input::{like, text_with};

const WORDS: &[&str] = &[
    "http://",
    "HTTP://",
    "https://",
    "http:",
    "//",
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "0x7f.1",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "10.0.0.1",
    "example.org",
    "localhost.example.org",
    ":",
    ":39731",
    ":0",
    ":65536",
    "@",
    "ana:pw@",
    "/",
    "/bridge",
    "\\",
    "?",
    "#",
    "..",
    "%2f",
    ".",
];

properties!(
    an_accepted_address_is_http_on_this_machine_and_nothing_more(text_with(WORDS), |written| {
        if let Ok(authority) = authority(&written) {
            let url = Url::parse(&written).unwrap();
            is_local(&url);
            assert!(url.query().is_none() && url.fragment().is_none());
            let (host, port) = listener(&authority);
            assert_eq!(url.port_or_known_default(), Some(port));
            let named = url.host_str().unwrap().replace("localhost", "127.0.0.1");
            assert_eq!(named, host);
            assert!(BridgeAddress::parse(&written).is_ok());
        }
    }),
    the_host_speaks_to_this_machine_alone(text_with(WORDS), |written| {
        match BridgeAddress::parse(&written) {
            Ok(address) => {
                for url in [
                    address.url(),
                    &address.health_url(),
                    &address.metrics_url(),
                    &address.admin_url("status"),
                ] {
                    is_local(url);
                    assert_eq!(url.authority(), address.url().authority());
                }
                let shown = address.to_string();
                assert_eq!(
                    shown,
                    format!("http://{}:{}", address.host(), address.port())
                );
                is_local(address.numbered().url());
                assert_eq!(address.numbered().numbered(), address.numbered());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }),
    a_good_address_is_taken_as_it_is(
        (
            host(),
            prop::option::of(1_u16..),
            like("(/[a-zA-Z0-9_.~-]{0,12}){0,3}")
        ),
        |(host, port, path)| {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let written = format!("http://{host}{port}{path}");
            assert_eq!(authority(&written), Ok(format!("{host}{port}")));
            assert!(BridgeAddress::parse(&written).is_ok());
        }
    ),
    a_password_is_refused_and_never_repeated(
        (
            like("[a-z]{0,5}"),
            like("[a-zA-Z0-9]{12}"),
            text_with(WORDS)
        ),
        |(name, secret, rest)| {
            let written = format!("http://{name}:{secret}@127.0.0.1{rest}");
            assert!(authority(&written).is_err());
            if let Err(error) = BridgeAddress::parse(&written) {
                assert!(!error.to_string().contains(&secret), "{error}");
            } else {
                panic!("taken: {written}");
            }
        }
    ),
);

fn is_local(url: &Url) {
    assert_eq!(url.scheme(), "http");
    assert!(url.username().is_empty() && url.password().is_none());
    match url.host().unwrap() {
        Host::Ipv4(ip) => assert!(ip.is_loopback()),
        Host::Ipv6(ip) => assert!(ip.is_loopback()),
        Host::Domain(name) => assert_eq!(name, "localhost"),
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("localhost".to_owned()),
        Just("[::1]".to_owned()),
        any::<[u8; 3]>().prop_map(|[a, b, c]| format!("127.{a}.{b}.{c}")),
    ]
}
