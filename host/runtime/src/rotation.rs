//! Another master key, while everything runs: drawn, sealed with, and put in the place of the one before.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use switchhook_core::time::Clock;
use switchhook_store::{AuditEntry, KeyFile, Resealed, RotationError, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::link::Caller;

/// Where the master key of a host comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    File(KeyFile),
    /// A variable of the environment, which only whoever starts the host can change.
    Env(String),
}

/// How a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// One key seals everything.
    Settled,
    /// What the key before sealed is being sealed anew.
    Rotating,
    /// It stopped; asked again, or after a restart, it goes on.
    Failed,
}

/// What can be told of the master key. Names of keys say nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    pub state: KeyState,
    /// The name of the key that seals.
    pub key: String,
    /// Cells that were sealed anew, of the rotation under way or of this process's last.
    pub resealed: u64,
    /// Cells that opened with no key, and were left.
    pub unreadable: u64,
    /// Where the key before is kept: it opens backups from before.
    pub kept: Option<PathBuf>,
    pub error: Option<String>,
}

/// Why no rotation begins.
#[derive(Debug, thiserror::Error)]
pub enum RotationRefusal {
    #[error(
        "the master key comes from the environment variable {0}, which the host can't change. Stop the host, put a new key \
         (64 hexadecimal digits, as `openssl rand -hex 32` prints them) into a variable of another name, such as NEW_KEY, \
         and run `switchhook key rotate --new-key-env NEW_KEY`; then give {0} the new value and start the host"
    )]
    FromEnv(String),
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

/// The key of a store, and what becomes of it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    source: KeySource,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    tasks: TaskTracker,
    shown: Mutex<KeyStatus>,
    /// One begins at a time.
    beginning: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(crate) fn new(
        store: Store,
        source: KeySource,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let shown = Mutex::new(KeyStatus::settled(&store));
        Self(Arc::new(Inner { store, source, clock, stop, tasks, shown, beginning: tokio::sync::Mutex::default() }))
    }

    pub(crate) fn status(&self) -> KeyStatus {
        self.0.shown.lock().clone()
    }

    /// Goes on with what the process before did not end.
    pub(crate) async fn resume(&self) -> Result<(), RotationRefusal> {
        let KeySource::File(file) = &self.0.source else { return Ok(()) };
        let _one = self.0.beginning.lock().await;
        let is_half_done = self.0.store.rotating().await.map_err(RotationError::from)?.is_some();
        if is_half_done || file.next().map_err(RotationError::from)?.is_some() {
            tracing::info!(key = %self.0.store.key(), "going on with a rotation of the master key");
            self.go_on(file.clone(), Caller { actor: "host".to_owned(), address: None, user_agent: None });
        }
        Ok(())
    }

    /// Begins, or goes on where one has begun; returns at once.
    pub(crate) async fn rotate(&self, caller: Caller) -> Result<KeyStatus, RotationRefusal> {
        let file = match &self.0.source {
            KeySource::File(file) => file.clone(),
            KeySource::Env(name) => return Err(RotationRefusal::FromEnv(name.clone())),
        };
        let _one = self.0.beginning.lock().await;
        if self.status().state == KeyState::Rotating {
            return Ok(self.status());
        }
        self.0.store.begin_rotation_in(&file).await?;
        self.audit(&caller, &self.0.store.key().to_string(), json!({ "state": KeyState::Rotating })).await;
        self.go_on(file, caller);
        Ok(self.status())
    }

    fn go_on(&self, file: KeyFile, caller: Caller) {
        *self.0.shown.lock() = KeyStatus { state: KeyState::Rotating, ..KeyStatus::settled(&self.0.store) };
        let keys = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = keys.0.stop.cancelled() => tracing::info!("the rotation of the master key goes on at the next start"),
                done = keys.finish(&file) => keys.tell(done, &caller).await,
            }
        });
    }

    async fn finish(&self, file: &KeyFile) -> Result<(Resealed, PathBuf), RotationError> {
        let watch = |done: Resealed| {
            let mut shown = self.0.shown.lock();
            (shown.resealed, shown.unreadable) = (done.cells, done.unreadable);
        };
        self.0.store.finish_rotation_in(file, watch).await
    }

    async fn tell(&self, done: Result<(Resealed, PathBuf), RotationError>, caller: &Caller) {
        let status = match done {
            Ok((done, kept)) => {
                tracing::info!(key = %self.0.store.key(), cells = done.cells, "everything is sealed with the new master key");
                if done.unreadable > 0 {
                    tracing::error!(cells = done.unreadable, "some of what is kept opens with no key, and was left");
                }
                let (resealed, unreadable) = (done.cells, done.unreadable);
                KeyStatus { resealed, unreadable, kept: Some(kept), ..KeyStatus::settled(&self.0.store) }
            }
            Err(error) => {
                tracing::error!(%error, "the rotation of the master key stopped; both keys stay in use");
                KeyStatus { state: KeyState::Failed, error: Some(error.to_string()), ..self.status() }
            }
        };
        let detail = json!({ "state": status.state, "resealed": status.resealed, "error": status.error });
        self.audit(caller, &status.key, detail).await;
        *self.0.shown.lock() = status;
    }

    async fn audit(&self, caller: &Caller, key: &str, detail: serde_json::Value) {
        let Caller { actor, address, user_agent } = caller.clone();
        let (at, act, subject) = (self.0.clock.now(), "key_rotate".to_owned(), key.to_owned());
        self.0.store.audit(AuditEntry { at, actor, address, user_agent, act, subject, detail }).await;
    }
}

impl KeyStatus {
    /// One key seals everything in this store.
    pub fn settled(store: &Store) -> Self {
        let key = store.key().to_string();
        Self { state: KeyState::Settled, key, resealed: 0, unreadable: 0, kept: None, error: None }
    }
}
