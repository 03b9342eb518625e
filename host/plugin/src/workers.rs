//! The threads that guests run on, each with a runtime of its own.
//!
//! A runtime that has several threads wakes two for each task that is woken from outside: the one that takes it, and
//! another that looks whether there is more. A message's first step is woken from outside, by the journal, and while
//! there is much to do the others are, too, by the network; waking a thread costs more than the step: with runtimes of one thread each, a message that comes alone takes a tenth
//! less, of time and of CPU. What those threads would have done for each other is done here: what is new goes where least is
//! to be done, and a call leaves a thread that has a guest for one that has none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// How often a worker looks for events between two guests. With tokio's 61, four spinning guests delayed an innocent
/// message by 65 ms; with 5, by 4.
const EVENT_INTERVAL: u32 = 5;
/// Every how many of its own a worker takes a task that was woken from outside: a message's next step, when the journal or
/// the network's runtime has answered. Guests that spin are a worker's own, and what tokio finds out for itself had a message wait behind
/// dozens of their turns at each of its steps: half a second, now and then.
const FROM_OUTSIDE: u32 = 2;

/// All of them. They end with it, and so does what runs on them; nobody waits for that, since a guest may take its time.
pub(crate) struct Workers {
    all: Vec<Worker>,
    stop: CancellationToken,
}

struct Worker {
    handle: Handle,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Guests that are in the middle of a call.
    calls: AtomicUsize,
    awake: AtomicBool,
}

/// Counts a call for as long as it is kept.
pub(crate) struct Calling(Arc<State>);

/// Where a call is best made.
pub(crate) enum Where {
    Here,
    There(Handle),
}

impl Workers {
    /// Starts `count` of them, at least one.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let mut workers = Self { all: Vec::new(), stop: CancellationToken::new() };
        for _ in 0..count.max(1) {
            workers.all.push(Worker::start(workers.stop.clone())?);
        }
        Ok(workers)
    }

    /// Where something new is done soonest: on the worker that asks, unless it has a guest in the middle of a call.
    pub(crate) fn next(&self) -> &Handle {
        self.free_here().unwrap_or_else(|| self.idlest())
    }

    /// The worker that asks, unless it has a guest in the middle of a call.
    pub(crate) fn free_here(&self) -> Option<&Handle> {
        self.here().filter(|here| here.calls() == 0).map(|here| &here.handle)
    }

    /// Whether this is the thread of one of them.
    pub(crate) fn are_here(&self) -> bool {
        self.here().is_some()
    }

    /// Where a call is best made by whoever asks.
    ///
    /// Whoever is on a worker already goes on in its own task: to hand a call over and wait for it takes two wake-ups of a
    /// thread, which cost more than most calls. Not so where it would share the thread with another guest while a thread
    /// has none.
    pub(crate) fn place(&self) -> Where {
        match self.here() {
            Some(here) if here.calls() == 0 || self.all.iter().all(|worker| worker.calls() > 0) => Where::Here,
            _ => Where::There(self.idlest().clone()),
        }
    }

    /// A call begins on this thread.
    pub(crate) fn calling(&self) -> Option<Calling> {
        let state = self.here()?.state.clone();
        state.calls.fetch_add(1, SeqCst);
        Some(Calling(state))
    }

    /// The worker whose thread this is.
    fn here(&self) -> Option<&Worker> {
        let id = Handle::try_current().ok()?.id();
        self.all.iter().find(|worker| worker.handle.id() == id)
    }

    /// Of several that are the same the first, so that what comes alone meets warm caches. Something is to be done there now.
    fn idlest(&self) -> &Handle {
        let load = |worker: &&Worker| {
            let awake = worker.state.awake.load(SeqCst);
            // Of one that sleeps all tasks wait: for an answer, or as connections for the next call.
            let tasks = if awake { worker.handle.metrics().num_alive_tasks() } else { 0 };
            (worker.calls(), awake, tasks)
        };
        let idlest = self.all.iter().min_by_key(load).expect("there is at least one");
        // It takes a while to wake up, and what comes meanwhile is for another.
        idlest.state.awake.store(true, SeqCst);
        &idlest.handle
    }
}

