//! The exports, each one call into a module, and the imports behind the modules' traits.

use crate::bindings::exports::loong::channel::channel as wit;
use crate::bindings::loong::channel::{bridge, environment, log};
use crate::boundary::{Bridge, Environment, Level, Log, Response, TransportError};
use crate::channel::{Operation, TARGET_KIND, TARGET_TEMPLATES};
use crate::report::{Asked, validate};
use crate::serve_step::{Receive, finish, receive, settle};

/// The component.
#[derive(Debug)]
pub struct WhatsappPersonal;

impl wit::Guest for WhatsappPersonal {
    fn validate_config(config: wit::ConfigDocument) -> wit::Report {
        let asked = Asked {
            account: config.account.as_deref(),
            target: config.target.as_deref(),
        };
        let report = validate(&config.json, asked, &Host);
        wit::Report {
            accounts: report.accounts.into_iter().map(Into::into).collect(),
            selected: report.selected.map_err(Into::into),
            issues: report.issues.into_iter().map(Into::into).collect(),
            operations: Operation::ALL.into_iter().map(Into::into).collect(),
            targets: TARGET_TEMPLATES
                .into_iter()
                .map(|template| wit::TargetTemplate {
                    template: template.to_owned(),
                    target_kind: TARGET_KIND.to_owned(),
                })
                .collect(),
        }
    }

    fn send(
        account: wit::Account,
        message: wit::OutboundMessage,
    ) -> Result<wit::Receipt, wit::ChannelError> {
        crate::send::send(&Host, &account.into(), &message.into())
            .map(Into::into)
            .map_err(Into::into)
    }

    fn serve_step(
        account: wit::Account,
        step: wit::Step,
    ) -> Result<wit::StepOutcome, wit::ChannelError> {
        let account = account.into();
        match step {
            wit::Step::Receive(wanted) => receive(&Host, &Host, &account, &Receive::from(wanted))
                .map(|batch| wit::StepOutcome::Received(batch.into())),
            wit::Step::Settle(settlement) => {
                let verdict = settlement.verdict.into();
                settle(&Host, &Host, &account, &settlement.handle, &verdict)
                    .map(|receipt| wit::StepOutcome::Settled(receipt.map(Into::into)))
            }
            wit::Step::Finish(batch_id) => {
                finish(&Host, &account, &batch_id).map(|()| wit::StepOutcome::Finished)
            }
        }
        .map_err(Into::into)
    }
}

/// The imports.
struct Host;

impl Bridge for Host {
    fn post(&self, body: &str, timeout_ms: u32) -> Result<Response, TransportError> {
        match bridge::post(body, timeout_ms) {
            Ok(bridge::Response { status, body }) => Ok(Response { status, body }),
            Err(error) => Err(match error {
                bridge::TransportError::Unreachable(why) => TransportError::Unreachable(why),
                bridge::TransportError::TimedOut => TransportError::TimedOut,
                bridge::TransportError::TooLarge(bytes) => TransportError::TooLarge(bytes),
                bridge::TransportError::Broken(why) => TransportError::Broken(why),
                bridge::TransportError::Refused(why) => TransportError::Refused(why),
            }),
        }
    }
}

impl Environment for Host {
    fn lookup(&self, name: &str) -> Option<String> {
        environment::lookup(name)
    }
}

impl Log for Host {
    fn record(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Warn => log::Level::Warn,
        };
        log::record(level, message);
    }
}
