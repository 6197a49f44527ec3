//! Ids of chats, each with one canonical form.

use whatsapp_personal_plugin::identity::Identity;

use crate::input::{chat, contact, group, text_with};

const WORDS: &[&str] = &[
    "15551234567",
    "123456789012345",
    "120363012345678901",
    "@s.whatsapp.net",
    "@S.WHATSAPP.NET",
    "@c.us",
    "@lid",
    "@g.us",
    "@broadcast",
    "@newsletter",
    "@",
    ":",
    ":12",
    "-",
    "+",
    "00",
    " ",
    "(",
    ")",
    ".",
];

properties!(
    whatever_is_written_is_refused_or_printed_as_it_is_read_again(text_with(WORDS), |written| {
        for read in [
            Identity::chat(&written),
            Identity::contact(&written),
            Identity::group(&written),
        ] {
            match read {
                Ok(id) => {
                    let printed = id.to_string();
                    assert_eq!(Identity::chat(&printed), Ok(id.clone()));
                    assert!(
                        printed.bytes().all(|b| b.is_ascii_digit()
                            || b"+-@.abcdefghijklmnopqrstuvwxyz".contains(&b))
                    );
                    assert!(printed.len() <= 40, "{printed}");
                }
                Err(error) => assert!(!error.code().is_empty() && !error.rule().is_empty()),
            }
        }
    }),
    what_is_a_contact_is_no_group(text_with(WORDS), |written| {
        let (contact, group) = (Identity::contact(&written), Identity::group(&written));
        // A dash stands in numbers as people write them, and in the ids of old groups: there the kind decides.
        let is_either = !written.contains('@') && written.contains('-');
        assert!(contact.is_err() || group.is_err() || is_either);
        if let Ok(contact) = contact {
            assert!(!contact.is_group());
            assert_eq!(Identity::chat(&written), Ok(contact));
        }
        if let Ok(group) = group {
            assert!(group.is_group());
        }
    }),
    every_spelling_of_a_chat_is_one_identity(chat(), |chat| {
        for written in &chat.spellings {
            let id = Identity::chat(written).unwrap();
            assert_eq!(id.to_string(), chat.canonical, "{written:?}");
            assert_eq!(id.is_group(), chat.is_group);
        }
    }),
    two_chats_are_never_taken_for_one((chat(), chat()), |(one, other)| {
        let read = |written: &str| Identity::chat(written).unwrap();
        for (a, b) in one.spellings.iter().zip(&other.spellings) {
            assert_eq!(read(a) == read(b), one.canonical == other.canonical);
        }
    }),
    a_group_is_read_with_and_without_its_server((group(), contact()), |(group, contact)| {
        let bare = group.canonical.strip_suffix("@g.us").unwrap();
        match Identity::group(bare) {
            Ok(id) => assert_eq!(id.to_string(), group.canonical),
            // So short that it could be a phone number.
            Err(_refused) => assert!(bare.len() <= 15 && !bare.contains('-')),
        }
        for written in &contact.spellings {
            assert!(
                Identity::group(written).is_err() || !written.contains('@'),
                "{written}"
            );
        }
    }),
);
