//! Reads a command line as a whole: ours, and behind a word that can be a channel, that channel's.
//! What is wrong with it, and help, are printed here; nothing is done.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser};
use clap_complete::Shell;

use crate::cli::{
    ChannelCli, ChannelCommand, ChannelsArgs, Cli, Command, ConfigCommand, DoctorArgs, Global,
    ManArgs,
};
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::{quoted_value, sentence};

/// A command line that can be meant.
#[derive(Debug)]
pub struct Invocation {
    pub global: Global,
    pub command: Invoked,
}

/// What is to be done.
#[derive(Debug)]
pub enum Invoked {
    Doctor(DoctorArgs),
    Channels(ChannelsArgs),
    Config(ConfigCommand),
    Completions(Shell),
    Man(ManArgs),
    /// Something with the channel of that name, if there is one.
    Channel(String, ChannelCommand),
}

impl Invocation {
    /// Reads `words`, the program's own name first. None when help or the version was asked for,
    /// and printed.
    ///
    /// # Errors
    /// Wrong usage.
    pub fn read(
        words: impl IntoIterator<Item = OsString>,
        output: &Output,
    ) -> Result<Option<Self>, Failure> {
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(error) => return explained(&error, output),
        };
        let command = match cli.command {
            Command::Doctor(args) => Invoked::Doctor(args),
            Command::Channels(args) => Invoked::Channels(args),
            Command::Config(command) => Invoked::Config(command),
            Command::Man(args) => Invoked::Man(args),
            Command::Completions { shell } => Invoked::Completions(shell),
            Command::Channel(words) => return Self::of_channel(cli.global, words, output),
        };
        Ok(Some(Self {
            global: cli.global,
            command,
        }))
    }

    fn of_channel(
        before: Global,
        words: Vec<OsString>,
        output: &Output,
    ) -> Result<Option<Self>, Failure> {
        let name = words
            .first()
            .map(|word| word.to_string_lossy().into_owned())
            .unwrap_or_default();
        if words.len() < 2 {
            return Err(Failure::usage("unknown_command", format!("there is no command `{}`", quoted_value(&name)))
                .hint("`loong --help` lists the commands; a channel's name wants more, as in `loong <channel> bridge run`"));
        }
        let parsed = ChannelCli::command()
            .bin_name(format!("loong {name}"))
            .try_get_matches_from(words)
            .and_then(|matches| ChannelCli::from_arg_matches(&matches));
        match parsed {
            Ok(cli) => Ok(Some(Self {
                global: cli.global.or(before),
                command: Invoked::Channel(name, cli.command),
            })),
            Err(error) => explained(&error, output),
        }
    }
}

/// Characters of the longest line that is shown of a wrong command.
const LINE: usize = 500;

/// Prints what clap says. Help and the version are data; the rest was wrong usage.
fn explained(error: &clap::Error, output: &Output) -> Result<Option<Invocation>, Failure> {
    let text = error.render().to_string();
    if error.use_stderr() {
        // It quotes what was typed, however long that is.
        let lines = text.trim_end().lines();
        let lines: Vec<String> = lines.map(|line| sentence(line, LINE)).collect();
        output.say(&lines.join("\n"));
        return Err(Failure::usage("usage", String::new()));
    }
    output.data(text.trim_end());
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::LogFormat;
    use crate::output::tests::Kept;

    fn read(line: &str) -> (Result<Option<Invocation>, Failure>, String, String) {
        let (data, words) = (Kept::default(), Kept::default());
        let output = Output::to(Box::new(data.clone()), Box::new(words.clone()));
        let read = Invocation::read(line.split(' ').map(OsString::from), &output);
        (read, data.text(), words.text())
    }

    fn global(line: &str) -> Global {
        read(line).0.unwrap().unwrap().global
    }

    #[test]
    fn what_is_logged_can_be_said_before_and_behind_every_command() {
        for line in [
            "loong --log debug --log-format json doctor",
            "loong doctor --log debug --log-format json",
            "loong channels list --log-format json --log debug",
            "loong --log debug pigeon-post bridge status --log-format json",
            "loong --log-format json pigeon-post --log debug bridge status",
            "loong pigeon-post inbox list --json --log debug --log-format json",
        ] {
            let global = global(line);
            assert_eq!(global.log, Some("debug".parse().unwrap()), "{line}");
            assert_eq!(global.log_format, Some(LogFormat::Json), "{line}");
        }
    }

    #[test]
    fn what_is_said_later_counts() {
        let global = global("loong --log debug --config a pigeon-post bridge status --log warn");
        assert_eq!(global.log, Some("warn".parse().unwrap()));
        assert_eq!(global.config.unwrap().to_str(), Some("a"));
    }

    #[test]
    fn a_filter_that_is_none_is_wrong_usage_wherever_it_stands() {
        for line in [
            "loong --log loud doctor",
            "loong channels serve pigeon-post --log hyper=trace",
            "loong --log=, pigeon-post bridge run",
            "loong pigeon-post bridge run --log loud",
            "loong pigeon-post bridge run --log-format xml",
        ] {
            let (read, data, words) = read(line);
            assert_eq!(read.unwrap_err().exit.code(), 2, "{line}");
            assert!(
                data.is_empty() && words.contains("invalid value"),
                "{words}"
            );
        }
    }

    #[test]
    fn help_is_data_and_a_lonely_word_is_no_command() {
        let (asked, data, words) = read("loong pigeon-post bridge run --help");
        assert!(asked.unwrap().is_none() && words.is_empty());
        assert!(
            data.contains("Usage: loong pigeon-post bridge run"),
            "{data}"
        );
        let (lonely, _, _) = read("loong pigeon-post");
        assert_eq!(lonely.unwrap_err().code, "unknown_command");
    }
}
