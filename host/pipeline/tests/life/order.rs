//! Order within a chat, whatever is written, in whichever chat, however the model keeps people waiting.

use proptest::prelude::*;
use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::Outcome;
use switchhook_pipeline::wiring::WhileBusy;

use crate::bench::{Bench, Handle, Setup};

/// Few, so that they are busy.
const CHATS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// For the model.
    Question,
    /// Answered by a reply plugin.
    Command,
    /// Ends the model call under way.
    Stop,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Written {
        chat: usize,
        kind: Kind,
    },
    /// The model answers so many.
    Answers(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let written = |kind| (0..CHATS.len()).prop_map(move |chat| Event::Written { chat, kind });
    prop_oneof![
        8 => written(Kind::Question),
        4 => written(Kind::Command),
        1 => written(Kind::Stop),
        4 => (1..3usize).prop_map(Event::Answers),
    ]
}

/// `command 7` and `stop 7` are answered at once, `7` by the model.
fn commands() -> Handle {
    Box::new(|message| {
        let text = message.text().unwrap_or_default();
        let mut actions = vec![Action::Send(Outgoing::text(format!("did {text}")))];
        match text.split_once(' ') {
            None => return Ok(Outcome::Pass),
            Some(("stop", _)) => actions.insert(0, Action::CancelTurn),
            Some(_) => {}
        }
        Ok(Outcome::Answered(actions))
    })
}

/// Everything written in one chat, by number, and everything sent there.
struct Chat {
    written: Vec<(usize, Kind)>,
    sent: Vec<Sent>,
}

#[derive(Debug, PartialEq, Eq)]
enum Sent {
    /// The answer of a reply plugin to this message.
    Did(usize),
    /// The model's answer to these.
    Answered(Vec<usize>),
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

impl Chat {
    fn of(bench: &Bench, name: &str, written: Vec<(usize, Kind)>) -> Self {
        let chat = format!("chat-{name}");
        let mut sent: Vec<String> = Vec::new();
        for (_, action) in bench.ledger.sent.lock().iter().filter(|(to, _)| *to == chat) {
            let Action::Send(Outgoing { text, .. }) = action else { continue };
            match sent.last_mut() {
                // A long answer leaves in parts, the first of which may be cut at its only space.
                Some(last) if !text.starts_with("re:") && !text.starts_with("did ") => last.push_str(text),
                _ => sent.push(text.clone()),
            }
        }
        let read = |text: &String| match text.strip_prefix("re:") {
            Some(numbers) => Sent::Answered(numbers.trim_start().split('+').map(number).collect()),
            None => Sent::Did(number(text.rsplit(' ').next().expect("a last word"))),
        };
        Self { sent: sent.iter().map(read).collect(), written }
    }

    fn numbers(&self, is: impl Fn(Kind) -> bool) -> Vec<usize> {
        self.written.iter().filter(|(_, kind)| is(*kind)).map(|(number, _)| *number).collect()
    }

    fn check(&self, while_busy: WhileBusy) {
        let did: Vec<usize> =
            self.sent.iter().filter_map(|sent| if let Sent::Did(n) = sent { Some(*n) } else { None }).collect();
        assert_eq!(did, self.numbers(|kind| kind != Kind::Question), "each once, in order: {:?}", self.sent);
        let turns: Vec<&Vec<usize>> = self
            .sent
            .iter()
            .filter_map(|sent| if let Sent::Answered(turn) = sent { Some(turn) } else { None })
            .collect();
        let answered: Vec<usize> = turns.iter().copied().flatten().copied().collect();
        assert!(answered.is_sorted_by(|a, b| a < b), "each once, in order: {:?}", self.sent);
        let last_stop = self.numbers(|kind| kind == Kind::Stop).last().copied().unwrap_or_default();
        for question in self.numbers(|kind| kind == Kind::Question) {
            // Whoever says stop wants no answer to what came before.
            assert!(answered.contains(&question) || question < last_stop, "{question} has no answer: {:?}", self.sent);
        }
        if while_busy == WhileBusy::Queue {
            assert!(turns.iter().all(|turn| turn.len() == 1), "one at a time: {:?}", self.sent);
        }
        self.nothing_overtakes_a_command();
    }

    fn nothing_overtakes_a_command(&self) {
        for (at, sent) in self.sent.iter().enumerate() {
            let Sent::Answered(turn) = sent else { continue };
            let newest = turn.last().expect("an answer is to something");
            let late = self.sent[at..].iter().any(|later| matches!(later, Sent::Did(n) if n < newest));
            assert!(!late, "an earlier command is answered after {turn:?}: {:?}", self.sent);
        }
    }
}

async fn run(while_busy: WhileBusy, events: Vec<Event>) {
    let bench = Bench::new(Setup { replies: vec![commands()], while_busy, ..Setup::default() });
    bench.hold_model();
    let mut ids = Vec::new();
    let mut written = CHATS.map(|_| Vec::new());
    for event in events {
        match event {
            Event::Answers(count) => bench.let_model(count),
            Event::Written { chat, kind } => {
                let number = ids.len() + 1;
                let text = match kind {
                    Kind::Question => number.to_string(),
                    Kind::Command => format!("command {number}"),
                    Kind::Stop => format!("stop {number}"),
                };
                ids.push(bench.write(CHATS[chat], &text).await);
                written[chat].push((number, kind));
            }
        }
    }
    bench.let_model(10_000);
    for id in ids {
        bench.settled(id).await;
    }
    bench.delivered().await;
    for (name, written) in CHATS.into_iter().zip(written) {
        Chat::of(&bench, name, written).check(while_busy);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lanes_keep_the_order_of_their_chat(
        while_busy in prop::sample::select(vec![WhileBusy::Queue, WhileBusy::Merge, WhileBusy::Interrupt]),
        events in prop::collection::vec(event(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(while_busy, events));
    }
}
