//! Why a manifest cannot be used, and what to do about it. What is quoted from one is short and
//! harmless: whoever wrote it may be a stranger.

use super::manifest::{API_VERSION, WIT};
use crate::bounded_file::ReadError;
use crate::plain_text::sentence;

/// Characters of what a library says about a bad file.
const REASON: usize = 300;

/// Why a manifest cannot be used, or a place where one could be was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    #[error("it has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    #[error("it is reached through a symbolic link, and links below a root are not followed")]
    Linked,
    #[error("it lies more than {depth} folders below the root, and nothing there is looked at")]
    TooDeep { depth: usize },
    #[error("its path holds characters that act on a terminal")]
    OddPath,
    #[error("it is not the JSON of a manifest: {0}")]
    NotJson(String),
    #[error("its api_version is `{found}`; this host reads {API_VERSION}")]
    ApiVersion { found: String },
    #[error("its setup.surface is `{found}`; this host loads `channel` plugins only")]
    Surface { found: String },
    #[error("it is a channel that brings no component, for another kind of host")]
    NoComponent,
    #[error("`{field}` is missing or blank")]
    Missing { field: &'static str },
    #[error(
        "`{field}` is `{value}`, which is no name: letters, digits, `-`, `_` and `.`, at most 64"
    )]
    Name { field: &'static str, value: String },
    #[error("`{field}` is `{value}`: too long, or with characters that act on a terminal")]
    Words { field: &'static str, value: String },
    #[error("metadata `{key}` is not {expected}")]
    Metadata {
        key: &'static str,
        expected: &'static str,
    },
    #[error("its component `{path}` is not inside the plugin's folder")]
    ComponentOutside { path: String },
    #[error("its configuration schema `{path}` is not inside the plugin's folder")]
    SchemaOutside { path: String },
    #[error("its component is built for `{found}`; this host speaks {WIT}")]
    ComponentContract { found: String },
    #[error("its component {path} does not exist")]
    ComponentMissing { path: String },
}

impl ManifestError {
    pub(super) fn not_json(reason: &str) -> Self {
        Self::NotJson(sentence(reason, REASON))
    }

    /// Whether a channel is lost by it, and not a plugin of some other kind or age, or a place that was never ours.
    pub fn concerns_a_channel(&self) -> bool {
        match self {
            Self::Surface { .. } | Self::NoComponent | Self::TooDeep { .. } | Self::Linked => false,
            Self::Unreadable(_)
            | Self::NotAFile(_)
            | Self::TooLarge { .. }
            | Self::NotText
            | Self::ByteOrderMark
            | Self::OddPath
            | Self::NotJson(_)
            | Self::ApiVersion { .. }
            | Self::Missing { .. }
            | Self::Name { .. }
            | Self::Words { .. }
            | Self::Metadata { .. }
            | Self::ComponentOutside { .. }
            | Self::SchemaOutside { .. }
            | Self::ComponentContract { .. }
            | Self::ComponentMissing { .. } => true,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "make it readable for you",
            Self::NotAFile(_) | Self::TooLarge { .. } | Self::NotText => {
                "it is no manifest: take it away, or install the plugin again"
            }
            Self::ByteOrderMark => "save it as UTF-8 without a byte order mark",
            Self::Linked => "let runtime_plugins.roots name the folder that it really lies in",
            Self::TooDeep { .. } => {
                "let runtime_plugins.roots name the folder that holds your plugins"
            }
            Self::OddPath => "rename the folder",
            Self::NotJson(_)
            | Self::Missing { .. }
            | Self::Name { .. }
            | Self::Words { .. }
            | Self::Metadata { .. } => "correct the manifest",
            Self::ApiVersion { .. } | Self::ComponentContract { .. } => {
                "install a plugin and a host of the same release"
            }
            Self::Surface { .. } => "nothing to do, unless it was meant to be a channel",
            Self::NoComponent => "nothing to do, unless it was meant to run here",
            Self::ComponentOutside { .. } | Self::SchemaOutside { .. } => {
                "do not use this plugin: it points out of its own folder"
            }
            Self::ComponentMissing { .. } => {
                "build it with `cargo xtask build`, or install the plugin again"
            }
        }
    }
}

impl From<ReadError> for ManifestError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Unreadable(error.to_string()),
            ReadError::NotAFile(kind) => Self::NotAFile(kind),
            ReadError::TooLarge { limit } => Self::TooLarge { limit },
            ReadError::NotText => Self::NotText,
        }
    }
}
