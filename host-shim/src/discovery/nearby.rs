//! Where plugin roots are when no configuration says so: in the working directory, and where a
//! release keeps them beside the program. Only proposes; what becomes of a proposal is the caller's.

use std::path::{Path, PathBuf};

use super::walk::{BOUNDS, walk};

/// The folder that a source tree and a release have in common.
const FOLDER: &str = "runtime-plugins";

/// Absolute paths of the folders that hold a manifest, each once, the likeliest first: below the
/// working `directory`, beside `program` (a flat release), beside its folder (`bin/loong`).
pub fn nearby_roots(directory: &Path, program: Option<&Path>) -> Vec<PathBuf> {
    // A link to the program is not where the release lies.
    let program = program.and_then(|program| program.canonicalize().ok());
    let beside = program.as_deref().and_then(Path::parent);
    let places = [Some(directory), beside, beside.and_then(Path::parent)];
    let mut roots: Vec<PathBuf> = Vec::new();
    for place in places.into_iter().flatten() {
        let Ok(root) = place.join(FOLDER).canonicalize() else {
            continue;
        };
        let holds = walk(&root, BOUNDS).is_ok_and(|walked| !walked.manifests.is_empty());
        if holds && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::manifest::FILE_NAME;
    use super::*;

    fn root(place: &Path) -> PathBuf {
        let root = place.join(FOLDER);
        fs::create_dir_all(root.join("pigeons")).unwrap();
        fs::write(root.join("pigeons").join(FILE_NAME), "{}").unwrap();
        root.canonicalize().unwrap()
    }

    #[test]
    fn roots_lie_in_the_working_directory_beside_the_program_and_beside_its_folder() {
        let place = tempfile::tempdir().unwrap();
        let (here, release) = (place.path().join("here"), place.path().join("release"));
        fs::create_dir_all(release.join("bin")).unwrap();
        fs::create_dir_all(&here).unwrap();
        let program = release.join("bin/loong");
        fs::write(&program, "").unwrap();
        assert!(nearby_roots(&here, Some(&program)).is_empty());

        let packaged = root(&release);
        assert_eq!(
            nearby_roots(&here, Some(&program)),
            std::slice::from_ref(&packaged)
        );
        let flat = root(&release.join("bin"));
        let own = root(&here);
        assert_eq!(
            nearby_roots(&here, Some(&program)),
            [own.clone(), flat, packaged]
        );
        assert_eq!(nearby_roots(&here, None), [own]);
    }

    #[test]
    fn a_linked_program_is_looked_for_where_it_really_is_and_a_root_is_named_once() {
        let place = tempfile::tempdir().unwrap();
        let release = place.path().join("release");
        fs::create_dir_all(&release).unwrap();
        fs::write(release.join("loong"), "").unwrap();
        let link = place.path().join("loong");
        std::os::unix::fs::symlink(release.join("loong"), &link).unwrap();
        let found = root(&release);
        assert_eq!(nearby_roots(&release, Some(&link)), [found]);
    }

    #[test]
    fn a_folder_without_a_manifest_is_no_root() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join(FOLDER)).unwrap();
        assert!(nearby_roots(place.path(), None).is_empty());
    }
}
