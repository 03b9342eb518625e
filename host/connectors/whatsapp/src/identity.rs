//! Who somebody is: phone number and LID are two names of one person, and both are given to policy.

use switchhook_core::message::{Party, Standing};
use switchhook_core::person::PersonId;
use whatsapp_rust::{Client, Jid};

use crate::kind::ID_PREFIX;

/// What a person is known by. At least one is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// Digits, with the country code.
    pub(crate) number: Option<String>,
    pub(crate) lid: Option<String>,
}

impl Ids {
    /// From the names a stanza gives; others are left aside.
    pub(crate) fn of<'a>(jids: impl IntoIterator<Item = &'a Jid>) -> Self {
        let mut ids = Self::default();
        for jid in jids {
            if jid.is_pn() {
                ids.number.get_or_insert_with(|| jid.user.to_string());
            } else if jid.is_lid() {
                ids.lid.get_or_insert_with(|| jid.user.to_string());
            }
        }
        ids
    }

    /// Adds what is known from before. A look-up that fails leaves it as it is: unresolved is denied.
    pub(crate) async fn complete(mut self, client: &Client) -> Self {
        let jid = match &self {
            Self { number: None, lid: Some(lid) } => Jid::lid(lid.as_str()),
            Self { number: Some(number), lid: None } => Jid::pn(number.as_str()),
            _ => return self,
        };
        match client.get_lid_pn_entry(&jid).await {
            Ok(Some(entry)) => {
                self.number = Some(entry.phone_number.to_string());
                self.lid = Some(entry.lid.to_string());
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "who a sender is can't be looked up"),
        }
        self
    }

    /// Why policy can't be asked about this person: an allowlist of numbers says nothing of a LID alone.
    pub(crate) fn unresolved(&self) -> Option<String> {
        match (&self.number, &self.lid) {
            (Some(_), _) => None,
            (None, Some(_)) => {
                Some("WhatsApp gave only an anonymous id (LID) of the sender, and no phone number".to_owned())
            }
            (None, None) => Some("WhatsApp gave no id of the sender that is known here".to_owned()),
        }
    }

    /// The id of the direct chat with this person, the same however they are addressed.
    pub(crate) fn chat(&self) -> Option<String> {
        let number = self.number.as_deref().map(|number| Jid::pn(number).to_string());
        number.or_else(|| self.lid.as_deref().map(|lid| Jid::lid(lid).to_string()))
    }

    /// `wa:NUMBER` first, then `+NUMBER` and `wa:LID@lid`.
    pub(crate) fn people(&self) -> Vec<PersonId> {
        let number = self.number.iter().flat_map(|number| {
            let international = PersonId::from_number(&format!("+{number}")).ok();
            std::iter::once(PersonId::new(ID_PREFIX, number)).chain(international)
        });
        let lid = self.lid.iter().map(|lid| PersonId::new(ID_PREFIX, &format!("{lid}@lid")));
        number.chain(lid).collect()
    }

    pub(crate) fn party(&self, name: Option<&str>) -> Party {
        let mut people = self.people().into_iter();
        let id = people.next().unwrap_or_else(|| PersonId::new(ID_PREFIX, "unknown"));
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Party { id, aliases: people.collect(), name, standing: Standing::Unknown }
    }

    pub(crate) fn is(&self, jid: &Jid) -> bool {
        let user = jid.user.as_str();
        (jid.is_pn() && self.number.as_deref() == Some(user)) || (jid.is_lid() && self.lid.as_deref() == Some(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    /// A2: an allowlist entry matches by number and by LID, however the sender is addressed.
    #[test]
    fn both_names_of_a_person_are_given_in_one_order() {
        let (pn, lid) = (jid("15551234567:3@s.whatsapp.net"), jid("100000000000001@lid"));
        for ids in [Ids::of([&pn, &lid]), Ids::of([&lid, &pn])] {
            let party = ids.party(Some("Ann"));
            let all: Vec<_> = party.ids().map(PersonId::as_str).collect();
            assert_eq!(all, ["wa:15551234567", "+15551234567", "wa:100000000000001@lid"]);
            assert_eq!(ids.chat().unwrap(), "15551234567@s.whatsapp.net");
            assert_eq!(ids.unresolved(), None);
            assert!(ids.is(&pn) && ids.is(&lid) && !ids.is(&jid("15551234567@lid")));
        }
    }

    #[test]
    fn a_lid_alone_is_unresolved() {
        let ids = Ids::of([&jid("100000000000001@lid")]);
        assert!(ids.unresolved().unwrap().contains("LID"));
        assert_eq!(ids.chat().unwrap(), "100000000000001@lid");
        assert!(Ids::of([&jid("1203630@g.us")]).unresolved().is_some());
    }
}
