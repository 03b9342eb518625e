//! The life of a session: connect, receive, end with a reason.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::connector::{ConnectorContext, ConnectorError};
use switchhook_core::status::State;
use switchhook_store::AccountStore;
use tokio::sync::{mpsc, watch};
use whatsapp_rust::prelude::Event;
use whatsapp_rust::traits::DeviceStore;
use whatsapp_rust::types::events::ConnectFailureReason;
use whatsapp_rust::wacore::time::now_secs;

use crate::backend::SealedBackend;
use crate::connector::{Live, WhatsApp};
use crate::inbound::Receiver;
use crate::progress;
use crate::reason::{Ending, of_failure, verdict};
use crate::record::{self, Link, Told};
use crate::session::{Session, Setup};
use crate::version;

/// From opening the socket to being logged in and told of what waited; it takes a second or two. A login that began just
/// before a network came back must not use up the 60 s within which the channel is to be there again (A5).
const LOGIN: Duration = Duration::from_secs(25);
/// What the library says of its end may come a moment after it.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl WhatsApp {
    pub(crate) async fn receive(&self, context: &ConnectorContext) -> Result<(), ConnectorError> {
        let _only = tokio::select! {
            guard = self.session.lock() => guard,
            () = context.drain.cancelled() => return Ok(()),
        };
        let states = self.states();
        let link = self.link_or_say(&states, context).await?;
        context.status.set(State::Connecting, None, None);
        let ending = self.live(context, &states, link).await;
        *self.live.lock() = None;
        let Some(ending) = ending else { return Ok(()) };
        if ending == Ending::Outdated {
            version::distrust(&states).await;
        }
        let verdict = verdict(&ending);
        context.status.set(verdict.state, Some(verdict.code), Some(verdict.words.clone()));
        Err(verdict.into_error())
    }

    async fn link_or_say(&self, states: &AccountStore, context: &ConnectorContext) -> Result<Link, ConnectorError> {
        match self.find_link(states).await {
            Ok(Some(link)) => Ok(link),
            Ok(None) => {
                let reason = format!("no phone is linked: run `switchhook link {}`", self.channel);
                context.status.set(State::NeedsLink, Some("needs-link"), Some(reason.clone()));
                Err(ConnectorError::NeedsPerson { code: "needs-link", reason })
            }
            Err(reason) => Err(ConnectorError::Retry { code: "store", reason }),
        }
    }

    /// Whose device the account is. The device itself decides; our record beside it says since when.
    pub(crate) async fn find_link(&self, states: &AccountStore) -> Result<Option<Link>, String> {
        let device = SealedBackend::new(states.clone()).load().await.map_err(|error| with_source(&error))?;
        let Some(device) = device else { return Ok(None) };
        let Some(number) = device.pn.as_ref().map(|jid| jid.user.to_string()) else { return Ok(None) };
        let Told { since, platform } = record::told(states).await.map_err(|error| error.to_string())?;
        let lid = device.lid.as_ref().map(|jid| jid.user.to_string());
        let name = Some(device.push_name).filter(|name| !name.is_empty());
        Ok(Some(Link { number, lid, name, platform, since }))
    }

    pub(crate) async fn setup(&self, states: &AccountStore) -> Setup {
        let version = match self.settings.version {
            Some(version) => Some(version),
            None => version::current(states, &self.http, now_secs()).await,
        };
        Setup {
            backend: SealedBackend::new(states.clone()),
            ws_url: self.settings.ws_url.clone(),
            http: self.http.clone(),
            version,
            device_name: self.settings.device_name.clone(),
        }
    }

    /// None when drained.
    async fn live(&self, context: &ConnectorContext, states: &AccountStore, link: Link) -> Option<Ending> {
        if let Err(error) = record::forget_old(states, now_secs()).await {
            tracing::warn!(channel = %self.channel, %error, "old messages are not forgotten yet");
        }
        let (trouble, troubles) = mpsc::channel(1);
        let receiver = Receiver {
            channel: self.channel.clone(),
            account: self.account.clone(),
            states: states.clone(),
            inbox: context.inbox.clone(),
            status: context.status.clone(),
            link,
            trouble,
            said: parking_lot::Mutex::default(),
        };
        let mut session = match Session::open(self.setup(states).await, receiver).await {
            Ok(session) => session,
            Err(reason) => {
                tracing::error!(channel = %self.channel, reason, "the device can't be started");
                return Some(Ending::Store);
            }
        };
        let live = Live::new(session.client.clone());
        *self.live.lock() = Some(live.clone());
        let ending = tokio::select! {
            ending = self.watch(context, states, &mut session, &live, troubles) => ending,
            () = live.acks.deaf() => Some(Ending::Deaf),
        };
        // WhatsApp has been told that we have them.
        for event in session.close().await {
            progress::tell(&*context.inbox, &event).await;
        }
        ending
    }

    async fn watch(
        &self,
        context: &ConnectorContext,
        states: &AccountStore,
        session: &mut Session,
        live: &Live,
        mut troubles: mpsc::Receiver<Ending>,
    ) -> Option<Ending> {
        let mut lost = states.lost();
        let login = tokio::time::sleep(LOGIN);
        tokio::pin!(login);
        let mut connected = false;
        loop {
            let event = tokio::select! {
                biased;
                () = context.drain.cancelled() => return None,
                () = told(&mut lost) => return Some(Ending::Store),
                Some(ending) = troubles.recv() => return Some(ending),
                Some(event) = session.events.recv() => event,
                () = &mut session.ended => return Some(last_words(context, session, connected).await),
                () = &mut login, if !connected => return Some(Ending::Silent),
            };
            if matches!(*event, Event::Connected(_)) {
                connected = true;
                context.status.connected();
            }
            if let Event::ServerAck(ack) = &*event {
                live.acks.settle(&ack.id, ack.error.clone());
            }
            progress::tell(&*context.inbox, &event).await;
            match ending(&event) {
                // The reason may still be under way: the library reads it and the end of the socket at once.
                Some(Ending::Dropped) => return Some(last_words(context, session, connected).await),
                Some(ending) => return Some(ending),
                None => {}
            }
        }
    }
}

