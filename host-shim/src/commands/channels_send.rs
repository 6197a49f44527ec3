//! `loong channels send`: one text to one target, once. Every call has a key, so that it may be
//! tried again when its answer was lost: the channel sends one message for it.

use std::io::Read;
use std::time::Duration;

use serde::Serialize;

use tokio::time::Instant;

use super::opened::{Opened, ready, selected, tell_warnings};
use crate::backoff::Backoff;
use crate::catalog::bridge_command;
use crate::cli::{Global, SendArgs};
use crate::component::bindings::{Account, Receipt};
use crate::component::bindings::{DeliveryStatus, ErrorKind, Operation, OutboundMessage};
use crate::component::call_error::CallError;
use crate::error::Failure;
use crate::output::Output;

/// Bytes of standard input that are read: more than any channel takes.
const LONGEST_TEXT: u64 = 1 << 20;
/// No attempt begins later: a bridge that crashed is started again within seconds.
const ATTEMPTS_END: Duration = Duration::from_secs(45);

#[derive(Debug, Serialize)]
struct Sent<'a> {
    channel: &'a str,
    account: &'a str,
    target: &'a str,
    message_id: &'a str,
    /// All parts of a long text, in order.
    message_ids: &'a [String],
    idempotency_key: &'a str,
    status: &'static str,
}

/// Runs the command.
///
/// # Errors
/// The message was not accepted; nothing has been sent unless the error says otherwise.
pub async fn run(global: &Global, args: &SendArgs, output: &Output) -> Result<(), Failure> {
    let argument = args.text.clone();
    // On a thread of its own: somebody at a terminal may never write, and Ctrl-C must be heard.
    let text = tokio::task::spawn_blocking(move || text_of(&argument, std::io::stdin()))
        .await
        .map_err(|error| Failure::fault("text", "cannot read the text").because(error))??;
    let account = args.account.as_deref();
    let opened = Opened::open(global, &args.channel, account, output).await?;
    let report = opened.report(account, Some(&args.target)).await?;
    tell_warnings(&opened.survey, &report, output);
    let entry = selected(&report)?;
    ready(&opened.plugin, entry, Operation::Send)?;
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => new_key()?,
    };
    let message = OutboundMessage {
        target: args.target.clone(),
        target_kind: args.target_kind.clone(),
        text,
        idempotency_key: Some(key.clone()),
    };
    let receipt = persist(async || attempt(&opened, &entry.account, message.clone()).await)
        .await
        .map_err(|unsent| unsent.explained(&opened.plugin.manifest.channel_id, &key))?;
    let sent = Sent {
        channel: &opened.plugin.manifest.channel_id,
        account: &entry.account.configured_id,
        target: &receipt.target,
        message_id: &receipt.message_id,
        message_ids: &receipt.message_ids,
        idempotency_key: &key,
        status: status_id(receipt.status),
    };
    if args.json {
        return output.json(&sent);
    }
    output.data(&format!(
        "{} {} {}",
        sent.status, sent.target, sent.message_id
    ));
    if let parts @ 2.. = receipt.message_ids.len() {
        output.say(&format!("the text went out in {parts} parts"));
    }
    if receipt.status == DeliveryStatus::Pending {
        output.hint("the bridge has the message and sends it as soon as it can");
    }
    Ok(())
}

/// A message that was not accepted, as far as is known.
struct Unsent {
    error: CallError,
    /// An answer was lost on the way: it may have been accepted all the same.
    perhaps_sent: bool,
}

/// How one attempt ended, and whether the request may have arrived although no answer did.
type Attempt = (Result<Receipt, CallError>, bool);

async fn attempt(opened: &Opened, account: &Account, message: OutboundMessage) -> Attempt {
    // The door knows it, whatever the guest makes of it.
    let before = opened.door().unanswered();
    let outcome = opened.channel.send(account, message).await;
    let lost = opened.door().unanswered() > before;
    (outcome, lost)
}

/// Sends, and again while answers get lost and there is time.
async fn persist(mut attempt: impl AsyncFnMut() -> Attempt) -> Result<Receipt, Unsent> {
    let began = Instant::now();
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
    let mut perhaps_sent = false;
    loop {
        let (error, lost) = match attempt().await {
            (Ok(receipt), _) => return Ok(receipt),
            (Err(error), lost) => (error, lost),
        };
        perhaps_sent |= lost || matches!(error, CallError::Deadline { .. });
        // Nobody there at the first attempt: nothing was sent, and waiting is the person's choice.
        let again = perhaps_sent && (lost || is_unreachable(&error));
        let wait = backoff.wait();
        if !again || began.elapsed() + wait > ATTEMPTS_END {
            return Err(Unsent {
                error,
                perhaps_sent,
            });
        }
        tracing::debug!(
            code = error.code(),
            "no answer; trying again with the same key"
        );
        tokio::time::sleep(wait).await;
    }
}

/// Whether nobody answered.
fn is_unreachable(error: &CallError) -> bool {
    matches!(error, CallError::Refused { error, .. } if error.kind == ErrorKind::BridgeUnreachable)
}

/// 128 random bits: never the same again.
fn new_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::fault("randomness", "the system gives no random numbers").because(error)
    })?;
    Ok(format!("send:{}", hex::encode(bytes)))
}

