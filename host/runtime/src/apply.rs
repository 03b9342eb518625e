//! The life of an edit: prepared, proven, published, recorded. What is refused changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use switchhook_config::{Change, ChannelConfig, Color, Config, ConfigErrors, Problem, Sources, Step, load, plan};
use switchhook_core::id::{AccountId, ChannelName, Digest, GenerationNumber};
use switchhook_model::Models;
use switchhook_pipeline::wiring::Wiring;
use switchhook_store::GenerationRecord;

use crate::build::{BuildFailure, models, wiring};
use crate::channels::{Prepared, prepare};
use crate::host::{Cause, Host};
use crate::restore::restore;
use crate::status::{Attempt, AttemptOutcome};

/// The generation in force, and what the last edit came to.
#[derive(Default)]
pub(crate) struct Current {
    pub(crate) config: Option<Arc<Config>>,
    pub(crate) models: Option<Arc<Models>>,
    pub(crate) generation: u64,
    pub(crate) attempts: u64,
    pub(crate) last: Option<Attempt>,
}

/// A config with everything it needs, proven and not in force.
struct Proven {
    config: Arc<Config>,
    models: Arc<Models>,
    wiring: Wiring,
    /// Connectors that are new, or whose identity changed.
    fresh: Vec<Prepared>,
}

/// Why an edit was refused.
enum Refused {
    Config(ConfigErrors),
    Build(BuildFailure),
}

impl Host {
    /// Reads the config again and puts it in force. One at a time; whoever comes meanwhile sees the latest text.
    pub(crate) async fn apply(&self, cause: Cause, loaded: Option<Config>) -> Attempt {
        let _one_at_a_time = self.0.applying.lock().await;
        let started = Instant::now();
        let config = match loaded {
            Some(config) => Ok(config),
            None => self.load().await,
        };
        let old = self.0.current.lock().config.clone();
        let digest = match &config {
            Ok(config) => config.digest.clone(),
            Err(errors) => errors.digest().clone(),
        };
        let (outcome, changes, refused) = match config {
            Err(errors) => (AttemptOutcome::Rejected, Vec::new(), Some(Refused::Config(errors))),
            Ok(config) if old.as_ref().is_some_and(|old| old.digest == config.digest) => {
                self.0.watch(config.files.clone());
                (AttemptOutcome::Unchanged, Vec::new(), None)
            }
            Ok(config) => self.change(old, config).await,
        };
        self.record((cause, digest), outcome, changes, refused, started).await
    }

    async fn change(&self, old: Option<Arc<Config>>, config: Config) -> (AttemptOutcome, Vec<Change>, Option<Refused>) {
        let config = Arc::new(config);
        // Also after a refusal: the plugin file that was found wanting may be mended.
        self.0.watch(config.files.clone());
        let mut changes = plan(old.as_deref(), &config).changes;
        changes.retain(|change| change.step != Step::Keep);
        match self.prove(old.clone(), config).await {
            Ok(_) if self.0.stop.is_cancelled() => (AttemptOutcome::Unchanged, Vec::new(), None),
            Ok(proven) => {
                self.publish(old, proven).await;
                (AttemptOutcome::Applied, changes, None)
            }
            Err(failure) => (AttemptOutcome::Rejected, changes, Some(Refused::Build(failure))),
        }
    }

