//! Which processes `--stop` and `--stop-duplicates` are about: looked up, not yet asked.

use super::owner;
use crate::cli::{Global, ServeArgs};
use crate::commands::opened::{Opened, selected};
use crate::component::bindings::Account;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::serve::runtime_state::{Folder, Found, Life, Moment, Record, Wanted};

/// What is to end, and what goes on.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) kept: Vec<Record>,
    pub(super) leavers: Vec<Leaver>,
}

/// A loop that is to end.
#[derive(Debug)]
pub(super) struct Leaver {
    pub(super) found: Found,
    pub(super) wanted: Wanted,
    pub(super) has_ended: bool,
}

impl Leaver {
    fn new(found: Found, wanted: Wanted) -> Self {
        Self {
            found,
            wanted,
            has_ended: false,
        }
    }
}

impl Plan {
    /// Finds out what is meant.
    ///
    /// # Errors
    /// Nothing of the kind runs, or it is not clear which of several is meant.
    pub(super) async fn make(
        global: &Global,
        args: &ServeArgs,
        home: &Home,
        config: &str,
        output: &Output,
    ) -> Result<Self, Failure> {
        let folder = Folder::of(home);
        let (channel, accounts) = match accounts(global, args, output).await {
            Ok(known) => known,
            Err(failure) if args.stop => {
                // Whoever breaks the configuration must still be able to stop what serves with it.
                let leavers = by_record(folder.look(Moment::now())?.found, args, config);
                return if leavers.is_empty() {
                    Err(failure)
                } else {
                    Ok(Self {
                        kept: Vec::new(),
                        leavers,
                    })
                };
            }
            Err(failure) => return Err(failure),
        };
        let mut plan = Self::default();
        let mut elsewhere = None;
        for account in &accounts {
            folder.sweep(&channel, &account.runtime_id, Moment::now());
            let mut loops = folder.look(Moment::now())?.found;
            loops.retain(|found| found.record.served.channel == channel);
            if args.stop_duplicates {
                loops.retain(|found| found.record.served.account_id == account.runtime_id);
                plan.keep_the_newest(loops);
            } else {
                let (ours, others) = of_configuration(loops, account, config);
                plan.leavers
                    .extend(ours.into_iter().map(|it| Leaver::new(it, Wanted::Stop)));
                elsewhere = elsewhere.or(others.into_iter().next());
            }
        }
        if plan.leavers.is_empty() && plan.kept.is_empty() {
            return Err(not_running(&channel, &accounts, elsewhere.as_ref(), home));
        }
        Ok(plan)
    }

    /// The newest loop that is healthy stays; all others end. What is frozen would still answer when
    /// it wakes up: it is to give way.
    fn keep_the_newest(&mut self, mut loops: Vec<Found>) {
        let healthy = |found: &Found| found.life == Life::Live && found.asked.is_none();
        let newest = loops
            .iter()
            .enumerate()
            .filter(|(_, found)| healthy(found))
            .max_by_key(|(_, found)| found.record.started_at)
            .map(|(at, _)| at);
        if let Some(at) = newest {
            self.kept.push(loops.remove(at).record);
        }
        self.leavers
            .extend(loops.into_iter().map(|found| match found.life {
                Life::Frozen => Leaver::new(found, Wanted::GiveWay),
                Life::Live | Life::Gone => Leaver::new(found, Wanted::Stop),
            }));
    }
}

/// The channel's id and the accounts that are meant, ready to serve or not.
async fn accounts(
    global: &Global,
    args: &ServeArgs,
    output: &Output,
) -> Result<(String, Vec<Account>), Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, &args.channel, account, output).await?;
    let report = opened.report(account, None).await?;
    let accounts = if args.all_accounts {
        let all = report.accounts.iter();
        all.map(|entry| entry.account.clone()).collect()
    } else {
        vec![selected(&report)?.account.clone()]
    };
    Ok((opened.plugin.manifest.channel_id.clone(), accounts))
}

/// The account's loops with this configuration file, also one that has begun under another identity;
/// and those with other files.
fn of_configuration(
    loops: Vec<Found>,
    account: &Account,
    config: &str,
) -> (Vec<Found>, Vec<Found>) {
    let (here, elsewhere): (Vec<Found>, Vec<Found>) = loops
        .into_iter()
        .filter(|found| found.life != Life::Gone)
        .partition(|found| found.record.served.config == config);
    let is_account = |found: &Found| found.record.served.account_id == account.runtime_id;
    let is_named = |found: &Found| found.record.served.configured_id == account.configured_id;
    (
        here.into_iter()
            .filter(|found| is_account(found) || is_named(found))
            .collect(),
        elsewhere.into_iter().filter(is_account).collect(),
    )
}

/// What serves by its own word; nothing when it is not clear which of several is meant.
fn by_record(loops: Vec<Found>, args: &ServeArgs, config: &str) -> Vec<Leaver> {
    let is_meant = |found: &Found| {
        let served = &found.record.served;
        let names = [
            &served.configured_label,
            &served.configured_id,
            &served.account_id,
        ];
        let account = args.account.as_ref();
        found.life != Life::Gone
            && served.channel == args.channel
            && served.config == config
            && account.is_none_or(|account| names.contains(&account))
    };
    let meant: Vec<Leaver> = loops
        .into_iter()
        .filter(is_meant)
        .map(|found| Leaver::new(found, Wanted::Stop))
        .collect();
    if meant.len() > 1 && !args.all_accounts {
        return Vec::new();
    }
    meant
}

fn not_running(
    channel: &str,
    accounts: &[Account],
    elsewhere: Option<&Found>,
    home: &Home,
) -> Failure {
    let names: Vec<String> = accounts
        .iter()
        .map(|account| format!("`{}`", account.configured_label))
        .collect();
    let noun = if names.len() == 1 {
        "account"
    } else {
        "accounts"
    };
    let failure = Failure::operator(
        "serve_not_running",
        format!(
            "nothing serves {channel} {noun} {} with this configuration",
            names.join(", ")
        ),
    );
    match elsewhere {
        None => failure.hint("`loong channels` shows what runs"),
        Some(other) => failure.hint(format!(
            "process {} serves it with another one: `{}` stops it",
            other.record.pid,
            owner::command(&other.record, home, "--stop")
        )),
    }
}
