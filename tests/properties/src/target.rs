//! The grammar of targets.

use proptest::prelude::*;
use whatsapp_personal_plugin::account::normalised_id;
use whatsapp_personal_plugin::channel::{ALIASES, CHANNEL_ID};
use whatsapp_personal_plugin::target::{Target, is_reserved_account};

use crate::input::{Chat, chat, like, text, text_with};

const WORDS: &[&str] = &[
    "whatsapp-personal",
    "whatsapp-web",
    "WA-Personal",
    ":",
    ":",
    "contact",
    "group",
    "GROUP",
    "default",
    "work",
    "@s.whatsapp.net",
    "@c.us",
    "@lid",
    "@g.us",
    "@broadcast",
    "@newsletter",
    "+",
    "15551234567",
    "120363012345678901",
    "-",
    " ",
    "(",
];

properties!(
    whatever_is_written_is_refused_in_words_or_has_one_canonical_form(
        text_with(WORDS),
        |written| {
            match Target::parse(&written) {
                Ok(target) => {
                    assert!(!written.contains(char::is_control));
                    let account = target
                        .account
                        .clone()
                        .unwrap_or_else(|| "default".to_owned());
                    let canonical = target.canonical(&account);
                    assert!(
                        canonical.bytes().all(|b| b.is_ascii_graphic()),
                        "{canonical:?}"
                    );
                    let read = Target::parse(&canonical).unwrap();
                    assert_eq!(read.chat, target.chat);
                    assert_eq!(read.account.as_deref(), Some(account.as_str()));
                    assert_eq!(read.canonical(&account), canonical);
                }
                Err(error) => {
                    assert!(!error.code.is_empty() && !error.hint.is_empty());
                    assert!(!error.message.contains(char::is_control), "{error:?}");
                }
            }
        }
    ),
    every_spelling_of_a_target_means_the_same(
        (chat(), account(), 0_usize..16, any::<prop::sample::Index>()),
        |(chat, account, form, of)| {
            let written = spelt(&chat, &account, form, of);
            let target = Target::parse_for(&written, &account).unwrap();
            let kind = if chat.is_group { "group" } else { "contact" };
            assert_eq!(
                target.canonical(&account),
                format!("{CHANNEL_ID}:{account}:{kind}:{}", chat.canonical),
                "{written:?}"
            );
        }
    ),
    a_target_never_goes_to_another_account_than_the_selected(
        (
            chat(),
            account(),
            account(),
            4_usize..16,
            any::<prop::sample::Index>()
        ),
        |(chat, account, selected, form, of)| {
            let written = spelt(&chat, &account, form, of);
            match Target::parse_for(&written, &selected) {
                Ok(target) => assert_eq!(
                    (target.account.as_ref(), &account),
                    (Some(&selected), &selected)
                ),
                Err(error) => {
                    assert_eq!(error.code, "account_mismatch");
                    assert_ne!(account, selected);
                }
            }
        }
    ),
    no_control_character_gets_through_wherever_it_stands(
        (chat(), account(), any::<prop::sample::Index>(), control()),
        |(chat, account, at, control)| {
            let mut written: Vec<char> = spelt(&chat, &account, 4, at).chars().collect();
            written.insert(at.index(written.len() + 1), control);
            let written: String = written.into_iter().collect();
            let error = Target::parse(&written).unwrap_err();
            assert_eq!(error.code, "target_control_characters");
            assert!(!error.message.contains(char::is_control));
        }
    ),
    digits_of_other_scripts_are_no_digits(
        (
            chat(),
            any::<prop::sample::Index>(),
            prop::sample::select(ZEROS)
        ),
        |(chat, at, zero)| {
            let mut id: Vec<char> = chat.canonical.chars().collect();
            let places: Vec<usize> = (0..id.len())
                .filter(|at| id[*at].is_ascii_digit())
                .collect();
            let place = places[at.index(places.len())];
            let digit = id[place].to_digit(10).unwrap();
            id[place] = char::from_u32(u32::from(zero) + digit).unwrap();
            let id: String = id.into_iter().collect();
            let kind = if chat.is_group { "group" } else { "contact" };
            assert!(Target::parse(&format!("{kind}:{id}")).is_err(), "{id}");
        }
    ),
    the_name_of_an_account_has_one_normal_form(text(), |written| {
        let id = normalised_id(&written);
        assert_eq!(normalised_id(&id), id);
        assert!(
            id.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b)),
            "{id:?}"
        );
        assert_eq!(
            id.is_empty(),
            !written.contains(|c: char| c.is_ascii_alphanumeric())
        );
        assert_eq!(normalised_id(&format!(" {written} ")), id);
    }),
);

/// The zeros of other scripts; their digits follow.
const ZEROS: &[char] = &[
    '\u{660}',
    '\u{6f0}',
    '\u{966}',
    '\u{ff10}',
    '\u{1d7ce}',
    '\u{1d7f6}',
];

fn account() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec!["default", "work", "home"]).prop_map(str::to_owned),
        like("[a-z0-9]([a-z0-9_-]{0,8}[a-z0-9])?"),
    ];
    name.prop_filter("a name of the channel", |name| !is_reserved_account(name))
}

fn control() -> impl Strategy<Value = char> {
    prop_oneof![0_u8..32, 127_u8..160].prop_map(char::from)
}

/// Up to form 3 without the account.
fn spelt(chat: &Chat, account: &str, form: usize, of: prop::sample::Index) -> String {
    let kind = if chat.is_group { "group" } else { "contact" };
    let id = of.get(&chat.spellings);
    let wild = account.to_ascii_uppercase();
    let channel = match form % 4 {
        0 => CHANNEL_ID.to_owned(),
        other => ALIASES[other - 1].to_owned(),
    };
    match form {
        0 | 1 => format!("{kind}:{id}"),
        2 | 3 => format!(" {}:{id}", kind.to_uppercase()),
        4..8 => format!("{account}:{kind}:{id}"),
        8..12 => format!("{channel}:{wild}:{kind}:{id} "),
        _ => format!("{}:  {account}:{kind} :{id}", channel.to_uppercase()),
    }
}
