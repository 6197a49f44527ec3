//! `cargo xtask dist`: what is handed out, as one archive for the platform that it is built on.
//! Decides the order of the work; what goes in, `contents` knows, and how it is written, `archive`.

mod archive;
mod contents;
mod crates;
mod licence_texts;
mod notices;
mod npm;
mod origin;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::build::{self, Built};
use crate::{checks, process, setup};
use origin::Origin;

/// What every archive is called, before version and platform.
const NAME: &str = "loong-whatsapp-personal";

/// Builds what is handed out, and packs it.
pub(crate) fn run() -> Result<()> {
    setup::node()?;
    let built = build::product()?;
    // For their licences alone: none of them is packed.
    build::bridge_dependencies(&built)?;
    let archive = pack(&built)?;
    println!("{} ({})", archive.display(), megabytes(&archive)?);
    Ok(())
}

/// Packs what is built already; gives the archive. The bridge's dependencies are installed.
pub(crate) fn pack(built: &Built) -> Result<PathBuf> {
    let origin = Origin::find()?;
    origin.tell();
    checks::nothing_foreign_ships()?;
    process::step("collecting what others wrote, and their licences");
    let notices = notices::of_everything(&origin)?;
    process::step("packing");
    let folder = built.folder("dist");
    fs::create_dir_all(&folder)?;
    let packed = contents::collect(built, &folder, &origin, notices)?;
    let name = format!("{NAME}-{}-{}", origin.version, origin.target);
    let bytes = packed.written(&name, origin.time)?;
    let file = format!("{name}.tar.gz");
    let archive = folder.join(&file);
    put(&archive, &bytes)?;
    let sums = format!("{}  {file}\n", hex::encode(Sha256::digest(&bytes)));
    put(&folder.join("SHA256SUMS"), sums.as_bytes())?;
    Ok(archive)
}

/// All of it or none: nobody finds half an archive.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let half = path.with_extension("half");
    fs::write(&half, bytes)
        .and_then(|()| fs::rename(&half, path))
        .with_context(|| {
            format!(
                "cannot write {}: make room, or the folder writable, then run this command again",
                path.display()
            )
        })
}

fn megabytes(path: &Path) -> Result<String> {
    let tenths = fs::metadata(path)?.len() / 100_000;
    Ok(format!("{}.{} MB", tenths / 10, tenths % 10))
}