impl Worker {
    fn start(stop: CancellationToken) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let runtime = Self::runtime(&state)?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new().name("plugin".to_owned()).spawn(move || {
            runtime.block_on(stop.cancelled());
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, state })
    }

    fn runtime(state: &Arc<State>) -> io::Result<Runtime> {
        let (parked, unparked) = (state.clone(), state.clone());
        Builder::new_current_thread()
            .event_interval(EVENT_INTERVAL)
            .global_queue_interval(FROM_OUTSIDE)
            .on_thread_park(move || parked.awake.store(false, SeqCst))
            .on_thread_unpark(move || unparked.awake.store(true, SeqCst))
            .enable_all()
            .build()
    }

    fn calls(&self) -> usize {
        self.state.calls.load(SeqCst)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, SeqCst);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::sync::oneshot;

    use super::*;

    async fn thread_of(handle: &Handle) -> ThreadId {
        handle.spawn(async { std::thread::current().id() }).await.unwrap()
    }

    /// A guest in the middle of a call, until it is let go of.
    async fn guest(workers: &Arc<Workers>, on: usize) -> oneshot::Sender<()> {
        let ((let_go, held), (begun, on_begun)) = (oneshot::channel(), oneshot::channel());
        let all = workers.clone();
        workers.all[on].handle.spawn(async move {
            let _calling = all.calling().unwrap();
            let _ = begun.send(());
            let _ = held.await;
        });
        on_begun.await.unwrap();
        let_go
    }

    #[tokio::test]
    async fn what_is_new_goes_where_no_guest_is() {
        let workers = Arc::new(Workers::start(2).unwrap());
        assert_eq!(workers.next().id(), workers.all[0].handle.id(), "of two that are idle the first");
        let _first = guest(&workers, 0).await;
        assert_eq!(workers.next().id(), workers.all[1].handle.id());
        let _second = guest(&workers, 1).await;
        let _third = guest(&workers, 0).await;
        assert_eq!(workers.next().id(), workers.all[1].handle.id(), "one guest is less than two");
    }

    #[tokio::test]
    async fn what_comes_alone_goes_where_the_last_one_went() {
        let workers = Arc::new(Workers::start(2).unwrap());
        let connection = workers.all[0].handle.spawn(std::future::pending::<()>());
        while workers.all.iter().any(|worker| worker.state.awake.load(SeqCst)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(workers.next().id(), workers.all[0].handle.id(), "it has a connection and nothing to do");
        connection.abort();
    }

    #[tokio::test]
    async fn whoever_is_on_a_worker_stays_there_unless_another_has_no_guest() {
        let workers = Arc::new(Workers::start(2).unwrap());
        let of_first = thread_of(&workers.all[0].handle).await;
        let asked = |workers: Arc<Workers>| {
            let on = workers.all[0].handle.clone();
            on.spawn(async move {
                match workers.place() {
                    Where::Here => std::thread::current().id(),
                    Where::There(other) => thread_of(&other).await,
                }
            })
        };
        assert_eq!(asked(workers.clone()).await.unwrap(), of_first);
        let _first = guest(&workers, 0).await;
        assert_ne!(asked(workers.clone()).await.unwrap(), of_first, "another has none");
        let _second = guest(&workers, 1).await;
        assert_eq!(asked(workers.clone()).await.unwrap(), of_first, "all have one");
    }

    #[tokio::test]
    async fn a_call_that_is_over_is_not_counted() {
        let workers = Arc::new(Workers::start(1).unwrap());
        let on = workers.all[0].handle.clone();
        let all = workers.clone();
        let counted = on.spawn(async move {
            let calling = all.calling().unwrap();
            let during = all.all[0].calls();
            drop(calling);
            (during, all.all[0].calls())
        });
        assert_eq!(counted.await.unwrap(), (1, 0));
        assert!(workers.calling().is_none(), "this thread is none of them");
    }

    #[tokio::test]
    async fn they_end_with_what_runs_on_them() {
        let workers = Workers::start(1).unwrap();
        let waiting = workers.next().spawn(std::future::pending::<()>());
        drop(workers);
        assert!(waiting.await.unwrap_err().is_cancelled());
    }
}
