//! The tool loop: what to do with what the model answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::dialogue::{Call, Line};
use crate::settings::{Settings, Tool};

/// After so many rounds of tools the model is asked without any, so that it must answer. The host allows eight.
const ROUNDS: u32 = 4;

/// What is carried from a request to the reading of its answer. Empty where no tool was offered: then no line is needed.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) lines: Vec<Line>,
    /// Rounds of tools so far.
    pub(crate) rounds: u32,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Say(String),
    /// Ask again, with the results of the tools.
    Ask(State),
}

/// The tools offered in the next request.
pub(crate) fn offered(settings: &Settings, rounds: u32) -> &[Tool] {
    if rounds < ROUNDS { &settings.tools } else { &[] }
}

/// `now` is asked only by the tool that needs it.
pub(crate) fn read(settings: &Settings, state: State, text: &str, calls: Vec<Call>, now: fn() -> Duration) -> Step {
    let tools = offered(settings, state.rounds);
    // Some models call what nobody offered. Then what they said beside it is the answer.
    if calls.is_empty() || tools.is_empty() {
        let said = text.trim();
        return Step::Say(if said.is_empty() { settings.empty.clone() } else { said.to_owned() });
    }
    let State { mut lines, rounds } = state;
    let results: Vec<_> =
        calls.iter().map(|call| Line::Tool { call: call.id.clone(), text: result(tools, call, now) }).collect();
    lines.push(Line::Assistant { text: text.to_owned(), calls });
    lines.extend(results);
    Step::Ask(State { lines, rounds: rounds + 1 })
}

fn result(tools: &[Tool], call: &Call, now: fn() -> Duration) -> String {
    match tools.iter().find(|tool| tool.name() == call.name) {
        Some(Tool::Time) => clock::text(now()),
        None => format!("error: there is no tool `{}`", call.name),
    }
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Time => "Tells the current date, time and weekday in UTC.",
        }
    }

    /// JSON Schema of the arguments.
    pub(crate) fn parameters(self) -> &'static str {
        match self {
            Self::Time => r#"{"type":"object","properties":{},"additionalProperties":false}"#,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: fn() -> Duration = || Duration::from_secs(0);

    fn with_time() -> Settings {
        Settings { tools: vec![Tool::Time], ..Settings::default() }
    }

    fn call(name: &str) -> Call {
        Call { id: format!("call-{name}"), name: name.into(), arguments: "{}".into() }
    }

    fn asked(rounds: u32) -> State {
        State { lines: vec![Line::User("what time is it?".into())], rounds }
    }

    #[test]
    fn a_text_is_said() {
        let step = read(&Settings::default(), State::default(), " Noon.\n", vec![], NOW);
        assert_eq!(step, Step::Say("Noon.".into()));
    }

    #[test]
    fn nothing_becomes_an_apology() {
        let settings = Settings { empty: "Sorry.".into(), ..Settings::default() };
        assert_eq!(read(&settings, State::default(), " \n", vec![], NOW), Step::Say("Sorry.".into()));
    }

    #[test]
    fn a_tool_is_run_and_the_model_asked_again_with_everything() {
        let step = read(&with_time(), asked(0), "Let me see.", vec![call("time"), call("dice")], NOW);
        let expected = [
            Line::User("what time is it?".into()),
            Line::Assistant { text: "Let me see.".into(), calls: vec![call("time"), call("dice")] },
            Line::Tool { call: "call-time".into(), text: "1970-01-01T00:00:00Z, Thursday".into() },
            Line::Tool { call: "call-dice".into(), text: "error: there is no tool `dice`".into() },
        ];
        assert_eq!(step, Step::Ask(State { lines: expected.into(), rounds: 1 }));
    }

    #[test]
    fn a_call_of_what_was_not_offered_is_no_loop() {
        let step = read(&Settings::default(), State::default(), "", vec![call("time")], NOW);
        assert_eq!(step, Step::Say(Settings::default().empty));
    }

    #[test]
    fn tools_end_after_some_rounds() {
        assert_eq!(offered(&with_time(), ROUNDS - 1), [Tool::Time]);
        assert_eq!(offered(&with_time(), ROUNDS), []);
        let step = read(&with_time(), asked(ROUNDS), "Enough.", vec![call("time")], NOW);
        assert_eq!(step, Step::Say("Enough.".into()));
    }

    #[test]
    fn a_state_survives_the_journey() {
        let Step::Ask(state) = read(&with_time(), asked(0), "", vec![call("time")], NOW) else { panic!("no request") };
        let json = serde_json::to_vec(&state).unwrap();
        assert_eq!(serde_json::from_slice::<State>(&json).unwrap(), state);
    }
}
