//! What comes in from others, looked at without running any of it: crates by cargo-deny, npm packages by
//! what their lock files say, and every place that calls npm.

mod cargo_deny;
mod npm_calls;
mod npm_folders;
mod npm_lock;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::test::Count;
use npm_folders::NpmFolder;

pub(crate) fn check(count: &mut Count) {
    count.check("cargo deny", cargo_deny::run());
    count.check("npm lock files", lock_files());
    count.check("npm calls", npm_calls());
}

fn lock_files() -> Result<()> {
    process::step("looking through the npm lock files");
    let folders = npm_folders::below(&process::root())?;
    ensure!(
        !folders.is_empty(),
        "no package.json was found: the check looks in the wrong place"
    );
    let mut wrong = Vec::new();
    for folder in &folders {
        let found = folder.faults();
        wrong.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", folder.name)),
        );
    }
    wrong.extend(npm_lock::across(
        folders
            .iter()
            .map(|folder| (folder.name.as_str(), &folder.lock)),
    ));
    ensure!(
        wrong.is_empty(),
        "{}\n  What to do: xtask/src/supply_chain says what each rule is for",
        wrong.join("\n")
    );
    eprintln!(
        "{} npm packages in {} lock files",
        folders.iter().map(NpmFolder::packages).sum::<usize>(),
        folders.len()
    );
    Ok(())
}

fn npm_calls() -> Result<()> {
    process::step("looking for calls of npm that would run scripts of packages");
    let listed = process::output(
        std::process::Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(process::root()),
    )?;
    ensure!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let files = String::from_utf8(listed.stdout).context("git names a file that is no UTF-8")?;
    let files: Vec<&str> = files.split('\0').filter(|file| !file.is_empty()).collect();
    let wrong = npm_calls::without_ignore_scripts(&process::root(), files.iter().map(Path::new))?;
    ensure!(
        wrong.is_empty(),
        "npm would run what packages bring:\n{}\n  What to do: add --ignore-scripts",
        wrong.join("\n")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_own_lock_files_and_calls_of_npm_are_as_they_should_be() {
        super::lock_files().unwrap();
        super::npm_calls().unwrap();
    }
}
