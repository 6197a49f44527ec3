//! What answers messages: whether the reply engine that `serve` would take is ready.

use super::check::Checks;
use crate::commands::opened::Survey;
use crate::serve::reply::check::{Verdict, check};

/// Checks the reply engine; a provider is asked whether it works, and sent no message.
pub(super) async fn examine(checks: &mut Checks, survey: &Survey) {
    checks.about(None, None);
    // The engine is the same for every account; only instructions differ.
    let found = check(&survey.config, &[], true).await;
    match found.verdict {
        Verdict::Ok => checks.ok("reply_engine", found.seen),
        Verdict::Warn => checks.warn("reply_engine", found.seen, found.hint),
        Verdict::Fail => checks.fail("reply_engine", found.seen, found.hint),
    }
}
