//! `loong completions <shell>`: a script for the shell, from the commands and the channels at hand.

use clap_complete::Shell;

use super::at_hand;
use crate::cli::{ChannelNames, Global, tree_naming};
use crate::output::Output;

/// Runs the command. Whatever stands in the way of finding channels, a shell that starts gets a script.
pub fn run(global: &Global, shell: Shell, output: &Output) {
    let found = at_hand::channels(global);
    for trouble in &found.troubles {
        output.warn(&trouble.to_string());
    }
    let channels: Vec<ChannelNames> = found
        .plugins
        .into_iter()
        .map(|plugin| ChannelNames {
            id: plugin.manifest.channel_id,
            label: plugin.manifest.label,
            aliases: plugin.manifest.aliases,
        })
        .collect();
    if channels.is_empty() {
        output.say("no channel was found, so only the commands of loong itself are completed");
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree_naming(&channels), "loong", &mut script);
    output.data_raw(&String::from_utf8_lossy(&script));
}
