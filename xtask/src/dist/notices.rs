//! THIRD-PARTY-LICENSES: what others wrote, in the archive or beside it, each with its licence and
//! the texts that come with it. Every text stands there once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::licence_texts::Text;
use super::origin::Origin;
use super::{NAME, crates, npm};
use crate::checks::{self, Product};
use crate::{build, process};

/// Something that somebody else wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: String,
    pub(super) texts: Vec<Text>,
}

/// What an archive says of others.
#[derive(Debug)]
pub(super) struct Notices {
    pub(super) text: String,
    /// Rust's own page about its standard library, which every Rust program contains.
    pub(super) standard_library: Option<Vec<u8>>,
}

const PROGRAM: &str = "\
In `loong`
----------
These Rust crates are linked into the program or wrote a part of it while it was built; some of them
would come in only with features that it leaves out.
";

const COMPONENT: &str = "\
In the component
----------------
The same for the plugin's WebAssembly component. Through Rust's standard library it also contains
wasi-libc (Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT), in which there is musl (MIT).
";

const PACKAGES: &str = "\
Not in this archive: what the bridge runs with
----------------------------------------------
The archive holds the list of these npm packages, package-lock.json, and none of them. `bridge install`
fetches them from npm to whoever runs it, those for other platforms left out. A text is shown where an
installed package brings one.

libsignal is under the GNU General Public License, version 3. The bridge runs it in its own process, so
the program that comes into being when the bridge runs together with it is, as a whole, under the GPL's
terms. whatsapp-rust-bridge says MIT, but the WebAssembly in it contains the crate wacore-libsignal, most
of whose source files carry an AGPL-3.0-only line: we read the stricter one.

Whoever hands out a copy with these packages in it (an image, an appliance) hands out a work under these
terms and owes its recipients the sources. `loong` and the component are programs of their own: they talk
to the bridge over HTTP, link nothing of it, and stay under the MIT licence.
";

const TEXTS: &str = "\
Texts
-----
Some packages bring texts of licences that they offer as another choice; the lists above say which count.
";

/// The notices of everything that is packed now.
///
/// # Errors
/// A part without a licence, or one that the list lacks: neither may be handed out.
pub(super) fn of_everything(origin: &Origin) -> Result<Notices> {
    let program = crates::of(Product::Program.package(), &origin.target)?;
    let component = crates::of(Product::Component.package(), build::GUEST_TARGET)?;
    let packages = npm::of(&build::plugin_folder())?;
    // Asked in another way than the lists were made.
    complete(&program, &checks::linked(Product::Program)?)?;
    complete(&component, &checks::linked(Product::Component)?)?;
    let standard_library = standard_library();
    let sections = [
        (PROGRAM, program.as_slice()),
        (COMPONENT, &component),
        (PACKAGES, &packages),
    ];
    let rust = if standard_library.is_some() {
        "THIRD-PARTY-LICENSES-rust-std.html tells whose work that contains"
    } else {
        process::step(
            "note: this Rust brings no page about its standard library: it is named, and that is all",
        );
        "https://www.rust-lang.org tells whose work that contains"
    };
    let head = format!(
        "Third-party notices of {NAME} {} ({})\n\n\
         What we wrote is under the MIT licence: see LICENSE. This file names what others wrote. Rust's standard\n\
         library (MIT OR Apache-2.0) is in both programs; {rust}.\n",
        origin.version, origin.target
    );
    Ok(Notices {
        text: rendered(&head, &sections),
        standard_library,
    })
}

/// Every crate of `linked` ("name version") is among the parts.
fn complete(parts: &[Part], linked: &[String]) -> Result<()> {
    let listed = |known: &&String| {
        parts
            .iter()
            .any(|part| format!("{} {}", part.name, part.version) == **known)
    };
    let missing: Vec<&str> = linked
        .iter()
        .filter(|known| !listed(known))
        .map(String::as_str)
        .collect();
    ensure!(
        missing.is_empty(),
        "`cargo tree` shows crates that the notices lack: {}; mend xtask/src/dist/crates.rs before anything is handed out",
        missing.join(", ")
    );
    Ok(())
}

fn rendered(head: &str, sections: &[(&str, &[Part])]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut texts = String::new();
    let mut document = head.to_owned();
    for (title, parts) in sections {
        document.push('\n');
        document.push_str(title);
        document.push('\n');
        for part in *parts {
            let mut line = format!("  {} {}  {}", part.name, part.version, part.licence);
            for text in &part.texts {
                let next = numbers.len() + 1;
                let number = *numbers.entry(&text.words).or_insert(next);
                if number == next {
                    write!(texts, "\n[{number}] {}\n\n{}\n", text.file, text.words).ok();
                }
                let reference = format!(" [{number}]");
                if !line.contains(&reference) {
                    line.push_str(&reference);
                }
            }
            document.push_str(&line);
            document.push('\n');
        }
    }
    document + "\n" + TEXTS + &texts
}

/// The page comes with rustc.
fn standard_library() -> Option<Vec<u8>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = process::output(
        Command::new(rustc)
            .args(["--print", "sysroot"])
            .current_dir(process::root()),
    )
    .ok()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    std::fs::read(sysroot.join("share/doc/rust/COPYRIGHT-library.html")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, texts: &[&str]) -> Part {
        Part {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            texts: texts
                .iter()
                .map(|words| Text {
                    file: "LICENSE".to_owned(),
                    words: (*words).to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn each_text_stands_once_and_every_part_points_at_its_own() {
        let (one, other) = (
            [part("a", &["x"]), part("b", &["y", "x", "y"])],
            [part("c", &[])],
        );
        let text = rendered("head\n", &[("One\n", &one), ("Other\n", &other)]);
        let lists = "head\n\nOne\n\n  a 1.0.0  MIT [1]\n  b 1.0.0  MIT [2] [1]\n\nOther\n\n  c 1.0.0  MIT\n";
        let texts = "[1] LICENSE\n\nx\n\n[2] LICENSE\n\ny\n";
        assert_eq!(text, format!("{lists}\n{TEXTS}\n{texts}"));
    }

    #[test]
    fn a_crate_that_is_linked_and_not_named_stops_the_packing() {
        let parts = [part("a", &[])];
        complete(&parts, &["a 1.0.0".to_owned()]).unwrap();
        let linked = [
            "a 1.0.0".to_owned(),
            "a 2.0.0".to_owned(),
            "b 1.0.0".to_owned(),
        ];
        let error = complete(&parts, &linked).unwrap_err().to_string();
        assert!(error.contains("lack: a 2.0.0, b 1.0.0;"), "{error}");
    }
}
