//! Whether a component fits this host, asked before it is instantiated: which version of the
//! contract it was built for, and that it imports nothing but what the contract holds and what every
//! component does.

use super::engine::LoadError;
use super::wasi;
use crate::plain_text::quoted_value;

/// The contract's package and the one version this host speaks.
pub const PACKAGE: &str = "loong:channel";
pub const VERSION: &str = "0.1.0";

/// Interfaces of ours a component may import; `types` holds shapes only.
const IMPORTS: [&str; 4] = ["bridge", "environment", "log", "types"];

/// Checks the names of what a component imports and exports.
///
/// # Errors
/// The first name that does not fit.
pub fn check<'a>(
    imports: impl Iterator<Item = &'a str>,
    exports: impl Iterator<Item = &'a str>,
) -> Result<(), LoadError> {
    let foreign = |import: &str| LoadError::ForeignImport(quoted_value(import));
    for import in imports {
        match ours(import) {
            Some((_, version)) if version != VERSION => return Err(other_version(version)),
            Some((interface, _)) if IMPORTS.contains(&interface) => {}
            Some(_) => return Err(foreign(import)),
            None if wasi::ALLOWED.contains(&unversioned(import)) => {}
            None => return Err(foreign(import)),
        }
    }
    let mut exported = None;
    for (interface, version) in exports.filter_map(ours) {
        if interface == "channel" {
            exported = Some(version);
        }
    }
    match exported {
        Some(VERSION) => Ok(()),
        Some(version) => Err(other_version(version)),
        None => Err(LoadError::NoChannel),
    }
}

/// `interface` and `version` of one of our names.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "none")))
}

fn unversioned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _version)| name)
}

fn other_version(version: &str) -> LoadError {
    LoadError::OtherVersion {
        built_for: quoted_value(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(imports: &[&str], exports: &[&str]) -> String {
        match check(imports.iter().copied(), exports.iter().copied()) {
            Ok(()) => "fits".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_component_fits_or_is_refused_by_the_name_that_does_not() {
        let channel = "loong:channel/channel@0.1.0";
        let table: [(&[&str], &[&str], &str); 10] = [
            (
                &[
                    "loong:channel/bridge@0.1.0",
                    "loong:channel/types@0.1.0",
                    "wasi:io/poll@0.2.6",
                ],
                &[channel],
                "fits",
            ),
            (&[], &[channel], "fits"),
            (
                &["loong:channel/bridge@0.2.0"],
                &[channel],
                "built for loong:channel@0.2.0, this host speaks 0.1.0",
            ),
            (
                &[],
                &["loong:channel/channel@0.3.0"],
                "built for loong:channel@0.3.0, this host speaks 0.1.0",
            ),
            (
                &["loong:channel/shell@0.1.0"],
                &[channel],
                "it wants `loong:channel/shell@0.1.0`, which this host gives to nobody",
            ),
            (
                &["wasi:filesystem/types@0.2.6"],
                &[channel],
                "it wants `wasi:filesystem/types@0.2.6`, which this host gives to nobody",
            ),
            (
                &["wasi:io/poll-the-world@0.2.6"],
                &[channel],
                "it wants `wasi:io/poll-the-world@0.2.6`, which this host gives to nobody",
            ),
            (
                &["loong:channels/log@0.1.0"],
                &[channel],
                "it wants `loong:channels/log@0.1.0`, which this host gives to nobody",
            ),
            (
                &["acme:shell/run@1.0.0"],
                &[channel],
                "it wants `acme:shell/run@1.0.0`, which this host gives to nobody",
            ),
            (
                &[],
                &["wasi:cli/run@0.2.0"],
                "it is no channel: it does not export loong:channel/channel@0.1.0",
            ),
        ];
        for (imports, exports, expected) in table {
            assert_eq!(verdict(imports, exports), expected);
        }
    }
}
