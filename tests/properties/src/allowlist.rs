//! Who may write and be written to.

use proptest::prelude::*;
use whatsapp_personal_plugin::allowlist::{Allowlist, entry_for};
use whatsapp_personal_plugin::identity::Identity;

use crate::input::{Chat, chat, text_with};

const WORDS: &[&str] = &[
    "*",
    " * ",
    "15551234567",
    "+",
    "@lid",
    "@g.us",
    "@s.whatsapp.net",
    "120363012345678901",
];

properties!(
    every_spelling_is_decided_alike(
        (
            chat(),
            chat(),
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>()
        ),
        |(listed, other, of, by)| {
            let list = Allowlist::parse(&[of.get(&listed.spellings).clone()]).unwrap();
            for chat in [&listed, &other] {
                let written: &String = by.get(&chat.spellings);
                let asked = Identity::chat(written).unwrap();
                let allowed = list.allows([&asked].into_iter());
                assert_eq!(allowed, chat.canonical == listed.canonical);
            }
        }
    ),
    one_more_entry_lets_in_that_chat_and_takes_nobody_out(
        (entries(), entry(), chat()),
        |(entries, more, asked)| {
            let asked = Identity::chat(&asked.canonical).unwrap();
            let before = Allowlist::parse(&entries);
            let after = Allowlist::parse(&[entries.clone(), vec![more.clone()]].concat());
            match (before, after) {
                (Ok(before), Ok(after)) => {
                    let (before, after) = (
                        before.allows([&asked].into_iter()),
                        after.allows([&asked].into_iter()),
                    );
                    let is_meant = more.trim() == "*" || Identity::chat(&more) == Ok(asked);
                    assert_eq!(after, before || is_meant);
                }
                // An entry that cannot be read closes the list, and it alone.
                (Ok(_), Err(bad)) => {
                    assert_eq!(
                        bad.iter().map(|bad| bad.index).collect::<Vec<_>>(),
                        [entries.len()]
                    );
                    assert!(more.trim() != "*" && Identity::chat(&more).is_err());
                }
                (Err(before), Err(after)) => assert!(after.starts_with(&before)),
                (Err(_), Ok(_)) => {
                    panic!("a list with an entry that cannot be read was opened by one more")
                }
            }
        }
    ),
    an_empty_list_lets_nobody_in(chat(), |asked| {
        let asked = Identity::chat(&asked.canonical).unwrap();
        assert!(!Allowlist::parse(&[]).unwrap().allows([&asked].into_iter()));
        assert_eq!(entry_for(&[], &asked), None);
        // Nor does one that is full of others' chats: no id, no entry.
        let list = Allowlist::parse(&["+15550001111".to_owned()]).unwrap();
        assert!(!list.allows(std::iter::empty()));
    }),
    neither_order_nor_repetition_counts((entries(), chat()), |(entries, asked)| {
        let asked = Identity::chat(&asked.canonical).unwrap();
        let decided = |entries: &[String]| {
            Allowlist::parse(entries)
                .map(|list| list.allows([&asked].into_iter()))
                .ok()
        };
        let turned: Vec<String> = entries.iter().rev().cloned().collect();
        let twice = [entries.clone(), entries.clone()].concat();
        assert_eq!(decided(&turned), decided(&entries));
        assert_eq!(decided(&twice), decided(&entries));
    }),
    the_entry_that_is_named_is_the_one_that_decides((entries(), chat()), |(entries, asked)| {
        let asked = Identity::chat(&asked.canonical).unwrap();
        let allowed =
            Allowlist::parse(&entries).is_ok_and(|list| list.allows([&asked].into_iter()));
        match entry_for(&entries, &asked) {
            Some(entry) => {
                assert!(allowed && entries.iter().any(|written| written.trim() == entry));
                assert!(entry == "*" || Identity::chat(entry) == Ok(asked));
            }
            None => assert!(!allowed),
        }
    }),
    the_bridge_is_told_the_same_list(entries(), |entries| {
        if let Ok(list) = Allowlist::parse(&entries) {
            let told = list.canonical();
            assert_eq!(Allowlist::parse(&told).unwrap(), list);
            assert_eq!(Allowlist::parse(&told).unwrap().canonical(), told);
        }
    }),
);

fn entry() -> impl Strategy<Value = String> {
    let spelt = |(chat, of): (Chat, prop::sample::Index)| of.get(&chat.spellings).clone();
    prop_oneof![
        6 => (chat(), any::<prop::sample::Index>()).prop_map(spelt),
        1 => Just("*".to_owned()),
        1 => text_with(WORDS),
    ]
}

fn entries() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(entry(), 0..5)
}
