//! A `.tar.gz` whose bytes depend on nothing but the files' names and contents and one given time.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// Files under their paths in the archive; in the order of these.
#[derive(Debug, Default)]
pub(super) struct Archive {
    files: BTreeMap<String, File>,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    mode: u32,
}

impl Archive {
    pub(super) fn file(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.add(path.into(), bytes.into(), 0o644);
    }

    /// A file that can be run.
    pub(super) fn program(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.add(path.into(), bytes.into(), 0o755);
    }

    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn add(&mut self, path: String, bytes: Vec<u8>, mode: u32) {
        self.files.insert(path, File { bytes, mode });
    }

    /// The archive's bytes: everything below the folder `top`, written at `time` (Unix seconds) by
    /// user 0.
    pub(super) fn written(&self, top: &str, time: u64) -> Result<Vec<u8>> {
        // The header of gzip has room for a time and a name: both stay empty.
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        for (path, file) in &self.files {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_size(u64::try_from(file.bytes.len())?);
            header.set_mode(file.mode);
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            let path = format!("{top}/{path}");
            tar.append_data(&mut header, &path, file.bytes.as_slice())
                .with_context(|| format!("cannot pack {path}"))?;
        }
        Ok(tar.into_inner()?.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn packed(order: &[&str]) -> Vec<u8> {
        let mut archive = Archive::default();
        for path in order {
            match *path {
                "loong" => archive.program(*path, *b"program"),
                other => archive.file(other, other.as_bytes()),
            }
        }
        archive.written("loong-1.2.3", 1_700_000_000).unwrap()
    }

    #[test]
    fn the_same_files_give_the_same_bytes_in_whatever_order_they_came() {
        let one = packed(&["loong", "README.md", "plugin/src/a.mjs"]);
        let other = packed(&["plugin/src/a.mjs", "loong", "README.md"]);
        assert_eq!(one, other);
        assert_ne!(one, packed(&["loong", "README.md"]));
    }

    #[test]
    fn entries_are_sorted_and_tell_nothing_of_who_packed_them_and_when() {
        let bytes = packed(&["loong", "plugin/src/a.mjs", "README.md"]);
        // 4 to 7: the time in gzip's own header.
        assert_eq!(bytes.get(4..8), Some([0; 4].as_slice()));
        let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        let seen: Vec<(String, u32, u64, u64, u64, String)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.username(), Ok(Some("")));
                let (mode, uid) = (header.mode().unwrap(), header.uid().unwrap());
                let (gid, time) = (header.gid().unwrap(), header.mtime().unwrap());
                let path = entry.path().unwrap().display().to_string();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (path, mode, uid, gid, time, text)
            })
            .collect();
        let entry = |path: &str, mode, text: &str| {
            let path = format!("loong-1.2.3/{path}");
            (path, mode, 0, 0, 1_700_000_000, text.to_owned())
        };
        assert_eq!(
            seen,
            [
                entry("README.md", 0o644, "README.md"),
                entry("loong", 0o755, "program"),
                entry("plugin/src/a.mjs", 0o644, "plugin/src/a.mjs"),
            ]
        );
    }
}
