//! Linking: one attempt, from the first code shown to a device that is kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchhook_core::link::{LinkAttempt, LinkError, LinkEvent, LinkMethod, Linkable, LinkedDevice};
use switchhook_core::person::PersonId;
use switchhook_core::time::{Clock, SystemClock};
use switchhook_store::AccountStore;
use whatsapp_rust::pair_code::{PairCodeOptions, PairError};
use whatsapp_rust::passkey::Assertion;
use whatsapp_rust::prelude::Event;
use whatsapp_rust::types::events::PairSuccess;
use whatsapp_rust::{Client, IqError};

use crate::connector::WhatsApp;
use crate::identity::Ids;
use crate::record::{self, Link};
use crate::session::{Session, TakeNothing};

/// How the official clients show a QR code: any camera then opens WhatsApp.
const QR_PREFIX: &str = "https://wa.me/settings/linked_devices#";
/// A code is asked for on a socket that stands, and comes within this or not at all.
const CODE: Duration = Duration::from_secs(20);
/// After the phone agreed WhatsApp ends the stream (515), which says that our answer arrived.
const SETTLE: Duration = Duration::from_secs(30);
/// The library hands on a phone's word and the end of the stream side by side: the word may come after the end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The time to say goodbye with. After that what is here is forgotten all the same.
const GOODBYE: Duration = Duration::from_secs(20);
/// The owner's picture is told within this, or left out.
const PICTURE: Duration = Duration::from_secs(5);
/// WhatsApp names no time when it throttles; people report minutes.
const THROTTLED: Duration = Duration::from_secs(300);

#[async_trait]
impl Linkable for WhatsApp {
    fn expected(&self) -> Option<PersonId> {
        self.settings.number.clone()
    }

    async fn linked(&self) -> Result<Option<LinkedDevice>, LinkError> {
        Ok(self.find_link(&self.states()).await.map_err(|reason| LinkError::Store { reason })?.map(device))
    }

    async fn link(&self, attempt: LinkAttempt) -> Result<LinkedDevice, LinkError> {
        let _only = self.session.try_lock().map_err(|_| LinkError::Busy)?;
        if self.linked().await?.is_some() {
            return Err(LinkError::AlreadyLinked);
        }
        // What an attempt that was cut off left: a new one has keys of its own.
        self.states().clear().await.map_err(not_kept)?;
        let states = self.states();
        record::begin_link(&states, SystemClock.now().0).await.map_err(not_kept)?;
        let result = tokio::select! {
            biased;
            () = attempt.cancel.cancelled() => Err(LinkError::Cancelled),
            result = self.attempt(&attempt, &states) => result,
        };
        *self.linking.lock() = None;
        if result.is_err() {
            self.states().clear().await.map_err(not_kept)?;
        }
        result.map(device)
    }

    async fn passkey(&self, assertion: String) -> Result<(), LinkError> {
        let refused = |code, reason: String| LinkError::Refused { code, reason };
        let client = self.linking.lock().clone();
        let client = client.ok_or_else(|| refused("no-attempt", "no attempt to link is under way".to_owned()))?;
        let credential_id = credential_id(&assertion).ok_or_else(|| {
            refused("bad-assertion", "the assertion has no `rawId`: pass on what the browser gave".to_owned())
        })?;
        let assertion = Assertion { assertion_json: assertion.into_bytes(), credential_id };
        let answered = client.send_passkey_response(assertion).await;
        answered.map_err(|error| refused("passkey-refused", error.to_string()))
    }

    async fn confirm_passkey(&self) -> Result<(), LinkError> {
        let refused = |code, reason: String| LinkError::Refused { code, reason };
        let client = self.linking.lock().clone();
        let client = client.ok_or_else(|| refused("no-attempt", "no attempt to link is under way".to_owned()))?;
        let confirmed = client.send_passkey_confirmation().await;
        confirmed.map_err(|error| refused("passkey-refused", error.to_string()))
    }