    pub(crate) async fn load(&self) -> Result<Config, ConfigErrors> {
        let host = self.0.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let sources = Sources { catalogue: &host.plugins, kinds: &host.kinds, secrets: host.secrets.as_ref() };
            load(&host.config_path, &sources)
        });
        match loading.await {
            Ok(loaded) => loaded,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Prepares every hook, model and connector. Starts nothing.
    async fn prove(&self, old: Option<Arc<Config>>, config: Arc<Config>) -> Result<Proven, BuildFailure> {
        let number = GenerationNumber(self.0.current.lock().generation + 1);
        let previous = self.0.current.lock().models.clone();
        let mut abilities = self.0.channels.abilities();
        let mut fresh = Vec::new();
        for (name, channel) in enabled(&config).values() {
            if !keeps_connection(old.as_deref(), channel) {
                let prepared = prepare(&self.0.kinds, name, channel)?;
                abilities.insert(prepared.account.clone(), (prepared.connector.abilities(), prepared.id_prefix));
                fresh.push(prepared);
            }
        }
        let plugins = self.0.plugins.clone();
        let building = tokio::task::spawn_blocking(move || {
            let models = models(previous.as_deref(), &config)?;
            let wiring = wiring(number, &config, &plugins, &models, &abilities)?;
            Ok(Proven { config, models: Arc::new(models), wiring, fresh })
        });
        match building.await {
            Ok(proven) => proven,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// From here on nothing can fail: the new generation is in force, and connectors follow.
    async fn publish(&self, old: Option<Arc<Config>>, proven: Proven) {
        let Proven { config, models, wiring, fresh } = proven;
        let number = wiring.number.0;
        self.0.pipeline.publish(wiring);
        {
            let mut current = self.0.current.lock();
            (current.config, current.models, current.generation) = (Some(config.clone()), Some(models), number);
        }
        let new = enabled(&config);
        let before = old.as_deref().map(enabled).unwrap_or_default();
        for (account, (_, channel)) in &before {
            if new.get(account).is_none_or(|(_, now)| now.identity != channel.identity) {
                self.0.channels.stop(account).await;
                self.0.links.leave(account).await;
            }
        }
        self.park_leavers(old.as_deref(), &config).await;
        let accounts: Vec<_> = fresh.iter().map(|prepared| prepared.account.clone()).collect();
        for prepared in fresh {
            self.0.channels.enlist(prepared, &self.0.clock);
        }
        // Before anything new comes in: what waits is older, and order holds within a chat.
        if let Err(error) = self.0.pipeline.resume(&accounts).await {
            tracing::error!(%error, "what waits in the journal can't be taken up; it is tried again at the next start");
        }
        match old {
            None => restore(self, accounts),
            Some(_) => accounts.iter().for_each(|account| self.0.channels.launch(account, &self.0.pipeline)),
        }
        for (account, (_, channel)) in &new {
            self.0.channels.set_patience(account, channel.max_reconnect_attempts);
            if before
                .get(account)
                .is_some_and(|(_, was)| was.identity == channel.identity && was.tuning != channel.tuning)
            {
                self.0.channels.update(account, channel.connector.clone()).await;
            }
        }
    }

    /// What an account that the config no longer names has not answered is parked, and listed.
    async fn park_leavers(&self, old: Option<&Config>, new: &Config) {
        let Some(old) = old else { return };
        for (name, channel) in &old.channels {
            if new.channels.values().any(|c| c.account == channel.account) {
                continue;
            }
            let reason = format!("channel `{name}` was removed, or became another account");
            match self.0.store.park_account(&channel.account, &reason).await {
                Ok(0) => {}
                Ok(parked) => tracing::warn!(channel = %name, parked, "what was not answered is parked"),
                Err(error) => tracing::error!(channel = %name, %error, "what was not answered can't be parked"),
            }
        }
    }

    async fn record(
        &self,
        (cause, digest): (Cause, Digest),
        outcome: AttemptOutcome,
        changes: Vec<Change>,
        refused: Option<Refused>,
        started: Instant,
    ) -> Attempt {
        let at = self.0.clock.now();
        let (problems, rendered) = refused.map(|refused| self.explain_refusal(refused)).unwrap_or_default();
        let attempt = {
            let mut current = self.0.current.lock();
            current.attempts += 1;
            let attempt = Attempt {
                number: current.attempts,
                generation: current.generation,
                cause: cause.to_string(),
                outcome,
                changes,
                problems,
                rendered,
                at,
                took_ms: started.elapsed().as_millis() as u64,
            };
            current.last = Some(attempt.clone());
            attempt
        };
        tell(&attempt);
        if outcome == AttemptOutcome::Unchanged {
            return attempt;
        }
        let record = GenerationRecord {
            number: attempt.number,
            digest: digest.as_str().to_owned(),
            cause: attempt.cause.clone(),
            outcome: format!("{outcome:?}").to_lowercase(),
            changes: serde_json::json!({ "changes": &attempt.changes, "problems": &attempt.problems }),
            took: started.elapsed(),
            at,
        };
        if let Err(error) = self.0.store.record_generation(record).await {
            tracing::error!(%error, "the attempt can't be recorded");
        }
        attempt
    }

    fn explain_refusal(&self, refused: Refused) -> (Vec<Problem>, Option<String>) {
        match refused {
            Refused::Config(errors) => {
                self.0.watch(errors.files().to_vec());
                (errors.problems().to_vec(), Some(errors.render(Color::Never)))
            }
            Refused::Build(failure) => {
                let message = failure.to_string();
                (vec![Problem::of_whole(message.clone())], Some(message))
            }
        }
    }
}

fn tell(attempt: &Attempt) {
    let Attempt { number, generation, cause, took_ms, .. } = attempt;
    match attempt.outcome {
        AttemptOutcome::Applied => {
            let changes: Vec<String> = attempt
                .changes
                .iter()
                .map(|c| format!("{:?} {} {}: {}", c.step, c.subject, c.name, c.reason))
                .collect();
            tracing::info!(number, generation, cause, took_ms, ?changes, "config applied");
        }
        AttemptOutcome::Unchanged => tracing::debug!(number, generation, cause, "config unchanged"),
        AttemptOutcome::Rejected => {
            let rendered = attempt.rendered.as_deref().unwrap_or_default();
            tracing::error!(
                number,
                generation,
                cause,
                "config refused; generation {generation} stays in force\n{rendered}"
            );
        }
    }
}

type Enabled<'a> = HashMap<AccountId, (&'a ChannelName, &'a ChannelConfig)>;

fn enabled(config: &Config) -> Enabled<'_> {
    config.channels.iter().filter(|(_, c)| c.enabled).map(|(name, c)| (c.account.clone(), (name, c))).collect()
}

/// Whether the connection that runs now is the one the new config wants.
fn keeps_connection(old: Option<&Config>, channel: &ChannelConfig) -> bool {
    let was = old.and_then(|old| old.channels.values().find(|c| c.enabled && c.account == channel.account));
    was.is_some_and(|was| was.identity == channel.identity)
}
