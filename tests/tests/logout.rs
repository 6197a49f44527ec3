//! Ending the login from the command line: only when the operator means it.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};

const LOGOUT: [&str; 3] = ["whatsapp-personal", "bridge", "logout"];

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_only_yes_ends_the_login() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    for answer in ["", "no", "y", "yes please"] {
        let mut logout = story.machine.at_terminal("bridge logout", &LOGOUT)?;
        logout.says("type yes and Enter").await?;
        logout.types(&format!("{answer}\n")).await?;
        logout.says("nothing was changed").await?;
        let status = logout.ends().await?;
        ensure!(status.code() == Some(1), "{answer:?}: {status}\n{logout}");
        is_linked(&story).await?;
    }

    let mut logout = story.machine.at_terminal("bridge logout", &LOGOUT)?;
    // Who would be logged out is said before the question, and not in full.
    let asked = logout.says("a logout ends that").await?;
    ensure!(!asked.contains(story.sim.phone().number()), "{asked}");
    logout.says("type yes and Enter").await?;
    logout.types("yes\n").await?;
    let status = logout.ends().await?;
    ensure!(status.success(), "{status}\n{logout}");
    story.sim.wait_until_logged_out(PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_logout_needs_its_flag() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;

    let refused = story.machine.run(&LOGOUT).await?.ended_with(2)?;

    ensure!(refused.stderr.contains("--yes"), "{refused:?}");
    ensure!(refused.stdout.is_empty(), "{refused:?}");
    is_linked(&story).await
}

/// Here and at WhatsApp.
async fn is_linked(story: &Scenario) -> Result<()> {
    let status = story
        .machine
        .run(&["whatsapp-personal", "bridge", "status", "--json"])
        .await?
        .succeeded()?
        .json()?;
    ensure!(status["state"] == "connected", "{status}");
    ensure!(story.sim.linked_device() == Some(1), "the link is gone");
    Ok(())
}
