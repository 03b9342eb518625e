//! People, and what the operator has said of them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use switchhook_core::message::Standing;
use switchhook_core::person::{Member, PersonId};
use switchhook_store::Contact;

use crate::dto::ContactEntry;
use crate::error::ApiError;
use crate::routes::Api;

pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<ContactEntry>>, ApiError> {
    let seen = api.host.store().contacts().await?;
    let said = api.host.store().standings().await?;
    Ok(Json(merge(seen, said)))
}

/// Everybody who has written, then those of whom something was said before they ever wrote.
fn merge(seen: Vec<Contact>, said: Vec<(PersonId, Standing)>) -> Vec<ContactEntry> {
    let mut unseen: BTreeMap<PersonId, Standing> = said.into_iter().collect();
    for contact in &seen {
        for id in contact.party.ids() {
            unseen.remove(id);
        }
    }
    let unseen = unseen.into_iter().map(|(id, standing)| ContactEntry {
        id,
        aliases: Vec::new(),
        name: None,
        standing,
        channel: None,
        last_seen: None,
    });
    seen.into_iter().map(entry).chain(unseen).collect()
}

fn entry(contact: Contact) -> ContactEntry {
    ContactEntry {
        id: contact.party.id,
        aliases: contact.party.aliases,
        name: contact.party.name,
        standing: contact.party.standing,
        channel: Some(contact.channel),
        last_seen: Some(contact.last_seen),
    }
}

pub(crate) async fn approve(state: State<Api>, person: Path<String>) -> Result<StatusCode, ApiError> {
    set(state, person, Standing::Approved).await
}

pub(crate) async fn block(state: State<Api>, person: Path<String>) -> Result<StatusCode, ApiError> {
    set(state, person, Standing::Blocked).await
}

pub(crate) async fn forget(state: State<Api>, person: Path<String>) -> Result<StatusCode, ApiError> {
    set(state, person, Standing::Unknown).await
}

async fn set(State(api): State<Api>, Path(person): Path<String>, standing: Standing) -> Result<StatusCode, ApiError> {
    let person = match Member::parse(&person, None) {
        Ok(Member::Person(person)) => person,
        Ok(Member::Group(_)) => return Err(ApiError::BadRequest("this is a group: name one person".to_owned())),
        Err(error) => return Err(ApiError::BadRequest(error.to_string())),
    };
    api.host.set_standing(&person, standing).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use switchhook_core::id::ChannelName;
    use switchhook_core::message::Party;
    use switchhook_core::time::UnixMillis;

    use super::*;

    #[test]
    fn a_person_known_by_two_ids_is_listed_once() {
        let (id, alias) = (PersonId::new("tg", "1"), PersonId::new("tg", "@ann"));
        let party = Party { id, aliases: vec![alias.clone()], name: None, standing: Standing::Approved };
        let at = UnixMillis(1);
        let seen = Contact { party, channel: ChannelName::new("box").unwrap(), first_seen: at, last_seen: at };
        let stranger = PersonId::new("tg", "2");
        let said = vec![(alias, Standing::Approved), (stranger.clone(), Standing::Blocked)];
        let listed = merge(vec![seen], said);
        let ids: Vec<_> = listed.iter().map(|entry| (entry.id.as_str(), entry.standing)).collect();
        assert_eq!(ids, [("tg:1", Standing::Approved), (stranger.as_str(), Standing::Blocked)]);
    }
}
