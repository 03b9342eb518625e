//! What a person reads during an attempt. Every line fits 80 columns.

use std::time::Duration;

use switchhook_core::link::LinkStatus;
use switchhook_runtime::link::{Attempt, ShownCode, ShownPasskey, ShownQr};

use super::drawing::{Ink, draw};

const WIDTH: usize = 80;

/// What stands there until it changes, and the line below it that counts down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) body: Vec<String>,
    pub(super) below: String,
}

/// `left` is how long what is shown lives on; none where nothing that dies is shown.
pub(super) fn look(attempt: &Attempt, left: Option<Duration>, ink: Ink) -> Look {
    let record = &attempt.record;
    let plain = |text: &str| Look { body: wrapped(text, ""), below: String::new() };
    if record.status.is_over() {
        return plain(&outcome(attempt));
    }
    if let Some(passkey) = &attempt.passkey {
        return Look { body: of_passkey(passkey), below: "Ctrl-C cancels.".to_owned() };
    }
    if record.status == LinkStatus::Scanned {
        return plain("The phone has read it. Confirm there, if it asks.");
    }
    if record.status == LinkStatus::Pairing {
        return plain("The phone agreed. The device logs in for the first time …");
    }
    match (&attempt.qr, &attempt.code, left) {
        (Some(qr), _, Some(left)) => {
            let below = format!("Expires in {} s; the next one is drawn by itself. Ctrl-C cancels.", seconds(left));
            Look { body: of_qr(record.channel.as_str(), qr, ink), below }
        }
        (None, Some(code), Some(left)) => {
            Look { body: of_code(attempt, code), below: format!("Expires in {} s. Ctrl-C cancels.", seconds(left)) }
        }
        _ => Look { body: Vec::new(), below: "Waiting for a code from WhatsApp … Ctrl-C cancels.".to_owned() },
    }
}

fn outcome(attempt: &Attempt) -> String {
    let record = &attempt.record;
    match (record.status, &record.number) {
        (LinkStatus::Success, Some(number)) => format!("`{}` is linked with {number}.", record.channel),
        (LinkStatus::Success, None) => format!("`{}` is linked.", record.channel),
        // What went wrong is told as every command's failure is.
        _ => String::new(),
    }
}

fn of_qr(channel: &str, qr: &ShownQr, ink: Ink) -> Vec<String> {
    let mut lines = wrapped(&format!("To link `{channel}`, open WhatsApp on the phone, then"), "");
    lines.push("  Settings > Linked devices > Link a device, and scan this:".to_owned());
    lines.push(String::new());
    match draw(&qr.payload, ink) {
        Some(drawing) => lines.extend(drawing),
        None => lines.push(qr.payload.clone()),
    }
    lines.push(String::new());
    lines
}

fn of_code(attempt: &Attempt, code: &ShownCode) -> Vec<String> {
    let phone = attempt.record.number.as_ref().map(|number| format!(" {number}")).unwrap_or_default();
    let mut lines = wrapped(&format!("Type this code on the phone{phone}:"), "");
    lines.extend([String::new(), format!("    {}", code.code), String::new()]);
    lines.extend(steps(&code.instructions));
    lines.push(String::new());
    lines
}

fn of_passkey(passkey: &ShownPasskey) -> Vec<String> {
    let mut lines = wrapped("The phone's owner has to prove themselves with a passkey:", "");
    if let Some(compare) = &passkey.compare {
        lines.extend([String::new(), format!("    {compare}"), String::new()]);
    }
    lines.extend(steps(&passkey.instructions));
    lines.push(String::new());
    lines
}

fn steps(steps: &[String]) -> Vec<String> {
    steps.iter().enumerate().flat_map(|(n, step)| wrapped(&format!("{}. {step}", n + 1), "  ")).collect()
}

/// At spaces; `indent` goes before the first line, and the rest stands under its text.
fn wrapped(text: &str, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{indent}   {word}")),
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines
}

/// Up, so that what is still alive never counts as 0.
fn seconds(left: Duration) -> u128 {
    left.as_millis().div_ceil(1000)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An attempt as the host tells it, with something of it changed.
    pub(in super::super) fn attempt(change: Value) -> Attempt {
        let mut told = json!({
            "id": "l1", "attempt": 1, "channel": "me", "account": { "kind": "whatsapp", "id": "me" }, "method": "qr",
            "status": "pending", "progress": { "qr_scanned": false, "device_linked": false, "sync_complete": false },
            "asked_by": "token", "started_at": 1, "expires_at": 300_001,
        });
        let account = switchhook_core::id::AccountId::new("whatsapp", "me");
        told["account"] = serde_json::to_value(account).unwrap();
        for (key, value) in change.as_object().unwrap() {
            told[key] = value.clone();
        }
        serde_json::from_value(told).unwrap()
    }

    pub(in super::super) fn with_qr(payload: &str) -> Attempt {
        attempt(json!({ "qr": { "payload": payload, "expires_at": 60_001, "expires_in_ms": 60_000 } }))
    }

    fn text(look: &Look) -> String {
        format!("{}\n{}", look.body.join("\n"), look.below)
    }

    #[test]
    fn a_qr_code_has_steps_and_a_countdown() {
        let shown = text(&look(&with_qr("abc"), Some(Duration::from_millis(57_400)), Ink::LightBlocks));
        assert!(shown.contains("Linked devices > Link a device"), "{shown}");
        assert!(shown.ends_with("Expires in 58 s; the next one is drawn by itself. Ctrl-C cancels."), "{shown}");
    }

    #[test]
    fn a_code_names_the_phone_and_its_steps_are_numbered() {
        let long =
            "Open WhatsApp on the phone, and there the settings, and in the settings the entry for linked devices";
        let code = json!({ "code": "ABCD-EFGH", "expires_at": 1, "expires_in_ms": 1, "instructions": [long, "Type."] });
        let shown = attempt(json!({ "method": "code", "number": "+15551234567", "code": code }));
        let shown = text(&look(&shown, Some(Duration::from_secs(120)), Ink::LightBlocks));
        assert!(shown.contains("on the phone +15551234567:\n\n    ABCD-EFGH\n\n  1. Open"), "{shown}");
        assert!(shown.contains("\n  2. Type.\n"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
    }

    /// B1: what is dead is not shown, whatever the host still tells.
    #[test]
    fn nothing_dead_is_shown() {
        let shown = look(&with_qr("abc"), None, Ink::LightBlocks);
        assert_eq!(shown.body, Vec::<String>::new());
        assert!(shown.below.contains("Waiting"), "{shown:?}");
    }
}
