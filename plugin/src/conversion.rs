//! Generated types to those of the modules and back, one `From` each, nothing else.

use crate::bindings::exports::loong::channel::channel as wit;
use crate::channel::{Account, Operation, Requirement};
use crate::config::{Issue, Severity};
use crate::error::{ChannelError, ErrorKind};
use crate::inbound::{InboundMessage, UnreadableMessage};
use crate::report::{AccountReport, Health, Readiness};
use crate::send::{DeliveryStatus, OutboundMessage, Receipt};
use crate::serve_step::{Batch, Receive, Verdict};

type WitErrorKind = crate::bindings::loong::channel::types::ErrorKind;

impl From<wit::Account> for Account {
    fn from(account: wit::Account) -> Self {
        Self {
            configured_id: account.configured_id,
            configured_label: account.configured_label,
            runtime_id: account.runtime_id,
            runtime_label: account.runtime_label,
            is_default: account.is_default,
            default_source: account.default_source,
            enabled: account.enabled,
            bridge_url: account.bridge_url,
            auth_dir: account.auth_dir,
            allowed_chats: account.allowed_chats,
            bridge_settings: account.bridge_settings,
        }
    }
}

impl From<Account> for wit::Account {
    fn from(account: Account) -> Self {
        Self {
            configured_id: account.configured_id,
            configured_label: account.configured_label,
            runtime_id: account.runtime_id,
            runtime_label: account.runtime_label,
            is_default: account.is_default,
            default_source: account.default_source,
            enabled: account.enabled,
            bridge_url: account.bridge_url,
            auth_dir: account.auth_dir,
            allowed_chats: account.allowed_chats,
            bridge_settings: account.bridge_settings,
        }
    }
}

impl From<AccountReport> for wit::AccountReport {
    fn from(report: AccountReport) -> Self {
        Self {
            account: report.account.into(),
            readiness: report.readiness.into_iter().map(Into::into).collect(),
            notes: report.notes,
        }
    }
}

impl From<Readiness> for wit::Readiness {
    fn from(readiness: Readiness) -> Self {
        Self {
            operation: (&readiness.operation).into(),
            health: match readiness.health {
                Health::Ready => wit::Health::Ready,
                Health::Disabled => wit::Health::Disabled,
                Health::Misconfigured => wit::Health::Misconfigured,
            },
            issues: readiness.issues.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Issue> for wit::Issue {
    fn from(issue: Issue) -> Self {
        Self {
            severity: match issue.severity {
                Severity::Warning => wit::Severity::Warning,
                Severity::Error => wit::Severity::Error,
            },
            code: issue.code,
            config_path: issue.config_path,
            message: issue.message,
            hint: issue.hint,
        }
    }
}

impl From<&Operation> for wit::Operation {
    fn from(operation: &Operation) -> Self {
        match operation {
            Operation::Send => Self::Send,
            Operation::Serve => Self::Serve,
        }
    }
}

impl From<Operation> for wit::OperationDescription {
    fn from(operation: Operation) -> Self {
        Self {
            operation: (&operation).into(),
            label: operation.label().to_owned(),
            requirements: operation.requirements().iter().map(Into::into).collect(),
        }
    }
}

impl From<&Requirement> for wit::Requirement {
    fn from(requirement: &Requirement) -> Self {
        Self {
            id: requirement.id.to_owned(),
            label: requirement.label.to_owned(),
            config_paths: requirement.config_paths(),
            env_pointer_paths: requirement.env_pointer_paths(),
            default_env_var: requirement.default_env.map(str::to_owned),
        }
    }
}

impl From<ChannelError> for wit::ChannelError {
    fn from(error: ChannelError) -> Self {
        Self {
            kind: match error.kind {
                ErrorKind::InvalidInput => WitErrorKind::InvalidInput,
                ErrorKind::Refused => WitErrorKind::Refused,
                ErrorKind::BridgeUnreachable => WitErrorKind::BridgeUnreachable,
                ErrorKind::BridgeUnavailable => WitErrorKind::BridgeUnavailable,
                ErrorKind::BridgeRefused => WitErrorKind::BridgeRefused,
                ErrorKind::Protocol => WitErrorKind::Protocol,
            },
            code: error.code,
            message: error.message,
            hint: error.hint,
        }
    }
}

impl From<wit::OutboundMessage> for OutboundMessage {
    fn from(message: wit::OutboundMessage) -> Self {
        Self {
            target: message.target,
            target_kind: message.target_kind,
            text: message.text,
            idempotency_key: message.idempotency_key,
        }
    }
}

impl From<Receipt> for wit::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            target: receipt.target,
            message_id: receipt.message_id,
            message_ids: receipt.message_ids,
            status: match receipt.status {
                DeliveryStatus::Sent => wit::DeliveryStatus::Sent,
                DeliveryStatus::Pending => wit::DeliveryStatus::Pending,
                DeliveryStatus::AlreadySent => wit::DeliveryStatus::AlreadySent,
            },
        }
    }
}

impl From<wit::Receive> for Receive {
    fn from(receive: wit::Receive) -> Self {
        Self {
            max_messages: receive.max_messages,
            wait_ms: receive.wait,
            consumer_id: receive.consumer.id,
            consumer_instance: receive.consumer.instance,
            in_flight: receive.in_flight,
        }
    }
}

impl From<wit::Verdict> for Verdict {
    fn from(verdict: wit::Verdict) -> Self {
        match verdict {
            wit::Verdict::Reply(text) => Self::Reply(text),
            wit::Verdict::NoReply => Self::NoReply,
            wit::Verdict::Later(later) => Self::Later {
                reason: later.reason,
                delay_ms: later.delay,
                counts: later.counts,
            },
        }
    }
}

impl From<Batch> for wit::Batch {
    fn from(batch: Batch) -> Self {
        Self {
            id: batch.id,
            messages: batch.messages.into_iter().map(Into::into).collect(),
            unreadable: batch.unreadable.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<InboundMessage> for wit::InboundMessage {
    fn from(message: InboundMessage) -> Self {
        Self {
            handle: message.handle,
            cursor: message.cursor,
            conversation: message.conversation,
            message_id: message.message_id,
            target: message.target,
            sender: message.sender,
            sender_name: message.sender_name,
            is_group: message.is_group,
            text: message.text,
            received_at: message.received_at,
        }
    }
}

impl From<UnreadableMessage> for wit::UnreadableMessage {
    fn from(message: UnreadableMessage) -> Self {
        Self {
            cursor: message.cursor,
            reason: message.reason,
        }
    }
}
