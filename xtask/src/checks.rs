//! What is checked without running the product: form, lints, types, and what may not be linked.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::test::Count;

const CRATES_THAT_NEVER_SHIP: [&str; 4] = ["wacore", "waproto", "whatsapp-rust", "libsignal"];

pub(crate) fn run() -> Result<Count> {
    let mut count = Count::default();
    count.check(
        "rustfmt",
        process::run(
            "checking the form of the Rust code",
            process::cargo().args(["fmt", "--all", "--check"]),
        ),
    );
    count.check(
        "clippy",
        process::run(
            "linting the Rust code",
            process::cargo().args([
                "clippy",
                "--release",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
    );
    count.check("licences", nothing_foreign_ships());
    let tools = process::root().join("xtask/node-checks");
    let bridge = process::root().join("runtime-plugins/whatsapp-personal-bridge");
    count.check(
        "node tools",
        process::run(
            "installing the linters for the bridge",
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&tools),
        ),
    );
    for (name, project) in [
        ("tsc", "tsconfig.json"),
        ("tsc (page)", "tsconfig.page.json"),
    ] {
        count.check(
            name,
            process::run(
                "checking the bridge's types",
                Command::new("node")
                    .arg(tools.join("node_modules/typescript/bin/tsc"))
                    .arg("--project")
                    .arg(tools.join(project))
                    .current_dir(&bridge),
            ),
        );
    }
    count.check(
        "eslint",
        process::run(
            "linting the bridge",
            Command::new("node")
                .arg(tools.join("node_modules/eslint/bin/eslint.js"))
                .arg("--config")
                .arg(tools.join("eslint.config.mjs"))
                .args(["--max-warnings", "0", "."])
                .current_dir(&bridge),
        ),
    );
    Ok(count)
}

/// See docs/decisions/0001-licences.md.
fn nothing_foreign_ships() -> Result<()> {
    process::step("looking for crates that must not be linked into what we hand out");
    for package in ["loong", "whatsapp-personal-plugin"] {
        let tree = process::output(process::cargo().args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
        ]))?;
        anyhow::ensure!(
            tree.status.success(),
            "{}",
            String::from_utf8_lossy(&tree.stderr)
        );
        let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
        if let Some(line) = tree.lines().find(|line| {
            CRATES_THAT_NEVER_SHIP
                .iter()
                .any(|name| line.starts_with(name))
        }) {
            anyhow::bail!(
                "{package} links {line}; docs/decisions/0001-licences.md says why it must not"
            );
        }
    }
    Ok(())
}