    async fn picture(&self) -> Option<String> {
        let client = self.live.lock().as_ref()?.client.clone();
        let owner = client.pn()?.to_non_ad();
        let asked = client.contacts().get_profile_picture_with_timeout(&owner, true, Some(PICTURE)).await;
        asked
            .inspect_err(|_| tracing::debug!(channel = %self.channel, "the picture can't be asked for"))
            .ok()?
            .map(|p| p.url)
    }

    async fn unlink(&self) -> Result<(), LinkError> {
        let running = self.live.lock().clone().filter(|running| running.client.is_logged_in());
        let told = match running {
            // Ends the run, which lets go of the session.
            Some(running) => tokio::time::timeout(GOODBYE, running.client.logout()).await.is_ok(),
            None => false,
        };
        let _only = self.session.lock().await;
        let states = self.states();
        if !told && self.linked().await?.is_some() {
            self.say_goodbye(&states).await;
        }
        states.clear().await.map_err(not_kept)
    }

    async fn reset(&self) -> Result<(), LinkError> {
        let _only = self.session.try_lock().map_err(|_| LinkError::Busy)?;
        self.states().clear().await.map_err(not_kept)
    }
}

impl WhatsApp {
    async fn attempt(&self, attempt: &LinkAttempt, states: &AccountStore) -> Result<Link, LinkError> {
        let mut session = self.open_for_linking(states).await?;
        let agreed = self.until_agreed(attempt, &mut session).await;
        if agreed.is_ok() {
            // Closed by WhatsApp, or by us if it does not.
            let _ = tokio::time::timeout(SETTLE, &mut session.ended).await;
        }
        session.close().await;
        let link = agreed?;
        record::keep_link(states, &link).await.map_err(not_kept)?;
        self.must_be_expected(&link, &attempt.method, states).await?;
        Ok(link)
    }

    async fn open_for_linking(&self, states: &AccountStore) -> Result<Session, LinkError> {
        let session = Session::open(self.setup(states).await, TakeNothing).await;
        let session = session.map_err(|reason| LinkError::Store { reason })?;
        *self.linking.lock() = Some(session.client.clone());
        Ok(session)
    }

    /// Shows what is to be shown until a phone agrees.
    async fn until_agreed(&self, attempt: &LinkAttempt, session: &mut Session) -> Result<Link, LinkError> {
        let since = record::told(&self.states()).await.map_err(not_kept)?.since;
        let mut over = !asked_for_code(attempt, session).await?;
        loop {
            let event = tokio::select! {
                biased;
                Some(event) = session.events.recv() => event,
                () = &mut session.ended, if !over => {
                    over = true;
                    continue;
                }
                () = tokio::time::sleep(LAST_WORDS), if over => return Err(ended_early(&session.client)),
            };
            match &*event {
                Event::PairSuccess(success) => {
                    tell(attempt, LinkEvent::Scanned).await;
                    return Ok(linked(success, since));
                }
                Event::PairingCodeRefresh(_) if !over && attempt.method != LinkMethod::Qr => {
                    tell(attempt, LinkEvent::CodeWithdrawn).await;
                    session.client.cancel_pair_code().await;
                    over = !asked_for_code(attempt, session).await?;
                }
                event => match shown(event, &attempt.method)? {
                    Some(event) => {
                        let nothing_to_compare = event == LinkEvent::PasskeyConfirmation { code: None };
                        tell(attempt, event).await;
                        if nothing_to_compare {
                            self.confirm_passkey().await?;
                        }
                    }
                    None => continue,
                },
            }
        }
    }

    /// A phone that is not the one asked for is unlinked again at once.
    async fn must_be_expected(&self, link: &Link, method: &LinkMethod, states: &AccountStore) -> Result<(), LinkError> {
        let asked = match method {
            LinkMethod::Code { number } => Some(number),
            LinkMethod::Qr => None,
        };
        let expected = self.settings.number.as_ref().or(asked);
        let Some(expected) = expected.filter(|expected| digits(expected) != link.number) else { return Ok(()) };
        self.say_goodbye(states).await;
        Err(LinkError::NumberMismatch { expected: expected.clone() })
    }

