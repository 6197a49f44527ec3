//! The secret that a bridge and its hosts share: made by `bridge run`, kept in a file of the run
//! folder, gone when the bridge ends. Who may call what is decided by the bridge; when to send it,
//! by [`super::http`].

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::home::Home;
use crate::private_file;

/// Where the tokens of this home are.
#[derive(Debug, Clone)]
pub struct Tokens {
    folder: PathBuf,
}

/// 256 random bits as 64 hexadecimal characters. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A token of our own making: its file is there until this is dropped, and no other process makes
/// one for the same address in the meantime.
#[derive(Debug)]
pub struct Issued {
    path: PathBuf,
    lock: File,
}

impl Tokens {
    pub fn of(home: &Home) -> Self {
        Self {
            folder: home.run_path(),
        }
    }

    /// The token of the bridge at `address`; none when no `bridge run` of this home holds that
    /// address. Read anew each time: the next `bridge run` makes another.
    ///
    /// # Errors
    /// There is a file, and it cannot be read or holds no token.
    pub fn read(&self, address: &BridgeAddress) -> io::Result<Option<Token>> {
        let Some(path) = self.path(address) else {
            return Ok(None);
        };
        match fs::read_to_string(&path) {
            Ok(text) => Token::parse(text.trim()).map(Some).ok_or_else(|| {
                let words = format!("{} holds no token", path.display());
                io::Error::new(io::ErrorKind::InvalidData, words)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("{} cannot be read: {error}", path.display()),
            )),
        }
    }

    /// Where the token of the bridge at `address` is kept; none when it can have none.
    pub(super) fn path(&self, address: &BridgeAddress) -> Option<PathBuf> {
        Some(self.folder.join(format!("{}.token", name(address)?)))
    }

    /// Makes a new token for the bridge at `address`.
    ///
    /// # Errors
    /// Another process has one, the address is none that a bridge can listen on, or the folder
    /// cannot be written to.
    pub fn issue(&self, home: &Home, address: &BridgeAddress) -> Result<Issued, Failure> {
        let folder = home.run_dir()?;
        let unwritable = |error: io::Error| {
            Failure::operator(
                "token_not_written",
                format!("cannot keep the bridge's token in {}", folder.display()),
            )
            .because(error)
            .hint("make room there, or set LOONG_HOME to a folder you can write to")
        };
        let name = name(address).ok_or_else(|| {
            Failure::operator(
                "bridge_url_refused",
                format!("no bridge can listen on {address}"),
            )
            .hint("set bridge_url to http://127.0.0.1:<port>/<path>")
        })?;
        let lock = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(folder.join(format!("{name}.lock")))
            .map_err(unwritable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::operator(
                "bridge_running",
                format!("a bridge is already being run on {address}"),
            )
            .hint("use that one, or stop it first; another account needs a bridge_url of its own"),
            TryLockError::Error(error) => unwritable(error),
        })?;
        let path = folder.join(format!("{name}.token"));
        let token = Token::random().map_err(unwritable)?;
        // A file that somebody else made there has a mode of its own.
        fs::remove_file(&path).or_else(absent).map_err(unwritable)?;
        private_file::replace(&path, token.0.as_bytes()).map_err(unwritable)?;
        Ok(Issued { path, lock })
    }
}

