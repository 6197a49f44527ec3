//! Message contents: builders for what a contact can send, and what of a message is text.
//! Media carry their describing fields only; there is nothing to download behind them.

use waproto::buffa::MessageField;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp::message::{
    AudioMessage, ContactMessage, ContactsArrayMessage, DocumentMessage, ExtendedTextMessage,
    FutureProofMessage, ImageMessage, LiveLocationMessage, LocationMessage, PollCreationMessage,
    ProtocolMessage, ReactionMessage, StickerMessage, VideoMessage,
};
use waproto::whatsapp::{ContextInfo, Message, MessageKey};

#[must_use]
pub fn text(text: &str) -> Message {
    Message {
        conversation: Some(text.to_owned()),
        ..Default::default()
    }
}

/// Text as clients send it with a link, a mention or a quote.
#[must_use]
pub fn extended_text(text: &str) -> Message {
    with_context(text, ContextInfo::default())
}

/// Text that mentions people by their full addresses.
#[must_use]
pub fn mention(text: &str, jids: &[&str]) -> Message {
    with_context(
        text,
        ContextInfo {
            mentioned_jid: jids.iter().map(|jid| (*jid).to_owned()).collect(),
            ..Default::default()
        },
    )
}

/// Text that quotes message `id`, written by `author`.
#[must_use]
pub fn quote(text: &str, id: &str, author: &str, quoted: Message) -> Message {
    with_context(
        text,
        ContextInfo {
            stanza_id: Some(id.to_owned()),
            participant: Some(author.to_owned()),
            quoted_message: MessageField::some(quoted),
            ..Default::default()
        },
    )
}

