//! What an account may send, how its health is told, and how many start at once.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{World, assistant_config, eventually, eventually_within, whatsapp_config};
use crate::invariants::search;

const DAY_MS: u64 = 86_400_000;

/// The assistant for one person, with more keys for its channel.
fn with(keys: &str) -> String {
    at_noon(&assistant_config("\"tg:1001\"")) + keys
}

/// A host in whose zone it is noon: the day that is counted does not end while a case runs, whenever that is.
fn at_noon(config: &str) -> String {
    let hour = (now_ms() / 3_600_000 % 24) as i64;
    // These zones have the sign of what is to be added to get UTC.
    format!("time_zone = \"Etc/GMT{:+}\"\n{config}", hour - 12)
}

async fn health(world: &World, channel: &str) -> Value {
    let (status, health) = world.host.call("GET", &format!("channels/{channel}/health"), Value::Null).await;
    assert_eq!(status, 200, "{health}");
    health
}

/// Waits until the channel's health fits, and gives it.
async fn until(world: &World, channel: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        let health = health(world, channel).await;
        fits(&health).then_some(health)
    })
    .await
}

fn codes(health: &Value) -> Vec<&str> {
    health["reasons"].as_array().expect("a list").iter().filter_map(|reason| reason["code"].as_str()).collect()
}

/// Writes so many messages, and waits until each is answered.
async fn converse(world: &World, from: usize, to: usize) {
    for n in from..=to {
        world.telegram.write(4242, 1001, &format!("n{n}")).await;
        assert_eq!(world.telegram.nth_to(1001, n).await, format!("echo: n{n}"));
    }
}

/// Waits until the nth message was accepted and its answer waits for midnight.
async fn queued(world: &World, message: usize) {
    eventually("the answer waits for midnight", || async {
        let explained = world.host.explained(message).await;
        let deliveries = explained["deliveries"].as_array()?.clone();
        deliveries
            .iter()
            .any(|d| d["state"] == "ready" && d["reason"].to_string().contains("daily-limit"))
            .then_some(())
    })
    .await;
}

