//! Reads: on connections of their own where the file system allows that, else in the writer's queue.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::schema;

/// Threads that read. Reads are short; two keep a slow one from holding up the rest.
const THREADS: usize = 2;
/// Reads that may wait.
const QUEUE: usize = 256;

pub(crate) type Read = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

/// The queue of the reading threads, which end when it is dropped.
pub(crate) struct Readers(mpsc::Sender<Read>);

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let (sender, queue) = mpsc::channel::<Read>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let (conn, queue) = (schema::reader(path)?, queue.clone());
            let name = format!("store-read-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || serve(&conn, &queue))
                .map_err(|reason| StoreError::Folder { dir: path.to_owned(), reason: Arc::new(reason) })?;
        }
        Ok(Self(sender))
    }
    pub(crate) async fn send(&self, read: Read) {
        if let Err(mpsc::error::SendError(read)) = self.0.send(read).await {
            read(Err(StoreError::Closed));
        }
    }
}

fn serve(conn: &Connection, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // The lock is held while waiting: the other threads queue up behind it, each for the next read.
        let next = queue.lock().blocking_recv();
        let Some(read) = next else { return };
        read(Ok(conn));
    }
}