#[must_use]
pub fn image(caption: Option<&str>) -> Message {
    Message {
        image_message: MessageField::some(ImageMessage {
            mimetype: Some("image/jpeg".into()),
            caption: caption.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[must_use]
pub fn video(caption: Option<&str>) -> Message {
    Message {
        video_message: MessageField::some(VideoMessage {
            mimetype: Some("video/mp4".into()),
            caption: caption.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A recording made in the chat.
#[must_use]
pub fn voice_note() -> Message {
    Message {
        audio_message: MessageField::some(AudioMessage {
            mimetype: Some("audio/ogg; codecs=opus".into()),
            seconds: Some(3),
            ptt: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A file. With a caption it travels in the wrapper that clients use for that.
#[must_use]
pub fn document(file_name: &str, caption: Option<&str>) -> Message {
    let plain = Message {
        document_message: MessageField::some(DocumentMessage {
            mimetype: Some("application/pdf".into()),
            file_name: Some(file_name.to_owned()),
            title: Some(file_name.to_owned()),
            caption: caption.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    };
    match caption {
        None => plain,
        Some(_) => Message {
            document_with_caption_message: wrapped(plain),
            ..Default::default()
        },
    }
}

#[must_use]
pub fn location(latitude: f64, longitude: f64, name: Option<&str>) -> Message {
    Message {
        location_message: MessageField::some(LocationMessage {
            degrees_latitude: Some(latitude),
            degrees_longitude: Some(longitude),
            name: name.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[must_use]
pub fn live_location(latitude: f64, longitude: f64) -> Message {
    Message {
        live_location_message: MessageField::some(LiveLocationMessage {
            degrees_latitude: Some(latitude),
            degrees_longitude: Some(longitude),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// One person's card.
#[must_use]
pub fn contact_card(name: &str, number: &str) -> Message {
    Message {
        contact_message: MessageField::some(card(name, number)),
        ..Default::default()
    }
}

/// Several people's cards, as pairs of name and number.
#[must_use]
pub fn contact_cards(people: &[(&str, &str)]) -> Message {
    Message {
        contacts_array_message: MessageField::some(ContactsArrayMessage {
            display_name: Some(format!("{} contacts", people.len())),
            contacts: people
                .iter()
                .map(|(name, number)| card(name, number))
                .collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[must_use]
pub fn sticker() -> Message {
    Message {
        sticker_message: MessageField::some(StickerMessage {
            mimetype: Some("image/webp".into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[must_use]
pub fn poll(question: &str) -> Message {
    Message {
        poll_creation_message_v3: MessageField::some(PollCreationMessage {
            name: Some(question.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A reaction to message `id` of the chat `jid`; an empty emoji takes it back.
#[must_use]
pub fn reaction(emoji: &str, jid: &str, id: &str) -> Message {
    Message {
        reaction_message: MessageField::some(ReactionMessage {
            key: MessageField::some(key(jid, id, false)),
            text: Some(emoji.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// In a chat with disappearing messages.
#[must_use]
pub fn ephemeral(inner: Message) -> Message {
    Message {
        ephemeral_message: wrapped(inner),
        ..Default::default()
    }
}

#[must_use]
pub fn view_once(inner: Message) -> Message {
    Message {
        view_once_message_v2: wrapped(inner),
        ..Default::default()
    }
}

/// The new text of the sender's own message `id`, in the chat `jid`.
#[must_use]
pub fn edited(new_text: &str, jid: &str, id: &str) -> Message {
    let edit = Message {
        protocol_message: MessageField::some(ProtocolMessage {
            key: MessageField::some(key(jid, id, true)),
            r#type: Some(ProtocolType::MESSAGE_EDIT),
            edited_message: MessageField::some(text(new_text)),
            ..Default::default()
        }),
        ..Default::default()
    };
    Message {
        edited_message: wrapped(edit),
        ..Default::default()
    }
}

/// The sender deletes its own message `id`, in the chat `jid`, for everyone.
#[must_use]
pub fn deleted(jid: &str, id: &str) -> Message {
    Message {
        protocol_message: MessageField::some(ProtocolMessage {
            key: MessageField::some(key(jid, id, true)),
            r#type: Some(ProtocolType::REVOKE),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What a person would read: text or caption, also inside wrappers. Empty when there is none.
#[must_use]
pub fn text_of(message: &Message) -> String {
    let wrapper = [
        &message.ephemeral_message,
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.document_with_caption_message,
        &message.edited_message,
    ]
    .into_iter()
    .find_map(|wrapper| wrapper.as_option()?.message.as_option());
    if let Some(inner) = wrapper {
        return text_of(inner);
    }
    let edit = message.protocol_message.as_option();
    if let Some(inner) = edit.and_then(|edit| edit.edited_message.as_option()) {
        return text_of(inner);
    }
    message
        .conversation
        .clone()
        .or_else(|| message.extended_text_message.as_option()?.text.clone())
        .or_else(|| message.image_message.as_option()?.caption.clone())
        .or_else(|| message.video_message.as_option()?.caption.clone())
        .or_else(|| message.document_message.as_option()?.caption.clone())
        .unwrap_or_default()
}

/// How the stanza and its `<enc>` announce this content: the type, and the media type if any.
pub(crate) fn announcement(message: &Message) -> (&'static str, Option<&'static str>) {
    let media = [
        (message.image_message.is_set(), "image"),
        (message.video_message.is_set(), "video"),
        (message.audio_message.is_set(), "ptt"),
        (message.document_message.is_set(), "document"),
        (message.document_with_caption_message.is_set(), "document"),
        (message.sticker_message.is_set(), "sticker"),
        (message.location_message.is_set(), "location"),
        (message.live_location_message.is_set(), "livelocation"),
        (message.contact_message.is_set(), "vcard"),
        (message.contacts_array_message.is_set(), "contact_array"),
    ]
    .into_iter()
    .find_map(|(is_set, media)| is_set.then_some(media));
    match media {
        Some(_) => ("media", media),
        None if message.reaction_message.is_set() => ("reaction", None),
        None if message.poll_creation_message_v3.is_set() => ("poll", None),
        None => ("text", None),
    }
}

fn with_context(text: &str, context: ContextInfo) -> Message {
    Message {
        extended_text_message: MessageField::some(ExtendedTextMessage {
            text: Some(text.to_owned()),
            context_info: MessageField::some(context),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn wrapped(inner: Message) -> MessageField<FutureProofMessage> {
    MessageField::some(FutureProofMessage {
        message: MessageField::some(inner),
    })
}

fn card(name: &str, number: &str) -> ContactMessage {
    ContactMessage {
        display_name: Some(name.to_owned()),
        vcard: Some(format!(
            "BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"
        )),
        ..Default::default()
    }
}

fn key(jid: &str, id: &str, from_me: bool) -> MessageKey {
    MessageKey {
        remote_jid: Some(jid.to_owned()),
        from_me: Some(from_me),
        id: Some(id.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_wherever_clients_put_it() {
        let jid = "15551234567@s.whatsapp.net";
        for (message, expected) in [
            (text("plain"), "plain"),
            (extended_text("long"), "long"),
            (mention("@15550001000 hi", &[jid]), "@15550001000 hi"),
            (quote("yes", "3A", jid, text("well?")), "yes"),
            (image(Some("a cat")), "a cat"),
            (image(None), ""),
            (document("a.pdf", Some("read this")), "read this"),
            (document("a.pdf", None), ""),
            (ephemeral(text("soon gone")), "soon gone"),
            (ephemeral(view_once(image(Some("once")))), "once"),
            (edited("better", jid, "3A"), "better"),
            (deleted(jid, "3A"), ""),
            (voice_note(), ""),
        ] {
            assert_eq!(text_of(&message), expected);
        }
    }

    #[test]
    fn media_are_announced_as_media() {
        assert_eq!(announcement(&text("hi")), ("text", None));
        assert_eq!(announcement(&image(None)), ("media", Some("image")));
        assert_eq!(
            announcement(&document("a.pdf", Some("b"))),
            ("media", Some("document"))
        );
        assert_eq!(announcement(&reaction("👍", "a", "b")), ("reaction", None));
        assert_eq!(announcement(&poll("when?")), ("poll", None));
    }
}
