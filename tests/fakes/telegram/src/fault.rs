//! What is to go wrong.

use serde::{Deserialize, Serialize};

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// Answered with an error, not carried out.
    Status { code: u16, description: Option<String>, retry_after: Option<u64> },
    /// Carried out after a while.
    Slow { ms: u64 },
    /// Carried out, and the connection closed before the answer.
    Cut,
    /// The connection closed before anything was done.
    CutBefore,
    /// Carried out, and answered with half an answer.
    Malformed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// The next `times` calls that match.
    #[default]
    Next,
    /// Every call that matches, until faults are deleted.
    Always,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    when: When,
    /// With `next`: how many calls. 1 if left out.
    #[serde(default = "once")]
    times: u32,
    /// The method it strikes; any, if left out.
    method: Option<String>,
    kind: FaultKind,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
    /// The first fault that strikes a call of this method, used up by one.
    pub(crate) fn strike(&mut self, method: &str) -> Option<FaultKind> {
        let matches = |f: &Fault| f.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method));
        let at = self.0.iter().position(|f| matches(f) && f.times > 0)?;
        let fault = &mut self.0[at];
        let kind = fault.kind.clone();
        if fault.when == When::Next {
            fault.times -= 1;
            if fault.times == 0 {
                self.0.remove(at);
            }
        }
        Some(kind)
    }
}
