//! The main job from the first QR to the first answer, with the real commands as processes, and a
//! transcript of what each side saw.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the demo is its output"
)]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::{Machine, PATIENCE, drawn_qr};
use loong_tests::sim::Simulator;

const QUESTION: &str = "Are you there?";
const GREETING: &str = "Hello Ana, this is Loong.";

#[tokio::main]
async fn main() -> ExitCode {
    let started = Instant::now();
    match tell().await {
        Ok(()) => {
            println!(
                "\nThe main job works: paired, checked, sent, received, answered, in {:.0?}.",
                started.elapsed()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn tell() -> Result<()> {
    let sim = Simulator::start().await?;
    scene("A WhatsApp of our own on this machine; nothing leaves it");
    says("simulator", &format!("listening at {}", sim.web_url()));

    let machine = Machine::new(Some(&sim.web_url()))?;
    let config = machine.minimal_config(&["+15551234567"], "[reply]\nengine = \"echo\"\n");
    machine.configure(&config)?;
    scene("The operator's configuration (~/.loong/config.toml of a home made for this demo)");
    show(&config);

    scene("$ loong whatsapp-personal bridge run");
    let bridge = machine.start("bridge run", &["whatsapp-personal", "bridge", "run"])?;
    let qr = bridge.hears("a drawn QR code", drawn_qr::last).await?;
    for line in bridge.lines() {
        println!("    {}", line.text);
    }
    says("phone", "scans the QR code from the terminal");
    sim.phone().scan(&qr).await?;
    says("bridge", &bridge.says("onnected").await?);
    sim.wait_until_online(PATIENCE).await?;

    scene("$ loong doctor");
    show(&machine.run(&["doctor"]).await?.succeeded()?.stdout);

    scene(&format!(
        "$ loong channels send whatsapp-personal --target contact:+15551234567 --text {GREETING:?}"
    ));
    let ana = sim.contact("Ana", "15551234567");
    let sent = machine
        .run(&[
            "channels",
            "send",
            "whatsapp-personal",
            "--target",
            "contact:+15551234567",
            "--text",
            GREETING,
        ])
        .await?
        .succeeded()?;
    show(&sent.stdout);
    let received = ana.next_message(PATIENCE).await?;
    says("Ana's phone", &format!("shows {:?}", received.text));
    ensure!(received.text == GREETING, "Ana received something else");

    scene("$ loong channels serve whatsapp-personal");
    let mut serve = machine.start(
        "channels serve",
        &["channels", "serve", "whatsapp-personal"],
    )?;
    says("Ana", &format!("writes {QUESTION:?}"));
    ana.says(QUESTION).await?;
    let answer = ana
        .next_message(PATIENCE)
        .await
        .with_context(|| serve.to_string())?;
    says("Ana's phone", &format!("shows {:?}", answer.text));
    ensure!(answer.text.contains(QUESTION), "that is no echo");

    scene("Ctrl-C in both terminals");
    serve.interrupt()?;
    let (serve_end, mut bridge) = (serve.ends().await?, bridge);
    for line in serve.lines() {
        println!("    serve:  {}", line.text);
    }
    bridge.interrupt()?;
    let bridge_end = bridge.ends().await?;
    ensure!(
        serve_end.success() && bridge_end.success(),
        "serve: {serve_end}, bridge: {bridge_end}"
    );
    says("both", "ended cleanly");
    Ok(())
}

fn scene(title: &str) {
    println!("\n── {title}");
}

fn says(who: &str, what: &str) {
    println!("    {who}: {}", what.trim());
}

fn show(text: &str) {
    for line in text.trim_end().lines() {
        println!("    {line}");
    }
}
