//! That a story which leaks is found out. The search itself runs at the end of every story.

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};

const ANA: &str = "15551234567";

#[tokio::test(flavor = "multi_thread")]
async fn a_story_that_tells_what_it_heard_is_found_to_leak_and_one_that_does_not_is_not()
-> Result<()> {
    // What a reply program says on its standard error is logged as it comes.
    let mut story = Scenario::paired_with_program(
        "cat > question; cat question >&2; echo 15551234567 >&2; echo 'a quiet answer'",
    )
    .await?;
    let ana = story.sim.contact("Ana", ANA);
    ensure!(story.leaks().is_empty(), "{:?}", story.leaks());
    story.leaks_on_purpose = true;
    story.serves(&[])?;
    ana.says("planted for the search").await?;
    ana.next_message(PATIENCE).await?;
    story.server().says("planted for the search").await?;
    let leaks = story.leaks();
    for what in ["a text", "a number"] {
        ensure!(
            leaks
                .iter()
                .any(|leak| leak.what == what && leak.place == "channels serve (err)"),
            "no {what}: {leaks:?}"
        );
    }
    story.stops_serving().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_environment_of_a_process_that_loong_started_is_found() -> Result<()> {
    let mut story = Scenario::prepared(
        &["*"],
        "[provider]\napi_key = \"planted-key-of-a-provider\"\n",
    )
    .await?;
    story.leaks_on_purpose = true;
    // What the bridge gets from `loong`'s environment is a short list; this is on it.
    story.machine.sets("LANG", "planted-key-of-a-provider");
    story.starts_bridge()?;
    story.bridge().event("listening").await?;
    let leaks = story.leaks();
    ensure!(
        leaks
            .iter()
            .any(|leak| leak.place.contains("(environment)") && leak.what == "a provider's key"),
        "{leaks:?}"
    );
    Ok(())
}
