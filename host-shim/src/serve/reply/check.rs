//! Whether replies can be made at all, for `doctor`: what was seen and what to do about it.
//! Contacts the provider when asked to; sends it no message.

use super::config::{EngineKind, EngineSettings, ReplySettings};
use super::engine;
use crate::config::Config;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What was found about the reply engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineCheck {
    pub verdict: Verdict,
    /// What was seen, in one sentence.
    pub seen: String,
    /// What to do; empty when there is nothing to do.
    pub hint: String,
}

/// Checks the engine that the account with these names would be served with.
/// With `contact` the engine is asked whether it works: the provider over the network.
pub async fn check(config: &Config, account: &[&str], contact: bool) -> EngineCheck {
    let variable = |name: &str| std::env::var(name).ok();
    check_with(config, account, contact, &variable).await
}

async fn check_with(
    config: &Config,
    account: &[&str],
    contact: bool,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
) -> EngineCheck {
    let settings = match ReplySettings::read(config, account, None::<EngineKind>, variable) {
        Ok(settings) => settings,
        // Sending works without any engine.
        Err(failure) if failure.code == "no_reply_engine" => {
            return EngineCheck {
                verdict: Verdict::Warn,
                seen: failure.to_string(),
                hint: failure.hint.unwrap_or_default(),
            };
        }
        Err(failure) => return fail(failure.to_string(), failure.hint.unwrap_or_default()),
    };
    let seen = describe(&settings);
    let made = match engine(&settings) {
        Ok(made) => made,
        Err(failure) => return fail(failure.to_string(), failure.hint.unwrap_or_default()),
    };
    // Looking for a program costs nothing; a provider is contacted only when asked to.
    if contact || matches!(settings.engine, EngineSettings::Command { .. }) {
        match made.probe().await {
            Ok(()) => {}
            Err(super::EngineError::Down { reason, hint }) => {
                return fail(format!("{seen}; {reason}"), hint);
            }
            Err(super::EngineError::Failed { reason }) => {
                return fail(format!("{seen}; {reason}"), String::new());
            }
        }
    }
    EngineCheck {
        verdict: Verdict::Ok,
        seen,
        hint: String::new(),
    }
}

fn describe(settings: &ReplySettings) -> String {
    match &settings.engine {
        EngineSettings::Echo => "replies are an echo, for trying out".to_owned(),
        EngineSettings::Command { argv } => {
            format!(
                "replies come from the program `{}`",
                argv.first().map_or("", String::as_str)
            )
        }
        EngineSettings::Provider(provider) => {
            let place = provider
                .base_url
                .as_ref()
                .and_then(url::Url::host_str)
                .map_or_else(String::new, |host| format!(" at {host}"));
            let key = if provider.api_key.is_some() {
                "with a key"
            } else {
                "without a key"
            };
            format!(
                "replies come from the model `{}` ({}{place}, {key}), as [{}] says",
                provider.model,
                provider.kind.as_lower_str(),
                provider.config_path
            )
        }
    }
}

fn fail(seen: String, hint: String) -> EngineCheck {
    EngineCheck {
        verdict: Verdict::Fail,
        seen,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    async fn check_text(text: &str, contact: bool) -> EngineCheck {
        let config = Config::parse(Path::new("loong.toml"), text.to_owned()).unwrap();
        check_with(&config, &["default"], contact, &|_| None).await
    }

    #[tokio::test]
    async fn no_engine_is_a_warning_because_sending_works_without() {
        let found = check_text("", true).await;
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.hint.contains("[provider]"), "{found:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_fails_with_the_key_to_correct() {
        let found = check_text(
            "[reply]\nengine = \"command\"\ncommand = [\"/not/there\"]",
            false,
        )
        .await;
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.hint.contains("reply.command"), "{found:?}");
    }

    #[tokio::test]
    async fn a_key_that_is_not_set_fails_with_its_variable() {
        let text = "[provider]\nkind = \"openai\"\nmodel = \"m\"\napi_key = { env = \"MY_KEY\" }";
        let found = check_text(text, false).await;
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.hint.contains("MY_KEY"), "{found:?}");
    }

    #[tokio::test]
    async fn a_provider_nobody_runs_fails_only_when_it_is_contacted() {
        // Bound but not listening: nobody else gets the port in the meantime.
        let nobody = tokio::net::TcpSocket::new_v4().unwrap();
        nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = nobody.local_addr().unwrap().port();
        let text = format!(
            "[provider]\nkind = \"openai-compatible\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:{port}/v1\""
        );
        assert_eq!(check_text(&text, false).await.verdict, Verdict::Ok);
        let found = check_text(&text, true).await;
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.seen.contains("cannot be reached"), "{found:?}");
    }

    #[tokio::test]
    async fn echo_is_always_ready() {
        assert_eq!(
            check_text("[reply]\nengine = \"echo\"", true).await.verdict,
            Verdict::Ok
        );
    }
}
