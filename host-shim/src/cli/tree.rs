//! The whole command line as one tree, for what describes it: completion scripts and manual pages.
//! Commands are parsed by `Cli` and `ChannelCli`, which know no channel.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory};

use super::{ChannelCli, Cli};

/// What a channel is called.
#[derive(Debug, Clone)]
pub struct ChannelNames {
    pub id: String,
    pub label: String,
    pub aliases: Vec<String>,
}

/// The commands of `loong`, and those of each of the `channels` under its name. A channel that is
/// called like a command is left out: the command is what its name means.
pub fn tree(channels: &[ChannelNames]) -> Command {
    let mut tree = Cli::command();
    for channel in channels {
        if tree.find_subcommand(&channel.id).is_some() {
            continue;
        }
        let free = |alias: &&String| tree.find_subcommand(alias).is_none();
        let aliases: Vec<String> = channel.aliases.iter().filter(free).cloned().collect();
        let commands = ChannelCli::command()
            .name(channel.id.clone())
            .about(format!("The own commands of the channel {}", channel.label))
            .visible_aliases(aliases);
        tree = tree.subcommand(commands);
    }
    tree
}

/// As [`tree`], and everywhere a channel is asked for, `names` are what can be said.
pub fn tree_naming(channels: &[ChannelNames]) -> Command {
    let names: Vec<String> = channels
        .iter()
        .flat_map(|channel| std::iter::once(&channel.id).chain(&channel.aliases))
        .cloned()
        .collect();
    let tree = tree(channels);
    if names.is_empty() {
        return tree;
    }
    tree.mut_subcommand("channels", |channels| {
        let asking: Vec<String> = channels
            .get_subcommands()
            .filter(|command| command.get_arguments().any(|it| it.get_id() == "channel"))
            .map(|command| command.get_name().to_owned())
            .collect();
        asking.into_iter().fold(channels, |channels, command| {
            channels.mut_subcommand(command, |command| {
                command.mut_arg("channel", |argument| {
                    argument.value_parser(PossibleValuesParser::new(names.clone()))
                })
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pigeons(id: &str) -> ChannelNames {
        ChannelNames {
            id: id.to_owned(),
            label: "Pigeon Post".to_owned(),
            aliases: vec!["pigeons".to_owned(), "doctor".to_owned()],
        }
    }

    #[test]
    fn a_channels_commands_stand_under_its_id_and_its_aliases() {
        let tree = tree_naming(&[pigeons("pigeon-post")]);
        tree.clone().debug_assert();
        for name in ["pigeon-post", "pigeons"] {
            let bridge = tree
                .find_subcommand(name)
                .unwrap()
                .find_subcommand("bridge");
            assert!(bridge.unwrap().find_subcommand("run").is_some());
        }
        let send = tree
            .find_subcommand("channels")
            .unwrap()
            .find_subcommand("send")
            .unwrap();
        let channel = send
            .get_arguments()
            .find(|it| it.get_id() == "channel")
            .unwrap();
        assert!(
            channel
                .get_possible_values()
                .iter()
                .any(|it| it.get_name() == "pigeons")
        );
    }

    #[test]
    fn a_command_keeps_its_name_whatever_a_channel_is_called() {
        for channels in [pigeons("doctor"), pigeons("pigeon-post")] {
            let tree = tree(&[channels]);
            let doctor = tree.find_subcommand("doctor").unwrap();
            assert!(doctor.find_subcommand("bridge").is_none());
        }
    }
}
