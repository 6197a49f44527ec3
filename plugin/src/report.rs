//! The complete answer to a configuration: accounts, the default one, the selected one, and
//! whether each operation can start.

use crate::account::{Merged, merge, normalised_id};
use crate::allowlist;
use crate::boundary::Environment;
use crate::bridge_url;
use crate::channel::{Account, CONFIG_KEY, DEFAULT_ACCOUNT, Operation};
use crate::config::{Block, Field, Issue, Section, Severity};
use crate::error::{ChannelError, ErrorKind};
use crate::target::{Target, contradiction};

/// Code of the issue that two accounts are one.
const DUPLICATE: &str = "runtime_identity_duplicate";

/// What the operator asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    pub account: Option<&'a str>,
    pub target: Option<&'a str>,
}

/// Whether an operation can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Ready,
    Disabled,
    Misconfigured,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    pub operation: Operation,
    pub health: Health,
    pub issues: Vec<Issue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReport {
    pub account: Account,
    pub readiness: Vec<Readiness>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorted by configured id.
    pub accounts: Vec<AccountReport>,
    /// The configured id to use.
    pub selected: Result<String, ChannelError>,
    /// Issues of the block as a whole.
    pub issues: Vec<Issue>,
}

/// Reads the channel's block. Never fails: what is wrong is in the report.
#[must_use]
pub fn validate(json: &str, asked: Asked<'_>, env: &impl Environment) -> Report {
    let block = match Block::parse(json) {
        Ok(block) => block,
        Err(issue) => {
            return Report {
                accounts: Vec::new(),
                selected: Err(refused(&issue)),
                issues: vec![issue],
            };
        }
    };
    let mut issues = block.issues.clone();
    issues.extend(block.unknown());
    let mut accounts = merged(&block, env, &mut issues);
    accounts.sort_by(|a, b| a.account.configured_id.cmp(&b.account.configured_id));
    report_shared_identities(&mut accounts);
    report_shared_bridges(&mut accounts);
    let default = default_account(&block, &accounts, &mut issues);
    if let Ok((id, source)) = &default {
        for merged in &mut accounts {
            if merged.account.configured_id == *id {
                merged.account.is_default = true;
                merged.account.default_source = Some((*source).to_owned());
            }
        }
    }
    // A value of the wrong type would be passed over, and the text go out through another account.
    let selected = match block.issues.first() {
        Some(issue) => Err(refused(issue)),
        None => select(asked, &accounts, default.map(|(id, _source)| id)),
    };
    let mut accounts: Vec<AccountReport> = accounts.into_iter().map(AccountReport::new).collect();
    if let (Ok(id), Some(written)) = (&selected, asked.target) {
        let chosen = accounts.iter_mut().find(|a| a.account.configured_id == *id);
        if let (Some(entry), Ok(target)) = (chosen, Target::parse(written)) {
            entry.notes.extend(target_notes(&entry.account, &target));
        }
    }
    Report {
        accounts,
        selected,
        issues,
    }
}

fn merged(block: &Block, env: &impl Environment, issues: &mut Vec<Issue>) -> Vec<Merged> {
    if block.accounts.is_empty() {
        let implicit = Section {
            path: CONFIG_KEY.to_owned(),
            ..Section::default()
        };
        return vec![merge(DEFAULT_ACCOUNT, &block.top, &implicit, env)];
    }
    let mut accounts: Vec<Merged> = Vec::new();
    for (name, own) in &block.accounts {
        let id = normalised_id(name);
        if id.is_empty() {
            issues.push(Issue::error(
                "account_name_invalid",
                own.path.as_str(),
                format!(
                    "the account name `{}` has neither a letter nor a digit",
                    name.escape_debug()
                ),
                "give the account a name of letters, digits, `-` and `_`",
            ));
            continue;
        }
        match accounts.iter_mut().find(|a| a.account.configured_id == id) {
            None => accounts.push(merge(name, &block.top, own, env)),
            Some(first) => {
                let issue = Issue::error(
                    "account_name_duplicate",
                    own.path.as_str(),
                    format!(
                        "the accounts `{}` and `{name}` have the same name in its normal form, `{id}`",
                        first.account.configured_label
                    ),
                    "rename one of the two",
                );
                first.issues.push((Field::Account, issue));
            }
        }
    }
    accounts
}

