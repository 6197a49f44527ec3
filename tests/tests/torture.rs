//! The short proof by killing: every point twice. The long one is `cargo xtask torture`.

use anyhow::Result;
use loong_tests::torture::{Kill, Torture};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_wherever_every_message_is_answered_once_and_in_order() -> Result<()> {
    let mut torture = Torture::begin(1).await?;
    for _ in 0..2 {
        for kill in Kill::all() {
            torture.cycle(kill).await?;
        }
    }
    torture.end().await?;
    Ok(())
}
