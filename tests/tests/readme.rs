//! The README's commands, run as they stand.

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::{finish, loong_binary, plugin_root};
use loong_tests::scenario::{Machine, PATIENCE, Running, drawn_qr, written};
use loong_tests::sim::Simulator;

const README: &str = include_str!("../../README.md");

#[tokio::test(flavor = "multi_thread")]
async fn the_three_terminals_of_the_readme_do_what_it_says() -> Result<()> {
    let sim = Simulator::start().await?;
    let machine = Machine::new(Some(&sim.web_url()))?;
    // The port is the one thing that a test must not take as it stands.
    let config = block("toml", "[whatsapp_personal]")?
        .replace("http://127.0.0.1:39731/bridge", &machine.bridge_url());
    machine.configure(&config)?;

    let bridge = Running::start("terminal 1", shell(&machine, &block("sh", "bridge run")?)?)?;
    let qr = bridge.hears("a drawn QR code", drawn_qr::last).await?;
    sim.phone().scan(&qr).await?;
    sim.wait_until_online(PATIENCE).await?;

    let serve = Running::start(
        "terminal 2",
        shell(&machine, &block("sh", "channels serve")?)?,
    )?;
    let ana = sim.contact("Ana", "15551234567");
    ana.says("is this the README?").await?;
    let answer = ana
        .next_message(PATIENCE)
        .await
        .with_context(|| format!("{bridge}{serve}"))?;
    ensure!(answer.text.contains("is this the README?"), "{answer:?}");

    finish(shell(&machine, &block("sh", "channels send")?)?)
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "hello from Loong");

    let doctor = finish(shell(&machine, "loong doctor")?).await?;
    ensure!(doctor.code == Some(0), "{doctor:?}");
    Ok(())
}

fn block(language: &str, words: &str) -> Result<String> {
    written::block(README, language, words)
}

/// The block in a shell, in the project's folder, with `loong` on the path.
fn shell(machine: &Machine, block: &str) -> Result<tokio::process::Command> {
    let folder = loong_binary()
        .parent()
        .context("the program lies in a folder")?
        .to_owned();
    let mut paths = vec![folder];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut command = machine.command("sh");
    // `exec` hands signals to loong itself, not to a shell around it.
    command
        .args(["-c", &format!("exec {}", block.trim())])
        .env("PATH", std::env::join_paths(paths)?)
        .current_dir(
            plugin_root()
                .parent()
                .context("the plugins lie in the project")?,
        );
    Ok(command)
}
