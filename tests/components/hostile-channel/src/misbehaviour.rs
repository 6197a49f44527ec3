//! Using things up: time, memory, the stack, the host's patience. And looking around.

use std::hint::black_box;
use std::io::Read as _;

use crate::bindings::loong::channel::{bridge, environment, log};

const MIB: usize = 1024 * 1024;

/// Does as told; comes back with an answer when the host lets it.
pub(crate) fn misbehave(how: &str) -> String {
    match how {
        "loop" => loop {
            black_box(());
        },
        "fill" => fill(),
        "memory" => hoard(),
        "trap" => trap(),
        "exit" => std::process::exit(0),
        "recurse" => dig(0).to_string(),
        "chatter" => loop {
            #[allow(clippy::print_stdout, reason = "nobody may hear it")]
            {
                println!("\u{1b}[2Jis anybody there?");
            }
        },
        "chatter_once" => {
            #[allow(clippy::print_stdout, reason = "nobody may hear it")]
            {
                println!("is anybody there?");
            }
            "said".to_owned()
        }
        "flood_log" => loop {
            log::record(log::Level::Debug, "still here");
        },
        "flood_post" => loop {
            black_box(bridge::post("{}", u32::MAX).is_ok());
        },
        "flood_lookup" => loop {
            black_box(environment::lookup("HOME"));
        },
        // Each of them small enough, together too many bytes.
        "drip" => loop {
            log::record(log::Level::Debug, &"x".repeat(100 * 1024));
        },
        "wide_log" => {
            log::record(log::Level::Debug, &"x".repeat(4 * MIB));
            "logged".to_owned()
        }
        "wide_post" => format!("{}", bridge::post(&"x".repeat(4 * MIB), 1_000).is_ok()),
        "wide_lookup" => environment::lookup(&"x".repeat(4 * MIB)).unwrap_or_default(),
        // More than a host should copy, less than fits into a guest's memory by default.
        "huge" => "x".repeat(48 * MIB),
        "look_around" => look_around(),
        // What the bridge says, in the log as it is.
        "relay" => {
            let said = bridge::post("{}", 5_000).map(|answer| answer.body);
            log::record(log::Level::Warn, &said.unwrap_or_default());
            "relayed".to_owned()
        }
        _ => "tame".to_owned(),
    }
}

fn hoard() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; MIB]);
        black_box(&hoard);
    }
}

/// One instruction that works for milliseconds, again and again.
fn fill() -> ! {
    let mut much = vec![0_u8; 8 * MIB];
    let mut with = 0_u8;
    loop {
        black_box(&mut much).fill(black_box(with));
        with = with.wrapping_add(1);
    }
}

#[allow(unconditional_recursion, reason = "it is to have no end")]
fn dig(depth: u64) -> u64 {
    let kept = black_box([depth; 16]);
    dig(black_box(depth + 1)) + kept.iter().sum::<u64>()
}

#[allow(clippy::panic, reason = "panicking is what this test component is for")]
fn trap() -> ! {
    panic!("as told")
}

/// What of the host's surroundings can be seen from in here.
fn look_around() -> String {
    let mut input = Vec::new();
    let read = std::io::stdin().read_to_end(&mut input).unwrap_or(0);
    format!(
        "variables {}, arguments {}, input {read}, HOME {:?}",
        std::env::vars_os().count(),
        std::env::args_os().count(),
        environment::lookup("HOME"),
    )
}
