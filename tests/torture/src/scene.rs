//! One phase's world: the host under load, and the verdict at its end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use harness::{Host, PAGE_CONFIG, World, assistant_config};
use rand::rngs::StdRng;

use crate::ledger::{ECHO, Ledger, Line};
use crate::load::{Load, Written, people};
use crate::record::{Doubled, look_up};
use crate::table::Counts;

/// An answer that did not come for so long after the last one is lost. The host tries again every 30 s at the longest,
/// and a fifth more.
const PATIENCE: Duration = Duration::from_secs(75);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) kills: usize,
    load: Load,
    ledger: Ledger,
}

impl Scene {
    /// The usual world.
    pub(crate) async fn open(chance: &mut StdRng) -> Self {
        Self::open_in(World::empty(), "", chance).await
    }

    /// A world that was prepared, with these lines more in `[host]`.
    pub(crate) async fn open_in(mut world: World, host_lines: &str, chance: &mut StdRng) -> Self {
        world.write_config(&config(host_lines));
        world.host.start().await;
        world.telegram.polled(4242).await;
        let load = Load::start(world.telegram.clone(), world.host.port, chance);
        let ledger = Ledger::open(world.path("telegram.ledger"));
        let mut scene = Self { world, kills: 0, load, ledger };
        scene.answers_more(20).await;
        scene
    }

    pub(crate) fn host(&mut self) -> &mut Host {
        &mut self.world.host
    }

    pub(crate) fn kill(&mut self) {
        self.world.host.kill();
        self.kills += 1;
    }

    /// Saves the config of the usual world once more; with a number of its own, the text is another one each time.
    pub(crate) fn edit(&self, number: usize) {
        self.world.write_config(&format!("{}# edit {number}\n", config("")));
    }

    /// Waits until so many more answers have come.
    pub(crate) async fn answers_more(&mut self, count: usize) {
        self.ledger.catch_up();
        let wanted = self.ledger.count + count;
        let started = Instant::now();
        while self.ledger.count < wanted {
            assert!(started.elapsed() < PATIENCE, "no {count} answers more within {PATIENCE:?}: {}", self.log_end());
            tokio::time::sleep(LOOK).await;
            self.ledger.catch_up();
        }
    }

    /// Waits until the host's log says one of these, later than `from` bytes into it.
    pub(crate) async fn says(&self, from: usize, words: &[&str]) {
        let started = Instant::now();
        loop {
            let log = self.world.host.log_text();
            if words.iter().any(|word| log[from..].contains(word)) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the host said none of {words:?}: {}", self.log_end());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How long its log is by now.
    pub(crate) fn log_len(&self) -> usize {
        self.world.host.log_text().len()
    }

    fn log_end(&self) -> String {
        let log = self.world.host.log_text();
        let lines: Vec<_> = log.lines().collect();
        format!("the host's last words:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    /// Stops the load, waits for what is owed, and judges.
    pub(crate) async fn close(self) -> Counts {
        let Self { mut world, kills, load, mut ledger } = self;
        let written = load.stop().await;
        let replayed = settle(&world, &written, &mut ledger).await;
        let lost = unanswered(&written, &ledger);
        let doubled: Vec<_> = written
            .telegram
            .iter()
            .map(|line| ledger.copies(&answer(line)))
            .filter(|copies| copies.len() > 1)
            .map(|copies| Doubled { copies: copies.to_vec() })
            .collect();
        let said = written.said();
        let accepted = written.telegram.len() + said.count;
        let (recorded, unrecorded) = look_up(&world.host, doubled, accepted).await;
        // What was parked comes when somebody says so, behind what was written later.
        let overtaking = if replayed == 0 { out_of_order(&written.telegram, &ledger) } else { 0 };
        if lost + unrecorded + overtaking > 0 {
            keep(&world);
        }
        world.host.kill();
        Counts { kills, accepted, lost, recorded, unrecorded: unrecorded + said.doubled, overtaking, replayed }
    }
}

/// What the model makes of it.
fn answer((person, text): &Line) -> Line {
    (*person, format!("{ECHO}{text}"))
}

/// The assistant and the web chat. What fails is parked: an apology would be an answer to a message that has none.
fn config(host_lines: &str) -> String {
    let plugin = "source = \"builtin:assistant\"\n";
    let assistant = assistant_config(&people()).replace(plugin, &format!("{plugin}on_failure = \"hold\"\n"));
    format!("{host_lines}{assistant}{PAGE_CONFIG}")
}

/// How many messages have no answer.
fn unanswered(written: &Written, ledger: &Ledger) -> usize {
    let telegram = written.telegram.iter().filter(|line| ledger.copies(&answer(line)).is_empty()).count();
    telegram + written.said().unanswered
}

/// How many answers came before that to an earlier message of their chat, repetitions left aside.
fn out_of_order(written: &[Line], ledger: &Ledger) -> usize {
    let mut latest: HashMap<i64, i64> = HashMap::new();
    let first = |line: &Line| Some((line.0, *ledger.copies(&answer(line)).first()?));
    let overtaken = written.iter().filter_map(first).filter(|(chat, number)| {
        let latest = latest.entry(*chat).or_insert(*number);
        let before = *latest;
        *latest = before.max(*number);
        *number < before
    });
    overtaken.count()
}

/// Until every message is answered and the host has nothing left to do, or nothing has moved for too long. What was
/// parked is put back to work, and counted.
async fn settle(world: &World, written: &Written, ledger: &mut Ledger) -> usize {
    let mut moved = Instant::now();
    let mut before = usize::MAX;
    let mut replayed = 0;
    while moved.elapsed() < PATIENCE {
        replayed += world.host.replay_dead().await;
        ledger.catch_up();
        let open = unanswered(written, ledger);
        if open == 0 && idle(world).await {
            // What came while the host was asked counts, too.
            ledger.catch_up();
            break;
        }
        if open != before {
            (before, moved) = (open, Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
    replayed
}

async fn idle(world: &World) -> bool {
    let status = world.host.status().await;
    let channels = status["channels"].as_array().expect("channels");
    channels.iter().all(|channel| channel["waiting"] == 0 && channel["outgoing"] == 0)
}

/// Puts the log of a host that failed where a person finds it.
fn keep(world: &World) {
    let path = std::env::temp_dir().join(format!("torture-{}.log", std::process::id()));
    match std::fs::write(&path, world.host.log_text()) {
        Ok(()) => println!("the host's log is kept in {}", path.display()),
        Err(error) => println!("the host's log can't be kept in {}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_overtakes_another_of_its_chat_is_counted() {
        let path = std::env::temp_dir().join(format!("torture-order-{}", std::process::id()));
        let sent = [(1, 1, "a"), (1, 2, "c"), (2, 1, "x"), (1, 3, "b"), (1, 4, "c"), (1, 5, "d")];
        let line = |(chat, id, text)| {
            format!("{{\"method\":\"sendMessage\",\"chat\":{chat},\"message_id\":{id},\"text\":\"{ECHO}{text}\"}}\n")
        };
        std::fs::write(&path, sent.map(line).concat()).unwrap();
        let mut ledger = Ledger::open(path.clone());
        ledger.catch_up();
        std::fs::remove_file(path).unwrap();
        let written =
            |texts: &[(i64, &str)]| texts.iter().map(|(chat, text)| (*chat, (*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(out_of_order(&written(&[(1, "a"), (2, "x"), (1, "c"), (1, "b"), (1, "d")]), &ledger), 0);
        assert_eq!(out_of_order(&written(&[(1, "a"), (1, "b"), (2, "x"), (1, "c"), (1, "d")]), &ledger), 1);
    }
}
