//! kill -9, again and again, at moments of one's choice within something that a WhatsApp account does: what the
//! end-to-end cases do twenty times and torture for as long as one likes.

mod chatting;
mod linking;
mod rotating;

use std::time::Duration;

pub use chatting::while_chatting;
pub use linking::while_linking;
pub use rotating::while_rotating;

/// What is not answered so long after the host is back is lost. It tries again every 30 s at the longest.
const PATIENCE: Duration = Duration::from_secs(75);

/// What it came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Toll {
    pub kills: usize,
    /// Of those, how many came where they were meant to: while linking, those after which the link stood; while rotating,
    /// those that cut a rotation short.
    pub within: usize,
    /// Messages that people wrote.
    pub accepted: usize,
    /// Without an answer.
    pub lost: usize,
    /// Answers too many, and on record as of unknown fate: only where a provider takes no id of ours.
    pub recorded: usize,
    /// Answers too many that nothing is known of.
    pub unrecorded: usize,
    /// Answers that came before that to an earlier message of their chat.
    pub overtaking: usize,
}

/// Where in something a kill comes, from 0, its begin, to 1, its end.
pub type Moments = Box<dyn FnMut() -> f64 + Send>;

/// Anywhere, and in another place each time: the fractions of multiples of the golden ratio.
pub fn anywhere() -> Moments {
    let mut round = 0.0;
    Box::new(move || {
        round += 1.0;
        f64::fract(round * 0.618_034)
    })
}

impl Toll {
    /// Takes in the answers of one chat, where each of these is to come once and in this order.
    fn judge(&mut self, expected: &[String], came: &[String]) {
        let mut latest = None;
        for text in expected {
            let copies = came.iter().filter(|one| *one == text).count();
            self.unrecorded += copies.saturating_sub(1);
            let Some(first) = came.iter().position(|one| one == text) else {
                self.lost += 1;
                continue;
            };
            self.overtaking += usize::from(latest > Some(first));
            latest = latest.max(Some(first));
        }
    }
}
