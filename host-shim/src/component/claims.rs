//! What a guest's answer may say, whoever the guest is: the promises of the contract that its types
//! cannot hold. Whether the settings in it are the operator's is asked in [`super::trust`].

use std::collections::BTreeSet;

use super::bindings::{
    AccountReport, Batch, ChannelError, Issue, OperationDescription, Receipt, Report, Step,
    StepOutcome,
};
use crate::plain_text::{is_plain, quoted_value, sentence};

/// Accounts of one channel, and entries of every other list of a report.
const ACCOUNTS: usize = 100;
const ENTRIES: usize = 1_000;
/// Parts of one message.
const PARTS: usize = 1_000;
/// Bytes of an id, which may be a target or a cursor; and of a code.
const ID: usize = 1_024;
const CODE: usize = 64;
/// Characters of a sentence for the operator, and of a name that is shown.
const SENTENCE: usize = 2_000;
const NAME: usize = 200;

/// A promise that was not kept, in words to stand after "broke the contract".
type Broken = String;

/// Checks a report, and makes its words harmless. The accounts in it stay what they are: they are
/// given back to the guest.
pub(super) fn report(report: &mut Report) -> Result<(), Broken> {
    if report.accounts.len() > ACCOUNTS {
        return Err(format!(
            "it reports {} accounts; {ACCOUNTS} are the most",
            report.accounts.len()
        ));
    }
    let mut known = BTreeSet::new();
    for entry in &mut report.accounts {
        account(entry)?;
        if !known.insert(entry.account.configured_id.as_str()) {
            let id = &entry.account.configured_id;
            return Err(format!("it reports the account `{id}` twice"));
        }
    }
    report.selected = match std::mem::replace(&mut report.selected, Ok(String::new())) {
        Ok(id) if known.contains(id.as_str()) => Ok(id),
        Ok(id) => {
            let id = quoted_value(&id);
            return Err(format!("it chose account `{id}`, which it does not report"));
        }
        Err(no) => Err(error(no)?),
    };
    issues(&mut report.issues)?;
    operations(&mut report.operations)?;
    entries("target templates", report.targets.len())?;
    for target in &mut report.targets {
        clean(&mut target.template);
        clean(&mut target.target_kind);
    }
    Ok(())
}

fn account(entry: &mut AccountReport) -> Result<(), Broken> {
    let account = &entry.account;
    id("account id", &account.configured_id)?;
    id("run-time id", &account.runtime_id)?;
    // Names that the operator chose may be odd; where they are shown they are one line.
    for (what, name) in [
        ("account label", &account.configured_label),
        ("run-time label", &account.runtime_label),
    ] {
        if name.chars().count() > NAME || !is_plain(name) {
            return Err(format!(
                "its {what} is `{}`: too long, or with characters that act on a terminal",
                quoted_value(name)
            ));
        }
    }
    for (index, readiness) in entry.readiness.iter().enumerate() {
        let earlier = entry.readiness.iter().take(index);
        if earlier
            .into_iter()
            .any(|it| it.operation == readiness.operation)
        {
            return Err("it reports the readiness of an operation twice".to_owned());
        }
    }
    for readiness in &mut entry.readiness {
        issues(&mut readiness.issues)?;
    }
    // Facts, which the host reads: changed ones would be others.
    entries("notes", entry.notes.len())
}

fn issues(issues: &mut [Issue]) -> Result<(), Broken> {
    entries("issues", issues.len())?;
    for issue in issues {
        code(&issue.code)?;
        clean(&mut issue.config_path);
        clean(&mut issue.message);
        clean(&mut issue.hint);
    }
    Ok(())
}

