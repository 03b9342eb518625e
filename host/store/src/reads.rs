//! Reads: on connections of their own where the file system allows that, else in the writer's queue.
//!
//! A short one is done by whoever wants it: to hand it to a thread and wait takes two wake-ups, which cost more than the
//! read. What may take long, and what finds every connection in use, is for the threads.

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::schema;

/// Threads that read, and connections they share with whoever reads for himself. Two keep a slow read from holding up the
/// rest.
const THREADS: usize = 2;
/// Reads that may wait.
const QUEUE: usize = 256;

pub(crate) type Read = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

/// The connections that read, and the queue of the reading threads, which end when it is dropped.
pub(crate) struct Readers {
    queue: mpsc::Sender<Read>,
    idle: Arc<Idle>,
}

/// Connections that nobody reads on.
struct Idle {
    connections: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let (sender, queue) = mpsc::channel::<Read>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let connections: Result<Vec<_>, _> = (0..THREADS).map(|_| schema::reader(path)).collect();
        let idle = Arc::new(Idle { connections: Mutex::new(connections?), returned: Condvar::new() });
        for number in 0..THREADS {
            let (queue, idle) = (queue.clone(), idle.clone());
            let name = format!("store-read-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || serve(&idle, &queue))
                .map_err(|reason| StoreError::Folder { dir: path.to_owned(), reason: Arc::new(reason) })?;
        }
        Ok(Self { queue: sender, idle })
    }

    /// Hands a read to the threads.
    pub(crate) async fn send(&self, read: Read) {
        if let Err(mpsc::error::SendError(read)) = self.queue.send(read).await {
            read(Err(StoreError::Closed));
        }
    }

    /// A connection to read on at once, if one is free.
    pub(crate) fn borrow(&self) -> Option<Borrowed<'_>> {
        let connection = self.idle.connections.lock().pop();
        connection.map(|connection| Borrowed { connection: Some(connection), idle: &self.idle })
    }
}

/// A connection that goes back where it came from.
pub(crate) struct Borrowed<'a> {
    connection: Option<Connection>,
    idle: &'a Idle,
}

impl Borrowed<'_> {
    pub(crate) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.idle.connections.lock().extend(self.connection.take());
        self.idle.returned.notify_one();
    }
}

impl Idle {
    fn wait(&self) -> Borrowed<'_> {
        let mut connections = self.connections.lock();
        loop {
            match connections.pop() {
                Some(connection) => return Borrowed { connection: Some(connection), idle: self },
                None => self.returned.wait(&mut connections),
            }
        }
    }
}

fn serve(idle: &Idle, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // The lock is held while waiting: the other threads queue up behind it, each for the next read.
        let next = queue.lock().blocking_recv();
        let Some(read) = next else { return };
        let borrowed = idle.wait();
        read(Ok(borrowed.connection()));
    }
}
