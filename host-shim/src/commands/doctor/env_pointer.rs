//! Keys of a channel's table that end in `_env` and name a variable that is not set: their channel
//! goes on as if they were not written. What else such a key may hold is the guest's to judge.

use serde_json::Value;

use super::check::{Checks, Finding, Id};

/// Looks through `block`, which is the table `key`; `variable` looks up the environment.
pub(super) fn examine(
    checks: &mut Checks,
    key: &str,
    block: &Value,
    variable: &dyn Fn(&str) -> Option<String>,
) {
    for found in unset(key, block, variable) {
        checks.add(Id::EnvPointer, found);
    }
}

fn unset(path: &str, value: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let Value::Object(fields) = value else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in fields {
        let path = format!("{path}.{key}");
        let pointer = key.strip_suffix("_env").zip(value.as_str().map(str::trim));
        match pointer {
            // A value of its own goes first, so the variable does not matter.
            Some((plain, name)) if is_name(name) && !fields.contains_key(plain) => {
                let set = variable(name).is_some_and(|value| !value.trim().is_empty());
                if !set {
                    found.push(Finding::warn(
                        format!(
                            "{path} names the environment variable {name}, which is not set here"
                        ),
                        format!("export {name}=…\nor write {plain} itself and remove {key}"),
                    ));
                }
            }
            Some(_) => {}
            None => found.extend(unset(&path, value, variable)),
        }
    }
    found
}

/// Whether it can be shown: somebody may have written the value itself.
fn is_name(text: &str) -> bool {
    let secret = text.len() >= 20
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_digit());
    !secret
        && text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(block: Value) -> Vec<String> {
        let set = |name: &str| (name == "SET").then(|| "x".to_owned());
        let found = unset("pigeon", &block, &set).into_iter();
        found.map(|found| found.seen).collect()
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_its_key_at_any_depth() {
        let found =
            found(json!({"accounts": {"a": {"tower_env": "MY_TOWER"}}, "nest_env": " MY_NEST "}));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0]
                .starts_with("pigeon.accounts.a.tower_env names the environment variable MY_TOWER")
        );
        assert!(found[1].contains("pigeon.nest_env") && found[1].contains(" MY_NEST,"));
    }

    #[test]
    fn one_that_is_set_or_not_needed_or_no_name_is_passed_over() {
        for block in [
            json!({"tower_env": "SET"}),
            json!({"tower_env": "MY_TOWER", "tower": "http://127.0.0.1:1/"}),
            json!({"tower_env": "http://127.0.0.1:1/"}),
            json!({"tower_env": "sk0123456789abcdefghij"}),
            json!({"tower_env": 5}),
            json!({"tower": "MY_TOWER"}),
        ] {
            assert_eq!(found(block.clone()), Vec::<String>::new(), "{block}");
        }
    }
}
