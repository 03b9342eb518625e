//! From a config to the wiring of a generation: every hook is prepared and proven before anything is published.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use switchhook_config::{
    AtDailyLimit, ChannelConfig, Config, ModelConfig, OnFailure, OnUnknown, RouteConfig, SendLimitsMode, WhileBusy,
};
use switchhook_core::catalogue::{CatalogueError, HookKind};
use switchhook_core::connector::{Abilities, Bucket};
use switchhook_core::hook::{Hook, PolicyHook, PromptHook, ReplyHook};
use switchhook_core::id::{AccountId, ChannelName, GenerationNumber, ModelName, PluginName};
use switchhook_model::{ModelSpec, Models};
use switchhook_pipeline::wiring::{
    self, ChannelWiring, DenialNotice, Groups, Limits, PromptWiring, RouteWiring, Step, Wiring,
};
use switchhook_plugin::{HookGrants, PluginHost, Prepared};

use crate::fingerprint;

const MINUTE: Duration = Duration::from_secs(60);

/// Messages that may leave at once of those that a minute has: more look like a machine's.
const BURST: u32 = 5;

/// Why a config that was checked can't be put in force all the same.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildFailure {
    #[error("plugin `{plugin}`: {error}")]
    Plugin { plugin: PluginName, error: CatalogueError },
    #[error(
        "plugin `{plugin}` changed on disk while the edit was being applied; the next change is picked up by itself"
    )]
    Changed { plugin: PluginName },
    #[error("plugin `{plugin}` is no {wanted} plugin")]
    Kind { plugin: PluginName, wanted: HookKind },
    #[error("model `{model}` is not defined")]
    Model { model: ModelName },
    #[error("models: {0}")]
    Models(#[from] switchhook_model::BuildError),
    #[error("channel `{channel}`: {error}")]
    Channel { channel: ChannelName, error: switchhook_core::kind::BuildError },
    #[error("channel `{channel}`: there is no connector of kind `{kind}` in this build")]
    NoKind { channel: ChannelName, kind: String },
}

/// The models of a config, keeping the connections of those that did not change.
pub(crate) fn models(previous: Option<&Models>, config: &Config) -> Result<Models, BuildFailure> {
    let specs = config.models.iter().map(|(name, model)| spec(name, model)).collect();
    Ok(match previous {
        Some(previous) => Models::rebuild(previous, specs)?,
        None => Models::build(specs)?,
    })
}

fn spec(name: &ModelName, model: &ModelConfig) -> ModelSpec {
    ModelSpec {
        name: name.clone(),
        base_url: model.base_url.clone(),
        model: model.model.clone(),
        api_key: model.api_key.clone(),
        timeout: model.timeout,
        total_timeout: model.total_timeout,
        concurrency: model.concurrency,
        stream: model.stream,
        fallback: model.fallback.clone(),
    }
}

/// Prepares every hook that some enabled channel needs. Blocking.
pub(crate) fn wiring(
    number: GenerationNumber,
    config: &Config,
    plugins: &PluginHost,
    models: &Models,
    abilities: &HashMap<AccountId, (Abilities, &'static str)>,
) -> Result<Wiring, BuildFailure> {
    let mut workshop = Workshop { config, plugins, models, prepared: HashMap::new() };
    let named = Arc::new(config.groups.clone().into_iter().collect::<HashMap<_, _>>());
    let mut channels = Vec::new();
    for (name, channel) in config.channels.iter().filter(|(_, c)| c.enabled) {
        let Some((abilities, id_prefix)) = abilities.get(&channel.account) else { continue };
        let groups = Groups { named: named.clone(), allow_from: channel.allow_from.clone() };
        channels.push(ChannelWiring {
            name: name.clone(),
            account: channel.account.clone(),
            id_prefix,
            route: channel.route.clone(),
            routes: workshop.routes(channel)?,
            groups,
            may_send_to: channel.may_send_to.clone(),
            denial_notice: if channel.denial_notice { DenialNotice::Daily } else { DenialNotice::Silent },
            on_unknown: match channel.on_unknown {
                OnUnknown::Resend => wiring::OnUnknown::Resend,
                OnUnknown::Park => wiring::OnUnknown::Park,
            },
            limits: limits(channel, abilities),
            abilities: *abilities,
            max_age: config.host.max_age,
            time_zone: config.host.time_zone.clone(),
            fingerprint: fingerprint::of_channel(config, channel),
        });
    }
    Ok(Wiring::new(number, channels))
}

/// What the channel's own table says comes before what is careful on its provider; `send_limits = "off"` leaves out the
/// latter.
fn limits(channel: &ChannelConfig, abilities: &Abilities) -> Limits {
    let vendor = match channel.send_limits {
        SendLimitsMode::Vendor => abilities.send_limits,
        SendLimitsMode::Off => None,
    };
    let own = channel.per_minute.map(|messages| Bucket { burst: BURST.min(messages), every: MINUTE / messages });
    Limits {
        account: own.or(vendor.map(|limits| limits.account)),
        direct_chat: vendor.map(|limits| limits.direct_chat),
        group_chat: vendor.map(|limits| limits.group_chat),
        per_minute: channel.per_minute.or(vendor.and_then(|limits| limits.per_minute)),
        per_day: channel.daily_limit.or(vendor.and_then(|limits| limits.per_day)),
        at_daily_limit: match channel.at_daily_limit {
            AtDailyLimit::Queue => wiring::AtDailyLimit::Queue,
            AtDailyLimit::Refuse => wiring::AtDailyLimit::Refuse,
        },
    }
}

/// Makes hooks, each once: two channels with the same settings share one.
struct Workshop<'a> {
    config: &'a Config,
    plugins: &'a PluginHost,
    models: &'a Models,
    prepared: HashMap<(PluginName, String), Prepared>,
}

