//! What was written and what was answered, and whether the one fits the other: a figure of a run that lost, doubled or
//! swapped messages means nothing.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

/// Before what the model repeats.
const ECHO: &str = "echo: ";

/// A message that somebody wrote, as the fake queued it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) chat: i64,
    /// Not the same as any other's.
    pub(crate) text: String,
    pub(crate) update: i64,
    /// Microseconds since 1970.
    pub(crate) at_us: u64,
}

/// A call the fake accepted.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) at_us: u64,
    pub(crate) method: String,
    pub(crate) chat: Option<i64>,
    pub(crate) text: Option<String>,
}

impl Accepted {
    /// The text that is answered here.
    pub(crate) fn answered(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.method == "sendMessage")?.strip_prefix(ECHO)
    }
}

/// How long each message took, in milliseconds, from the fake's queueing to its accepting the answer.
///
/// # Errors
/// When a message was not answered exactly once, in its chat and in its chat's order, or something else was said.
pub(crate) fn times(written: &[Written], accepted: &[Accepted]) -> anyhow::Result<Vec<f64>> {
    let mut open: HashMap<&str, &Written> = written.iter().map(|message| (message.text.as_str(), message)).collect();
    ensure!(open.len() == written.len(), "two messages have the same text");
    let mut last: HashMap<i64, i64> = HashMap::new();
    let mut times = Vec::with_capacity(written.len());
    for call in accepted.iter().filter(|call| call.method == "sendMessage") {
        let text = call.answered().with_context(|| format!("something else was said: {call:?}"))?;
        let Some(message) = open.remove(text) else { bail!("\"{text}\" was answered twice, or never asked") };
        ensure!(call.chat == Some(message.chat), "\"{text}\" was answered in chat {:?}", call.chat);
        let before = last.insert(message.chat, message.update);
        ensure!(before < Some(message.update), "\"{text}\" was answered after what was written later");
        let took = call.at_us.checked_sub(message.at_us).context("the clock was set back meanwhile")?;
        times.push(took as f64 / 1000.0);
    }
    ensure!(open.is_empty(), "{} of {} messages were never answered", open.len(), written.len());
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(chat: i64, update: i64) -> Written {
        Written { chat, text: format!("m{update}"), update, at_us: 1000 * update as u64 }
    }

    fn answer(chat: i64, update: i64, at_us: u64) -> Accepted {
        Accepted { at_us, method: "sendMessage".into(), chat: Some(chat), text: Some(format!("echo: m{update}")) }
    }

    fn refused(accepted: &[Accepted], expect: &str) {
        let error = times(&[written(1, 1), written(1, 2), written(2, 3)], accepted).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn times_run_from_queued_to_accepted() {
        let typing = Accepted { method: "sendChatAction".into(), text: None, ..answer(2, 2, 2100) };
        let accepted = [typing, answer(2, 2, 4500), answer(1, 1, 5000)];
        assert_eq!(times(&[written(1, 1), written(2, 2)], &accepted).unwrap(), [2.5, 4.0]);
    }

    #[test]
    fn a_run_that_went_wrong_has_no_times() {
        let (a, b, c) = (answer(1, 1, 9000), answer(1, 2, 9000), answer(2, 3, 9000));
        refused(&[a.clone(), b.clone()], "1 of 3 messages");
        refused(&[b.clone(), a.clone(), c.clone()], "after what was written later");
        refused(&[a.clone(), a.clone(), b.clone(), c.clone()], "twice");
        refused(&[a.clone(), b.clone(), Accepted { chat: Some(1), ..c.clone() }], "in chat");
        refused(&[a, b, Accepted { text: Some("Sorry".into()), ..c.clone() }], "something else");
        refused(&[Accepted { at_us: 10, ..answer(1, 1, 0) }], "set back");
    }
}
