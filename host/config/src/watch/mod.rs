//! Says when one of the watched files has another content than before.
//!
//! Events of the file system only wake the watcher; what counts is the hash of the files. So it does not matter how a
//! file is replaced, and a file system without events is merely slower to be noticed.

mod folders;
mod signal;
mod snapshot;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use self::signal::{Signal, Wake};
use self::snapshot::Snapshot;

/// How the watcher waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// How long nothing may happen before the files are read. 50 ms: an editor's save is over by then.
    pub quiet: Duration,
    /// Between the two readings that must be equal. 25 ms.
    pub settle: Duration,
    /// How often the files are read without any event. 10 s, for file systems without events.
    pub poll: Duration,
    /// Whether file events are used at all.
    pub events: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(50),
            settle: Duration::from_millis(25),
            poll: Duration::from_secs(10),
            events: true,
        }
    }
}

/// In a folder where something happens all the time the files are read after this many times `quiet` nevertheless.
const PATIENCE: u32 = 20;

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("the watcher's thread can't be started: {0}")]
    Thread(std::io::Error),
}

/// Watches files until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches from now on: what the files hold at this moment is not reported. Start it before the config is first
    /// read, so that no edit falls between. One notice stands for any number of changes. Dropping the receiver ends
    /// the watch, too.
    pub fn start(files: Vec<PathBuf>, options: WatchOptions) -> Result<(Self, mpsc::Receiver<()>), WatchError> {
        let (notices, receiver) = mpsc::channel(1);
        let signal = Arc::new(Signal::default());
        let files = absolute(files);
        // Taken here, not in the thread: an edit right after this call must count.
        let reported = Snapshot::of(&files);
        let events = options.events.then(|| Events::new(&signal)).flatten();
        let mut work = Work { files, reported, since: SystemTime::now(), options, events, notices };
        work.follow();
        let theirs = signal.clone();
        let thread = std::thread::Builder::new()
            .name("switchhook-watcher".to_owned())
            .spawn(move || work.run(&theirs))
            .map_err(WatchError::Thread)?;
        Ok((Self { signal, thread: Some(thread) }, receiver))
    }

    /// Watches these files instead: those of the config that was just read. A file that is new to the watch counts as
    /// changed only if it changed after the last notice, since until then nobody had read it.
    pub fn watch(&self, files: Vec<PathBuf>) {
        self.signal.files(files);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there, and must not become another one here.
            let _ = thread.join();
        }
    }
}

/// The folders of a path are found from the root on.
fn absolute(files: Vec<PathBuf>) -> BTreeSet<PathBuf> {
    files.into_iter().map(|file| std::path::absolute(&file).unwrap_or(file)).collect()
}

/// What the thread works on.
struct Work {
    files: BTreeSet<PathBuf>,
    reported: Snapshot,
    /// When the last notice was given.
    since: SystemTime,
    options: WatchOptions,
    events: Option<Events>,
    notices: mpsc::Sender<()>,
}

impl Work {
    fn run(mut self, signal: &Signal) {
        let mut poll = Instant::now() + self.options.poll;
        loop {
            match signal.wait(poll) {
                Wake::Stop => return,
                Wake::Files(files) => self.replace(absolute(files)),
                Wake::Touched => signal.quiet(self.options.quiet, PATIENCE),
                Wake::Time => {}
            }
            if poll <= Instant::now() {
                poll = Instant::now() + self.options.poll;
            }
            self.follow();
            let Some(settled) = self.settled(signal) else { return };
            if settled != self.reported {
                self.reported = settled;
                self.since = SystemTime::now();
                if let Err(mpsc::error::TrySendError::Closed(())) = self.notices.try_send(()) {
                    return;
                }
            }
        }
    }

    fn replace(&mut self, files: BTreeSet<PathBuf>) {
        let new: BTreeSet<PathBuf> = files.difference(&self.files).cloned().collect();
        self.reported.keep(&files);
        self.reported.adopt(&new, self.since);
        self.files = files;
    }

    /// Watches the folders that matter now: with every change a link may lead elsewhere.
    fn follow(&mut self) {
        if let Some(events) = &mut self.events {
            let wanted = self.files.iter().flat_map(|file| folders::of(file)).collect();
            events.follow(wanted);
        }
    }

    /// The files once two readings in a row are equal; none when the watch ends. The first reading suffices where it
    /// brings nothing new.
    fn settled(&self, signal: &Signal) -> Option<Snapshot> {
        let mut last = Snapshot::of(&self.files);
        while last != self.reported {
            if signal.stopped_within(self.options.settle) {
                return None;
            }
            let again = Snapshot::of(&self.files);
            if again == last {
                break;
            }
            last = again;
        }
        Some(last)
    }
}

/// The file system's own events, for as long as there are any.
struct Events {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    refused: BTreeSet<PathBuf>,
}

impl Events {
    /// None where the system has no events to give.
    fn new(signal: &Arc<Signal>) -> Option<Self> {
        let signal = signal.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            // Our own reading is an access, too. An error means that events were lost.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            signal.touch();
        };
        match notify::recommended_watcher(handler) {
            Ok(watcher) => Some(Self { watcher, folders: BTreeSet::new(), refused: BTreeSet::new() }),
            Err(error) => {
                tracing::warn!(%error, "no file events here: edits are noticed by polling only");
                None
            }
        }
    }

    /// Watching a folder again is cheap, and needed where it was replaced by another of the same name.
    fn follow(&mut self, wanted: BTreeSet<PathBuf>) {
        for folder in self.folders.difference(&wanted) {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(folder);
        }
        for folder in &wanted {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(folder);
                }
                Err(error) => {
                    if self.refused.insert(folder.clone()) {
                        let folder = folder.display();
                        tracing::warn!(%folder, %error, "this folder can't be watched: edits in it are noticed by polling only");
                    }
                }
            }
        }
        self.folders = wanted;
    }
}

#[cfg(test)]
mod tests;
