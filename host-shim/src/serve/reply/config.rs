//! `[reply]`: which engine answers, and how. What a provider needs is read in `provider_config`;
//! nothing is contacted here.

use std::time::Duration;

use super::provider_config::{self, ProviderSettings};
use super::table::Table;
use crate::config::Config;
use crate::error::Failure;

/// The keys of `[reply]`; any other is refused.
pub const KEYS: [&str; 7] = [
    "engine",
    "instructions",
    "command",
    "timeout_s",
    "concurrency",
    "history_turns",
    "accounts",
];

/// The keys of `[reply.accounts.<account>]`; any other is refused.
pub const ACCOUNT_KEYS: [&str; 1] = ["instructions"];

/// The engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// A language model
    Provider,
    /// The program in `reply.command`
    Command,
    /// The message itself, for trying out
    Echo,
}

impl EngineKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "provider" => Some(Self::Provider),
            "command" => Some(Self::Command),
            "echo" => Some(Self::Echo),
            _ => None,
        }
    }
}

/// How one account answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplySettings {
    pub engine: EngineSettings,
    /// System prompt; engines other than `provider` do not see it.
    pub instructions: Option<String>,
    /// How long one reply may take.
    pub timeout: Duration,
    /// Conversations that are answered at the same time.
    pub concurrency: usize,
    /// Turns of a conversation that are kept and shown to the model.
    pub history_turns: usize,
}

/// The chosen engine with all that it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineSettings {
    Echo,
    /// Program and arguments; never empty.
    Command {
        argv: Vec<String>,
    },
    Provider(ProviderSettings),
}

impl ReplySettings {
    /// Reads `[reply]` for the account with these names, the one that counts most first. `asked` is
    /// the engine of the command line and goes before the file's; `variable` looks up the environment.
    ///
    /// # Errors
    /// A key does not fit, or no engine is chosen and none follows: each names the key.
    pub fn read(
        config: &Config,
        account: &[&str],
        asked: Option<EngineKind>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let file = config.path.as_path();
        let reply = Table::new(file, "reply", config.section("reply"))?;
        reply.only(&KEYS)?;
        let accounts = Table::new(file, "reply.accounts", reply.value("accounts"))?;
        for name in accounts.keys() {
            Table::new(
                file,
                &format!("reply.accounts.{name}"),
                accounts.value(name),
            )?
            .only(&ACCOUNT_KEYS)?;
        }
        let mut instructions = reply.text("instructions")?;
        for name in account.iter().rev() {
            let path = format!("reply.accounts.{name}");
            let own = Table::new(file, &path, accounts.value(name))?.text("instructions")?;
            instructions = own.or(instructions);
        }
        let concurrency = reply.number("concurrency", 1..=64)?.unwrap_or(8);
        let history_turns = reply.number("history_turns", 0..=1_000)?.unwrap_or(20);
        let timeout = reply.number("timeout_s", 1..=3_600)?.unwrap_or(120);
        Ok(Self {
            engine: engine(config, reply, asked, variable)?,
            instructions,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
            concurrency: usize::try_from(concurrency).unwrap_or(8),
            history_turns: usize::try_from(history_turns).unwrap_or(20),
        })
    }

    /// The engine's name, as the operator writes it.
    pub fn engine_name(&self) -> &'static str {
        match self.engine {
            EngineSettings::Echo => "echo",
            EngineSettings::Command { .. } => "command",
            EngineSettings::Provider(_) => "provider",
        }
    }
}