type Routes = HashMap<switchhook_core::id::RouteName, Arc<RouteWiring>>;

impl Workshop<'_> {
    fn routes(&mut self, channel: &ChannelConfig) -> Result<Routes, BuildFailure> {
        let config = self.config;
        config
            .routes_of(channel)
            .map(|(name, route)| Ok((name.clone(), Arc::new(self.route(name, route, channel)?))))
            .collect()
    }

    fn route(
        &mut self,
        name: &switchhook_core::id::RouteName,
        route: &RouteConfig,
        channel: &ChannelConfig,
    ) -> Result<RouteWiring, BuildFailure> {
        let policies: Result<_, _> =
            route.policies.iter().map(|p| self.step(p, channel, HookKind::Policy, policy)).collect();
        let replies: Result<_, _> =
            route.replies.iter().map(|p| self.step(p, channel, HookKind::Reply, reply)).collect();
        let prompt = match (&route.prompt, &route.model) {
            (Some(plugin), Some(model)) => {
                let step = self.step(plugin, channel, HookKind::Prompt, prompt)?;
                let model = self.models.get(model).ok_or_else(|| BuildFailure::Model { model: model.clone() })?;
                Some(PromptWiring { step, model })
            }
            _ => None,
        };
        Ok(RouteWiring {
            name: name.clone(),
            policies: policies?,
            replies: replies?,
            prompt,
            while_busy: match route.while_busy {
                WhileBusy::Queue => wiring::WhileBusy::Queue,
                WhileBusy::Merge => wiring::WhileBusy::Merge,
                WhileBusy::Interrupt => wiring::WhileBusy::Interrupt,
            },
        })
    }

    fn step<H: ?Sized>(
        &mut self,
        name: &PluginName,
        channel: &ChannelConfig,
        wanted: HookKind,
        pick: fn(Hook) -> Option<Arc<H>>,
    ) -> Result<Step<H>, BuildFailure> {
        let plugin = &self.config.plugins[name];
        let prepared = self.prepare(name, channel)?;
        let hook = pick(prepared.hook).ok_or_else(|| BuildFailure::Kind { plugin: name.clone(), wanted })?;
        Ok(Step {
            plugin: name.clone(),
            digest: prepared.digest,
            content: plugin.description.content.clone(),
            on_failure: match plugin.on_failure {
                OnFailure::Skip => wiring::OnFailure::Skip,
                OnFailure::Apologise => wiring::OnFailure::Apologise,
                OnFailure::Hold => wiring::OnFailure::Hold,
            },
            kv_quota: plugin.grants.kv,
            hook,
        })
    }

    fn prepare(&mut self, name: &PluginName, channel: &ChannelConfig) -> Result<Prepared, BuildFailure> {
        let plugin = &self.config.plugins[name];
        let settings = channel.settings.get(name).unwrap_or(&plugin.settings);
        let key = (name.clone(), settings.to_string());
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared.clone());
        }
        let grants = HookGrants { http: plugin.grants.http.clone(), attachments: plugin.grants.attachments };
        let prepared = self
            .plugins
            .prepare(&plugin.source, settings, &plugin.limits, &grants)
            .map_err(|error| BuildFailure::Plugin { plugin: name.clone(), error })?;
        if prepared.digest != plugin.description.digest {
            return Err(BuildFailure::Changed { plugin: name.clone() });
        }
        self.prepared.insert(key, prepared.clone());
        Ok(prepared)
    }
}

fn policy(hook: Hook) -> Option<Arc<dyn PolicyHook>> {
    if let Hook::Policy(hook) = hook { Some(hook) } else { None }
}

fn reply(hook: Hook) -> Option<Arc<dyn ReplyHook>> {
    if let Hook::Reply(hook) = hook { Some(hook) } else { None }
}

fn prompt(hook: Hook) -> Option<Arc<dyn PromptHook>> {
    if let Hook::Prompt(hook) = hook { Some(hook) } else { None }
}
