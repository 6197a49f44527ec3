//! A linked device: a real client that a person's phone has vouched for, what it has left with
//! the server, and the mail that waits for it. It opens its messages by itself; the devices that
//! the simulator plays are in `person`.

use super::bundle::KeyShelf;
use super::mail::Mail;

pub(crate) struct Companion {
    pub(crate) device: u16,
    /// Its key in the Noise handshake: how a login proves who it is.
    pub(crate) noise_key: Vec<u8>,
    pub(crate) shelf: KeyShelf,
    /// What the phone said about it, signed by both: those who meet it want to see that.
    pub(crate) vouched: Vec<u8>,
    /// Whether the phone has pushed the (empty) history that ends a client's first sync.
    pub(crate) has_history: bool,
    /// Gone with the link: a newly linked device gets nothing that was encrypted for another.
    pub(crate) mail: Mail,
}
