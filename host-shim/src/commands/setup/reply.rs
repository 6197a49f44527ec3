//! What answers: an echo, a program, or a language model. Asks what is not said yet, and lets the
//! reply engines judge the answers. A key is asked for by the name of its variable only.

use toml_edit::Array;

use super::question::{Asker, Question, refused};
use crate::cli::{ReplyKind, SetupArgs};
use crate::config::Config;
use crate::config_edit::{ConfigEdit, inline};
use crate::error::{ExitCode, Failure};
use crate::output::Output;
use crate::serve::reply::config::ReplySettings;
use crate::serve::reply::provider_config;

const REPLY: &[&str] = &["reply"];
const PROVIDER: &[&str] = &["provider"];

/// Writes what answers into `edit`, unless that is decided already. Gives the engine's name.
///
/// # Errors
/// An answer is missing or refused; `edit` is then not to be saved.
pub(super) async fn write(
    edit: &mut ConfigEdit,
    args: &SetupArgs,
    asker: &Asker<'_>,
    output: &Output,
) -> Result<String, Failure> {
    let decided = settings(edit).ok().map(|settings| settings.engine_name());
    let has_provider = provider_config::is_configured(&config(edit)?);
    let asked = asked(args)?;
    let is_said = edit.has(&["reply", "engine"]) || has_provider;
    let chosen = match (asked, decided) {
        (None, Some(name)) => return Ok(name.to_owned()),
        // Said, and wrong: the complaint names the key.
        (None, None) if is_said => return settings(edit).map(|it| it.engine_name().to_owned()),
        (None, None) => {
            let question = Question {
                words: "What answers the messages: echo (for trying out), command (a program of yours) or provider (a language model)",
                default: asker.is_at_terminal().then_some("echo"),
                flag: "--reply echo|command|provider",
            };
            asker
                .answer(question, None, async |typed| kind(typed))
                .await?
        }
        (Some(kind), _) => kind,
    };
    let replaces = edit.has(&["reply", "engine"]) && decided != Some(name(chosen))
        || has_provider && args.provider_kind.is_some()
        || edit.has(&["reply", "command"]) && !args.command.is_empty();
    if replaces && !args.force {
        return Err(Failure::usage(
            "reply_exists",
            "the configuration says already what answers",
        )
        .hint("leave the flags for it out, or replace it with --force; nothing was changed"));
    }
    edit.describe_table(REPLY, "What answers the messages.")?;
    edit.describe(
        REPLY,
        "engine",
        name(chosen),
        "`provider`, `command` or `echo`.",
    )?;
    match chosen {
        ReplyKind::Echo => {}
        ReplyKind::Command => command(edit, args, asker).await?,
        ReplyKind::Provider if has_provider && args.provider_kind.is_none() => {}
        ReplyKind::Provider => provider(edit, args, asker, output).await?,
    }
    settings(edit)?;
    Ok(name(chosen).to_owned())
}

/// The engine that the flags mean.
fn asked(args: &SetupArgs) -> Result<Option<ReplyKind>, Failure> {
    let of_provider = [
        &args.provider_kind,
        &args.model,
        &args.base_url,
        &args.api_key_env,
    ];
    let provider = of_provider.iter().any(|flag| flag.is_some());
    let command = !args.command.is_empty();
    let meant = match (command, provider) {
        (false, false) => return Ok(args.reply),
        (true, false) => ReplyKind::Command,
        (false, true) => ReplyKind::Provider,
        (true, true) => {
            return Err(refused(
                "--command and a provider are two different engines",
            ));
        }
    };
    match args.reply {
        Some(said) if said != meant => Err(refused(format!(
            "--reply {} and flags for {} do not go together",
            name(said),
            name(meant)
        ))),
        Some(_) | None => Ok(Some(meant)),
    }
}

async fn command(
    edit: &mut ConfigEdit,
    args: &SetupArgs,
    asker: &Asker<'_>,
) -> Result<(), Failure> {
    let words = if args.command.is_empty() {
        let question = Question {
            words: "Which program answers, with its arguments (a JSON list when a word has blanks)",
            default: None,
            flag: "--command <word>",
        };
        asker
            .answer(question, None, async |typed| words(typed))
            .await?
    } else {
        args.command.clone()
    };
    let list: Array = words.iter().collect();
    edit.describe(
        REPLY,
        "command",
        list,
        "The program and its arguments; no shell reads it.",
    )
}

