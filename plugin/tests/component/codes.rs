//! Every code that a table knows is explained to the operator, and every code explained exists.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::cases;

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

#[test]
fn every_code_of_the_tables_is_documented() {
    let documented = documented();
    for code in codes_of_the_tables() {
        assert!(
            documented.contains(&code),
            "{code} is not in docs/configuration.md"
        );
    }
}

#[test]
fn every_documented_code_stands_in_the_source() {
    let source = [
        include_str!("../../src/account.rs"),
        include_str!("../../src/allowlist.rs"),
        include_str!("../../src/bridge_settings.rs"),
        include_str!("../../src/bridge_url.rs"),
        include_str!("../../src/config.rs"),
        include_str!("../../src/envelope.rs"),
        include_str!("../../src/error.rs"),
        include_str!("../../src/identity.rs"),
        include_str!("../../src/report.rs"),
        include_str!("../../src/send.rs"),
        include_str!("../../src/serve_step.rs"),
        include_str!("../../src/target.rs"),
        include_str!("../../src/unknown_key.rs"),
    ]
    .concat();
    for code in documented() {
        // Two codes are made from the key that is missing.
        let made = ["bridge_url_missing", "auth_dir_missing"].contains(&code.as_str());
        assert!(
            made || source.contains(&format!("\"{code}\"")),
            "nothing gives {code}"
        );
    }
}

/// The first column of the table of codes.
fn documented() -> BTreeSet<String> {
    let (_, section) = DOCUMENT.split_once("\n## Codes\n").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let codes: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|code| !code.contains('<'))
        .map(str::to_owned)
        .collect();
    assert!(codes.len() > 40, "{codes:?}");
    codes
}

fn codes_of_the_tables() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for case in cases("targets.json") {
        codes.extend(case["error"].as_str().map(str::to_owned));
    }
    for case in cases("accounts.json") {
        let expected = &case["expect"];
        codes.extend(expected["selected"]["error"].as_str().map(str::to_owned));
        let accounts = expected["accounts"].as_array().into_iter().flatten();
        let lists = accounts
            .flat_map(|account| [&account["send"], &account["serve"]])
            .chain([&expected["issues"]]);
        for issue in lists.filter_map(Value::as_array).flatten() {
            let (code, _path) = issue.as_str().unwrap().split_once(' ').unwrap();
            codes.insert(code.to_owned());
        }
    }
    codes
}
