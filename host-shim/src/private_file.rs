//! Files of ours that others must not read and that nobody may find half written.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Puts `bytes` in the place of the file at `path`, all of them or none, on disk when this returns.
/// A file that is there keeps its mode; a new one is for its owner only.
///
/// # Errors
/// The folder cannot be written to, or is full; what was there is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let mode = fs::metadata(path).map_or(0o600, |old| old.permissions().mode() & 0o7777);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is safe only when the folder is.
    File::open(folder)?.sync_all()
}
