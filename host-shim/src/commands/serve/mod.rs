//! `loong channels serve`: the reply loops of one account or of all, until stopped. Ends others' loops
//! with `--stop` and `--stop-duplicates`.

mod account;
mod ending;
mod followed_account;
mod owner;
mod plan;
mod words;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use self::account::ServedAccount;
pub use self::ending::end_others;
use super::opened::Opened;
use super::signals::Signals;
use crate::cli::{Global, ServeArgs};
use crate::error::Failure;
use crate::output::Output;
use crate::process_group;

/// Runs the command.
///
/// # Errors
/// It cannot start, a bridge refuses to be served, or a second signal ended it. With several
/// accounts: at least one of them could not be served; which, and why, has been said.
pub async fn run(global: &Global, args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let prepared = tokio::select! {
        prepared = prepare(global, args, output) => prepared?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let stop = CancellationToken::new();
    let serving = async {
        match prepared {
            Prepared::One(account) => account.run(stop.child_token()).await,
            Prepared::All(names) => serve_all(names, global, args, &stop, output).await,
        }
    };
    tokio::pin!(serving);
    loop {
        tokio::select! {
            done = &mut serving => return done,
            () = signals.next() => {
                if stop.is_cancelled() {
                    process_group::kill_all();
                    return Err(Failure::interrupted());
                }
                output.say("stopping; once more ends at once");
                stop.cancel();
            }
        }
    }
}

/// What is going to be served.
enum Prepared {
    One(Box<ServedAccount>),
    All(Vec<String>),
}

async fn prepare(global: &Global, args: &ServeArgs, output: &Output) -> Result<Prepared, Failure> {
    if args.all_accounts {
        let names = enabled_accounts(global, &args.channel, output).await?;
        return Ok(Prepared::All(names));
    }
    let account = args.account.as_deref();
    let served = ServedAccount::prepare(global, args, account, false, output).await?;
    Ok(Prepared::One(Box::new(served)))
}

/// The names of the accounts that are switched on.
async fn enabled_accounts(
    global: &Global,
    channel: &str,
    output: &Output,
) -> Result<Vec<String>, Failure> {
    let opened = Opened::open(global, channel, None, output).await?;
    let report = opened.report(None, None).await?;
    let (on, off): (Vec<_>, Vec<_>) = report
        .accounts
        .iter()
        .map(|entry| &entry.account)
        .partition(|account| account.enabled);
    for account in off {
        output.say(&format!("[{}] is switched off", account.configured_label));
    }
    if on.is_empty() {
        let manifest = &opened.plugin.manifest;
        return Err(Failure::operator(
            "no_account_enabled",
            format!("no account of {} is switched on", manifest.label),
        )
        .hint(format!(
            "set `enabled = true` in [{}]; `loong channels` shows its accounts",
            manifest.config_key
        )));
    }
    Ok(on
        .into_iter()
        .map(|account| account.configured_label.clone())
        .collect())
}

/// Serves all accounts side by side, each with a sandbox of its own: they do not wait for one another's
/// calls, and may even have different plugins.
async fn serve_all(
    names: Vec<String>,
    global: &Global,
    args: &ServeArgs,
    stop: &CancellationToken,
    output: &Output,
) -> Result<(), Failure> {
    let serving = names.iter().map(|name| async move {
        let account = tokio::select! {
            account = ServedAccount::prepare(global, args, Some(name), true, output) => account?,
            () = stop.cancelled() => return Ok(()),
        };
        // A child: asked to stop one account, the others go on.
        account.run(stop.child_token()).await
    });
    let serving = serving.zip(&names).map(|(served, name)| async move {
        let done = served.await;
        match &done {
            Ok(()) => output.say(&format!("[{name}] ended")),
            Err(failure) => report(name, failure, output),
        }
        done.is_ok()
    });
    let served = join_all(serving).await;
    match served.iter().filter(|well| !**well).count() {
        0 => Ok(()),
        failed => Err(Failure::operator(
            "accounts_failed",
            format!("{failed} of {} accounts could not be served", served.len()),
        )
        .hint("each of them was reported above, with what to do")),
    }
}

fn report(account: &str, failure: &Failure, output: &Output) {
    output.warn(&format!("[{account}] cannot be served: {failure}"));
    if let Some(hint) = &failure.hint {
        output.hint(&format!("[{account}] {hint}"));
    }
}
