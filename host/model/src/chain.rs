//! A model and its fallbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchhook_core::model::{Completion, LanguageModel, ModelError, ModelRequest};
use tokio::time::Instant;

use crate::body;
use crate::failure::{Next, verdict};
use crate::provider::Provider;

/// Asks each provider in order until one answers.
pub(crate) struct Chain {
    /// The model itself, then its fallbacks: never empty.
    providers: Vec<Arc<Provider>>,
    /// For the whole answer, whoever gives it.
    total_timeout: Duration,
}

impl Chain {
    pub(crate) fn new(providers: Vec<Arc<Provider>>, total_timeout: Duration) -> Self {
        Self { providers, total_timeout }
    }
}

#[async_trait]
impl LanguageModel for Chain {
    async fn complete(&self, request: &ModelRequest) -> Result<Completion, ModelError> {
        let body = body::of(request).map_err(|error| ModelError::Refused { reason: error.to_string() })?;
        let deadline = Instant::now() + self.total_timeout;
        let mut failures = Vec::new();
        for (place, provider) in self.providers.iter().enumerate() {
            let next = if place + 1 < self.providers.len() { Next::Fallback } else { Next::Nobody };
            match provider.ask(&body, next, deadline).await {
                Ok(completion) => return Ok(completion),
                Err(failure) => {
                    tracing::warn!(model = %provider.name(), %failure, "the model did not answer");
                    failures.push((provider.name().clone(), failure));
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(verdict(&failures))
    }
}
