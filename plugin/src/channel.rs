//! The names of this channel, said once: ids, aliases, operations, requirements, targets, and the
//! account record that every module works on. Holds no behaviour.

/// Catalog id, and first part of every target.
pub const CHANNEL_ID: &str = "whatsapp-personal";
/// Other names of the channel.
pub const ALIASES: [&str; 3] = ["whatsapp-web", "wa-personal", "whatsapp-personal-bridge"];
/// Name of the block in the configuration.
pub const CONFIG_KEY: &str = "whatsapp_personal";
/// The only kind of target.
pub const TARGET_KIND: &str = "conversation";
/// Configured id of the account when the configuration has no `accounts`.
pub const DEFAULT_ACCOUNT: &str = "default";
pub const BRIDGE_URL_ENV: &str = "WHATSAPP_PERSONAL_BRIDGE_URL";
pub const AUTH_DIR_ENV: &str = "WHATSAPP_PERSONAL_AUTH_DIR";
/// Forms of target that stay valid.
pub const TARGET_TEMPLATES: [&str; 2] = [
    "whatsapp-personal:<account>:contact:<e164-or-jid>",
    "whatsapp-personal:<account>:group:<jid>",
];

/// One account with everything that a call needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    pub configured_id: String,
    pub configured_label: String,
    pub runtime_id: String,
    pub runtime_label: String,
    pub is_default: bool,
    pub default_source: Option<String>,
    pub enabled: bool,
    pub bridge_url: Option<String>,
    pub auth_dir: Option<String>,
    /// As the operator wrote them.
    pub allowed_chats: Vec<String>,
    /// JSON object for the bridge process.
    pub bridge_settings: String,
}

/// What an account can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Send,
    Serve,
}

impl Operation {
    pub const ALL: [Self; 2] = [Self::Send, Self::Serve];

    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Send => "personal bridge send",
            Self::Serve => "personal bridge reply loop",
        }
    }

    #[must_use]
    pub const fn requirements(self) -> &'static [Requirement] {
        match self {
            Self::Send => &[ENABLED, BRIDGE_URL],
            Self::Serve => &[ENABLED, BRIDGE_URL, AUTH_DIR, ALLOWED_CHATS],
        }
    }
}

/// A field that an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// Also the key in the configuration.
    pub id: &'static str,
    pub label: &'static str,
    /// The variable that is read when nothing else is configured. A field that has one may be
    /// pointed at another by `<id>_env`.
    pub default_env: Option<&'static str>,
}

impl Requirement {
    /// The keys that hold the field itself.
    #[must_use]
    pub fn config_paths(&self) -> Vec<String> {
        both_places(self.id)
    }

    /// The keys that name an environment variable holding it.
    #[must_use]
    pub fn env_pointer_paths(&self) -> Vec<String> {
        match self.default_env {
            Some(_) => both_places(&format!("{}_env", self.id)),
            None => Vec::new(),
        }
    }
}

const ENABLED: Requirement = Requirement {
    id: "enabled",
    label: "channel enabled",
    default_env: None,
};
const BRIDGE_URL: Requirement = Requirement {
    id: "bridge_url",
    label: "local bridge url",
    default_env: Some(BRIDGE_URL_ENV),
};
const AUTH_DIR: Requirement = Requirement {
    id: "auth_dir",
    label: "bridge auth dir",
    default_env: Some(AUTH_DIR_ENV),
};
const ALLOWED_CHATS: Requirement = Requirement {
    id: "allowed_chat_ids",
    label: "allowed chat ids",
    default_env: None,
};

fn both_places(key: &str) -> Vec<String> {
    vec![
        format!("{CONFIG_KEY}.{key}"),
        format!("{CONFIG_KEY}.accounts.<account>.{key}"),
    ]
}

/// Whether a name belongs to the channel itself.
#[must_use]
pub fn is_channel_name(name: &str) -> bool {
    name.eq_ignore_ascii_case(CHANNEL_ID) || ALIASES.iter().any(|a| name.eq_ignore_ascii_case(a))
}
