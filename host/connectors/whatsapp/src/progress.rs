//! What people's phones tell of messages of ours.

use switchhook_core::connector::{Inbox, Progress, Stage};
use switchhook_core::time::UnixMillis;
use whatsapp_rust::prelude::Event;
use whatsapp_rust::types::events::Receipt;
use whatsapp_rust::types::presence::ReceiptType;

/// Passes on how far messages came, where an event says so.
pub(crate) async fn tell(inbox: &dyn Inbox, event: &Event) {
    if let Event::Receipt(receipt) = event
        && let Some(progress) = progress(receipt)
    {
        inbox.progressed(progress).await;
    }
}

fn progress(receipt: &Receipt) -> Option<Progress> {
    let stage = match receipt.r#type {
        ReceiptType::Delivered => Stage::Delivered,
        ReceiptType::Read | ReceiptType::Played => Stage::Read,
        _ => return None,
    };
    let ids = receipt.message_ids.iter().map(ToString::to_string).collect();
    let at = UnixMillis(receipt.timestamp.timestamp_millis().try_into().unwrap_or(0));
    Some(Progress { ids, stage, at })
}
