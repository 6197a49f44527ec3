//! The owner links the account from a page in a browser, on whatever device it is seen.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::process::Line;
use loong_tests::scenario::{Browser, Looks, PATIENCE, Running, Scenario};
use serde_json::json;

const RUN: [&str; 4] = ["whatsapp-personal", "bridge", "run", "--skip-install"];
const DEVICES: [Looks; 4] = [
    Looks {
        dark: false,
        width: 1280,
    },
    Looks {
        dark: true,
        width: 1280,
    },
    Looks {
        dark: false,
        width: 375,
    },
    Looks {
        dark: true,
        width: 375,
    },
];
/// Nothing of a pairing is left on the page.
const NO_CODES: &str = "!document.getElementById('modules').getAttribute('d') && document.getElementById('code').textContent === ''";

#[tokio::test(flavor = "multi_thread")]
async fn the_qr_code_of_the_page_links_the_account_and_the_page_says_so() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let bridge = story.machine.start("bridge run", &RUN)?;
    let browser = Browser::start(&story.machine).await?;

    let link = bridge.hears("a link to the page", printed_link).await?;
    ensure!(browser.goes_to(&link).await? == 200);
    browser.shows("Waiting for a scan").await?;
    let address = browser.evaluates("location.href").await?;
    ensure!(
        address == format!("{}/pair", story.machine.bridge_url()),
        "the key stays in the address: {address}"
    );
    let mut seen = String::new();
    for device in DEVICES {
        browser.looks(device).await?;
        seen = browser.qr().await.with_context(|| format!("{device:?}"))?;
        let wider = "document.documentElement.scrollWidth > innerWidth";
        ensure!(browser.evaluates(wider).await? == false, "{device:?}");
    }
    story.sim.phone().scan(&seen).await?;

    browser.shows("Connected as").await?;
    story.sim.wait_until_online(PATIENCE).await?;
    browser.comes_to(NO_CODES).await?;
    // A browser that is asked for nothing else, by a page that has nothing to complain of.
    let foreign: Vec<String> = browser
        .asked()
        .into_iter()
        .filter(|url| !url.starts_with(&story.machine.bridge_url()))
        .collect();
    ensure!(foreign.is_empty(), "{foreign:?}");
    ensure!(
        browser.complaints(true).is_empty(),
        "{:?}",
        browser.complaints(true)
    );
    let told = format!("{:?}{bridge}", browser.asked());
    ensure!(
        !told.contains(&seen),
        "the QR's payload is in an address or on the terminal"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_back_with_a_killed_bridge_and_needs_no_reload() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.starts_bridge()?;
    let browser = open_page(&story).await?;
    browser.evaluates("window.neverReloaded = true").await?;

    kill_bridge(&story, 1).await?;
    browser.shows("The bridge is away").await?;
    browser.comes_to(NO_CODES).await?;
    story.bridge().nth_event("qr", 2).await?;
    browser.shows("Waiting for a scan").await?;
    story.sim.phone().scan(&browser.qr().await?).await?;
    browser.shows("Connected as").await?;

    kill_bridge(&story, 2).await?;
    browser.shows("The bridge is away").await?;
    browser.shows("Connected as").await?;
    ensure!(browser.evaluates("window.neverReloaded").await? == true);
    ensure!(
        browser.complaints(false).is_empty(),
        "{:?}",
        browser.complaints(false)
    );

    // The next `bridge run` does not know this browser any more.
    story.stops_bridge().await?;
    story.starts_bridge()?;
    browser.shows("This page has ended").await?;
    browser.shows("bridge pair-link").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_qr_code_of_the_page_renews_by_itself_until_the_codes_have_expired() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story
        .machine
        .times(&json!({"qrMs": 2_500, "backoffFirstMs": 50}))?;
    story.sim.offer_qr_codes(2);
    story.starts_bridge()?;
    let browser = open_page(&story).await?;

    // By the drawing alone: no picture is fast enough for every machine.
    let drawn = "document.getElementById('modules').getAttribute('d')";
    browser
        .comes_to(&format!("(window.first = {drawn})"))
        .await?;
    browser
        .comes_to(&format!("{drawn} && {drawn} !== window.first"))
        .await?;
    browser.shows("A new code in").await?;

    browser.shows("The codes have expired").await?;
    browser
        .shows("loong whatsapp-personal bridge resume")
        .await?;
    browser.comes_to(NO_CODES).await?;
    story
        .machine
        .run(&["whatsapp-personal", "bridge", "resume"])
        .await?
        .succeeded()?;
    browser.shows("Waiting for a scan").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pairing_code_of_the_page_is_copied_and_links_the_account() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&json!({"pairingCodeDelayMs": 200}))?;
    story.starts_bridge_with(&["--pairing-code", "+1 (555) 000-1000"])?;
    let browser = open_page(&story).await?;
    browser.shows("Type this code instead").await?;
    for device in DEVICES {
        browser.looks(device).await?;
        let within = "document.getElementById('copy').getBoundingClientRect().right <= innerWidth";
        ensure!(browser.evaluates(within).await? == true, "{device:?}");
    }

    browser.presses("copy").await?;
    browser.shows("Copied.").await?;
    let copied = browser.clipboard().await?;
    let shown = story.bridge().event("pairing_code").await?;
    let code = shown["code"].as_str().context("a code")?;
    ensure!(copied == code.replace('-', ""), "{copied} is not {code}");
    browser.shows(code).await?;
    story.sim.phone().enters_code(&copied).await?;

    browser.shows("Connected as").await?;
    browser.comes_to(NO_CODES).await?;
    ensure!(
        browser.complaints(true).is_empty(),
        "{:?}",
        browser.complaints(true)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_link_opens_nothing_elsewhere_and_a_new_one_is_a_command_away() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.starts_bridge()?;
    open_page(&story).await?;

    let stranger = Browser::start(&story.machine).await?;
    let used = link(&story).await?;
    ensure!(stranger.goes_to(&used).await? == 403);
    stranger
        .shows("loong whatsapp-personal bridge pair-link")
        .await?;
    ensure!(
        stranger
            .goes_to(&format!("{}/pair", story.machine.bridge_url()))
            .await?
            == 403
    );

    let asked = story
        .machine
        .run(&["whatsapp-personal", "bridge", "pair-link"])
        .await?
        .succeeded()?;
    ensure!(stranger.goes_to(asked.stdout.trim()).await? == 200);
    stranger.shows("Waiting for a scan").await?;
    stranger.qr().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_account_is_shown_no_link() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    story.stops_bridge().await?;
    let bridge = story.machine.start("bridge run", &RUN)?;
    bridge.says("connected as").await?;
    ensure!(printed_link(&bridge.lines()).is_none(), "{bridge}");
    Ok(())
}