fn engine(
    config: &Config,
    reply: Table<'_>,
    asked: Option<EngineKind>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<EngineSettings, Failure> {
    let written = match reply.text("engine")? {
        None => None,
        Some(name) => Some(EngineKind::named(&name).ok_or_else(|| {
            reply
                .wrong("engine", &format!("is `{name}`, which is no reply engine"))
                .hint("use \"provider\", \"command\" or \"echo\"")
        })?),
    };
    // Read whatever is chosen: a wrong value is worth a word even while another engine answers.
    let argv = reply.texts("command")?;
    let kind = match asked.or(written) {
        Some(kind) => kind,
        None if provider_config::is_configured(config) => EngineKind::Provider,
        None => {
            return Err(Failure::operator(
                "no_reply_engine",
                format!("no reply engine is chosen in {}", config.path.display()),
            )
            .hint(
                "set up a model ([provider] with kind, model and api_key), or write [reply] with \
                 engine = \"command\" and command = [\"program\"], or try it out with --reply echo",
            ));
        }
    };
    match kind {
        EngineKind::Echo => Ok(EngineSettings::Echo),
        EngineKind::Command => match argv {
            Some(argv)
                if argv
                    .first()
                    .is_some_and(|program| !program.trim().is_empty()) =>
            {
                Ok(EngineSettings::Command { argv })
            }
            _ => Err(reply
                .wrong(
                    "command",
                    "is missing or empty, and the reply engine is `command`",
                )
                .hint("name your program: command = [\"/path/to/program\", \"argument\"]")),
        },
        EngineKind::Provider => {
            provider_config::read(config, variable).map(EngineSettings::Provider)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str, asked: Option<EngineKind>) -> Result<ReplySettings, Failure> {
        let config = Config::parse(Path::new("loong.toml"), text.to_owned()).unwrap();
        ReplySettings::read(&config, &["Work", "work"], asked, &|_| None)
    }

    #[test]
    fn what_is_not_written_has_the_documented_defaults() {
        let settings = read("[reply]\nengine = \"echo\"", None).unwrap();
        assert_eq!(
            settings,
            ReplySettings {
                engine: EngineSettings::Echo,
                instructions: None,
                timeout: Duration::from_secs(120),
                concurrency: 8,
                history_turns: 20,
            }
        );
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let text = "[reply]\nengine = \"echo\"\ncommand = [\"answer\", \"--short\"]";
        let settings = read(text, Some(EngineKind::Command)).unwrap();
        assert_eq!(
            settings.engine,
            EngineSettings::Command {
                argv: vec!["answer".to_owned(), "--short".to_owned()]
            }
        );
    }

    #[test]
    fn an_account_has_its_own_instructions_and_falls_back_to_the_common_ones() {
        let common = "[reply]\nengine = \"echo\"\ninstructions = \"Be brief.\"\n";
        assert_eq!(
            read(common, None).unwrap().instructions.as_deref(),
            Some("Be brief.")
        );
        let own = format!("{common}[reply.accounts.work]\ninstructions = \"Be formal.\"");
        assert_eq!(
            read(&own, None).unwrap().instructions.as_deref(),
            Some("Be formal.")
        );
    }

    #[test]
    fn a_configured_provider_is_the_engine_when_none_is_chosen() {
        let text = "[provider]\nkind = \"ollama\"\nmodel = \"small\"";
        assert_eq!(read(text, None).unwrap().engine_name(), "provider");
    }

    #[test]
    fn without_engine_and_provider_the_error_says_how_to_set_one() {
        let failure = read("", None).unwrap_err();
        assert_eq!(failure.code, "no_reply_engine");
        let hint = failure.hint.unwrap();
        for way in ["[provider]", "engine = \"command\"", "--reply echo"] {
            assert!(hint.contains(way), "{hint}");
        }
    }

    #[test]
    fn every_wrong_key_is_named() {
        let cases = [
            ("engine = \"parrot\"", "reply.engine"),
            ("engine = 3", "reply.engine"),
            ("engine = \"command\"", "reply.command"),
            ("engine = \"command\"\ncommand = []", "reply.command"),
            (
                "engine = \"command\"\ncommand = \"answer --short\"",
                "reply.command",
            ),
            (
                "engine = \"command\"\ncommand = [\"answer\", 3]",
                "reply.command",
            ),
            ("engine = \"echo\"\ntimeout_s = 0", "reply.timeout_s"),
            ("engine = \"echo\"\nconcurrency = 65", "reply.concurrency"),
            (
                "engine = \"echo\"\nhistory_turns = -1",
                "reply.history_turns",
            ),
            (
                "engine = \"echo\"\ninstructions = true",
                "reply.instructions",
            ),
            (
                "engine = \"echo\"\ninstruction = \"x\"",
                "reply.instruction",
            ),
            ("engine = \"echo\"\naccounts = 1", "reply.accounts"),
            (
                "engine = \"echo\"\n[reply.accounts.other]\nengine = \"echo\"",
                "reply.accounts.other.engine",
            ),
        ];
        for (text, key) in cases {
            let failure = read(&format!("[reply]\n{text}"), None).unwrap_err();
            assert!(
                failure
                    .message
                    .starts_with(&format!("{key} in loong.toml ")),
                "{text}: {failure}"
            );
        }
    }
}
