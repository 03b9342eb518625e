//! The web chat: the first run, with no account at all.

use crate::harness::{Visitor, World, assistant_config};

/// The config that ships, as it is.
fn shipped() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/switchhook.toml");
    std::fs::read_to_string(path).expect("the config ships")
}

/// The shipped config with only its port and folders changed.
async fn first_run() -> World {
    let mut world = World::empty();
    let text = shipped().replace("127.0.0.1:18789", &format!("127.0.0.1:{}", world.host.port));
    std::fs::write(&world.host.config, text).expect("the config is written");
    world.host.start().await;
    world
}

/// F1: the config that ships answers in the web chat through real plugins, with no account, no key, no model.
#[tokio::test]
async fn shipped_config_answers_in_the_web_chat() {
    let world = first_run().await;
    let page = reqwest::get(format!("http://127.0.0.1:{}/", world.host.port)).await.expect("the page");
    assert!(page.status().is_success());
    let mut visitor = Visitor::open(world.host.port, "chat").await;
    let answer = visitor.ask("one", "hello").await;
    assert!(answer.len() > 40, "{answer}");
    let help = visitor.ask("two", "/help").await;
    assert!(help.contains("/id"), "{help}");
}

/// F2: the guide invites to edit the greeting; the next answer has it, on the same socket.
#[tokio::test]
async fn edited_greeting_shows_in_the_next_answer() {
    let world = first_run().await;
    let mut visitor = Visitor::open(world.host.port, "chat").await;
    visitor.ask("one", "hello").await;
    let before = world.host.attempts().await;
    world.edit("greeting = \"Hello!\"", "greeting = \"Ahoy from the edit\"");
    world.host.attempted(before, "applied").await;
    let answer = visitor.ask("two", "hello again").await;
    assert!(answer.contains("Ahoy from the edit"), "{answer}");
}

/// What was said is there after a restart, for the same visitor.
#[tokio::test]
async fn history_survives_a_restart() {
    let mut world = first_run().await;
    let mut visitor = Visitor::open(world.host.port, "chat").await;
    let cookie = visitor.cookie.clone().expect("a guest is named by a cookie");
    let name = visitor.hello["visitor"].clone();
    visitor.ask("one", "remember me").await;
    drop(visitor);
    world.host.kill();
    world.host.start().await;
    let visitor = Visitor::open_with(world.host.port, "chat", Some(&cookie)).await;
    assert_eq!(visitor.hello["visitor"], name, "the cookie still names the visitor");
    let history = visitor.hello["history"].to_string();
    assert!(history.contains("remember me"), "{history}");
}

/// F6: a question that is not answered yet is on the page that is opened meanwhile, also after a death.
#[tokio::test]
async fn unanswered_question_is_on_a_page_opened_later() {
    let config = assistant_config("\"tg:1\"")
        + "\n[routes.public]\nprompt = \"assistant\"\nmodel = \"main\"\n\n[channels.page]\nkind = \"web\"\n\
           route = \"public\"\nopen = true\n";
    let mut world = World::with(&config).await;
    world.model.hold().await;
    let mut visitor = Visitor::open(world.host.port, "page").await;
    let cookie = visitor.cookie.clone().expect("a guest is named by a cookie");
    visitor.say("one", "is anybody there?").await;
    world.model.waiting(1).await;
    let past = |visitor: &Visitor| visitor.hello["history"].as_array().expect("a history").clone();
    let reloaded = past(&Visitor::open_with(world.host.port, "page", Some(&cookie)).await);
    assert_eq!(reloaded.len(), 1, "{reloaded:?}");
    assert_eq!(reloaded[0]["text"], "is anybody there?");
    world.host.kill();
    world.host.start().await;
    let reloaded = past(&Visitor::open_with(world.host.port, "page", Some(&cookie)).await);
    assert_eq!(reloaded.iter().filter(|turn| turn["text"] == "is anybody there?").count(), 1, "{reloaded:?}");
    world.model.release().await;
}

/// The same message sent twice (a page that reconnects does that) is answered once.
#[tokio::test]
async fn resent_message_is_answered_once() {
    let world = first_run().await;
    let mut visitor = Visitor::open(world.host.port, "chat").await;
    visitor.say("same", "/id").await;
    visitor.next("message").await;
    visitor.say("same", "/id").await;
    visitor.next("accepted").await;
    let other = visitor.ask("other", "/help").await;
    assert!(other.contains("/help"), "the answer to the other message comes next: {other}");
}
