//! What is checked without running the product: form, lints, types, and what may not be linked.

use std::process::Command;

use anyhow::Result;

use crate::test::Count;
use crate::{build, process, supply_chain};

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
        "rustfmt (fuzz)",
        process::run(
            "checking the form of the fuzz targets",
            process::cargo().args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]),
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
    supply_chain::check(&mut count);
    let tools = process::root().join("xtask/node-checks");
    let bridge = process::root().join("runtime-plugins/whatsapp-personal-bridge");
    let properties = build::node_properties();
    count.check(
        "node tools",
        build::node_packages("installing the linters for the bridge", &tools),
    );
    count.check(
        "node properties",
        build::node_packages("installing what draws cases", &properties),
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
    for (name, folder) in [("eslint", &bridge), ("eslint (properties)", &properties)] {
        count.check(
            name,
            process::run(
                "linting the bridge",
                Command::new("node")
                    .arg(tools.join("node_modules/eslint/bin/eslint.js"))
                    .arg("--config")
                    .arg(tools.join("eslint.config.mjs"))
                    .args(["--max-warnings", "0", "."])
                    .current_dir(folder),
            ),
        );
    }
    Ok(count)
}

/// What we hand out that is linked from crates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Product {
    Program,
    Component,
}

impl Product {
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Program => "loong",
            Self::Component => "whatsapp-personal-plugin",
        }
    }
}

/// See docs/decisions/0001-licences.md.
pub(crate) fn nothing_foreign_ships() -> Result<()> {
    process::step("looking for crates that must not be linked into what we hand out");
    for product in [Product::Program, Product::Component] {
        if let Some(found) = linked(product)?.iter().find(|known| {
            CRATES_THAT_NEVER_SHIP
                .iter()
                .any(|name| known.starts_with(name))
        }) {
            anyhow::bail!(
                "{} links {found}; docs/decisions/0001-licences.md says why it must not",
                product.package()
            );
        }
    }
    Ok(())
}

/// The crates of others that `product` is linked from, each as "name version".
pub(crate) fn linked(product: Product) -> Result<Vec<String>> {
    let mut command = process::cargo();
    command.args(["tree", "--package", product.package()]);
    command.args(["--edges", "normal", "--prefix", "none"]);
    if let Product::Component = product {
        command.args(["--target", build::GUEST_TARGET]);
    }
    let tree = process::output(&mut command)?;
    anyhow::ensure!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8_lossy(&tree.stdout);
    let mut linked: Vec<String> = tree.lines().filter_map(named).collect();
    linked.sort();
    linked.dedup();
    Ok(linked)
}

/// "name version" of a line of `cargo tree`; none for a crate of ours, which comes from a folder.
fn named(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    let ours = words.any(|word| word.starts_with("(/"));
    (!ours).then(|| format!("{name} {}", version.trim_start_matches('v')))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn crates_of_others_are_read_from_a_tree_and_ours_are_not() {
        for line in ["aes v0.8.4", "aes v0.8.4 (*)", "aes v0.8.4 (proc-macro)"] {
            assert_eq!(named(line).as_deref(), Some("aes 0.8.4"), "{line}");
        }
        assert_eq!(named("loong v0.1.0 (/somewhere/host-shim)"), None);
        assert_eq!(named(""), None);
    }
}
