//! The listing of the shipped channel, beside what stock Loong prints for it.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Result, ensure};
use loong_tests::scenario::Machine;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_stock_loong_prints_is_there_and_says_the_same() -> Result<()> {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/wire/stock-channels-json.json"))?;
    let machine = Machine::new(None)?;
    let config = machine.minimal_config(&["*"], "");
    // Nothing listens there, and nothing needs to: a listing asks nobody.
    let url = "http://127.0.0.1:39731/bridge";
    machine.configure(&config.replace(&machine.bridge_url(), url))?;
    let listing = machine
        .run(&["channels", "list", "--json"])
        .await?
        .succeeded()?
        .json()?;

    for key in fixture["top_level_keys_of_stock"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = key.as_str().unwrap_or_default();
        ensure!(listing.get(key).is_some(), "{key} is missing: {listing:#}");
    }
    let mut differences = Vec::new();
    for (place, ours, theirs) in [
        (
            "catalog",
            &listing["channel_catalog"][0],
            &fixture["catalog_entry"],
        ),
        (
            "surface",
            &listing["channel_surfaces"][0]["catalog"],
            &fixture["catalog_entry"],
        ),
        (
            "account",
            &listing["channels"][0],
            &fixture["account_snapshot"],
        ),
    ] {
        compare(place, ours, theirs, &mut differences);
    }
    ensure!(differences.is_empty(), "{differences:#?}");
    Ok(())
}

/// Everything that `theirs` has must be in `ours`; ours may have more fields.
fn compare(place: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in theirs {
                let place = format!("{place}.{key}");
                match ours.get(key) {
                    Some(ours) => compare(&place, ours, value, differences),
                    None => differences.push(format!("{place} is missing")),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{place}[{index}]"), ours, theirs, differences);
            }
        }
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => differences.push(format!("{place} is {ours} and not {theirs}")),
    }
}
