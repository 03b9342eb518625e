//! What is at the ends: a connector that takes everything at once and counts, and a model that answers at once.

use std::sync::Arc;

use async_trait::async_trait;
use switchhook_core::action::Action;
use switchhook_core::connector::{
    Abilities, Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Receipt,
};
use switchhook_core::id::AccountId;
use switchhook_core::model::{Completion, FinishReason, LanguageModel, ModelError, ModelRequest, Usage};
use switchhook_core::split::TextLimit;
use switchhook_pipeline::Carriers;
use tokio::sync::watch;

/// Counts the answers of the model that were delivered.
pub(crate) struct Wire {
    delivered: watch::Sender<usize>,
}

impl Wire {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { delivered: watch::Sender::new(0) })
    }

    pub(crate) fn delivered(&self) -> watch::Receiver<usize> {
        self.delivered.subscribe()
    }

    pub(crate) fn can() -> Abilities {
        Abilities { text: TextLimit::Bytes(4096), idempotent_send: false, typing_every: None, send_limits: None }
    }
}

#[async_trait]
impl Connector for Wire {
    fn abilities(&self) -> Abilities {
        Self::can()
    }
    async fn run(&self, _: ConnectorContext) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn delivers_by_calls(&self) -> bool {
        true
    }
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        match &delivery.action {
            Action::Send(outgoing) if outgoing.text.starts_with("echo: ") => self.delivered.send_modify(|n| *n += 1),
            other => panic!("something else went out: {other:?}"),
        }
        Ok(Receipt::default())
    }
}

pub(crate) struct OneWire(pub(crate) Arc<Wire>);

impl Carriers for OneWire {
    fn connector(&self, _: &AccountId) -> Option<Arc<dyn Connector>> {
        Some(self.0.clone())
    }
}

pub(crate) struct Echo;

#[async_trait]
impl LanguageModel for Echo {
    async fn complete(&self, request: &ModelRequest) -> Result<Completion, ModelError> {
        let text = request.messages.last().map_or_else(String::new, |message| format!("echo: {}", message.text));
        let (finish, usage) = (FinishReason::Stop, Usage::default());
        Ok(Completion { text, tool_calls: vec![], finish, model: "echo".to_owned(), usage })
    }
}