async fn provider(
    edit: &mut ConfigEdit,
    args: &SetupArgs,
    asker: &Asker<'_>,
    output: &Output,
) -> Result<(), Failure> {
    for other in ["active_provider", "providers"] {
        if edit.has(&[other]) {
            return Err(Failure::usage(
                "reply_exists",
                format!("`{other}` says which language model answers"),
            )
            .hint("change [providers.<id>] by hand; nothing was changed"));
        }
    }
    edit.describe_table(PROVIDER, "The language model that answers.")?;
    // A key must not go to another server than the one it was written for.
    for old in ["base_url", "api_key"] {
        edit.remove(PROVIDER, old)?;
    }
    let question = Question {
        words: "Who serves the model: openai-compatible, openai, anthropic, gemini, ollama, …",
        default: None,
        flag: "--provider-kind <kind>",
    };
    let known = async |typed: &str| match provider_config::traits(typed) {
        Some(traits) => Ok((typed.to_owned(), traits)),
        None => Err(
            refused(format!("`{typed}` is no provider that loong knows")).hint(format!(
                "use openai-compatible, or one of: {}",
                provider_config::kinds()
            )),
        ),
    };
    let (kind, traits) = asker
        .answer(question, args.provider_kind.as_deref(), known)
        .await?;
    edit.describe(PROVIDER, "kind", kind, "Who serves the model.")?;

    let question = Question {
        words: "Which model",
        default: None,
        flag: "--model <model>",
    };
    let some = async |typed: &str| match typed {
        "" => Err(refused("name the model as its provider does")),
        model => Ok(model.to_owned()),
    };
    let model = asker.answer(question, args.model.as_deref(), some).await?;
    edit.describe(
        PROVIDER,
        "model",
        model,
        "The model, as its provider calls it.",
    )?;

    if traits.needs_address || args.base_url.is_some() {
        let question = Question {
            words: "At which address, up to and including the version",
            default: None,
            flag: "--base-url <url>",
        };
        let fits = async |typed: &str| judged(edit, "base_url", typed.into());
        *edit = asker
            .answer(question, args.base_url.as_deref(), fits)
            .await?;
    }
    let question = Question {
        words: match traits.key_variable {
            Some(_) => "Which environment variable holds the key",
            None => "Which environment variable holds the key (just Enter: there is no key)",
        },
        default: Some(traits.key_variable.unwrap_or_default()),
        flag: "--api-key-env <name>",
    };
    let fits = async |typed: &str| match typed {
        "" => Ok((edit.clone(), None)),
        name => Ok((
            judged(edit, "api_key", inline([("env", name)]))?,
            Some(name.to_owned()),
        )),
    };
    let (changed, variable) = asker
        .answer(question, args.api_key_env.as_deref(), fits)
        .await?;
    *edit = changed;
    if let Some(variable) = variable.filter(|name| std::env::var_os(name).is_none()) {
        output.warn(&format!("{variable} is not set here"));
        output.hint(&format!("set {variable} where loong is started"));
    }
    Ok(())
}

/// The configuration with one more key of the provider, when it can be read with it.
fn judged(edit: &ConfigEdit, key: &str, value: toml_edit::Value) -> Result<ConfigEdit, Failure> {
    let comment = match key {
        "base_url" => "Its address up to and including the version.",
        _ => "The variable that holds the key; the key itself does not belong here.",
    };
    let mut would_be = edit.clone();
    would_be.describe(PROVIDER, key, value, comment)?;
    let refused = |failure| Failure {
        exit: ExitCode::Usage,
        ..failure
    };
    settings(&would_be).map_err(refused)?;
    Ok(would_be)
}

/// How the configuration reads, whether or not its variables are set here.
fn settings(edit: &ConfigEdit) -> Result<ReplySettings, Failure> {
    let any = |_name: &str| Some("set".to_owned());
    ReplySettings::read(&config(edit)?, &[], None, &any)
}

fn config(edit: &ConfigEdit) -> Result<Config, Failure> {
    Config::parse(edit.path(), edit.text())
}

/// A line as the words of a command: a JSON list, else what stands between blanks.
fn words(typed: &str) -> Result<Vec<String>, Failure> {
    let words: Vec<String> = if typed.starts_with('[') {
        serde_json::from_str(typed)
            .map_err(|error| refused("that is no JSON list of texts").because(error))?
    } else {
        typed.split_whitespace().map(str::to_owned).collect()
    };
    match words.first() {
        Some(program) if !program.trim().is_empty() => Ok(words),
        Some(_) | None => Err(refused("name a program, such as /usr/local/bin/answer")),
    }
}

fn kind(typed: &str) -> Result<ReplyKind, Failure> {
    match typed {
        "echo" => Ok(ReplyKind::Echo),
        "command" => Ok(ReplyKind::Command),
        "provider" => Ok(ReplyKind::Provider),
        _ => Err(refused("answer with echo, command or provider")),
    }
}

fn name(kind: ReplyKind) -> &'static str {
    match kind {
        ReplyKind::Echo => "echo",
        ReplyKind::Command => "command",
        ReplyKind::Provider => "provider",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_by_blanks_or_as_a_list() {
        assert_eq!(words("answer  --brief").unwrap(), ["answer", "--brief"]);
        assert_eq!(words(r#"["my answer", ""]"#).unwrap(), ["my answer", ""]);
        for bad in ["", "[", "[1]", "[]", r#"[" "]"#] {
            assert_eq!(
                words(bad).unwrap_err().code,
                "setup_answer_refused",
                "{bad}"
            );
        }
    }

    #[test]
    fn flags_of_an_engine_mean_the_engine_and_no_other() {
        let with = |change: &dyn Fn(&mut SetupArgs)| {
            let mut args = SetupArgs::default();
            change(&mut args);
            asked(&args)
        };
        assert_eq!(with(&|_| ()).unwrap(), None);
        let command = |args: &mut SetupArgs| args.command.push("x".to_owned());
        let model = |args: &mut SetupArgs| args.model = Some("m".to_owned());
        assert_eq!(with(&command).unwrap(), Some(ReplyKind::Command));
        assert_eq!(with(&model).unwrap(), Some(ReplyKind::Provider));
        let both = |args: &mut SetupArgs| {
            command(args);
            model(args);
        };
        let other = |args: &mut SetupArgs| {
            command(args);
            args.reply = Some(ReplyKind::Echo);
        };
        assert!(with(&both).is_err() && with(&other).is_err());
    }
}
