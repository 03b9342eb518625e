//! Which chat a text names, and where that is written to.

use switchhook_core::message::{Chat, ChatKind};
use switchhook_core::person::PersonId;
use whatsapp_rust::Jid;
use whatsapp_rust::wacore_binary::JidExt as _;

use crate::connector::{Live, WhatsApp};
use crate::identity::Ids;
use crate::kind::ID_PREFIX;

impl WhatsApp {
    /// The chat that a text names. A person is found by number and by LID; of both, the number names the chat.
    pub(crate) async fn named(&self, text: &str) -> Option<Chat> {
        let jid = jid(text)?;
        let (id, kind) = if jid.is_group() {
            (jid.to_non_ad_string(), ChatKind::Group)
        } else {
            let (ids, live) = (Ids::of([&jid]), self.live.lock().clone());
            let ids = match live {
                Some(live) => ids.complete(&live.client).await,
                None => ids,
            };
            (ids.chat()?, ChatKind::Direct)
        };
        Some(Chat { id, kind, title: None, thread: None })
    }

    /// Whether a person has WhatsApp. WhatsApp is asked of strangers only: it watches whoever asks for many.
    pub(crate) async fn reachable(&self, chat: &Chat) -> Option<bool> {
        let jid = jid(&chat.id).filter(|jid| !jid.is_group())?;
        let live = self.live.lock().clone().filter(|live| live.client.is_logged_in())?;
        if let Ok(Some(_)) = live.client.get_lid_pn_entry(&jid).await {
            return Some(true);
        }
        match live.client.contacts().is_on_whatsapp(&[jid]).await {
            Ok(found) => Some(found.iter().any(|one| one.is_registered)),
            Err(error) => {
                tracing::debug!(channel = %self.channel, %error, "whether somebody has WhatsApp can't be asked");
                None
            }
        }
    }
}

/// Where a chat is written to: the LID of a person where it is known, as WhatsApp's own clients do.
pub(crate) async fn address(live: &Live, chat: &Jid) -> Jid {
    match live.client.get_lid_pn_entry(chat).await {
        Ok(Some(entry)) if chat.is_pn() => Jid::lid(&*entry.lid),
        _ => chat.clone(),
    }
}

/// `+15551234567`, `15551234567`, `wa:15551234567`, or an id as messages have it.
pub(crate) fn jid(text: &str) -> Option<Jid> {
    let own = text.strip_prefix(ID_PREFIX).and_then(|rest| rest.strip_prefix(':')).unwrap_or(text);
    if own.contains('@') {
        let jid: Jid = own.parse().ok()?;
        let user = jid.user.as_str();
        // Ids of old groups have a dash.
        let is_id = !user.is_empty() && user.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        return (is_id && (jid.is_pn() || jid.is_lid() || jid.is_group())).then(|| jid.to_non_ad());
    }
    let plus = if own.starts_with('+') { "" } else { "+" };
    let person = PersonId::from_number(&format!("{plus}{own}")).ok()?;
    Some(Jid::pn(person.as_str().trim_start_matches('+')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B11: what names nobody is found before anything is sent.
    #[test]
    fn chats_are_numbers_people_and_groups() {
        for (text, expect) in [
            ("15551234567@s.whatsapp.net", "15551234567@s.whatsapp.net"),
            ("15551234567:3@s.whatsapp.net", "15551234567@s.whatsapp.net"),
            ("+15551234567", "15551234567@s.whatsapp.net"),
            ("+1 555 123-4567", "15551234567@s.whatsapp.net"),
            ("15551234567", "15551234567@s.whatsapp.net"),
            ("wa:15551234567", "15551234567@s.whatsapp.net"),
            ("100@lid", "100@lid"),
            ("wa:100@lid", "100@lid"),
            ("120363@g.us", "120363@g.us"),
        ] {
            assert_eq!(jid(text).map(|jid| jid.to_string()).as_deref(), Some(expect));
        }
        let long = "1".repeat(16);
        for bad in ["", "+", "+1", "bob", "1 2", "@", "@g.us", "bob@s.whatsapp.net", "status@broadcast", "1@x", &long] {
            assert_eq!(jid(bad), None, "{bad}");
        }
    }
}
