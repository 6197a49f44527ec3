//! The generated side of `wit/`, and the short names the rest of the host uses for it.
//! Nothing but `bindgen!` lives here.

#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::wildcard_enum_match_arm,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "channel-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

pub use generated::exports::loong::channel::channel::{
    AccountReport, Batch, ConfigDocument, Consumer, DeliveryStatus, Health, InboundMessage, Issue,
    OperationDescription, OutboundMessage, Postponement, Readiness, Receipt, Receive, Report,
    Requirement, Settlement, Severity, Step, StepOutcome, TargetTemplate, UnreadableMessage,
    Verdict,
};
pub use generated::loong::channel::types::{Account, ChannelError, ErrorKind, Operation};
pub use generated::loong::channel::{bridge, environment, log, types};
pub use generated::{ChannelPlugin, ChannelPluginPre};
