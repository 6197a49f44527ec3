//! Words for a person: guesses at what was meant, filters of the log, commands to paste into a shell.

use loong::commands::shell::quoted;
use loong::logging::LogFilter;
use loong::nearest::nearest;
use proptest::prelude::*;
use whatsapp_personal_plugin::unknown_key;

use crate::input::{like, text, text_with};

const FILTER: &[&str] = &[
    "loong", "::", "serve", "=", ",", "debug", "INFO", "off", "trace", "hyper", "genai", " ",
    "warn", "[", "loongish",
];

properties!(
    a_known_name_is_nearest_to_itself_and_the_others_are_near(
        (name(), prop::collection::vec(name(), 0..6)),
        |(written, known)| {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
            match nearest(&written, names.iter().copied()) {
                Some(near) => {
                    assert!(names.contains(&near));
                    if names.contains(&written.as_str()) {
                        assert_eq!(plain(near), plain(&written));
                    }
                    let (a, b) = (near.chars().count(), written.chars().count());
                    assert!(a.abs_diff(b) <= 3, "{near:?}");
                }
                None => assert!(!names.iter().any(|name| plain(name) == plain(&written))),
            }
        }
    ),
    host_and_component_guess_alike(
        (name(), prop::collection::vec(name(), 0..6)),
        |(written, known)| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            assert_eq!(
                nearest(&written, known.iter().copied()),
                unknown_key::nearest(&written, known.iter().copied())
            );
        }
    ),
    a_filter_is_refused_in_words_or_names_no_library_too_closely(text_with(FILTER), |written| {
        match written.parse::<LogFilter>() {
            Ok(filter) => {
                // What it names closely is ours.
                for part in written.split(',') {
                    if let Some((target, level)) = part.split_once('=') {
                        let ours = target.trim().split("::").next() == Some("loong");
                        let level = level.trim().to_ascii_lowercase();
                        assert!(
                            ours || !["debug", "trace"].contains(&level.as_str()),
                            "{filter:?}"
                        );
                    }
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }),
    a_text_is_one_word_for_a_shell(text(), |text| {
        let word = quoted(&text);
        assert_eq!(read_by_a_shell(&word), [text]);
    }),
    a_real_shell_gives_a_text_back(text(), 100, |text| {
        let text = text.replace('\0', "");
        let script = format!("printf %s {}", quoted(&text));
        let said = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), text);
    }),
);

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "enabled",
            "bridge_url",
            "bridge-url",
            "auth_dir",
            "roots",
            "Roots",
            "allowed_chat_ids"
        ])
        .prop_map(str::to_owned),
        like("[a-c_-]{0,6}"),
        text(),
    ]
}

/// The words of a line, as POSIX says; whatever a shell would act on is a fault.
fn read_by_a_shell(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, false);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\'' {
            quote = !quote;
            word.get_or_insert_default();
        } else if quote {
            word.get_or_insert_default().push(c);
        } else if c == '\\' {
            word.get_or_insert_default().push(rest.next().unwrap());
        } else if c == ' ' || c == '\t' || c == '\n' {
            words.extend(word.take());
        } else {
            assert!(!"|&;<>()$`\"*?[#~!{}".contains(c), "{c:?} acts in {line:?}");
            assert!(c.is_ascii() || quote, "{c:?} is not quoted");
            word.get_or_insert_default().push(c);
        }
    }
    assert!(!quote, "{line:?} is not closed");
    words.extend(word);
    words
}
