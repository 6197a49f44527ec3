//! The schema that the real `loong config schema` prints, held against what is documented and against
//! the table of configurations that the component is held to.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use jsonschema::Validator;
use loong_tests::scenario::Machine;
use serde_json::{Value, json};

/// The strict schema, which takes no key of ours that nobody reads.
async fn strict() -> Result<Value> {
    let machine = Machine::new(None)?;
    machine.configure(&machine.minimal_config(&["*"], ""))?;
    machine
        .run(&["config", "schema", "--strict"])
        .await?
        .succeeded()?
        .json()
}

/// A document of configuration as the schema sees it.
fn document(toml: &str) -> Result<Value> {
    let table: toml::Table = toml::from_str(toml)?;
    Ok(serde_json::to_value(table)?)
}

fn judge(schema: &Validator, document: &Value) -> Result<()> {
    let wrong: Vec<String> = schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        bail!("{}", wrong.join("\n"))
    }
}

/// Every block of that language in a text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    text.split("```")
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

/// The README and every page below `docs`.
fn pages() -> Result<Vec<PathBuf>> {
    fn below(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                below(&path, pages)?;
            } else if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
        Ok(())
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![project.join("README.md")];
    below(&project.join("docs"), &mut pages)?;
    Ok(pages)
}

#[tokio::test]
async fn every_configuration_that_is_documented_is_valid_and_has_known_keys_only() -> Result<()> {
    let document_schema = strict().await?;
    let ours = document_schema["properties"]
        .as_object()
        .context("an object")?;
    let schema = jsonschema::draft202012::new(&document_schema)?;
    let mut seen = 0;
    for page in pages()? {
        let text = std::fs::read_to_string(&page)?;
        for block in blocks(&text, "toml") {
            let place = || format!("{}:\n{block}", page.display());
            let document = document(block).with_context(place)?;
            judge(&schema, &document).with_context(place)?;
            for table in document.as_object().context("a table")?.keys() {
                ensure!(ours.contains_key(table), "[{table}] in {}", place());
            }
            seen += 1;
        }
    }
    ensure!(seen >= 5, "only {seen} blocks were found");
    Ok(())
}

#[tokio::test]
async fn a_wrong_configuration_is_not_valid() -> Result<()> {
    let schema = jsonschema::draft202012::new(&strict().await?)?;
    for wrong in [
        "[whatsapp_personal]\nallowed_chats = [\"*\"]",
        "[whatsapp_personal]\nallowed_chat_ids = \"*\"",
        "[whatsapp_personal]\nenabled = \"true\"",
        "[whatsapp_personal]\nbridge_url = \"https://127.0.0.1/\"",
        "[whatsapp_personal]\nbridge_url_env = \"$MY_URL\"",
        "[whatsapp_personal]\ngroup_reply = \"sometimes\"",
        "[whatsapp_personal]\nbacklog_max_age = \"1 day\"",
        "[whatsapp_personal]\nmax_messages_per_minute = 0",
        "[whatsapp_personal]\nmax_messages_per_minute = \"30\"",
        "[whatsapp_personal]\nmax_new_chats_per_day = 1001",
        "[whatsapp_personal]\nmax_new_chats_per_day = 1.5",
        "[whatsapp_personal.accounts]\nwork = 1",
        "[whatsapp_personal.accounts.work]\ndefault_account = \"work\"",
        "[whatsapp_personal.accounts.work]\nwhatsapp_web_version = \"2.3\"",
        "[runtime_plugins]\nroot = []",
        "[runtime_plugins]\nroots = \"./runtime-plugins\"",
        "[reply]\nengine = \"parrot\"",
        "[reply]\ntimeout_s = 0",
        "[reply]\nconcurrency = 65",
        "[reply.accounts.work]\nengine = \"echo\"",
        "[provider]\nmodle = \"x\"",
        "[provider]\ntemperature = 3",
        "[providers.a]\napi_key = { name = \"KEY\" }",
        "active_provider = 1",
    ] {
        let document = document(wrong)?;
        ensure!(!schema.is_valid(&document), "is called valid: {wrong}");
    }
    // Somebody else's table is somebody else's.
    judge(&schema, &document("[telegram]\nanything = 1")?)
}

#[tokio::test]
async fn without_strict_only_what_is_surely_wrong_is_called_so() -> Result<()> {
    let machine = Machine::new(None)?;
    machine.configure(&machine.minimal_config(&["*"], ""))?;
    let open = machine
        .run(&["config", "schema"])
        .await?
        .succeeded()?
        .json()?;
    let schema = jsonschema::draft202012::new(&open)?;
    judge(
        &schema,
        &document("[whatsapp_personal]\nlater = 1\n[provider]\nretries = 3")?,
    )?;
    ensure!(
        !schema.is_valid(&document("[reply]\nlater = 1")?),
        "[reply] refuses what it does not know"
    );
    Ok(())
}

#[tokio::test]
async fn what_the_component_takes_without_a_word_is_valid() -> Result<()> {
    let schema = jsonschema::draft202012::new(&strict().await?)?;
    let table: Value = serde_json::from_str(include_str!("../fixtures/accounts.json"))?;
    let mut seen = 0;
    for case in table["cases"].as_array().context("cases")? {
        let expect = &case["expect"];
        let accounts = expect["accounts"].as_array().into_iter().flatten();
        let ready = |account: &Value| account["send"] == "ready" && account["serve"] == "ready";
        let taken = accounts.clone().count() > 0 && accounts.clone().all(ready);
        if taken && expect["issues"].as_array().is_none_or(Vec::is_empty) {
            let document = json!({ "whatsapp_personal": case["config"] });
            judge(&schema, &document).with_context(|| case.to_string())?;
            seen += 1;
        }
    }
    ensure!(seen >= 10, "only {seen} cases were found");
    Ok(())
}