/// Ready when a write was lost.
async fn told(lost: &mut watch::Receiver<bool>) {
    if lost.wait_for(|lost| *lost).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The library ended: why, if it still says so.
async fn last_words(context: &ConnectorContext, session: &mut Session, connected: bool) -> Ending {
    while let Ok(Some(event)) = tokio::time::timeout(LAST_WORDS, session.events.recv()).await {
        progress::tell(&*context.inbox, &event).await;
        match ending(&event) {
            None | Some(Ending::Dropped) => {}
            Some(ending) => return ending,
        }
    }
    if connected { Ending::Dropped } else { Ending::NoConnection }
}

/// Whether an event ends the session, and how.
pub(crate) fn ending(event: &Arc<Event>) -> Option<Ending> {
    match &**event {
        Event::LoggedOut(e) if e.reason == ConnectFailureReason::AccountLocked => {
            let said = e.logout_message.as_ref();
            let detail = said.and_then(|said| said.subtext.clone().or_else(|| said.header.clone()));
            Some(Ending::Locked { detail })
        }
        Event::LoggedOut(_) => Some(Ending::LoggedOut),
        Event::TemporaryBan(ban) => {
            Some(Ending::TemporaryBan { why: ban.code.to_string(), wait: ban.expire.to_std().unwrap_or_default() })
        }
        Event::ClientOutdated(_) => Some(Ending::Outdated),
        Event::StreamReplaced(_) => Some(Ending::Replaced),
        Event::ConnectFailure(e) => Some(of_failure(e.reason.code(), e.message.clone())),
        // Without a code it concerns one stanza, and the stream goes on.
        Event::StreamError(e) if !e.code.is_empty() => Some(Ending::Stream { code: e.code.clone() }),
        Event::Disconnected(_) => Some(Ending::Dropped),
        _ => None,
    }
}

/// The library's store errors say what failed only in their source.
pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
