//! `loong <channel> bridge install`: what a bridge needs, once. Says how far it is, in a few lines.

use super::opened::Survey;
use crate::bridge::install::{self, Progress};
use crate::bridge::node;
use crate::cli::Global;
use crate::discovery::roots::Plugin;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

/// Runs the command. It needs the plugin only: an account may be configured later.
///
/// # Errors
/// The plugin is not found, Node is missing or too old, or npm fails.
pub async fn run(global: &Global, channel: &str, output: &Output) -> Result<(), Failure> {
    let survey = Survey::take(global)?;
    let plugin = survey.plugin(channel, None)?;
    node::node(std::env::var_os("PATH").as_deref()).await?;
    install(plugin, &survey.home, false, output).await?;
    output.say("the bridge has what it needs");
    Ok(())
}

/// Makes sure that the plugin has what its lock file names; `skip` forbids to install.
///
/// # Errors
/// As [`install::ensure`].
pub async fn install(
    plugin: &Plugin,
    home: &Home,
    skip: bool,
    output: &Output,
) -> Result<(), Failure> {
    let path = std::env::var_os("PATH");
    let locks = home.run_dir()?;
    let mut steps = Steps { output, quarter: 0 };
    let npm = || node::npm(path.as_deref());
    install::ensure(&plugin.directory, npm, &locks, skip, &mut |step| {
        steps.show(&step);
    })
    .await
}

/// How far an install is, without a line for each package.
struct Steps<'a> {
    output: &'a Output,
    quarter: usize,
}

impl Steps<'_> {
    fn show(&mut self, step: &Progress) {
        match step {
            Progress::Begins { why, packages } => self
                .output
                .say(&format!("installing what the bridge needs, {packages} packages at most ({why})")),
            Progress::Fetched { done, packages } => {
                let quarter = (done * 4).checked_div(*packages).unwrap_or(0);
                if quarter > self.quarter {
                    self.quarter = quarter;
                    self.output.say(&format!("  fetched {done} of {packages}"));
                }
            }
            Progress::WaitsForAnother => self.output.say("another loong installs here; waiting for it"),
            Progress::Done { took } => self.output.say(&format!("installed in {} s", took.as_secs().max(1))),
            Progress::Skipped { why } => self.output.warn(&format!(
                "the bridge's dependencies may not fit ({why}), and --skip-install forbids to install them"
            )),
        }
    }
}
