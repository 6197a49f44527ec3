//! Identities of WhatsApp chats: phone numbers (E.164), phone-number JIDs, LIDs and group JIDs,
//! each brought to one canonical form. Knows nothing of accounts, targets or lists.

use std::fmt;

/// A chat, in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A contact known by number: the digits, without `+`.
    Phone(String),
    /// A contact known by WhatsApp's hidden identity: the digits before `@lid`.
    Lid(String),
    /// A group: what stands before `@g.us`.
    Group(String),
}

/// The rule that an id breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    Empty,
    ControlCharacters,
    PhoneCharacters,
    PhoneLength,
    PhoneLeadingZero,
    JidForm,
    JidServerUnknown,
    ContactIsGroup,
    GroupIsContact,
    GroupForm,
    BroadcastUnsupported,
    NewsletterUnsupported,
}

impl IdError {
    /// Stable code of the rule.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "id_empty",
            Self::ControlCharacters => "target_control_characters",
            Self::PhoneCharacters => "phone_characters",
            Self::PhoneLength => "phone_length",
            Self::PhoneLeadingZero => "phone_leading_zero",
            Self::JidForm => "jid_form",
            Self::JidServerUnknown => "jid_server_unknown",
            Self::ContactIsGroup => "contact_is_group",
            Self::GroupIsContact => "group_is_contact",
            Self::GroupForm => "group_form",
            Self::BroadcastUnsupported => "broadcast_unsupported",
            Self::NewsletterUnsupported => "newsletter_unsupported",
        }
    }

    /// The rule in words, to stand after "because".
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Empty => "the id is empty",
            Self::ControlCharacters => "it contains a control character, such as a line break",
            Self::PhoneCharacters => {
                "a phone number has digits only, with an optional leading + and spaces, dots, dashes or parentheses between"
            }
            Self::PhoneLength => "a phone number has 7 to 15 digits, country code included",
            Self::PhoneLeadingZero => {
                "a phone number begins with its country code, never with a zero"
            }
            Self::JidForm => {
                "a contact's JID is <digits>@s.whatsapp.net or <digits>@lid, with at most a numeric device after a colon"
            }
            Self::JidServerUnknown => "a JID ends in @s.whatsapp.net, @c.us, @lid or @g.us",
            Self::ContactIsGroup => "this is a group, not a contact",
            Self::GroupIsContact => "this is a contact, not a group",
            Self::GroupForm => {
                "a group's JID is <digits>@g.us, or <digits>-<digits>@g.us for an old group"
            }
            Self::BroadcastUnsupported => "the status and broadcast lists cannot be written to",
            Self::NewsletterUnsupported => "newsletters are not supported",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(digits) => write!(out, "+{digits}"),
            Self::Lid(digits) => write!(out, "{digits}@lid"),
            Self::Group(id) => write!(out, "{id}@g.us"),
        }
    }
}

impl Identity {
    /// Reads a contact: a number as people write it, a phone-number JID or a LID.
    ///
    /// # Errors
    /// The first rule that the id breaks.
    pub fn contact(id: &str) -> Result<Self, IdError> {
        match Self::chat(id)? {
            Self::Group(_) => Err(IdError::ContactIsGroup),
            contact @ (Self::Phone(_) | Self::Lid(_)) => Ok(contact),
        }
    }

    /// Reads a group: its JID, or the part before `@g.us`.
    ///
    /// # Errors
    /// The first rule that the id breaks.
    pub fn group(id: &str) -> Result<Self, IdError> {
        let id = printable(id)?;
        if id.contains('@') {
            return match Self::chat(id)? {
                Self::Phone(_) | Self::Lid(_) => Err(IdError::GroupIsContact),
                group @ Self::Group(_) => Ok(group),
            };
        }
        // A bare number of phone length is more likely a slip than a group: group ids are longer.
        if phone(id).is_ok() && !id.contains('-') {
            return Err(IdError::GroupIsContact);
        }
        group_user(id).map(Self::Group)
    }

    /// Reads any chat; a group must be written as a JID, for only that tells it from a number.
    ///
    /// # Errors
    /// The first rule that the id breaks.
    pub fn chat(id: &str) -> Result<Self, IdError> {
        let id = printable(id)?;
        let Some((user, server)) = id.split_once('@') else {
            return phone(id).map(Self::Phone);
        };
        match server.to_ascii_lowercase().as_str() {
            "s.whatsapp.net" | "c.us" => jid_phone(user).map(Self::Phone),
            "lid" => {
                let digits = without_device(user)?;
                let known = is_digits(digits) && digits.len() <= 20;
                known
                    .then(|| Self::Lid(digits.to_owned()))
                    .ok_or(IdError::JidForm)
            }
            "g.us" => group_user(user).map(Self::Group),
            "broadcast" => Err(IdError::BroadcastUnsupported),
            "newsletter" => Err(IdError::NewsletterUnsupported),
            other if other.contains('@') => Err(IdError::JidForm),
            _ => Err(IdError::JidServerUnknown),
        }
    }

    #[must_use]
    pub const fn is_group(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Phone(_) | Self::Lid(_) => false,
        }
    }
}

fn printable(id: &str) -> Result<&str, IdError> {
    if id.chars().any(char::is_control) {
        return Err(IdError::ControlCharacters);
    }
    match id.trim() {
        "" => Err(IdError::Empty),
        id => Ok(id),
    }
}

fn phone(written: &str) -> Result<String, IdError> {
    let number = written.strip_prefix('+').unwrap_or(written);
    let punctuation = |c: char| matches!(c, ' ' | '.' | '-' | '(' | ')');
    let digits: String = number.chars().filter(|c| !punctuation(*c)).collect();
    e164(digits)
}

/// The user part of a phone-number JID: digits, and a device that is dropped.
fn jid_phone(user: &str) -> Result<String, IdError> {
    e164(without_device(user)?.to_owned())
}

fn e164(digits: String) -> Result<String, IdError> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(IdError::PhoneCharacters);
    }
    if digits.starts_with('0') {
        return Err(IdError::PhoneLeadingZero);
    }
    if !(7..=15).contains(&digits.len()) {
        return Err(IdError::PhoneLength);
    }
    Ok(digits)
}

fn without_device(user: &str) -> Result<&str, IdError> {
    let (name, device) = match user.split_once(':') {
        Some((name, device)) => (name, Some(device)),
        None => (user, None),
    };
    if name.is_empty() || device.is_some_and(|device| !is_digits(device)) {
        return Err(IdError::JidForm);
    }
    Ok(name)
}

/// New groups have one long number; old ones the founder's number and the time of founding.
fn group_user(user: &str) -> Result<String, IdError> {
    let well_formed = match user.split_once('-') {
        Some((founder, founded)) => {
            e164(founder.to_owned()).is_ok() && is_digits(founded) && founded.len() <= 15
        }
        None => is_digits(user) && (10..=25).contains(&user.len()),
    };
    well_formed
        .then(|| user.to_owned())
        .ok_or(IdError::GroupForm)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
