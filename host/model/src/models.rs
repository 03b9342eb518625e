//! All models of a generation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use switchhook_core::id::ModelName;
use switchhook_core::model::LanguageModel;
use switchhook_http::Clients;

use crate::chain::Chain;
use crate::provider::Provider;
use crate::spec::{BuildError, ModelSpec};
use crate::usage::ModelUsage;

/// The models of a config, by name. Building touches no network.
#[derive(Clone)]
pub struct Models {
    /// The same, and so the same pools of connections, for all of them and for all generations.
    clients: Arc<Clients>,
    providers: BTreeMap<ModelName, Arc<Provider>>,
    chains: BTreeMap<ModelName, Arc<Chain>>,
}

impl Models {
    pub fn build(specs: Vec<ModelSpec>) -> Result<Models, BuildError> {
        Self::assemble(Arc::new(clients()?), &BTreeMap::new(), specs)
    }

    /// Builds anew, keeping `previous`' connections, the counters of each name, and the cap of each model that still
    /// means the same, so that calls of the old generation go on counting against it.
    pub fn rebuild(previous: &Models, specs: Vec<ModelSpec>) -> Result<Models, BuildError> {
        Self::assemble(previous.clients.clone(), &previous.providers, specs)
    }

    /// The model with its fallbacks behind it.
    pub fn get(&self, name: &ModelName) -> Option<Arc<dyn LanguageModel>> {
        self.chains.get(name).map(|chain| Arc::clone(chain) as Arc<dyn LanguageModel>)
    }

    /// What was asked of each model so far, by name.
    pub fn usage(&self) -> Vec<ModelUsage> {
        self.providers.values().map(|provider| provider.usage()).collect()
    }

    fn assemble(
        clients: Arc<Clients>,
        previous: &BTreeMap<ModelName, Arc<Provider>>,
        specs: Vec<ModelSpec>,
    ) -> Result<Models, BuildError> {
        let mut providers = BTreeMap::new();
        for spec in &specs {
            let provider = Provider::new(clients.clone(), spec, previous.get(&spec.name).map(Arc::as_ref))?;
            if providers.insert(spec.name.clone(), Arc::new(provider)).is_some() {
                return Err(BuildError::Duplicate { name: spec.name.clone() });
            }
        }
        let mut chains = BTreeMap::new();
        for spec in &specs {
            chains.insert(spec.name.clone(), Arc::new(Chain::new(members(spec, &providers)?, spec.total_timeout)));
        }
        Ok(Models { clients, providers, chains })
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

/// Who is asked, in order.
fn members(spec: &ModelSpec, providers: &BTreeMap<ModelName, Arc<Provider>>) -> Result<Vec<Arc<Provider>>, BuildError> {
    let mut names = vec![&spec.name];
    for fallback in &spec.fallback {
        if names.contains(&fallback) {
            return Err(BuildError::RepeatedFallback { name: spec.name.clone(), fallback: fallback.clone() });
        }
        names.push(fallback);
    }
    names
        .into_iter()
        .map(|name| {
            let unknown = || BuildError::UnknownFallback { name: spec.name.clone(), fallback: name.clone() };
            providers.get(name).cloned().ok_or_else(unknown)
        })
        .collect()
}

fn clients() -> Result<Clients, BuildError> {
    Clients::new(|builder| builder.user_agent(concat!("switchhook/", env!("CARGO_PKG_VERSION"))))
        .map_err(|error| BuildError::Client { reason: error.to_string() })
}
