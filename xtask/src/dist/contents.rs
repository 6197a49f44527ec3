//! What goes into an archive, and under which name. Refuses a plugin folder in which something lies
//! that nobody decided about.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::archive::Archive;
use super::notices::Notices;
use super::origin::Origin;
use crate::build::{self, Built};
use crate::process;

const PLUGIN: &str = "runtime-plugins/whatsapp-personal-bridge";
const MANIFEST: &str = "loong.plugin.json";
/// What the operator's host needs of the plugin's folder, beside the manifest and the component.
const SHIPPED: [&str; 6] = [
    ".npmrc",
    "bridge.mjs",
    "config.schema.json",
    "package-lock.json",
    "package.json",
    "src",
];
/// What lies there for us, or is made there.
const STAYS: [&str; 4] = [".npm-cache", "bench", "node_modules", "test"];

/// Ours, as they stand: where they lie, and their names in the archive.
const PLAIN: [(&str, &str); 5] = [
    ("LICENSE", "LICENSE"),
    ("contrib/README.md", "README.md"),
    ("contrib/Dockerfile", "contrib/Dockerfile"),
    (
        "contrib/loong-whatsapp-personal-bridge.service",
        "contrib/loong-whatsapp-personal-bridge.service",
    ),
    (
        "contrib/loong-whatsapp-personal-serve.service",
        "contrib/loong-whatsapp-personal-serve.service",
    ),
];
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "completions/loong.bash"),
    ("fish", "completions/loong.fish"),
    ("zsh", "completions/_loong"),
];

/// Everything; `scratch` is a folder for what is made on the way.
pub(super) fn collect(
    built: &Built,
    scratch: &Path,
    origin: &Origin,
    notices: Notices,
) -> Result<Archive> {
    let mut archive = Archive::default();
    let loong = scratch.join("loong");
    strip(&built.binary("loong"), &loong)?;
    archive.program("loong", read(&loong)?);
    spoken(&loong, &scratch.join("man"), &mut archive)?;
    fs::remove_file(&loong)?;
    for (from, to) in PLAIN {
        archive.file(to, read(&process::root().join(from))?);
    }
    archive.file("THIRD-PARTY-LICENSES", notices.text);
    if let Some(page) = notices.standard_library {
        archive.file("THIRD-PARTY-LICENSES-rust-std.html", page);
    }
    plugin(&build::plugin_folder(), &origin.version, &mut archive)?;
    Ok(archive)
}

/// The plugin, with the digest of its component in its manifest.
fn plugin(folder: &Path, version: &str, archive: &mut Archive) -> Result<()> {
    let manifest: Value = serde_json::from_slice(&read(&folder.join(MANIFEST))?)
        .with_context(|| format!("{MANIFEST} is no JSON"))?;
    let package: Value = serde_json::from_slice(&read(&folder.join("package.json"))?)
        .context("package.json is no JSON")?;
    for (file, value) in [(MANIFEST, &manifest), ("package.json", &package)] {
        let found = value.get("version").and_then(Value::as_str);
        ensure!(
            found == Some(version),
            "{file} says version {}, and loong is {version}: one release has one version",
            found.unwrap_or("nothing")
        );
    }
    let name = manifest
        .pointer("/metadata/loong_component_file")
        .and_then(Value::as_str)
        .with_context(|| format!("{MANIFEST} names no component"))?
        .to_owned();
    let component = read(&folder.join(&name))?;
    archive.file(
        format!("{PLUGIN}/{MANIFEST}"),
        pinned(manifest, &component)?,
    );
    archive.file(format!("{PLUGIN}/{name}"), component);
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let known = file == name || file == MANIFEST || STAYS.contains(&file.as_str());
        if SHIPPED.contains(&file.as_str()) {
            tree(folder, &file, archive)?;
        } else if !known {
            bail!(
                "{PLUGIN}/{file} is neither shipped nor known to stay: remove it, or name it in xtask/src/dist/contents.rs"
            );
        }
    }
    Ok(())
}

/// The manifest as text, with the one digest its component may have.
fn pinned(mut manifest: Value, component: &[u8]) -> Result<String> {
    let digest = hex::encode(Sha256::digest(component));
    manifest
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .with_context(|| format!("{MANIFEST} has no metadata"))?
        .insert("loong_component_sha256".to_owned(), digest.into());
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// A file of the plugin, or a folder with everything below it.
fn tree(folder: &Path, name: &str, archive: &mut Archive) -> Result<()> {
    for entry in WalkDir::new(folder.join(name)) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path();
            let inside = path.strip_prefix(folder).unwrap_or(path).display();
            archive.file(format!("{PLUGIN}/{inside}"), read(path)?);
        }
    }
    Ok(())
}