    /// Tells WhatsApp that the device is gone. Best effort: the phone can remove it, too.
    async fn say_goodbye(&self, states: &AccountStore) {
        let mut session = match Session::open(self.setup(states).await, TakeNothing).await {
            Ok(session) => session,
            Err(reason) => return tracing::warn!(channel = %self.channel, reason, "the phone is not told of the end"),
        };
        let connected = tokio::select! {
            connected = session.client.wait_for_connected(GOODBYE) => connected.map_err(|error| error.to_string()),
            // WhatsApp does not know the device any more: there is nobody to tell.
            () = &mut session.ended => Err("WhatsApp refused the connection".to_owned()),
        };
        match connected {
            Ok(()) => session.client.logout().await,
            Err(reason) => tracing::warn!(channel = %self.channel, reason, "the phone is not told of the end"),
        }
        session.close().await;
    }
}

/// What an event of the library shows to a person; an error ends the attempt.
fn shown(event: &Event, method: &LinkMethod) -> Result<Option<LinkEvent>, LinkError> {
    let refused = |code, reason: String| Err(LinkError::Refused { code, reason });
    match event {
        Event::PairingQrCode(qr) if *method == LinkMethod::Qr => {
            Ok(Some(LinkEvent::Qr { payload: format!("{QR_PREFIX}{}", qr.code), expires_in: qr.timeout }))
        }
        Event::PairingQrCodesExhausted(_) if *method == LinkMethod::Qr => Err(LinkError::Expired),
        Event::PairingCode(code) => Ok(Some(LinkEvent::Code { code: code.code.clone(), expires_in: code.timeout })),
        Event::PairPasskeyRequest(request) => {
            Ok(Some(LinkEvent::PasskeyRequired { options: request.request_options_json.clone() }))
        }
        Event::PairPasskeyConfirmation(confirmation) => {
            let code = (!confirmation.skip_handoff_ux).then(|| confirmation.code.clone());
            Ok(Some(LinkEvent::PasskeyConfirmation { code }))
        }
        Event::PairPasskeyError(error) => refused("passkey-refused", error.error.clone()),
        Event::PairError(error) => refused("pairing-failed", error.error.clone()),
        Event::QrScannedWithoutMultidevice(_) => {
            refused("phone-outdated", "the phone's WhatsApp can't link devices: update it".to_owned())
        }
        Event::ClientOutdated(_) => {
            refused("client-outdated", "WhatsApp asks for a newer version of the client: raise `version`".to_owned())
        }
        Event::ConnectFailure(failure) => {
            refused("refused", format!("WhatsApp refused the connection ({})", failure.reason.code()))
        }
        _ => Ok(None),
    }
}

/// False where the session ended first; why, its last events say. Nothing to do where no code is to be shown.
async fn asked_for_code(attempt: &LinkAttempt, session: &mut Session) -> Result<bool, LinkError> {
    let LinkMethod::Code { number } = &attempt.method else { return Ok(true) };
    tokio::select! {
        biased;
        () = &mut session.ended => Ok(false),
        asked = ask_for_code(attempt, &session.client, number) => asked.map(|()| true),
    }
}

/// One code, or the reason why there is none.
async fn ask_for_code(attempt: &LinkAttempt, client: &Arc<Client>, number: &PersonId) -> Result<(), LinkError> {
    let socket = client.wait_for_socket(CODE).await;
    socket.map_err(|error| LinkError::Unreachable { reason: error.to_string() })?;
    let options = PairCodeOptions { phone_number: digits(number).to_owned(), ..PairCodeOptions::default() };
    match tokio::time::timeout(CODE, client.pair_with_code(options)).await {
        // The code itself comes as an event, with its time.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            tell(attempt, LinkEvent::CodeWithdrawn).await;
            Err(no_code(&error))
        }
        Err(_) => {
            client.cancel_pair_code().await;
            Err(LinkError::TimedOut { what: "a pairing code", limit: CODE })
        }
    }
}

