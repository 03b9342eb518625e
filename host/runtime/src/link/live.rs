//! An attempt while it is under way: what is shown of it, and until when.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::link::LinkStatus;
use switchhook_core::time::Clock;
use switchhook_store::LinkRecord;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::link::failure::LinkRefusal;
use crate::link::view::{Attempt, ShownCode, ShownPasskey, ShownQr};

/// A QR code is shown this long at most, and never longer than it lives (B1).
pub(crate) const QR_SHOWN: Duration = Duration::from_secs(60);
/// So long before its end it is shown no more: a phone that scans it then asks about it too late. The next one can't come
/// any earlier, since connectors get it when this one ends.
pub(crate) const QR_TOO_LATE: Duration = Duration::from_secs(2);
/// The same for a pairing code (B2). The phone takes it a little longer than it is shown.
pub(crate) const CODE_SHOWN: Duration = Duration::from_secs(120);

/// What to do with a pairing code. The menus are called the same on Android and iOS.
const TYPE_IT: [&str; 4] = [
    "Open WhatsApp on the phone with this number",
    "Open Settings (on Android: the three dots), then Linked devices, then Link a device",
    "Choose to link with the phone number instead of the QR code",
    "Type this code",
];
const PROVE_IT: [&str; 2] = [
    "The phone asks for its passkey: answer it in a browser with these options",
    "Give the assertion that the browser makes back to this attempt",
];
const COMPARE_IT: [&str; 2] = [
    "Compare this code with the one on the phone",
    "Where both are the same, confirm that to this attempt; where they are not, cancel it: somebody is in between",
];

/// Something to be scanned or typed.
#[derive(Debug, Clone)]
enum Shown {
    Qr(String),
    Code(String),
}

#[derive(Debug, Clone)]
struct State {
    record: LinkRecord,
    shown: Option<(Shown, Instant)>,
    passkey: Option<ShownPasskey>,
}

/// An attempt. Whoever looks at it sees nothing that is dead.
pub(crate) struct Live {
    state: watch::Sender<State>,
    clock: Arc<dyn Clock>,
    pub(crate) cancel: CancellationToken,
}

impl Live {
    pub(crate) fn new(record: LinkRecord, clock: Arc<dyn Clock>, cancel: CancellationToken) -> Self {
        let state = State { record, shown: None, passkey: None };
        Self { state: watch::Sender::new(state), clock, cancel }
    }

    pub(crate) fn record(&self) -> LinkRecord {
        self.state.borrow().record.clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.borrow().record.status.is_over()
    }

    /// Returns when nothing comes any more.
    pub(crate) async fn over(&self) {
        // The sender is this one, so there is always an end to see.
        let _ = self.state.subscribe().wait_for(|state| state.record.status.is_over()).await;
    }

    /// Changes what is remembered, and says what it is now. What is shown goes with the end of being pending.
    pub(crate) fn change(&self, change: impl FnOnce(&mut LinkRecord)) -> LinkRecord {
        self.state.send_modify(|state| {
            change(&mut state.record);
            if state.record.status != LinkStatus::Pending {
                state.shown = None;
            }
            if !matches!(state.record.status, LinkStatus::Pending | LinkStatus::Scanned) {
                state.passkey = None;
            }
        });
        self.record()
    }

    pub(crate) fn show_qr(&self, payload: String, lives: Duration) {
        self.show(Shown::Qr(payload), lives.saturating_sub(QR_TOO_LATE).min(QR_SHOWN));
    }

    pub(crate) fn show_code(&self, code: &str, lives: Duration) {
        self.show(Shown::Code(in_halves(code)), lives.min(CODE_SHOWN));
    }

    fn show(&self, shown: Shown, until: Duration) {
        self.state.send_modify(|state| state.shown = Some((shown, Instant::now() + until)));
    }

    /// What was shown is dead.
    pub(crate) fn withdraw(&self) {
        self.state.send_modify(|state| state.shown = None);
    }

    pub(crate) fn ask_for_passkey(&self, options: &str) {
        let options = serde_json::from_str(options).unwrap_or_else(|_| options.into());
        self.set_passkey(ShownPasskey { options: Some(options), compare: None, instructions: texts(&PROVE_IT) });
    }

    pub(crate) fn compare_passkey(&self, compare: Option<String>) {
        let instructions = if compare.is_some() { texts(&COMPARE_IT) } else { Vec::new() };
        self.set_passkey(ShownPasskey { options: None, compare, instructions });
    }

    fn set_passkey(&self, passkey: ShownPasskey) {
        self.state.send_modify(|state| state.passkey = Some(passkey));
    }

    pub(crate) fn wants_passkey(&self) -> bool {
        self.state.borrow().passkey.as_ref().is_some_and(|passkey| passkey.options.is_some())
    }

    pub(crate) fn wants_comparison(&self) -> bool {
        self.state.borrow().passkey.as_ref().is_some_and(|passkey| passkey.compare.is_some())
    }

    /// The attempt as it goes over the wire.
    pub(crate) fn view(&self) -> Attempt {
        let state = self.state.borrow().clone();
        let mut view = Attempt { record: state.record, qr: None, code: None, passkey: state.passkey };
        let Some((shown, until)) = state.shown else { return view };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return view;
        }
        let (expires_at, expires_in_ms) = (self.clock.now().plus(left), left.as_millis() as u64);
        match shown {
            Shown::Qr(payload) => view.qr = Some(ShownQr { payload, expires_at, expires_in_ms }),
            Shown::Code(code) => {
                view.code = Some(ShownCode { code, expires_at, expires_in_ms, instructions: texts(&TYPE_IT) });
            }
        }
        view
    }

    /// The QR code to be scanned now (C6).
    pub(crate) fn qr(&self) -> Result<ShownQr, LinkRefusal> {
        let view = self.view();
        let was_shown = matches!(self.state.borrow().shown, Some((Shown::Qr(_), _)));
        let used = view.record.progress.qr_scanned || view.record.status == LinkStatus::Expired;
        match view.qr {
            Some(qr) => Ok(qr),
            None if was_shown || used => Err(LinkRefusal::QrExpired),
            None => Err(LinkRefusal::NoQr),
        }
    }
}

/// As people read it out: `ABCD-EFGH` (B2).
fn in_halves(code: &str) -> String {
    let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    match bare.split_at_checked(4) {
        Some((first, second)) if !second.is_empty() => format!("{first}-{second}"),
        _ => bare,
    }
}

fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B2
    #[test]
    fn a_code_is_shown_in_halves() {
        assert_eq!(in_halves("ABCDEFGH"), "ABCD-EFGH");
        assert_eq!(in_halves("ABCD-EFGH"), "ABCD-EFGH");
        assert_eq!(in_halves("ABC"), "ABC");
    }
}
