//! The words that name checks. They are stable; docs/doctor.md explains each of them.

use serde::{Serialize, Serializer};

macro_rules! ids {
    ($($name:ident = $word:literal,)*) => {
        /// What a check is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Id {
            $($name,)*
        }

        impl Id {
            /// Every one there is, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word itself.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

ids! {
    Home = "home",
    RunFolder = "run_folder",
    CacheFolder = "cache_folder",
    History = "history",
    DiskSpace = "disk_space",
    Config = "config",
    ConfigAccess = "config_access",
    ConfigKeys = "config_keys",
    RuntimePlugins = "runtime_plugins",
    Roots = "roots",
    Manifest = "manifest",
    Plugin = "plugin",
    ComponentDigest = "component_digest",
    Component = "component",
    Node = "node",
    Npm = "npm",
    BridgePackage = "bridge_package",
    ChannelConfig = "channel_config",
    EnvPointer = "env_pointer",
    Send = "send",
    Serve = "serve",
    Allowlist = "allowlist",
    AuthDir = "auth_dir",
    SharedAuthDir = "shared_auth_dir",
    SharedPort = "shared_port",
    BridgeUrl = "bridge_url",
    BridgeAuth = "bridge_auth",
    Bridge = "bridge",
    BridgeVersion = "bridge_version",
    StoreLock = "store_lock",
    RoundTrip = "round_trip",
    LastFrame = "last_frame",
    Queue = "queue",
    DeadLetters = "dead_letters",
    Sending = "sending",
    Caps = "caps",
    Clock = "clock",
    BridgeWarnings = "bridge_warnings",
    ReplyLoop = "reply_loop",
    ReplyEngine = "reply_engine",
    ReplyInstructions = "reply_instructions",
    ReplyAccounts = "reply_accounts",
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/doctor.md");

    /// The first column of the page's tables of checks.
    fn documented() -> Vec<&'static str> {
        let (_, section) = PAGE.split_once("\n## Checks\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split('`').next()).collect()
    }

    #[test]
    fn the_page_explains_every_check_once_and_no_other() {
        let words: Vec<&str> = Id::ALL.iter().map(|id| id.word()).collect();
        assert_eq!(documented(), words);
        let once: BTreeSet<&str> = words.iter().copied().collect();
        assert_eq!(once.len(), words.len());
    }

    #[test]
    fn every_word_is_given_by_some_check() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/doctor");
        let source: String = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("ids.rs"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for id in Id::ALL {
            assert!(
                source.contains(&format!("Id::{id:?}")),
                "nothing gives {id:?}"
            );
        }
    }
}
