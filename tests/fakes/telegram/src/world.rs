//! Everything the fake knows, behind one lock.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bot::Bot;
use crate::fault::Faults;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::refusal::{Answer, Refusal};

/// A token of the right form.
#[derive(Debug, Clone)]
pub(crate) struct TokenText {
    pub(crate) bot: i64,
    pub(crate) text: String,
}

impl FromStr for TokenText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let secret = |s: &&str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let parts = text.split_once(':').filter(|(_, s)| secret(s));
        let bot = parts.and_then(|(id, _)| id.parse().ok()).filter(|id| *id > 0);
        let bot = bot.ok_or("a token is the bot's id, a colon and a secret, as in 4242:SECRET")?;
        Ok(Self { bot, text: text.to_owned() })
    }
}

pub(crate) struct World {
    /// Every token ever known, and whether it is good.
    pub(crate) tokens: HashMap<String, (i64, bool)>,
    pub(crate) bots: BTreeMap<i64, Bot>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    /// While it lasts, whoever calls a method is cut off.
    pub(crate) outage: bool,
    /// Connections that called a method and may still be open.
    pub(crate) callers: HashMap<u64, CancellationToken>,
}

impl World {
    pub(crate) fn set_token(&mut self, token: &TokenText, good: bool) {
        self.tokens.insert(token.text.clone(), (token.bot, good));
        self.bots.entry(token.bot).or_insert_with(|| Bot::new(token.bot));
    }

    /// The bot a token opens.
    pub(crate) fn bot_of(&self, token: &str) -> Answer<i64> {
        if token.parse::<TokenText>().is_err() {
            return Err(Refusal::new(404, "Not Found"));
        }
        match self.tokens.get(token) {
            Some((bot, true)) => Ok(*bot),
            _ => Err(Refusal::new(401, "Unauthorized")),
        }
    }

    pub(crate) fn bot(&mut self, id: i64) -> Answer<&mut Bot> {
        self.bots.get_mut(&id).ok_or_else(|| Refusal::new(401, "Unauthorized"))
    }
}

/// The world, and a bell that rings whenever it changed, for who watches; polls have bells of their own.
pub(crate) struct Fake {
    world: Mutex<World>,
    bell: watch::Sender<()>,
}

impl Fake {
    pub(crate) fn new(tokens: &[TokenText], ledger: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let mut world = World {
            tokens: HashMap::new(),
            bots: BTreeMap::new(),
            ledger: Ledger::open(ledger)?,
            faults: Faults::default(),
            limits: Limits::default(),
            outage: false,
            callers: HashMap::new(),
        };
        for token in tokens {
            world.set_token(token, true);
        }
        Ok(Arc::new(Self { world: Mutex::new(world), bell: watch::Sender::new(()) }))
    }
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }
    /// Wakes whoever waits for something to happen.
    pub(crate) fn ring(&self) {
        self.bell.send_replace(());
    }
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}
