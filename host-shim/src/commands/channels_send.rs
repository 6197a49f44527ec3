//! `loong channels send`: one text to one target.

use std::io::Read;

use serde::Serialize;

use super::opened::{Opened, ready, selected};
use crate::catalog::bridge_command;
use crate::cli::{Global, SendArgs};
use crate::component::bindings::{DeliveryStatus, ErrorKind, Operation, OutboundMessage};
use crate::component::call_error::CallError;
use crate::error::Failure;
use crate::output::Output;

/// Bytes of standard input that are read: more than any channel takes.
const LONGEST_TEXT: u64 = 1 << 20;

#[derive(Debug, Serialize)]
struct Sent<'a> {
    channel: &'a str,
    account: &'a str,
    target: &'a str,
    message_id: &'a str,
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
    let entry = selected(&report)?;
    ready(&opened.plugin, entry, Operation::Send)?;
    let message = OutboundMessage {
        target: args.target.clone(),
        target_kind: args.target_kind.clone(),
        text,
        idempotency_key: None,
    };
    let receipt = opened
        .channel
        .send(&entry.account, message)
        .await
        .map_err(|error| unsent(error, &opened.plugin.manifest.channel_id))?;
    let sent = Sent {
        channel: &opened.plugin.manifest.channel_id,
        account: &entry.account.configured_id,
        target: &receipt.target,
        message_id: &receipt.message_id,
        status: status_id(receipt.status),
    };
    if args.json {
        return output.json(&sent);
    }
    output.data(&format!(
        "{} {} {}",
        sent.status, sent.target, sent.message_id
    ));
    if receipt.status == DeliveryStatus::Pending {
        output.hint("the bridge has the message and sends it as soon as it can");
    }
    Ok(())
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

/// A failed send; when nobody answers, the next step is to start the bridge.
fn unsent(error: CallError, channel_id: &str) -> Failure {
    let unreachable = matches!(&error, CallError::Refused { error, .. } if error.kind == ErrorKind::BridgeUnreachable);
    let failure = Failure::from(error);
    if unreachable {
        failure.hint(format!(
            "start the bridge with `{}`, then send again",
            bridge_command(channel_id)
        ))
    } else {
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
