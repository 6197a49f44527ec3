//! `loong man <directory>`: a manual page for every command. The same pages everywhere, so that a
//! package can bring them: a channel's own commands stand under the word `channel`.

use std::fs;
use std::path::Path;

use clap_mangen::Man;
use serde::Serialize;

use crate::cli::{ChannelNames, ManArgs, tree};
use crate::error::Failure;
use crate::output::Output;

/// Stands for whatever channel in the pages.
const ANY_CHANNEL: &str = "channel";
/// How a page of ours begins to speak of itself.
const TITLE: &str = ".TH loong";

#[derive(Debug, Serialize)]
struct Written<'a> {
    directory: &'a Path,
    pages: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// A page cannot be written, or a file that is none of ours has its name; then none is.
pub fn run(args: &ManArgs, output: &Output) -> Result<(), Failure> {
    let directory = args.directory.as_path();
    let pages = pages().map_err(|error| {
        Failure::fault("man_page", "cannot make the manual pages").because(error)
    })?;
    if let Some(foreign) = pages
        .iter()
        .map(|(name, _page)| directory.join(name))
        .find(|it| is_foreign(it))
    {
        return Err(Failure::operator(
            "man_page_foreign",
            format!(
                "{} is no manual page of loong, so nothing was written",
                foreign.display()
            ),
        )
        .hint("name another folder, or move that file away"));
    }
    write(directory, &pages).map_err(|error| {
        Failure::operator(
            "man_page_not_written",
            format!("cannot write the manual pages into {}", directory.display()),
        )
        .because(error)
        .hint("name a folder that you may write to")
    })?;
    let pages: Vec<String> = pages.into_iter().map(|(name, _page)| name).collect();
    if args.json {
        return output.json(&Written { directory, pages });
    }
    for name in pages {
        output.data(&directory.join(name).display().to_string());
    }
    Ok(())
}

/// Every page under the name of its file.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let channel = ChannelNames {
        id: ANY_CHANNEL.to_owned(),
        label: "that is named".to_owned(),
        aliases: Vec::new(),
    };
    let mut root = tree(&[channel])
        .disable_help_subcommand(true)
        .mut_subcommand(ANY_CHANNEL, |command| command.bin_name("loong <CHANNEL>"));
    root.build();
    let mut pages = Vec::new();
    collect(&root, &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        collect(inner, pages)?;
    }
    Ok(())
}

fn write(directory: &Path, pages: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, page) in pages {
        fs::write(directory.join(name), page)?;
    }
    Ok(())
}

/// Whether something is there that we did not write.
fn is_foreign(path: &Path) -> bool {
    match fs::read_to_string(path) {
        Ok(text) => !text.lines().any(|line| line.starts_with(TITLE)),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
