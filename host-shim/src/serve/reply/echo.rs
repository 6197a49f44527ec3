//! Says what was said: for trying out the way from phone to host and back.

use async_trait::async_trait;

use super::{EngineError, ReplyEngine, ReplyRequest};

/// The engine called `echo`.
#[derive(Debug, Clone, Copy)]
pub struct EchoEngine;

#[async_trait]
impl ReplyEngine for EchoEngine {
    async fn reply(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError> {
        Ok(Some(request.text.clone()).filter(|text| !text.trim().is_empty()))
    }

    async fn probe(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