/// What the program can say about itself: completions, and pages for `man`.
fn spoken(loong: &Path, scratch: &Path, archive: &mut Archive) -> Result<()> {
    for (shell, name) in COMPLETIONS {
        let script = asked(loong, &["completions", shell])?;
        ensure!(!script.is_empty(), "loong has no completions for {shell}");
        archive.file(name, script);
    }
    fs::remove_dir_all(scratch).ok();
    fs::create_dir_all(scratch)?;
    let help = String::from_utf8(asked(loong, &["--help"])?)?;
    if !help.lines().any(|line| line.trim().starts_with("man ")) {
        process::step("note: this loong writes no pages for man");
        return Ok(());
    }
    let pages = std::path::absolute(scratch)?;
    asked(loong, &["man", &pages.to_string_lossy()])?;
    for page in fs::read_dir(scratch)? {
        let page = page?;
        archive.file(
            format!("man/{}", page.file_name().to_string_lossy()),
            read(&page.path())?,
        );
    }
    fs::remove_dir_all(scratch)?;
    Ok(())
}

/// What the packed program prints: that it runs at all is seen on the way.
fn asked(loong: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(loong);
    // It says the same for whoever packs: the channels that lie here, and nobody's configuration.
    command
        .args(arguments)
        .current_dir(process::root())
        .env("LOONG_HOME", loong.with_file_name("nobodys-home"))
        .env_remove("LOONG_CONFIG_PATH");
    let said = process::output(&mut command)?;
    ensure!(
        said.status.success(),
        "{} failed: {}",
        process::shown(&command),
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(said.stdout)
}

/// A copy without symbols: a fifth of the program, which nobody who gets it needs.
fn strip(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    process::run("stripping loong", Command::new("strip").arg(to))
        .context("`strip` is needed: it comes with the linker (binutils, or Xcode's tools)")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin's folder as it lies in a tree that was worked in.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                MANIFEST,
                r#"{"version": "1.2.3", "metadata": {"loong_component_file": "c.wasm"}}"#,
            ),
            ("package.json", r#"{"version": "1.2.3"}"#),
            ("package-lock.json", "{}"),
            (".npmrc", ""),
            ("bridge.mjs", "run"),
            ("c.wasm", "component"),
            ("src/deep/a.mjs", "a"),
            ("test/a.test.mjs", "a"),
            ("node_modules/x/LICENSE", "x"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn packed(folder: &Path) -> Result<Vec<String>> {
        let mut archive = Archive::default();
        plugin(folder, "1.2.3", &mut archive)?;
        Ok(archive
            .paths()
            .map(|path| path.trim_start_matches(PLUGIN).to_owned())
            .collect())
    }

    #[test]
    fn a_plugin_is_packed_without_what_is_there_for_its_makers() {
        assert_eq!(
            packed(folder().path()).unwrap(),
            [
                "/.npmrc",
                "/bridge.mjs",
                "/c.wasm",
                "/loong.plugin.json",
                "/package-lock.json",
                "/package.json",
                "/src/deep/a.mjs",
            ]
        );
    }

    #[test]
    fn a_file_that_nobody_decided_about_stops_the_packing() {
        let folder = folder();
        fs::write(folder.path().join("bridge.db"), "a login").unwrap();
        let error = packed(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("bridge.db is neither shipped nor known to stay"),
            "{error}"
        );
    }

    #[test]
    fn parts_of_different_versions_are_no_release() {
        let folder = folder();
        fs::write(
            folder.path().join("package.json"),
            r#"{"version": "1.2.4"}"#,
        )
        .unwrap();
        let error = packed(folder.path()).unwrap_err().to_string();
        assert!(error.contains("package.json says version 1.2.4"), "{error}");
    }

    #[test]
    fn the_manifest_pins_the_very_component_that_is_packed() {
        let manifest =
            serde_json::json!({"plugin_id": "p", "metadata": {"loong_component_file": "c.wasm"}});
        let text = pinned(manifest, b"component").unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            manifest
                .pointer("/metadata/loong_component_sha256")
                .unwrap(),
            &Value::from(hex::encode(Sha256::digest(b"component")))
        );
        assert_eq!(manifest.pointer("/plugin_id").unwrap(), "p");
    }
}
