//! Steady traffic on Telegram and the web chat at once, and the count of what became of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Telegram, Visitor, World, eventually};

/// Each of the two channels gets a message this often: 20 messages a second together.
const EVERY: Duration = Duration::from_millis(100);

/// The person who writes on Telegram.
pub const WRITER: i64 = 1001;

pub struct Traffic {
    stop: CancellationToken,
    telegram: JoinHandle<usize>,
    web: JoinHandle<(usize, Visitor)>,
}

/// What the traffic came to.
pub struct Tally {
    pub written: usize,
    pub asked: usize,
    /// The visitor, whose socket has stayed open.
    pub visitor: Visitor,
}

impl Traffic {
    pub async fn start(world: &World, channel: &str) -> Self {
        let stop = CancellationToken::new();
        let visitor = Visitor::open(world.host.port, channel).await;
        let telegram = tokio::spawn(write(world.telegram.clone(), stop.clone()));
        let web = tokio::spawn(ask(visitor, stop.clone()));
        Self { stop, telegram, web }
    }

    /// Stops the traffic and gives the count. Every web message was answered, or the case has failed by now.
    pub async fn stop(self) -> Tally {
        self.stop.cancel();
        let written = self.telegram.await.expect("the writer ends");
        let (asked, visitor) = self.web.await.expect("the visitor ends");
        Tally { written, asked, visitor }
    }
}

async fn write(telegram: Arc<Telegram>, stop: CancellationToken) -> usize {
    let mut pace = tokio::time::interval(EVERY);
    let mut count = 0;
    while !stop.is_cancelled() {
        pace.tick().await;
        telegram.write(4242, WRITER, &format!("t{count}")).await;
        count += 1;
    }
    count
}

async fn ask(mut visitor: Visitor, stop: CancellationToken) -> (usize, Visitor) {
    let mut pace = tokio::time::interval(EVERY);
    let mut count = 0;
    while !stop.is_cancelled() {
        pace.tick().await;
        let text = format!("w{count}");
        let answer = visitor.ask(&format!("web-{count}"), &text).await;
        assert!(!answer.is_empty());
        count += 1;
    }
    (count, visitor)
}

impl Tally {
    /// Every message on Telegram has exactly one answer.
    pub async fn nothing_lost_nothing_doubled(&self, telegram: &Telegram) {
        let expected = self.written;
        eventually("every message is answered", || async {
            (telegram.texts_to(WRITER).await.len() >= expected).then_some(())
        })
        .await;
        let answers = telegram.texts_to(WRITER).await;
        assert_eq!(answers.len(), expected, "one answer each: {answers:?}");
        // An edit may change what is answered; what names its message names it once.
        let mut named = HashSet::new();
        for answer in answers.iter().filter(|answer| answer.starts_with("echo: ")) {
            assert!(named.insert(answer), "{answer} came twice");
        }
        assert!(self.asked > 0, "the web chat was used, too");
    }
}
