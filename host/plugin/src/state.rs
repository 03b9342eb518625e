//! What the host keeps for one instance, and what that instance may take of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use switchhook_core::catalogue::{Capability, Limits};
use switchhook_core::hook::HostServices;
use switchhook_core::time::UnixMillis;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::breach::Breach;
use crate::log::{GuestLog, Output};
use crate::nature::Nature;

/// The most elements of one table: ten times what CPython needs.
const MAX_TABLE: usize = 50_000;
/// Core instances and tables of one component: an interpreter linked dynamically has some dozens.
const MAX_INSTANCES: usize = 64;
const MAX_TABLES: usize = 32;
/// Handles of streams, pollables and the like that a guest holds at once.
pub(crate) const MAX_HANDLES: usize = 256;
/// The bytes of attachments that one call may read.
pub(crate) const MAX_ATTACHED: u64 = 8 << 20;

pub(crate) struct State {
    /// Made when it is first asked for: that takes longer than many a call, and most guests never ask.
    wasi: Option<WasiCtx>,
    pub(crate) table: ResourceTable,
    pub(crate) nature: Nature,
    pub(crate) limiter: Limiter,
    pub(crate) gate: Gate,
    pub(crate) log: GuestLog,
}

impl State {
    /// A guest that has been given nothing yet.
    pub(crate) fn new(limits: &Limits, permissions: Arc<Permissions>, now: UnixMillis, seed: u64) -> Self {
        let log = GuestLog::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            wasi: None,
            table,
            nature: Nature::new(now, seed),
            limiter: Limiter { limit: limits.memory, used: 0 },
            gate: Gate { services: None, permissions, limit: limits.host_calls, calls: 0, attached: 0 },
            log,
        }
    }

    /// From now on the guest may ask the host.
    pub(crate) fn open(&mut self, services: Arc<dyn HostServices>) {
        self.log.connect(Arc::clone(&services));
        self.gate.services = Some(services);
    }
}

/// No environment, arguments, files or sockets; what it prints goes to its log.
fn nothing_granted(log: &GuestLog) -> WasiCtx {
    WasiCtxBuilder::new()
        .allow_tcp(false)
        .allow_udp(false)
        .stdout(log.stream(Output::Standard))
        .stderr(log.stream(Output::Error))
        .build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| nothing_granted(&self.log));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// What a plugin asked for in its description and was granted.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    pub(crate) capabilities: BTreeSet<Capability>,
}

/// Every question to the host passes here and is counted.
pub(crate) struct Gate {
    /// None while the plugin is described or configured: neither may depend on anything but the settings.
    services: Option<Arc<dyn HostServices>>,
    permissions: Arc<Permissions>,
    limit: u32,
    calls: u32,
    attached: u64,
}

impl Gate {
    /// Lets one call of `function` through; `needs` names what the plugin must have asked for.
    pub(crate) fn pass(
        &mut self,
        function: &str,
        needs: Option<Capability>,
    ) -> wasmtime::Result<Arc<dyn HostServices>> {
        let Some(services) = &self.services else {
            let why = format!("it called `{function}` in `describe` or `configure`, which may only log");
            return Err(Breach::Forbidden(why).into());
        };
        if let Some(capability) = needs.filter(|wanted| !self.permissions.capabilities.contains(wanted)) {
            let why = format!("it called `{function}` without asking for `{}` in `describe`", wit_name(capability));
            return Err(Breach::Forbidden(why).into());
        }
        if self.calls == self.limit {
            return Err(Breach::Limit(format!("it called the host more than {} times", self.limit)).into());
        }
        self.calls += 1;
        Ok(Arc::clone(services))
    }

    /// How many of `length` bytes of attachments may still be read; they count as read.
    pub(crate) fn take_attached(&mut self, length: u32) -> wasmtime::Result<u32> {
        if self.attached == MAX_ATTACHED {
            return Err(Breach::Limit(format!("it read more than {MAX_ATTACHED} bytes of attachments")).into());
        }
        let granted = u64::from(length).min(MAX_ATTACHED - self.attached);
        self.attached += granted;
        Ok(granted as u32)
    }
}

pub(crate) fn wit_name(capability: Capability) -> &'static str {
    match capability {
        Capability::History => "history",
        Capability::Kv => "kv",
        Capability::KvShared => "kv-shared",
        Capability::Attachments => "attachments",
        Capability::Http => "http",
    }
}

/// Counts all linear memories of an instance together.
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
}

impl ResourceLimiter for Limiter {
    /// A refusal ends the call: a guest that is told "no" would die anyway, later and less clearly.
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used + desired.saturating_sub(current);
        if used > self.limit {
            return Err(Breach::Memory.into());
        }
        self.used = used;
        Ok(true)
    }
    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE {
            return Err(
                Breach::Limit(format!("it wanted a table of {desired} elements; {MAX_TABLE} is the most")).into()
            );
        }
        Ok(true)
    }
    fn instances(&self) -> usize {
        MAX_INSTANCES
    }
    fn tables(&self) -> usize {
        MAX_TABLES
    }
    fn memories(&self) -> usize {
        crate::engine::MAX_MEMORIES as usize
    }
}
