//! The documentation, held to the program: every `loong` command that a page shows is one that the
//! program takes, every other command is known to somebody, and every JSON block is JSON.
//! Configurations are held to the schema elsewhere, and the README's main path is run as it stands.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a page that cannot be read fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;
use loong::cli::{ChannelCli, Cli, Command};

/// Programs that are not ours; who maintains a page has tried them.
const STRANGERS: [&str; 16] = [
    "cargo",
    "cat",
    "cd",
    "chmod",
    "curl",
    "docker",
    "echo",
    "export",
    "journalctl",
    "mkdir",
    "node",
    "npm",
    "sha256sum",
    "systemctl",
    "tar",
    "cp",
];

#[test]
fn every_command_of_the_docs_is_one_that_the_program_takes() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let whole = shell_lines(&text).into_iter().map(|line| (line, false));
        for (line, named) in whole.chain(inline(&text).into_iter().map(|line| (line, true))) {
            for command in commands(&line) {
                seen += 1;
                if let Err(why) = judge(&command, named) {
                    faults.push(format!("{}: `{line}`: {why}", page.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen > 40, "only {seen} commands were found");
}

#[test]
fn every_json_block_of_the_docs_is_json() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for block in blocks(&text, "json") {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&block) {
                panic!("{}: {error} in\n{block}", page.display());
            }
        }
    }
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for wrong in [
        "loong channels sent whatsapp-personal",
        "loong whatsapp-personal bridge runs",
        "loong doctor --mend",
        "loong",
        "rm -rf /",
    ] {
        let [command] = commands(wrong).try_into().unwrap();
        assert!(judge(&command, false).is_err(), "{wrong}");
    }
    for right in [
        "loong whatsapp-personal bridge run --pairing-code <phone>",
        "echo hi | loong channels send wa-personal --target contact:+15551234567 --text -",
        "FOO=1 loong doctor",
    ] {
        for command in commands(right) {
            judge(&command, false).unwrap();
        }
    }
}

/// All pages that people read.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/decisions", "wit", "plugin"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|ending| ending == "md")));
    }
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The fenced blocks in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some((wanted, block)), Some(_end)) => {
                if *wanted {
                    found.push(std::mem::take(block));
                }
                open = None;
            }
            (Some((_, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, Some(named)) => open = Some((named.trim() == language, String::new())),
            (None, None) => {}
        }
    }
    found
}

fn shell_lines(text: &str) -> Vec<String> {
    blocks(text, "sh")
        .iter()
        .flat_map(|block| {
            let whole = block.replace("\\\n", " ");
            let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            lines
        })
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .collect()
}

/// Code within prose that names a whole command.
fn inline(text: &str) -> Vec<String> {
    let prose: String = {
        let mut outside = true;
        text.lines()
            .filter(|line| {
                let fence = line.trim_start().starts_with("```");
                outside ^= fence;
                outside && !fence
            })
            .flat_map(|line| [line, "\n"])
            .collect()
    };
    prose
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("loong ") && !code.contains('\n'))
        .map(str::to_owned)
        .collect()
}

/// The simple commands of a line, as lists of words. Placeholders stand for something that fits.
fn commands(line: &str) -> Vec<Vec<String>> {
    let fitting = line
        .replace("loong …", "loong whatsapp-personal")
        .replace("<channel>", "whatsapp-personal")
        .replace("<phone>", "+15551234567")
        .replace("<cursor>", "c1")
        .replace("<CURSOR>", "c1")
        .replace("<target>", "contact:+15551234567")
        .replace("<shell>", "bash")
        .replace("<engine>", "echo")
        .replace('…', "x");
    let words = shlex::split(&placeholders_filled(&fitting))
        .unwrap_or_else(|| panic!("this is no line of a shell: {line}"));
    let is_joint = |word: &String| ["|", "&&", ";"].contains(&word.as_str());
    words
        .split(is_joint)
        .map(|words| {
            let redirected = words.iter().position(|word| word.starts_with('>'));
            let words = words.get(..redirected.unwrap_or(words.len())).unwrap();
            let assigned = |word: &&String| {
                word.split_once('=').is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                })
            };
            words.iter().skip_while(assigned).cloned().collect()
        })
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

/// `<anything>` becomes a word.
fn placeholders_filled(line: &str) -> String {
    let mut filled = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        filled.push_str(before);
        match after.split_once('>') {
            Some((name, after)) if !name.contains(' ') => {
                filled.push('x');
                rest = after;
            }
            Some(_) | None => {
                filled.push('<');
                rest = after;
            }
        }
    }
    filled + rest
}

/// Within a sentence a command may be `named` without what it needs.
fn judge(command: &[String], named: bool) -> Result<(), String> {
    let Some((program, _)) = command.split_first() else {
        return Err("nothing is called".to_owned());
    };
    if STRANGERS.contains(&program.as_str()) {
        return Ok(());
    }
    if program != "loong" {
        return Err(format!("no test knows the program {program}"));
    }
    let taken = Cli::try_parse_from(command).and_then(|cli| {
        if let Command::Channel(words) = cli.command {
            ChannelCli::try_parse_from(words)?;
        }
        Ok(())
    });
    match taken {
        Ok(()) => Ok(()),
        Err(error) if !error.use_stderr() => Ok(()),
        Err(error) if named && error.kind() == ErrorKind::MissingRequiredArgument => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
