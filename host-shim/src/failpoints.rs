//! Places at which a test lets the process die as a crash would: at once, by SIGKILL, nothing
//! finished and nothing said. Without the feature `failpoints`, which no release has, nothing of
//! this is compiled in. `FAILPOINTS=after-send=return` dies at the first visit,
//! `FAILPOINTS='after-send=2*off->return'` at the third.
//!
//! `cargo build --release --workspace --bins --features loong/failpoints` builds it beside the
//! ordinary one from the same dependencies. Both end up as `target/release/loong`: copy it away,
//! then build without the feature, which only puts the ordinary one back.
//!
//! | point | when |
//! |---|---|
//! | `after-lease` | a batch has arrived, nothing of it is answered |
//! | `before-reply` | the engine has answered, nothing was sent |
//! | `after-send` | the reply was sent, the message is not acknowledged |
//! | `after-ack` | it is acknowledged, nothing was noted |

#[cfg(feature = "failpoints")]
pub use armed::{answered, arm, reach, sends};
#[cfg(not(feature = "failpoints"))]
pub use unarmed::{answered, reach, sends};

#[cfg(not(feature = "failpoints"))]
mod unarmed {
    /// Nothing ends here.
    #[inline]
    pub fn reach(_point: &'static str) {}

    /// `call` as it is.
    #[inline]
    pub fn sends<F: Future>(_reply: bool, call: F) -> F {
        call
    }

    /// Nothing ends here.
    #[inline]
    pub fn answered(_status: u16) {}
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::cell::Cell;

    tokio::task_local! {
        /// The call under way has a reply to send first, and acknowledges afterwards.
        static SENDS: Cell<bool>;
    }

    /// Reads `FAILPOINTS`; what it says counts as long as the answer lives.
    pub fn arm() -> fail::FailScenario<'static> {
        fail::FailScenario::setup()
    }

    /// Dies here when `FAILPOINTS` says so.
    pub fn reach(point: &'static str) {
        fail::fail_point!(point, |_argument| die());
    }

    /// Runs `call`, in which the first request that is answered sends the reply when `reply` is true.
    pub async fn sends<F: Future>(reply: bool, call: F) -> F::Output {
        SENDS.scope(Cell::new(reply), call).await
    }

    /// A request of a guest was answered with `status`.
    pub fn answered(status: u16) {
        let sent = |sends: &Cell<bool>| (200..300).contains(&status) && sends.take();
        if SENDS.try_with(sent).unwrap_or(false) {
            reach("after-send");
        }
    }

    fn die() {
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::KILL).ok();
        // The signal is on its way; nothing may happen before it arrives.
        loop {
            std::thread::park();
        }
    }
}
