//! What a lane has done on the network's runtime. Lanes share theirs with guests, which may keep a thread for a while: a
//! socket that waited there would wait for them.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

/// What one turn has asked of the network.
pub(crate) struct Errands {
    network: Handle,
    tasks: TaskTracker,
}

impl Errands {
    pub(crate) fn new(network: Handle) -> Self {
        Self { network, tasks: TaskTracker::new() }
    }

    /// Does it there. Dropping the future stops it, a moment later: see [`Errands::over`].
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let task = self.tasks.spawn_on(work.in_current_span(), &self.network);
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
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Sets its flag when it goes.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_stopped_has_ended_when_all_is_over() {
        let ended = Arc::new(AtomicBool::new(false));
        let (started, on_start) = tokio::sync::oneshot::channel();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let flag = Flag(ended.clone());
        let errands = Errands::new(Handle::current());
        let work = async move {
            let _flag = flag;
            let _ = started.send(());
            // As long as this takes, the task can't be stopped.
            let _ = held.recv();
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = errands.run(work) => unreachable!("it never ends by itself"),
            _ = on_start => {}
        }
        assert!(!ended.load(Ordering::SeqCst), "it is still at work");
        let over = tokio::spawn(errands.over());
        drop(let_go);
        over.await.unwrap();
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_reaches_whoever_asked() {
        use futures_util::FutureExt;
        let errands = Errands::new(Handle::current());
        let asked = std::panic::AssertUnwindSafe(errands.run(async { panic!("no") })).catch_unwind().await;
        assert!(asked.is_err());
        errands.over().await;
    }
}
