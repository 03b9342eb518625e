//! The same two calls as an embedder writes them who knows only wasmtime: a store, an instance, `configure`, `decide`.
//! No limits, no deadline, no log, no record; the engine is set up as the host's is.

use std::num::NonZeroUsize;

use anyhow::ensure;
use switchhook_plugin::{Allocator, EngineReport, PagemapScan};
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use self::bindings::exports::switchhook::plugin::policy::Verdict;
use self::bindings::switchhook::plugin::types::{Chat, ChatKind, Content, Message, Party, Standing};
use self::bindings::switchhook::plugin::{attachments, groups, history, kv, kv_shared, log, types};
use self::bindings::{PolicyPlugin, PolicyPluginPre};

#[allow(dead_code, unreachable_pub, reason = "generated for all uses of the contract")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "policy-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub(crate) struct Bare {
    engine: Engine,
    plugin: PolicyPluginPre<Guest>,
    message: Message,
}

impl Bare {
    /// The component in an engine like the one reported.
    pub(crate) fn new(bytes: &[u8], like: &EngineReport) -> anyhow::Result<Self> {
        let engine = engine(like).map_err(flat)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(flat)?;
        PolicyPlugin::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(flat)?;
        let component = Component::new(&engine, bytes).map_err(flat)?;
        let pre = linker.instantiate_pre(&component).map_err(flat)?;
        let plugin = PolicyPluginPre::new(pre).map_err(flat)?;
        Ok(Self { engine, plugin, message: message() })
    }

    pub(crate) async fn decide(&self) -> anyhow::Result<()> {
        let verdict = self.call().await.map_err(flat)?;
        ensure!(matches!(verdict, Verdict::Pass), "it was no pass");
        Ok(())
    }

    async fn call(&self) -> wasmtime::Result<Verdict> {
        let mut store = Store::new(&self.engine, Guest::default());
        store.set_epoch_deadline(u64::MAX / 2);
        let plugin = self.plugin.instantiate_async(&mut store).await?;
        let configured = plugin.switchhook_plugin_about().call_configure(&mut store, "{}").await?;
        wasmtime::ensure!(configured.is_ok(), "it refuses no settings");
        let verdict = plugin.switchhook_plugin_policy().call_decide(&mut store, &self.message).await?;
        verdict.map_err(|_| wasmtime::format_err!("it failed"))
    }
}

fn engine(like: &EngineReport) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8));
    if like.allocator == Allocator::Pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(like.slots)
            .total_core_instances(like.slots * 8)
            .total_memories(like.slots)
            .total_tables(like.slots * 8)
            .total_stacks(like.slots)
            .linear_memory_keep_resident(like.keep_resident)
            .table_keep_resident(like.keep_resident.min(64 << 10))
            .pagemap_scan(if like.pagemap_scan == PagemapScan::On { Enabled::Yes } else { Enabled::No });
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Engine::new(&config)
}

fn flat(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// The message of `main`, in the words of the contract.
fn message() -> Message {
    let party =
        |id: &str| Party { id: id.into(), aliases: vec![], name: Some("Ann".into()), standing: Standing::Unknown };
    Message {
        id: "1".into(),
        channel: "tg".into(),
        connector: "telegram".into(),
        account: "telegram:4242".into(),
        chat: Chat { id: "1001".into(), kind: ChatKind::Direct, title: None, thread: None },
        sender: party("tg:1001"),
        content: Content::Text(crate::TEXT.into()),
        attachments: vec![],
        mentions_me: true,
        quoted: None,
        sent_at_ms: 1_700_000_000_000,
        extra: vec![],
    }
}

/// What of WASI a guest gets is made when it first asks: as the host does it, since that takes longer than the calls.
#[derive(Default)]
struct Guest {
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(WasiCtx::default), table: &mut self.table }
    }
}

impl types::Host for Guest {}

impl log::Host for Guest {
    async fn log(&mut self, _: log::Level, _: String) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl groups::Host for Guest {
    async fn sender_in(&mut self, group: String) -> wasmtime::Result<bool> {
        Ok(group == "allow_from")
    }
    async fn contains(&mut self, _: String, _: String) -> wasmtime::Result<bool> {
        Ok(false)
    }
}

impl history::Host for Guest {
    async fn turns(&mut self, _: u32, _: u32) -> wasmtime::Result<Vec<history::Turn>> {
        Ok(vec![])
    }
}

impl attachments::Host for Guest {
    async fn read(&mut self, _: String, _: u64, _: u32) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

macro_rules! nothing_kept {
    ($($interface:ident),*) => {$(
        impl $interface::Host for Guest {
            async fn get(&mut self, _: String) -> wasmtime::Result<Option<Vec<u8>>> {
                Ok(None)
            }
            async fn set(&mut self, _: String, _: Vec<u8>) -> wasmtime::Result<Result<(), kv::KvError>> {
                Ok(Ok(()))
            }
            async fn delete(&mut self, _: String) -> wasmtime::Result<()> {
                Ok(())
            }
            async fn increment(&mut self, _: String, by: i64) -> wasmtime::Result<Result<i64, kv::KvError>> {
                Ok(Ok(by))
            }
        }
    )*};
}
nothing_kept!(kv, kv_shared);