/// What WhatsApp said is told apart from a connection over which it said nothing.
fn no_code(error: &PairError) -> LinkError {
    let refused =
        LinkError::Refused { code: "code-refused", reason: format!("no code: {error}. Scan the QR code instead") };
    match error {
        _ if error.rejection().is_some_and(|rejection| rejection.is_throttled()) => {
            LinkError::Throttled { after: error.backoff().unwrap_or(THROTTLED) }
        }
        PairError::PairCode(_) | PairError::RequestFailed(IqError::ServerError { .. }) => refused,
        PairError::RequestFailed(IqError::Timeout) => LinkError::TimedOut { what: "a pairing code", limit: CODE },
        PairError::RequestFailed(error) => LinkError::Unreachable { reason: error.to_string() },
        _ => refused,
    }
}

/// Whoever watched may have gone; the attempt goes on until it is cancelled.
async fn tell(attempt: &LinkAttempt, event: LinkEvent) {
    let _ = attempt.events.send(event).await;
}

fn linked(success: &PairSuccess, since: u64) -> Link {
    let ids = Ids::of([&success.id, &success.lid]);
    let name = Some(success.business_name.clone()).filter(|name| !name.is_empty());
    let platform = Some(success.platform.clone()).filter(|platform| !platform.is_empty());
    Link { number: ids.number.unwrap_or_default(), lid: ids.lid, name, platform, since }
}

fn device(link: Link) -> LinkedDevice {
    let ids = Ids { number: Some(link.number), lid: link.lid };
    LinkedDevice { owner: ids.people(), name: link.name, platform: link.platform }
}

fn digits(number: &PersonId) -> &str {
    number.as_str().trim_start_matches('+')
}

/// `rawId` of a WebAuthn assertion, base64url as browsers write it.
fn credential_id(assertion: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let assertion: serde_json::Value = serde_json::from_str(assertion).ok()?;
    let text = assertion.get("rawId")?.as_str()?.trim_end_matches('=');
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

/// Where nothing was ever read, there was no session: the library keeps to itself whether it was the network or the
/// handshake, which ends where the other side can't prove who it is.
fn ended_early(client: &Client) -> LinkError {
    let reason = if client.stats().frames_received == 0 {
        "no session came about: either WhatsApp can't be reached from here, or what answers in its place has no \
         certificate of WhatsApp's"
    } else {
        "the connection ended before a phone answered"
    };
    LinkError::Unreachable { reason: reason.to_owned() }
}

fn not_kept(error: switchhook_store::StoreError) -> LinkError {
    LinkError::Store { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::types::events::{PairingQrCode, PairingQrCodesExhausted};

    use super::*;

    fn number() -> PersonId {
        PersonId::from_number("+15551234567").unwrap()
    }

    /// B1
    #[test]
    fn a_qr_code_opens_whatsapp_and_says_when_it_dies() {
        let timeout = Duration::from_secs(60);
        let event = Event::PairingQrCode(PairingQrCode::builder().code("ref,a,b".to_owned()).timeout(timeout).build());
        let payload = "https://wa.me/settings/linked_devices#ref,a,b".to_owned();
        assert_eq!(shown(&event, &LinkMethod::Qr), Ok(Some(LinkEvent::Qr { payload, expires_in: timeout })));
        assert_eq!(shown(&event, &LinkMethod::Code { number: number() }), Ok(None));
    }

    #[test]
    fn the_last_qr_code_ends_the_attempt() {
        let event = Event::PairingQrCodesExhausted(PairingQrCodesExhausted::builder().disconnected(true).build());
        assert_eq!(shown(&event, &LinkMethod::Qr), Err(LinkError::Expired));
        assert_eq!(shown(&event, &LinkMethod::Code { number: number() }), Ok(None));
    }

    #[test]
    fn an_assertion_names_its_credential() {
        assert_eq!(credential_id(r#"{"rawId":"AQID"}"#), Some(vec![1, 2, 3]));
        assert_eq!(credential_id("{}"), None);
        assert_eq!(credential_id("no json"), None);
    }

    #[test]
    fn a_link_is_told_by_number_first() {
        let (own, lid) = ("15551234567".to_owned(), Some("100".to_owned()));
        let link = Link { number: own, lid, name: None, platform: None, since: 1 };
        let owner: Vec<String> = device(link).owner.iter().map(ToString::to_string).collect();
        assert_eq!(owner, ["wa:15551234567", "+15551234567", "wa:100@lid"]);
        assert_eq!(digits(&number()), "15551234567");
    }
}
