use serde_json::json;
use switchhook_core::hook::{Speaker, Turn};
use switchhook_core::message::{Party, Standing};
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

/// Everything a person, a plugin or an operator said below, and the key.
const SECRETS: &[&str] = &[
    "what-was-asked",
    "what-was-answered",
    "what-was-remembered",
    "what-was-traced",
    "kv-key-name",
    "kv-value-text",
    "denied-because",
    "given-up-because",
    "provider-id-501",
    "timer-name",
    "person-name",
    "12345",
    "15551234567",
    "900-chat",
    "telegram:4242",
    "4242",
    "tg:",
    "dedupe-key",
    "audited-act",
    "asked-from",
    "user-agent",
    "generation-cause",
    "me-on-telegram",
    "finger-print",
    "no-number-yet",
];

fn said(text: &str) -> switchhook_core::message::Message {
    let mut message = message(text);
    message.chat.id = "900-chat".to_owned();
    message.sender = Party {
        aliases: vec!["+15551234567"].into_iter().map(number).collect(),
        ..party("12345", Some("person-name"))
    };
    message
}

fn number(text: &str) -> switchhook_core::person::PersonId {
    switchhook_core::person::PersonId::from_number(text).unwrap()
}

async fn converse(f: &Fixture) {
    let message = said("what-was-asked");
    let c = message.conversation();
    let batch = ["dedupe-key 1", "dedupe-key 2", "dedupe-key 3"].map(|key| NewMessage {
        dedupe_key: key.to_owned(),
        message: message.clone(),
        unresolved: Some("no-number-yet".to_owned()),
    });
    let accepted = f.accept_all(batch.to_vec()).await.unwrap();
    let [Accepted::New(first), Accepted::New(second), Accepted::New(_)] = accepted[..] else { panic!("{accepted:?}") };
    let turn = Turn {
        speaker: Speaker::Us,
        name: Some("person-name".to_owned()),
        text: "what-was-remembered".to_owned(),
        at: UnixMillis(START),
    };
    let answer = |armed| NewDelivery {
        chat: "900-chat".to_owned(),
        fingerprint: "finger-print".to_owned(),
        ..delivery("what-was-answered", armed)
    };
    let timer = NewTimer { name: "timer-name".to_owned(), due: UnixMillis(START), message: said("timer-name") };
    let outcome = Outcome {
        deliveries: vec![answer(true), answer(false)],
        kv: vec![kv("kv-key-name", KvChange::Set(b"kv-value-text".to_vec()))],
        turns: vec![(c, turn)],
        timers: vec![timer.clone(), NewTimer { due: UnixMillis(START + 1), name: "timer-name 2".to_owned(), ..timer }],
        trace: Some(b"what-was-traced".to_vec()),
        ..done(first)
    };
    let ids = f.store.commit_outcome(outcome).await.unwrap();
    let reason = Some("denied-because".to_owned());
    f.store.commit_outcome(Outcome { state: InboxState::Denied, reason, erase: true, ..done(second) }).await.unwrap();
    let sent = DeliveryEnd::Sent { provider_id: Some("provider-id-501".to_owned()) };
    f.store.end_delivery(ids[0], sent, None).await.unwrap();
    f.store.end_delivery_later(ids[1], DeliveryEnd::Dead { reason: "given-up-because".to_owned() }).await;
    f.store.fire_timers(UnixMillis(START)).await.unwrap();
    operate(f, &message.sender).await;
}

async fn operate(f: &Fixture, sender: &Party) {
    f.store.write_kv(vec![kv("kv-key-name 2", KvChange::Increment(15551234567))]).await;
    f.store.remember_contact(sender, &channel()).await;
    f.store.set_standing(&sender.id, Standing::Approved).await.unwrap();
    f.store.park_account(&account(), "given-up-because").await.unwrap();
    let (actor, act, subject) = ("person-name".to_owned(), "audited-act".to_owned(), "tg:12345".to_owned());
    let (address, user_agent) = (Some("asked-from".to_owned()), Some("user-agent".to_owned()));
    let at = UnixMillis(START);
    f.store.audit(AuditEntry { at, actor, address, user_agent, act, subject, detail: json!("12345") }).await;
    let record = GenerationRecord {
        number: 1,
        digest: String::new(),
        cause: "generation-cause".to_owned(),
        outcome: "me-on-telegram".to_owned(),
        changes: json!(["me-on-telegram"]),
        took: std::time::Duration::ZERO,
        at: UnixMillis(START),
    };
    f.store.record_generation(record).await.unwrap();
}

/// What of `SECRETS`, or of the key, lies readable in the folder; and how many files were read.
fn found(f: &Fixture) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let files = f.files();
    let key = [[1u8; 32].to_vec(), hex::encode([1u8; 32]).into_bytes()];
    let texts = SECRETS.iter().map(|text| text.as_bytes().to_vec()).chain(key);
    let texts: Vec<_> = texts.collect();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        for text in &texts {
            if contains(&bytes, text) {
                found.push(format!("{}: {}", file.display(), String::from_utf8_lossy(text)));
            }
        }
    }
    (found, files.len())
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// No key, number or text found by grep in the data folder after a conversation, the write-ahead log included.
#[tokio::test]
async fn nothing_said_is_found_by_grep() {
    let f = Fixture::new();
    converse(&f).await;
    let log = std::fs::read(f.dir.path().join("journal.db-wal")).unwrap();
    assert!(contains(&log, b"denied"), "states are plain, so the log does hold the conversation");
    assert_eq!(found(&f), (Vec::new(), 4), "the journal, its log, its shared memory, the lock");
    let (f, _) = f.reopen();
    let journal = std::fs::read(f.dir.path().join("journal.db")).unwrap();
    assert!(contains(&journal, b"denied"));
    assert_eq!(found(&f).0, Vec::<String>::new());
}
