//! The plugin host.

use std::ffi::OsString;
use std::sync::Arc;

use switchhook_core::catalogue::{
    Catalogue, CatalogueError, Description, HookKind, Limits, PluginSource, SettingsProblem,
};
use switchhook_core::hook::Hook;
use switchhook_core::id::Digest;

use crate::error::{CompileError, EngineError};
use crate::options::{HookGrants, HostOptions};
use crate::report::EngineReport;

/// Loads plugins and makes hooks of them. Cloning is cheap.
#[derive(Clone)]
pub struct PluginHost(Arc<()>);

/// A component that is compiled, linked and described.
#[derive(Clone)]
pub struct Loaded {
    pub digest: Digest,
    pub description: Description,
}

/// A hook that is ready to be called.
#[derive(Clone)]
pub struct Prepared {
    pub digest: Digest,
    pub kind: HookKind,
    pub hook: Hook,
}

impl PluginHost {
    pub fn new(_options: HostOptions) -> Result<Self, EngineError> {
        unimplemented!("the engine is being built")
    }
    pub fn report(&self) -> EngineReport {
        unimplemented!("the engine is being built")
    }
    pub fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError> {
        self.load(source).map(|loaded| loaded.description)
    }
    pub fn load(&self, _source: &PluginSource) -> Result<Loaded, CatalogueError> {
        unimplemented!("the engine is being built")
    }
    pub fn prepare(
        &self,
        _source: &PluginSource,
        _settings: &serde_json::Value,
        _limits: &Limits,
        _grants: &HookGrants,
    ) -> Result<Prepared, CatalogueError> {
        unimplemented!("the engine is being built")
    }
}

impl Catalogue for PluginHost {
    fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError> {
        PluginHost::describe(self, source)
    }
    fn configure(
        &self,
        _source: &PluginSource,
        _settings: &serde_json::Value,
        _limits: &Limits,
    ) -> Result<Vec<SettingsProblem>, CatalogueError> {
        unimplemented!("the engine is being built")
    }
}

pub fn run_compiler(_args: impl Iterator<Item = OsString>) -> Result<(), CompileError> {
    unimplemented!("the engine is being built")
}
