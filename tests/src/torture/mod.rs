//! The proof by killing: contacts write, parts of the product are killed in the middle of their
//! work and started again, and in the end every message has been answered once and in order.

mod kill;
mod ledger;
mod victims;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use kill::{BridgePoint, HostPoint, Kill};
use ledger::Ledger;
use victims::Victims;

/// How long a cycle's messages may take to be answered, whatever was killed.
const RECOVERY: Duration = Duration::from_secs(120);
/// Kills at a random time fall into this span after the messages were written.
const LATEST_KILL: Duration = Duration::from_millis(400);

/// What one cycle was and how long it took until everything was answered.
#[derive(Debug, Clone)]
pub struct Cycle {
    pub number: usize,
    pub kill: Kill,
    pub messages: usize,
    pub took: Duration,
}

/// A linked account, contacts and the whole product, with the means to kill it.
#[derive(Debug)]
pub struct Torture {
    victims: Victims,
    ledger: Ledger,
    chance: StdRng,
    cycles: usize,
}

impl Torture {
    /// Links the account and starts everything. The same seed gives the same messages and kills.
    ///
    /// # Errors
    /// When a part of the product does not start.
    pub async fn begin(seed: u64) -> Result<Self> {
        let victims = Victims::start().await?;
        let ledger = Ledger::new(&victims.story.sim);
        Ok(Self {
            victims,
            ledger,
            chance: StdRng::seed_from_u64(seed),
            cycles: 0,
        })
    }

    /// A kill chosen by chance.
    pub fn any_kill(&mut self) -> Kill {
        let timed = vec![Kill::BridgeAnytime, Kill::HostAnytime, Kill::BothAnytime];
        // Named points and random times in equal parts.
        let choice = match self.chance.random_bool(0.5) {
            true => timed,
            false => Kill::all(),
        };
        let place = self.chance.random_range(0..choice.len());
        choice.get(place).copied().unwrap_or(Kill::BothAnytime)
    }

    /// Contacts write, `kill` happens, everything is started again and comes to rest.
    ///
    /// # Errors
    /// A message was lost, answered twice, or answered out of order; or a part did not come back.
    pub async fn cycle(&mut self, kill: Kill) -> Result<Cycle> {
        let begun = Instant::now();
        self.cycles += 1;
        let number = self.cycles;
        let wait = Duration::from_millis(
            self.chance
                .random_range(0..u64::try_from(LATEST_KILL.as_millis())?),
        );
        self.victims.arm(kill).await?;
        let messages = self.ledger.write(number, &mut self.chance).await?;
        self.victims
            .strike(kill, wait)
            .await
            .with_context(|| format!("cycle {number}: {kill} did not happen"))?;
        self.victims.revive().await?;
        self.ledger
            .settled(RECOVERY)
            .await
            .with_context(|| format!("cycle {number}, {kill}\n{}", self.victims))?;
        self.ledger
            .verify()
            .with_context(|| format!("cycle {number}, {kill}\n{}", self.victims))?;
        Ok(Cycle {
            number,
            kill,
            messages,
            took: begun.elapsed(),
        })
    }

    /// Stops everything in peace, and looks once more: nothing may have come twice since.
    ///
    /// # Errors
    /// As [`Torture::cycle`]; or something is left unsettled in the store.
    pub async fn end(mut self) -> Result<usize> {
        self.victims.nothing_left().await?;
        self.victims.stop().await?;
        self.ledger.verify()?;
        Ok(self.ledger.written())
    }
}