fn operations(operations: &mut [OperationDescription]) -> Result<(), Broken> {
    entries("operations", operations.len())?;
    for operation in operations {
        clean(&mut operation.label);
        entries("requirements", operation.requirements.len())?;
        for requirement in &mut operation.requirements {
            clean(&mut requirement.id);
            clean(&mut requirement.label);
            for paths in [
                &mut requirement.config_paths,
                &mut requirement.env_pointer_paths,
            ] {
                entries("paths", paths.len())?;
                paths.iter_mut().for_each(clean);
            }
            requirement.default_env_var.iter_mut().for_each(clean);
        }
    }
    Ok(())
}

/// A guest's refusal, with words that are harmless.
pub(super) fn error(mut error: ChannelError) -> Result<ChannelError, Broken> {
    code(&error.code)?;
    clean(&mut error.message);
    clean(&mut error.hint);
    Ok(error)
}

/// Checks the proof that a message was accepted.
pub(super) fn receipt(receipt: &Receipt) -> Result<(), Broken> {
    id("receipt's target", &receipt.target)?;
    id("message id", &receipt.message_id)?;
    if receipt.message_ids.len() > PARTS {
        return Err(format!(
            "its receipt names {} parts; {PARTS} are the most",
            receipt.message_ids.len()
        ));
    }
    if receipt.message_ids.first() != Some(&receipt.message_id) {
        return Err("its receipt's first part is not the message".to_owned());
    }
    let mut parts = receipt.message_ids.iter();
    parts.try_for_each(|part| id("message id", part))
}

/// Checks what a step led to, and makes its words harmless.
pub(super) fn outcome(step: &Step, outcome: &mut StepOutcome) -> Result<(), Broken> {
    match (step, outcome) {
        (Step::Receive(asked), StepOutcome::Received(got)) => batch(
            got,
            usize::try_from(asked.max_messages).unwrap_or(usize::MAX),
        ),
        (Step::Settle(_), StepOutcome::Settled(proof)) => proof.as_ref().map_or(Ok(()), receipt),
        (Step::Finish(_), StepOutcome::Finished) => Ok(()),
        (Step::Receive(_) | Step::Settle(_) | Step::Finish(_), _) => {
            Err("its outcome belongs to another step".to_owned())
        }
    }
}

fn batch(batch: &mut Batch, most: usize) -> Result<(), Broken> {
    if batch.messages.len() > most {
        return Err(format!(
            "it brings {} messages where {most} were asked for",
            batch.messages.len()
        ));
    }
    entries("unreadable messages", batch.unreadable.len())?;
    for unreadable in &mut batch.unreadable {
        clean(&mut unreadable.reason);
    }
    batch.id.iter().try_for_each(|name| id("batch id", name))?;
    let mut cursors = BTreeSet::new();
    for message in &batch.messages {
        // No more than the host goes by: the rest is a stranger's word in the end, and whoever writes
        // to us must not be able to have a whole batch refused.
        id("cursor", &message.cursor)?;
        if message.conversation.is_empty() {
            return Err("it brings a message of no conversation".to_owned());
        }
        if !cursors.insert(&message.cursor) {
            return Err(format!("it brings the message `{}` twice", message.cursor));
        }
    }
    Ok(())
}

fn entries(what: &str, count: usize) -> Result<(), Broken> {
    if count > ENTRIES {
        return Err(format!("it reports {count} {what}; {ENTRIES} are the most"));
    }
    Ok(())
}

fn id(what: &str, id: &str) -> Result<(), Broken> {
    if id.is_empty() {
        return Err(format!("its {what} is empty"));
    }
    if id.len() > ID || !is_plain(id) {
        return Err(format!(
            "its {what} is `{}`: too long, or with characters that act on a terminal",
            quoted_value(id)
        ));
    }
    Ok(())
}

fn code(code: &str) -> Result<(), Broken> {
    // As wide as the components are with the codes of foreign bridges.
    let fits = (1..=CODE).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "its error code is `{}`, which is not in snake_case or too long",
            quoted_value(code)
        ))
    }
}

/// One line, short enough to be read.
fn clean(words: &mut String) {
    if words.len() > SENTENCE || !is_plain(words) {
        *words = sentence(words, SENTENCE);
    }
}
