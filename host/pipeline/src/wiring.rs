//! How the config wires channels, plugins and models together, resolved: what a message follows.
//!
//! A [`Wiring`] never changes. A reload publishes another one; a message keeps the one its work started with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use switchhook_core::connector::{Abilities, Bucket};
use switchhook_core::hook::{PolicyHook, PromptHook, ReplyHook};
use switchhook_core::id::{AccountId, ChannelName, Digest, GenerationNumber, GroupName, PluginName, RouteName};
use switchhook_core::message::ContentKind;
use switchhook_core::model::LanguageModel;
use switchhook_core::person::People;
use switchhook_core::zone::Zone;

/// Everything one generation of the config means to a message.
pub struct Wiring {
    pub number: GenerationNumber,
    channels: HashMap<AccountId, Arc<ChannelWiring>>,
}

impl Wiring {
    pub fn new(number: GenerationNumber, channels: impl IntoIterator<Item = ChannelWiring>) -> Self {
        let channels = channels.into_iter().map(|c| (c.account.clone(), Arc::new(c))).collect();
        Self { number, channels }
    }
    /// By account, not by name: what a renamed channel has accepted is still its own.
    pub fn channel(&self, account: &AccountId) -> Option<&Arc<ChannelWiring>> {
        self.channels.get(account)
    }
    pub fn channels(&self) -> impl Iterator<Item = &Arc<ChannelWiring>> {
        self.channels.values()
    }
}

/// One channel: its routes with the channel's own settings laid over each plugin's.
pub struct ChannelWiring {
    pub name: ChannelName,
    pub account: AccountId,
    /// The id prefix of the channel's kind, which a bare id belongs to.
    pub id_prefix: &'static str,
    pub route: RouteName,
    /// Its own route and those a policy may pick.
    pub routes: HashMap<RouteName, Arc<RouteWiring>>,
    pub groups: Groups,
    /// Other chats that answers may go to; `*` means any.
    pub may_send_to: Vec<String>,
    pub denial_notice: DenialNotice,
    pub on_unknown: OnUnknown,
    pub limits: Limits,
    pub abilities: Abilities,
    pub max_age: Duration,
    /// Whose midnight the day begins with.
    pub time_zone: Zone,
    /// Names the policies, their settings and the groups they ask: a decision taken under another one is taken again.
    pub fingerprint: String,
}

/// Whether a denied sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialNotice {
    Silent,
    /// Once a day for each chat, where the policy gives a text.
    Daily,
}

/// What happens to a delivery nobody knows the fate of, where the provider takes no key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    Resend,
    Park,
}

/// How much an account may send, and how fast. None is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub account: Option<Bucket>,
    pub direct_chat: Option<Bucket>,
    pub group_chat: Option<Bucket>,
    /// Messages in any 60 seconds.
    pub per_minute: Option<u32>,
    /// Messages from midnight to midnight, in the channel's zone.
    pub per_day: Option<u32>,
    pub at_daily_limit: AtDailyLimit,
}

/// What becomes of a message that is more than the account may send in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtDailyLimit {
    /// It waits for midnight.
    #[default]
    Queue,
    /// It is given up, listed and replayable.
    Refuse,
}

/// The sets of people a channel's plugins may ask about. `allow_from` is the channel's own.
#[derive(Clone, Default)]
pub struct Groups {
    pub named: Arc<HashMap<GroupName, Arc<People>>>,
    pub allow_from: Option<Arc<People>>,
}

impl Groups {
    pub fn get(&self, name: &str) -> Option<&People> {
        if name == "allow_from" {
            return self.allow_from.as_deref();
        }
        self.named.get(name).map(Arc::as_ref)
    }
}

/// A route as one channel sees it.
pub struct RouteWiring {
    pub name: RouteName,
    pub policies: Vec<Step<dyn PolicyHook>>,
    pub replies: Vec<Step<dyn ReplyHook>>,
    pub prompt: Option<PromptWiring>,
    pub while_busy: WhileBusy,
}

/// A plugin in its place.
pub struct Step<H: ?Sized> {
    pub plugin: PluginName,
    pub digest: Digest,
    /// What it is called for. Policies are called for everything: what they do not see they could not refuse.
    pub content: BTreeSet<ContentKind>,
    pub on_failure: OnFailure,
    /// Bytes of key-value storage the plugin may use.
    pub kv_quota: u64,
    pub hook: Arc<H>,
}

pub struct PromptWiring {
    pub step: Step<dyn PromptHook>,
    pub model: Arc<dyn LanguageModel>,
}

/// What a failing reply or prompt plugin means for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Skip,
    Apologise,
    Hold,
}

/// What a newer message does while the model works on an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileBusy {
    Queue,
    Merge,
    Interrupt,
}