/// B9, C3, F6, F2: at the daily limit answers wait, and health says so everywhere; kill -9 changes neither the count nor
/// loses what waits; a higher limit lets it go at once, on the connection that there was.
#[tokio::test]
async fn daily_limit_holds_over_a_kill_and_an_edit_lifts_it() {
    let mut world = World::with(&with("daily_limit = 4\n")).await;
    world.telegram.polled(4242).await;
    converse(&world, 1, 2).await;
    let healthy = until(&world, "tg", "two of four", |h| h["sent_today"] == 2).await;
    assert_eq!((&healthy["level"], &healthy["usage"], codes(&healthy)), (&json!("healthy"), &json!(0.5), vec![]));
    converse(&world, 3, 3).await;
    let warning = until(&world, "tg", "three of four", |h| h["sent_today"] == 3).await;
    assert_eq!((&warning["level"], codes(&warning)), (&json!("warning"), vec!["usage"]));
    converse(&world, 4, 4).await;
    world.telegram.write(4242, 1001, "n5").await;
    queued(&world, 5).await;
    let full = |h: &Value| h["sent_today"] == 4 && h["received_today"] == 5 && codes(h) == ["daily-limit"];
    let critical = until(&world, "tg", "four of four", full).await;
    assert_eq!((&critical["level"], &critical["daily_limit"]), (&json!("critical"), &json!(4)));

    world.host.kill();
    world.host.start().await;
    world.telegram.polled(4242).await;
    until(&world, "tg", "the count that there was", full).await;
    let text = String::from_utf8(world.host.cli(&["status"]).stdout).expect("text");
    assert!(text.contains("4/4") && text.contains("all 4 messages of today are sent"), "{text}");
    let metrics = world.host.metrics().await;
    for line in ["channel_sent_today", "channel_daily_limit"].map(|name| format!("{name}{{channel=\"tg\"")) {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(metrics.contains("switchhook_channel_health{channel=\"tg\",kind=\"telegram\"} 2"), "{metrics}");
    assert_eq!(world.telegram.texts_to(1001).await.len(), 4, "no more than the limit");

    world.edit("daily_limit = 4", "daily_limit = 10");
    assert_eq!(world.telegram.nth_to(1001, 5).await, "echo: n5");
    until(&world, "tg", "half of ten", |h| h["sent_today"] == 5 && h["level"] == "healthy").await;
    let connections = &world.host.channel("tg").await.expect("it is listed")["status"]["connections"];
    assert_eq!(connections, 1, "the edit touched no socket");
}

/// C3, C8: where the config says `refuse`, what is more is given up with a code, and replayed when there is room again.
#[tokio::test]
async fn daily_limit_refuses_where_the_config_says_so() {
    let world = World::with(&with("daily_limit = 1\nat_daily_limit = \"refuse\"\n")).await;
    world.telegram.polled(4242).await;
    converse(&world, 1, 1).await;
    world.telegram.write(4242, 1001, "n2").await;
    let dead = eventually("it is listed as dead", || async {
        let dead = world.host.cli_json(&["dead", "list"]);
        dead["deliveries"].as_array()?.first().cloned()
    })
    .await;
    assert!(dead["reason"].as_str().expect("a reason").starts_with("daily-limit: "), "{dead}");
    assert_eq!(world.telegram.texts_to(1001).await.len(), 1);
    let attempts = world.host.attempts().await;
    world.edit("daily_limit = 1", "daily_limit = 2");
    world.host.attempted(attempts, "applied").await;
    assert_eq!(world.host.replay_dead().await, 1);
    assert_eq!(world.telegram.nth_to(1001, 2).await, "echo: n2");
    assert_eq!(world.host.call("GET", "channels/nobody/health", Value::Null).await.0, 404);
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis() as u64
}

/// A file that says how far ahead the host's clock is.
struct Clock(PathBuf);

impl Clock {
    fn of(world: &mut World) -> Self {
        let file = world.path("clock");
        world.host.instrumented();
        world.host.env("SWITCHHOOK_CLOCK_AHEAD", file.to_str().expect("a plain path"));
        Self(file)
    }
    /// Sets the host's clock; time goes on from there.
    fn set(&self, at: u64) {
        let aside = self.0.with_extension("new");
        std::fs::write(&aside, (at - now_ms()).to_string()).expect("the clock is set");
        std::fs::rename(aside, &self.0).expect("the clock is set");
    }
}

/// C3, B9: at midnight of the configured zone the counts begin anew, and what waited goes on by itself.
#[tokio::test]
async fn midnight_of_the_zone_begins_a_new_day() {
    // Five and three quarters of an hour ahead of UTC all year round: its midnight is nobody's else by chance.
    const AHEAD_OF_UTC: u64 = 20_700_000;
    let mut world = World::empty();
    let clock = Clock::of(&mut world);
    // The first that is more than ten minutes away: the clock is set ahead, never back.
    let midnight = (now_ms() + 700_000 + AHEAD_OF_UTC) / DAY_MS * DAY_MS + DAY_MS - AHEAD_OF_UTC;
    clock.set(midnight - 600_000);
    // What is written now is a day old by then.
    let host = "time_zone = \"Asia/Kathmandu\"\nmax_age = \"7d\"\n";
    world.write_config(&(host.to_owned() + &assistant_config("\"tg:1001\"") + "daily_limit = 1\n"));
    world.host.start().await;
    world.telegram.polled(4242).await;
    converse(&world, 1, 1).await;
    world.telegram.write(4242, 1001, "n2").await;
    queued(&world, 2).await;
    let before = until(&world, "tg", "the day is used up", |h| codes(h) == ["daily-limit"]).await;
    assert_eq!(before["resets_at"], midnight, "{before}");
    clock.set(midnight);
    eventually_within(Duration::from_secs(60), "what waited goes on", || async {
        (world.telegram.texts_to(1001).await.len() == 2).then_some(())
    })
    .await;
    let after = until(&world, "tg", "the next day", |h| h["sent_today"] == 1).await;
    assert_eq!((&after["received_today"], &after["resets_at"]), (&json!(0), &json!(midnight + DAY_MS)), "{after}");
}

/// C4, C3: after so many failures in a row as are configured the channel is critical, says so and goes on trying; once it is
/// back it is healthy.
#[tokio::test]
async fn failures_in_a_row_are_critical() {
    let world = World::with(&with("max_reconnect_attempts = 2\n")).await;
    world.telegram.polled(4242).await;
    until(&world, "tg", "it is healthy", |h| h["level"] == "healthy").await;
    world.telegram.post("outage", json!({ "on": true })).await;
    until(&world, "tg", "a first failure is a warning", |h| h["level"] == "warning" && codes(h) == ["connecting"])
        .await;
    let critical = until(&world, "tg", "it is critical", |h| h["level"] == "critical").await;
    assert_eq!(codes(&critical), ["reconnect-attempts"]);
    let said = critical["reasons"][0]["message"].as_str().expect("words");
    assert!(said.contains("failed attempts in a row, and it goes on trying"), "{said}");
    world.telegram.post("outage", json!({ "on": false })).await;
    until(&world, "tg", "it is healthy again", |h| h["level"] == "healthy").await;
    converse(&world, 1, 1).await;
}

/// C5: many channels are restored one after the other; one that can't be shows why, and holds none of the others up. A
/// channel that is added later starts at once.
#[tokio::test]
async fn channels_are_restored_in_turn_and_a_failure_shows() {
    let page = |n: usize| format!("\n[channels.p{n:02}]\nkind = \"web\"\nroute = \"public\"\nopen = true\n");
    let pages: String = (0..40).map(page).collect();
    let mut world = World::empty();
    world.telegram.post("outage", json!({ "on": true })).await;
    world.write_config(&(with("") + "\n[routes.public]\nreplies = [\"commands\"]\n" + &pages));
    world.host.start().await;
    let state = async |name: &str| world.host.channel(name).await.map(|channel| channel["status"].clone());
    for n in 0..40 {
        let name = format!("p{n:02}");
        eventually(&format!("{name} is restored"), || async {
            (state(&name).await?["state"] == "connected").then_some(())
        })
        .await;
    }
    assert!(world.host.log_text().contains("restored one after the other"), "{}", world.host.log_text());
    let failed = eventually("the one that fails says so", || async {
        let status = state("tg").await?;
        (status["state"] == "reconnecting").then_some(status)
    })
    .await;
    assert!(failed["code"].is_string() && failed["detail"].is_string(), "{failed}");
    let attempts = world.host.attempts().await;
    world.edit("[channels.p39]", &format!("{}\n[channels.p39]", page(77).trim()));
    world.host.attempted(attempts, "applied").await;
    let added = state("p77").await.expect("it is listed");
    assert_ne!(added["code"], "in-line", "{added}");
    eventually("it is connected", || async { (state("p77").await?["state"] == "connected").then_some(()) }).await;
}

/// B9: a WhatsApp device sends no more than 30 messages in any minute, and its day has 1,000, without a word in the config.
#[tokio::test]
async fn whatsapp_device_keeps_to_thirty_a_minute() {
    let people = ["15550002222", "15550003333", "15550004444", "15550005555", "15550006666"];
    let allowed = people.map(|number| format!("\"+{number}\"")).join(", ");
    let world = World::linked(&at_noon(&whatsapp_config(&allowed).replace("send_limits = \"off\"\n", ""))).await;
    let whatsapp = world.whatsapp();
    for number in people {
        whatsapp.contact(number, "Somebody").await;
    }
    for n in 0..7 {
        for number in people {
            whatsapp.write(number, &format!("n{n}")).await;
        }
    }
    let all = eventually_within(Duration::from_secs(150), "all 35 answers", || async {
        let sent = whatsapp.entries("sent").await.into_iter().filter(|entry| entry["text"].is_string());
        let sent: Vec<Duration> = sent.map(|entry| Duration::from_micros(entry["at_us"].as_u64().unwrap())).collect();
        (sent.len() == 35).then_some(sent)
    })
    .await;
    // By the fake's clock, which has a message a moment after the host let it go; one moment is not as long as another.
    let spans: Vec<Duration> = all.windows(31).map(|some| some[30] - some[0]).collect();
    assert!(spans.iter().all(|span| *span > Duration::from_secs(58)), "{spans:?}");
    // The phone has them a moment before the host has written down that it does.
    let health = eventually("all are counted", || async {
        let health = health(&world, "wa").await;
        (health["sent_today"] == 35).then_some(health)
    })
    .await;
    assert_eq!(health["daily_limit"], 1000, "{health}");
    whatsapp.no_violations().await;
}

/// B10, F5: every message sent is in the audit, with who, through what, to whom and when; on disk nothing of it can be read.
#[tokio::test]
async fn sent_messages_are_audited_and_sealed() {
    let mut world = World::assistant("\"tg:19283746\"").await;
    world.telegram.write(4242, 19_283_746, "hello").await;
    world.telegram.nth_to(19_283_746, 1).await;
    let entry = eventually("it is audited", || async {
        let (_, audit) = world.host.call("GET", "audit", Value::Null).await;
        audit.as_array()?.iter().find(|entry| entry["act"] == "message_sent").cloned()
    })
    .await;
    assert_eq!((&entry["actor"], &entry["subject"]), (&json!("host"), &json!("tg")), "{entry}");
    assert_eq!((&entry["detail"]["chat"], &entry["detail"]["answers"]), (&json!("19283746"), &json!("m1")), "{entry}");
    assert!(entry["at"].as_u64() > Some(now_ms() - 60_000) && !entry.to_string().contains("hello"), "{entry}");
    let (_, people) = world.host.call("GET", "audit?of=people", Value::Null).await;
    assert_eq!(people, json!([]), "nobody did anything");
    world.host.stop().await;
    search(&world, &["message_sent", "19283746"]);
}
