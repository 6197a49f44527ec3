//! Room on the disk that something is kept on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::check::{Checks, Finding, Id};
use super::reach::split;

/// Less than this is worth a look; less than that, and writes will soon fail.
const LITTLE: u64 = 200_000_000;
const NONE: u64 = 20_000_000;

/// Looks at the disk of `path`, which need not exist yet; `what` is kept there.
pub(super) fn examine(checks: &mut Checks, path: &Path, what: &str) {
    let (existing, _) = split(path);
    // A disk that cannot be asked is told of by the check of its folder.
    if let Ok(disk) = rustix::fs::statvfs(existing) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        checks.add(Id::DiskSpace, judge(free, existing, what));
    }
}

/// As [`examine`], when `path` is on another disk than `home`, which has been looked at.
pub(super) fn examine_apart(checks: &mut Checks, path: &Path, home: &Path, what: &str) {
    let disk = |path| {
        fs::metadata(split(path).0)
            .map(|metadata| metadata.dev())
            .ok()
    };
    if disk(path) != disk(home) {
        examine(checks, path, what);
    }
}

fn judge(free: u64, place: &Path, what: &str) -> Finding {
    let shown = place.display();
    let seen = format!("{} free for {what} ({shown})", size(free));
    let hint = format!(
        "make room on the disk of {shown}: df -h {}",
        crate::commands::shell::quoted(place)
    );
    match free {
        ..NONE => Finding::fail(seen, hint),
        NONE..LITTLE => Finding::warn(seen, hint),
        LITTLE.. => Finding::ok(seen),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000.. => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_disk_is_fine_nearly_full_or_full() {
        for (free, status, seen) in [
            (0, Status::Fail, "0 MB free for messages"),
            (19_999_999, Status::Fail, "19 MB"),
            (20_000_000, Status::Warn, "20 MB"),
            (199_999_999, Status::Warn, "199 MB"),
            (200_000_000, Status::Ok, "200 MB"),
            (5_500_000_000, Status::Ok, "5 GB"),
        ] {
            let found = judge(free, Path::new("/d"), "messages");
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.seen.contains(seen), "{found:?}");
            assert_eq!(found.hint.is_empty(), status == Status::Ok);
        }
    }
}