/// A browser with the page of the story's bridge, which waits for a scan.
async fn open_page(story: &Scenario) -> Result<Browser> {
    let browser = Browser::start(&story.machine).await?;
    ensure!(browser.goes_to(&link(story).await?).await? == 200);
    browser.shows("Waiting for a scan").await?;
    Ok(browser)
}

/// The link that the bridge told first.
async fn link(story: &Scenario) -> Result<String> {
    let told = story.bridge().event("pair_page").await?;
    Ok(told["url"].as_str().context("a link")?.to_owned())
}

/// The link as a person finds it on the terminal.
fn printed_link(lines: &[Line]) -> Option<String> {
    lines
        .iter()
        .find_map(|line| Some(line.text.split_once("open this page once: ")?.1.to_owned()))
}

/// Kills the `n`th bridge process (from 1) as the kernel would.
async fn kill_bridge(story: &Scenario, n: usize) -> Result<()> {
    let bridge: &Running = story.bridge();
    let pid = bridge.nth_event("listening", n).await?["pid"].as_i64();
    let pid = i32::try_from(pid.context("listening names its process")?)?;
    let pid = rustix::process::Pid::from_raw(pid).context("a process id")?;
    Ok(rustix::process::kill_process(
        pid,
        rustix::process::Signal::KILL,
    )?)
}