/// Two accounts with one identity would take each other's messages and locks.
fn report_shared_identities(accounts: &mut [Merged]) {
    let identity = |merged: &Merged| merged.identified.then(|| merged.account.runtime_id.clone());
    report_shared(accounts, identity, |merged, others| {
        (
            DUPLICATE,
            format!(
                "the account `{}` has the same identity (`{}`) as {others}",
                merged.account.configured_id, merged.account.runtime_id
            ),
        )
    });
}

/// Two accounts with one bridge have one login: each would write from the other's number, whatever
/// they are called. One that is switched off writes nothing.
fn report_shared_bridges(accounts: &mut [Merged]) {
    let bridge = |merged: &Merged| {
        let url = merged.account.bridge_url.as_deref()?;
        let on = merged.account.enabled;
        let authority = bridge_url::authority(url).ok().filter(|_| on)?;
        Some(bridge_url::listener(&authority))
    };
    report_shared(accounts, bridge, |merged, others| {
        (
            "bridge_shared",
            format!(
                "the account `{}` has the same bridge as {others}",
                merged.account.configured_id
            ),
        )
    });
}

/// Adds an issue to each account that has its `key` in common with others; one such issue an
/// account is enough.
fn report_shared<K: PartialEq>(
    accounts: &mut [Merged],
    key: impl Fn(&Merged) -> Option<K>,
    issue: impl Fn(&Merged, &str) -> (&'static str, String),
) {
    let keys: Vec<(String, Option<K>)> = accounts
        .iter()
        .map(|merged| (merged.account.configured_id.clone(), key(merged)))
        .collect();
    for merged in accounts {
        let own = key(merged);
        let others: Vec<String> = keys
            .iter()
            .filter(|(name, key)| {
                *name != merged.account.configured_id && key.is_some() && *key == own
            })
            .map(|(name, _key)| format!("`{name}`"))
            .collect();
        if others.is_empty()
            || merged
                .issues
                .iter()
                .any(|(_field, it)| it.code == DUPLICATE)
        {
            continue;
        }
        let (code, message) = issue(merged, &others.join(" and "));
        let issue = Issue::error(
            code,
            format!("{CONFIG_KEY}.accounts.{}", merged.account.configured_label),
            message,
            "give each account a `bridge_url` and an `account_id` of its own",
        );
        merged.issues.push((Field::Account, issue));
    }
}

/// The account when none is named, and why it is that one.
fn default_account(
    block: &Block,
    accounts: &[Merged],
    issues: &mut Vec<Issue>,
) -> Result<(String, &'static str), ChannelError> {
    if let Some(written) = &block.default_account {
        let id = normalised_id(written);
        if is_known(accounts, &id) {
            return Ok((id, "explicit_default"));
        }
        let issue = Issue::error(
            "default_account_unknown",
            format!("{CONFIG_KEY}.default_account"),
            format!(
                "`default_account` names `{}`, and there is no such account",
                written.escape_debug()
            ),
            format!("name one of: {}", names(accounts)),
        );
        let error = refused(&issue);
        issues.push(issue);
        return Err(error);
    }
    if block.accounts.is_empty() {
        return Ok((DEFAULT_ACCOUNT.to_owned(), "runtime_identity"));
    }
    if is_known(accounts, DEFAULT_ACCOUNT) {
        return Ok((DEFAULT_ACCOUNT.to_owned(), "mapped_default"));
    }
    match accounts {
        [only] => Ok((only.account.configured_id.clone(), "single_account")),
        [] => Err(ChannelError::new(
            ErrorKind::Refused,
            "no_account",
            "no account of this channel is configured",
            format!("add `[{CONFIG_KEY}.accounts.<name>]`"),
        )),
        _ => Err(ChannelError::new(
            ErrorKind::InvalidInput,
            "account_ambiguous",
            format!(
                "there are several accounts and none is the default: {}",
                names(accounts)
            ),
            format!("choose one with `--account`, or set `{CONFIG_KEY}.default_account`"),
        )),
    }
}

fn select(
    asked: Asked<'_>,
    accounts: &[Merged],
    default: Result<String, ChannelError>,
) -> Result<String, ChannelError> {
    let in_target = match asked.target {
        Some(target) => Target::parse(target)?.account,
        None => None,
    };
    let named = asked.account.map(normalised_id);
    let id = match (named, in_target) {
        (Some(named), Some(in_target)) if named != in_target => {
            return Err(contradiction(&in_target, &named));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return default,
    };
    if is_known(accounts, &id) {
        return Ok(id);
    }
    Err(ChannelError::new(
        ErrorKind::InvalidInput,
        "account_unknown",
        format!("there is no account `{id}`"),
        format!("the configured accounts are: {}", names(accounts)),
    ))
}

impl AccountReport {
    fn new(merged: Merged) -> Self {
        let readiness = Operation::ALL
            .into_iter()
            .map(|operation| Readiness::new(operation, &merged))
            .collect();
        Self {
            readiness,
            notes: notes(&merged.account),
            account: merged.account,
        }
    }
}

impl Readiness {
    fn new(operation: Operation, merged: &Merged) -> Self {
        let doubtful = merged
            .issues
            .iter()
            .any(|(field, _)| *field == Field::Enabled);
        if !merged.account.enabled && !doubtful {
            return Self {
                operation,
                health: Health::Disabled,
                issues: vec![disabled(&merged.account)],
            };
        }
        let issues: Vec<Issue> = merged
            .issues
            .iter()
            .filter(|(field, _issue)| stops(*field, operation))
            .map(|(_field, issue)| issue.clone())
            .collect();
        let broken = issues.iter().any(|issue| issue.severity == Severity::Error);
        Self {
            operation,
            health: if broken {
                Health::Misconfigured
            } else {
                Health::Ready
            },
            issues,
        }
    }
}

const fn stops(field: Field, operation: Operation) -> bool {
    match (operation, field) {
        (Operation::Serve, _) => true,
        (
            Operation::Send,
            Field::Account
            | Field::Enabled
            | Field::BridgeUrl
            | Field::AllowedChats
            | Field::Bridge,
        ) => true,
        (Operation::Send, Field::AuthDir | Field::AnyChat) => false,
    }
}

fn disabled(account: &Account) -> Issue {
    let id = &account.configured_id;
    Issue::error(
        "channel_disabled",
        format!("{CONFIG_KEY}.enabled"),
        format!("the account `{id}` is switched off"),
        format!("set `{CONFIG_KEY}.enabled = true`, and `enabled = true` where the account says otherwise"),
    )
    .warning()
}

fn notes(account: &Account) -> Vec<String> {
    let mut notes = vec![
        format!("configured_account_id={}", account.configured_id),
        format!("configured_account={}", account.configured_label),
        format!("account_id={}", account.runtime_id),
        format!("account={}", account.runtime_label),
        "bridge_runtime_owner=external_plugin".to_owned(),
        "bridge_login=qr_registration".to_owned(),
        format!("auth_dir_configured={}", account.auth_dir.is_some()),
        format!("allowed_chat_ids_count={}", account.allowed_chats.len()),
    ];
    if let Some(source) = &account.default_source {
        notes.push("default_account=true".to_owned());
        notes.push(format!("default_account_source={source}"));
    }
    notes
}

/// What the target means for the account: its canonical form, the entry of the list that would
/// let it in, and the one that does.
fn target_notes(account: &Account, target: &Target) -> Vec<String> {
    let mut notes = vec![
        format!("target={}", target.canonical(&account.configured_id)),
        format!("allow_entry={}", target.chat),
    ];
    if let Some(entry) = allowlist::entry_for(&account.allowed_chats, &target.chat) {
        notes.push(format!("allowed_by={entry}"));
    }
    notes
}

fn is_known(accounts: &[Merged], id: &str) -> bool {
    accounts.iter().any(|a| a.account.configured_id == id)
}

fn names(accounts: &[Merged]) -> String {
    let names: Vec<String> = accounts
        .iter()
        .map(|a| format!("`{}`", a.account.configured_id))
        .collect();
    names.join(", ")
}

fn refused(issue: &Issue) -> ChannelError {
    ChannelError::new(
        ErrorKind::Refused,
        issue.code.as_str(),
        issue.message.as_str(),
        issue.hint.as_str(),
    )
}
