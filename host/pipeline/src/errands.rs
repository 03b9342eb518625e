//! Calls that a lane makes. They wait for their sockets where it is, so that an answer wakes no other thread, or on the
//! network's runtime: a lane shares its own with guests, and a socket would wait for one that keeps the thread.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

/// What one turn has asked of the network.
#[derive(Default)]
pub(crate) struct Errands(TaskTracker);

impl Errands {
    /// Does it on that runtime: in the same task where it is the caller's own. Dropping the future stops it, elsewhere a
    /// moment later: see [`Errands::over`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        if runtime.id() == Handle::current().id() {
            return work.await;
        }
        let task = self.0.spawn_on(work.in_current_span(), runtime);
        let joined = AbortOnDropHandle::new(task).await;
        match joined.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime has ended, and with it whoever waits here.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// Returns when everything has ended, what was stopped as well: a question that is still being asked must not meet
    /// the next one.
    pub(crate) async fn over(self) {
        self.0.close();
        self.0.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    /// Sets its flag when it goes.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn they_are_run_where_that_is_best() {
        let (lanes, network) = (runtime(), runtime());
        let ran_on = |best: &Runtime| {
            let errands = Errands::default();
            lanes.block_on(errands.run(best.handle(), async { Handle::current().id() }))
        };
        assert_eq!(ran_on(&lanes), lanes.handle().id());
        assert_eq!(ran_on(&network), network.handle().id());
    }

    #[test]
    fn what_was_stopped_elsewhere_has_ended_when_all_is_over() {
        let (lanes, network) = (runtime(), runtime());
        let ended = Arc::new(AtomicBool::new(false));
        let (started, on_start) = tokio::sync::oneshot::channel();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let flag = Flag(ended.clone());
        let errands = Errands::default();
        let work = async move {
            let _flag = flag;
            let _ = started.send(());
            // As long as this takes, the task can't be stopped.
            let _ = held.recv();
            std::future::pending::<()>().await
        };
        lanes.block_on(async {
            tokio::select! {
                () = errands.run(network.handle(), work) => unreachable!("it never ends by itself"),
                _ = on_start => {}
            }
            assert!(!ended.load(Ordering::SeqCst), "it is still at work");
            let over = tokio::spawn(errands.over());
            drop(let_go);
            over.await.unwrap();
        });
        assert!(ended.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_reaches_whoever_asked() {
        use futures_util::FutureExt;
        let (lanes, network) = (runtime(), runtime());
        for best in [&lanes, &network] {
            let errands = Errands::default();
            let asked = std::panic::AssertUnwindSafe(errands.run(best.handle(), async { panic!("no") })).catch_unwind();
            assert!(lanes.block_on(asked).is_err());
            lanes.block_on(errands.over());
        }
    }
}