impl Issued {
    /// The file that holds the token, for the bridge to read.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        // Before the lock goes: the next owner's file must not be the one that is removed.
        fs::remove_file(&self.path).ok();
        // Closing alone would leave it to a child that another thread is just starting.
        self.lock.unlock().ok();
    }
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| Self(text.to_owned()))
    }

    fn random() -> io::Result<Self> {
        random_hex::<32>().map(Self)
    }

    /// What the `Authorization` header of a request says.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether `proof`, given for `nonce`, comes from somebody who knows this token.
    pub fn proves(&self, nonce: &str, proof: &str) -> bool {
        let Ok(proof) = hex::decode(proof) else {
            return false;
        };
        self.keyed(nonce)
            .is_some_and(|mac| mac.verify_slice(&proof).is_ok())
    }

    /// What a bridge with this token answers to `nonce`.
    pub fn proof(&self, nonce: &str) -> Option<String> {
        let mac = self.keyed(nonce)?;
        Some(hex::encode(mac.finalize().into_bytes()))
    }

    /// None never happens: a key of any length will do.
    fn keyed(&self, nonce: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(nonce.as_bytes());
        Some(mac)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Something that nobody has been asked before.
///
/// # Errors
/// The system gives no random numbers.
pub fn nonce() -> io::Result<String> {
    random_hex::<16>()
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn random_hex<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Bridges listen on 127.0.0.1 alone, so a port names one.
fn name(address: &BridgeAddress) -> Option<String> {
    let here = matches!(address.host(), "127.0.0.1" | "localhost");
    here.then(|| format!("bridge-127.0.0.1-{}", address.port()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place() -> (tempfile::TempDir, Home, BridgeAddress) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"), folder.path());
        let address = BridgeAddress::parse("http://localhost:39731/bridge").unwrap();
        (folder, home, address)
    }

    #[test]
    fn a_token_is_private_while_it_lasts_and_gone_afterwards() {
        let (_folder, home, address) = place();
        let tokens = Tokens::of(&home);
        assert_eq!(tokens.read(&address).unwrap(), None);
        let issued = tokens.issue(&home, &address).unwrap();
        let path = home.root().join("run/bridge-127.0.0.1-39731.token");
        assert_eq!(issued.path(), path);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = fs::read_to_string(&path).unwrap();
        let token = tokens.read(&address).unwrap().unwrap();
        assert_eq!(token.bearer(), format!("Bearer {text}"));
        assert!(!format!("{token:?}{issued:?}").contains(&text));
        drop(issued);
        assert!(!path.exists());
        assert_eq!(tokens.read(&address).unwrap(), None);
    }

    #[test]
    fn each_run_makes_another_token_even_over_one_that_was_left_behind() {
        let (_folder, home, address) = place();
        let tokens = Tokens::of(&home);
        let left = home.run_dir().unwrap().join("bridge-127.0.0.1-39731.token");
        fs::write(&left, "00".repeat(32)).unwrap();
        let first = tokens.issue(&home, &address).unwrap();
        let one = tokens.read(&address).unwrap();
        drop(first);
        let _second = tokens.issue(&home, &address).unwrap();
        assert_ne!(one, Token::parse(&"00".repeat(32)));
        assert_ne!(tokens.read(&address).unwrap(), one);
    }

    #[test]
    fn a_second_run_on_the_same_address_is_refused_and_leaves_the_first_its_token() {
        let (_folder, home, address) = place();
        let tokens = Tokens::of(&home);
        let first = tokens.issue(&home, &address).unwrap();
        let failure = tokens.issue(&home, &address).unwrap_err();
        assert_eq!(failure.code, "bridge_running");
        assert!(first.path().exists());
    }

    #[test]
    fn a_file_that_holds_no_token_is_an_error_and_not_no_token() {
        let (_folder, home, address) = place();
        let path = home.run_dir().unwrap().join("bridge-127.0.0.1-39731.token");
        for text in ["", "secret", &"g".repeat(64), &"0".repeat(63)] {
            fs::write(&path, text).unwrap();
            let error = Tokens::of(&home).read(&address).unwrap_err().to_string();
            assert!(error.contains("holds no token"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn only_the_address_that_a_bridge_can_have_has_a_token() {
        let (_folder, home, _) = place();
        for url in ["http://127.0.0.2:39731/", "http://[::1]:39731/"] {
            let address = BridgeAddress::parse(url).unwrap();
            assert_eq!(Tokens::of(&home).read(&address).unwrap(), None);
            let failure = Tokens::of(&home).issue(&home, &address).unwrap_err();
            assert_eq!(failure.code, "bridge_url_refused");
        }
    }

    #[test]
    fn a_proof_holds_for_its_token_and_its_nonce_only() {
        let token = Token::parse(&"0123456789abcdef".repeat(4)).unwrap();
        let other = Token::parse(&"fedcba9876543210".repeat(4)).unwrap();
        let proof = token.proof("nonce-of-16-bytes").unwrap();
        // Computed by Node's crypto.createHmac with the 64 characters as its key.
        assert_eq!(proof, NODES_PROOF);
        assert!(token.proves("nonce-of-16-bytes", &proof));
        assert!(!token.proves("another-nonce-16", &proof));
        assert!(!other.proves("nonce-of-16-bytes", &proof));
        for wrong in ["", "x", &proof[..62]] {
            assert!(!token.proves("nonce-of-16-bytes", wrong), "{wrong}");
        }
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }

    const NODES_PROOF: &str = "d51f6a9907ac27b87648a4bf6f59fa94b2e2df76f2d8a43b38acc2da305575f6";
}
