//! Reading a file that somebody else may have put there: it never waits, and never takes more than
//! it was told to. Whoever reads says how much that is.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Reading one may never end.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    #[error("it has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("it is not UTF-8 text")]
    NotText,
}

impl ReadError {
    /// Whether there is nothing at all at the path.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// All bytes of the file at `path`, of which there may be `limit`.
///
/// # Errors
/// There is no plain file, it cannot be read, or it has more.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    // Asked before it is opened: opening alone does something to some devices.
    plain(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(without_waiting())
        .open(path)?;
    taken(&file, limit)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit)?).map_err(|_bytes| ReadError::NotText)
}

fn taken(file: &File, limit: u64) -> Result<Vec<u8>, ReadError> {
    // Once more: something else may lie there by now.
    let metadata = file.metadata()?;
    plain(metadata.file_type())?;
    if metadata.len() > limit {
        return Err(ReadError::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge { limit });
    }
    Ok(bytes)
}

fn plain(kind: FileType) -> Result<(), ReadError> {
    let other = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(ReadError::NotAFile(other))
}

fn without_waiting() -> i32 {
    // The flags of one system call, whatever type each library gives them.
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(path: &Path) -> String {
        read_text(path, 8).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_no_further() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "12345678").unwrap();
        assert_eq!(read_text(&file, 8).unwrap(), "12345678");
        fs::write(&file, "123456789").unwrap();
        assert_eq!(why(&file), "it has more than 8 bytes");
        // 1 GiB that is nowhere on the disk.
        File::create(&file).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(why(&file), "it has more than 8 bytes");
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert_eq!(why(&file), "it is not UTF-8 text");
    }

    #[test]
    fn what_never_ends_is_refused_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(why(&pipe), "it is a pipe, not a file");
        let socket = place.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(why(&socket), "it is a socket, not a file");
        assert_eq!(why(Path::new("/dev/zero")), "it is a device, not a file");
        assert_eq!(why(place.path()), "it is a folder, not a file");
        assert!(
            read(&place.path().join("nothing"), 8)
                .unwrap_err()
                .is_missing()
        );
    }
}
