//! The functions that guests export.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower, TypedFunc,
};
use wasmtime::error::Context;
use wasmtime::{Result, Store};

use crate::breach::{Breach, root_cause};
use crate::state::State;

/// What a function of the contract takes and gives.
pub(super) trait Signature: Send + Sync + 'static {
    const INTERFACE: &str;
    const NAME: &str;
    type Parameters<'a>: ComponentNamedList + Lower + Send + Sync;
    type Answer: ComponentNamedList + Lift + Send + Sync;
}

/// A function of one component.
///
/// Its type is compared with the contract's once. What wasmtime itself offers compares them for every instance, which takes
/// longer than many a guest does.
pub(super) struct Function<S> {
    index: ComponentExportIndex,
    /// Whether it was compared: every instance of a component has the same functions.
    fits: AtomicBool,
    signature: PhantomData<fn() -> S>,
}

/// What is asked of functions of any type.
pub(super) trait Fits: Send + Sync {
    /// Fails where it does not have the type of the contract.
    fn check(&self, store: &mut Store<State>, instance: &Instance) -> Result<()>;
}

impl<S: Signature> Function<S> {
    pub(super) fn find(pre: &InstancePre<State>) -> Result<Self> {
        let component = pre.component();
        let interface = component.get_export_index(None, S::INTERFACE);
        let interface = interface.with_context(|| format!("it does not export `{}`", S::INTERFACE))?;
        let index = component.get_export_index(Some(&interface), S::NAME);
        let index = index.with_context(|| format!("`{}` does not export `{}`", S::INTERFACE, S::NAME))?;
        Ok(Self { index, fits: AtomicBool::new(false), signature: PhantomData })
    }

    /// Calls it in an instance of that component.
    #[allow(unsafe_code, reason = "the safe one compares types again")]
    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        parameters: S::Parameters<'_>,
    ) -> Result<S::Answer> {
        let function = self.fitting(store, instance)?;
        // SAFETY: it has the type that its signature says.
        let function = unsafe { TypedFunc::<S::Parameters<'_>, S::Answer>::new_unchecked(function) };
        function.call_async(store, parameters).await
    }

    fn fitting(&self, store: &mut Store<State>, instance: &Instance) -> Result<Func> {
        // None where the instance is of another component.
        let function = instance.get_func(&mut *store, self.index);
        let function = function.with_context(|| format!("`{}` is not a function", S::NAME))?;
        if !self.fits.load(Relaxed) {
            function.typed::<S::Parameters<'static>, S::Answer>(&*store).map_err(|error| {
                let (name, interface, why) = (S::NAME, S::INTERFACE, root_cause(&error));
                Breach::Forbidden(format!("its `{name}` of `{interface}` is not that of the contract: {why}"))
            })?;
            self.fits.store(true, Relaxed);
        }
        Ok(function)
    }
}

impl<S: Signature> Fits for Function<S> {
    fn check(&self, store: &mut Store<State>, instance: &Instance) -> Result<()> {
        self.fitting(store, instance).map(drop)
    }
}