/// The text itself, or standard input for `-`, without its last line end.
fn text_of(argument: &str, input: impl Read) -> Result<String, Failure> {
    let text = if argument == "-" {
        let mut text = String::new();
        input
            .take(LONGEST_TEXT + 1)
            .read_to_string(&mut text)
            .map_err(|error| {
                Failure::operator(
                    "text_unreadable",
                    "cannot read the text from standard input",
                )
                .because(error)
                .hint("pipe in a text in UTF-8, or write it after --text")
            })?;
        if text.len() as u64 > LONGEST_TEXT {
            return Err(Failure::usage(
                "text_too_long",
                "the text on standard input is longer than 1 MiB",
            )
            .hint("send it in parts"));
        }
        let line = text.strip_suffix('\n').unwrap_or(&text);
        line.strip_suffix('\r').unwrap_or(line).to_owned()
    } else {
        argument.to_owned()
    };
    if text.trim().is_empty() {
        return Err(Failure::usage("text_empty", "there is no text to send")
            .hint("write it after --text, or pipe it in with `--text -`"));
    }
    Ok(text)
}

impl Unsent {
    /// As a failed command; the next step is to start the bridge when nobody answers, and to ask
    /// again with the same key when an answer was lost.
    fn explained(self, channel_id: &str, key: &str) -> Failure {
        let unreachable = is_unreachable(&self.error);
        let failure = Failure::from(self.error);
        if self.perhaps_sent {
            return failure.hint(format!(
                "it may have been sent all the same; to be sure, run the command again with --idempotency-key {key}: it goes out once, however often it is tried"
            ));
        }
        if unreachable {
            return failure.hint(format!(
                "start the bridge with `{}`, then send again",
                bridge_command(channel_id)
            ));
        }
        failure
    }
}

fn status_id(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Pending => "pending",
        DeliveryStatus::AlreadySent => "already_sent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::bindings::ChannelError;
    use crate::component::call_error::{Call, CallSite};

    fn receipt() -> Receipt {
        Receipt {
            target: "north".to_owned(),
            message_id: "1".to_owned(),
            message_ids: vec!["1".to_owned()],
            status: DeliveryStatus::Sent,
        }
    }

    fn refusal(kind: ErrorKind) -> CallError {
        CallError::Refused {
            at: Box::new(CallSite {
                plugin_id: "pigeon".to_owned(),
                version: "1".to_owned(),
                call: Call::Send,
            }),
            error: ChannelError {
                kind,
                code: "told_so".to_owned(),
                message: "the test said so".to_owned(),
                hint: String::new(),
            },
        }
    }

    /// Attempts that end as told, the last of them without end; and how many were made.
    async fn persisting(told: &[(Option<ErrorKind>, bool)]) -> (Result<Receipt, Unsent>, usize) {
        let mut made = 0;
        let outcome = persist(async || {
            let (kind, lost) = told[made.min(told.len() - 1)];
            made += 1;
            (
                kind.map_or_else(|| Ok(receipt()), |kind| Err(refusal(kind))),
                lost,
            )
        })
        .await;
        (outcome, made)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_asked_for_again_also_while_the_bridge_comes_back() {
        const GONE: Option<ErrorKind> = Some(ErrorKind::BridgeUnreachable);
        let (sent, made) =
            persisting(&[(GONE, true), (GONE, false), (GONE, false), (None, false)]).await;
        assert!(sent.is_ok());
        assert_eq!(made, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_there_and_every_answer_end_it_at_once() {
        for kind in [
            ErrorKind::BridgeUnreachable,
            ErrorKind::BridgeUnavailable,
            ErrorKind::BridgeRefused,
            ErrorKind::Refused,
        ] {
            let (unsent, made) = persisting(&[(Some(kind), false)]).await;
            assert_eq!(made, 1);
            assert!(unsent.is_err_and(|unsent| !unsent.perhaps_sent));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_it_ends_in_time_and_says_how_to_ask_again() {
        let began = Instant::now();
        let (unsent, made) = persisting(&[(Some(ErrorKind::BridgeUnreachable), true)]).await;
        assert!(made > 4 && began.elapsed() <= ATTEMPTS_END, "{made}");
        let failure = unsent.err().unwrap().explained("pigeon-post", "k1");
        let hint = failure.hint.unwrap();
        assert!(hint.contains("--idempotency-key k1"), "{hint}");
    }

    #[test]
    fn keys_are_never_the_same() {
        assert_ne!(new_key().unwrap(), new_key().unwrap());
    }

    #[test]
    fn a_dash_reads_standard_input_without_its_last_line_end() {
        assert_eq!(text_of("-", "a\nb\r\n".as_bytes()).unwrap(), "a\nb");
        assert_eq!(text_of("hello", "unread".as_bytes()).unwrap(), "hello");
    }

    #[test]
    fn no_text_and_too_much_text_are_wrong_usage() {
        assert_eq!(text_of(" ", "".as_bytes()).unwrap_err().code, "text_empty");
        assert_eq!(
            text_of("-", "\n".as_bytes()).unwrap_err().code,
            "text_empty"
        );
        assert_eq!(
            text_of("-", std::io::repeat(b'a')).unwrap_err().code,
            "text_too_long"
        );
        let unreadable = text_of("-", [0xff].as_slice()).unwrap_err();
        assert_eq!(unreadable.code, "text_unreadable");
        assert!(unreadable.hint.is_some());
    }
}
