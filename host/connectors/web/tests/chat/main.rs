//! The web chat as a browser meets it, case by case.

mod desk;

use std::time::Duration;

use desk::{ALICE, Desk, channel, cookie_of, delivery, settings};
use serde_json::json;
use switchhook_core::action::{Action, Button, Outgoing, TextFormat};
use switchhook_core::connector::{DeliveryError, InboxError};
use switchhook_core::hook::Speaker;
use switchhook_core::kind::ConnectorKind;
use switchhook_core::message::{Chat, ChatKind, Content};
use switchhook_core::status::State;
use switchhook_core::time::UnixMillis;
use switchhook_web::{LoggedTurn, WebKind};
use tokio_tungstenite::tungstenite::Error;

#[tokio::test]
async fn accepted_is_said_only_when_the_inbox_has_it() {
    let desk = Desk::open().await;
    let (mut page, hello) = desk.socket(Some(&desk.alice().await)).await;
    assert_eq!((&hello["visitor"], &hello["title"]), (&json!("alice"), &json!("Front desk")));
    desk.inbox.open.send_replace(false);
    page.send("q-1", "hello").await;
    desk.inbox.entered.subscribe().wait_for(|n| *n == 1).await.unwrap();
    // Whatever had been said before the disk had it would come before this.
    desk.deliver(1, "alice", Action::Send(Outgoing::text("meanwhile"))).await;
    assert_eq!(page.next().await["type"], "message");
    desk.inbox.open.send_replace(true);
    let accepted = page.next().await;
    assert_eq!((&accepted["type"], &accepted["id"]), (&json!("accepted"), &json!("q-1")));

    let kept = desk.inbox.kept.lock().unwrap();
    let [inbound] = kept.as_slice() else { panic!("one message, not {}", kept.len()) };
    assert_eq!(inbound.dedupe_key, "alice/q-1");
    let message = &inbound.message;
    assert_eq!(message.content, Content::Text("hello".to_owned()));
    assert_eq!((message.id.as_str(), message.connector.as_str()), ("q-1", "web"));
    assert_eq!((message.chat.id.as_str(), message.chat.kind), ("alice", ChatKind::Direct));
    assert_eq!((message.sender.id.as_str(), message.sender.name.as_deref()), ("web:alice", Some("alice")));
    assert!(desk.status.get().last_inbound.is_some());
}

#[tokio::test]
async fn a_message_sent_again_has_the_same_dedupe_key() {
    let desk = Desk::open().await;
    let cookie = desk.alice().await;
    let (mut page, _) = desk.socket(Some(&cookie)).await;
    page.send("q-1", "hello").await;
    assert_eq!(page.next().await["type"], "accepted");
    drop(page);
    let (mut page, _) = desk.socket(Some(&cookie)).await;
    page.send("q-1", "hello").await;
    assert_eq!(page.next().await["type"], "accepted");
    let kept = desk.inbox.kept.lock().unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].dedupe_key, kept[1].dedupe_key);
}

#[tokio::test]
async fn a_guest_keeps_their_name() {
    let desk = Desk::open().await;
    let (page, hello) = desk.socket(None).await;
    let name = hello["visitor"].as_str().unwrap().to_owned();
    assert!(name.starts_with("guest-") && name.len() == 16, "{name}");
    let cookie = page.cookie.as_deref().unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let (again, hello) = desk.socket(Some(page.cookie_pair())).await;
    assert_eq!(hello["visitor"], name.as_str());
    assert_eq!(again.cookie, None);
    let (_, hello) = desk.socket(None).await;
    assert_ne!(hello["visitor"], name.as_str());
    let forged = page.cookie_pair().replace(&name, "guest-aaaaaaaaaa");
    let (_, hello) = desk.socket(Some(&forged)).await;
    assert_ne!(hello["visitor"], "guest-aaaaaaaaaa");
}

#[tokio::test]
async fn a_link_proves_a_name() {
    let desk = Desk::open().await;
    let answer = desk.get(&format!("/chat/desk/login/{ALICE}"), &[]).await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(answer.contains("location: /chat/desk\r\n"), "{answer}");
    let (_, hello) = desk.socket(cookie_of(&answer)).await;
    assert_eq!(hello["visitor"], "alice");
    let wrong = desk.get("/chat/desk/login/alices-secret-0123456789", &[]).await;
    assert!(wrong.starts_with("HTTP/1.1 403") && cookie_of(&wrong).is_none(), "{wrong}");
    let behind_tls = desk.get(&format!("/chat/desk/login/{ALICE}"), &[("X-Forwarded-Proto", "https")]).await;
    assert!(behind_tls.contains("; Secure"), "{behind_tls}");
}

#[tokio::test]
async fn strangers_pages_and_names_are_refused() {
    let desk = Desk::open().await;
    for path in ["/", "/chat/desk", "/chat/desk/socket", "/chat-assets/chat.js", "/chat/desk/login/x"] {
        for header in [("Host", "evil.example"), ("Origin", "http://evil.example")] {
            let answer = desk.get(path, &[header]).await;
            assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("Forbidden: "), "{path}: {answer}");
        }
    }
    for header in [("host", "evil.example"), ("origin", "http://evil.example"), ("origin", "null")] {
        match desk.try_socket("desk", &[header]).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403, "{header:?}"),
            other => panic!("{header:?}: {:?}", other.map(|_| "connected")),
        }
    }
    let own = format!("http://{}", desk.address);
    assert!(desk.try_socket("desk", &[("origin", &own)]).await.is_ok());
    let proxied = [("host", "chat.example.com"), ("origin", "https://chat.example.com")];
    let page = desk.try_socket("desk", &proxied).await.unwrap();
    assert!(page.cookie.unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy() {
    let desk = Desk::open().await;
    let front = desk.get("/", &[]).await;
    assert!(front.starts_with("HTTP/1.1 303") && front.contains("location: /chat/desk\r\n"), "{front}");
    let page = desk.get("/chat/desk", &[]).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<title>Front desk</title>"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{page}");
    assert!(page.contains("x-frame-options: DENY"), "{page}");
    // Or a link from another site would make a new guest of whoever follows it.
    assert_eq!(cookie_of(&page), None);
    assert!(desk.get("/chat-assets/chat.js", &[]).await.contains("text/javascript"));
    assert!(desk.get("/chat/nowhere", &[]).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_delivery_reaches_every_tab_of_its_chat_alone() {
    let desk = Desk::open().await;
    let cookie = desk.alice().await;
    let (mut one, _) = desk.socket(Some(&cookie)).await;
    let (mut two, _) = desk.socket(Some(&cookie)).await;
    let (mut guest, hello) = desk.socket(None).await;
    assert_eq!(desk.hub.connections(&channel()), 3);
    let button = Button { label: "Yes".to_owned(), value: "y".to_owned() };
    let outgoing = Outgoing {
        text: "**Sure?**".to_owned(),
        format: TextFormat::Markdown,
        buttons: vec![vec![button]],
        ..Outgoing::default()
    };
    desk.deliver(17, "alice", Action::Send(outgoing)).await;
    for page in [&mut one, &mut two] {
        let message = page.next().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("message"), &json!("w17")));
        assert_eq!((&message["text"], &message["format"]), (&json!("**Sure?**"), &json!("markdown")));
        assert_eq!(message["buttons"], json!([[{ "label": "Yes", "value": "y" }]]));
        assert_eq!(message["answers"], "q-1");
    }
    desk.deliver(18, hello["visitor"].as_str().unwrap(), Action::Send(Outgoing::text("only you"))).await;
    assert_eq!(guest.next().await["text"], "only you");

    one.say(json!({ "type": "button", "id": "b-1", "value": "y" })).await;
    assert_eq!(one.next().await["type"], "accepted");
    let own = two.next().await;
    assert_eq!((&own["type"], &own["id"], &own["text"]), (&json!("own"), &json!("b-1"), &json!("y")));
    let kept = desk.inbox.kept.lock().unwrap();
    assert_eq!(kept[0].message.content, Content::Button("y".to_owned()));
}

#[tokio::test]
async fn what_the_page_can_show_is_delivered_and_the_rest_is_rejected() {
    let desk = Desk::open().await;
    let (mut page, _) = desk.socket(Some(&desk.alice().await)).await;
    let sent = delivery(1, "alice", Action::Send(Outgoing::text("x")));
    assert_eq!(desk.connector.deliver(&sent).await.unwrap().provider_id.as_deref(), Some("w1"));
    let message_id = "w1".to_owned();
    let edit = Action::Edit { message_id: message_id.clone(), text: "y".to_owned(), format: TextFormat::Plain };
    desk.deliver(2, "alice", edit).await;
    let react = Action::React { message_id: message_id.clone(), emoji: Some("👍".to_owned()) };
    desk.deliver(3, "alice", react).await;
    desk.deliver(4, "alice", Action::MarkRead).await;
    desk.deliver(5, "alice", Action::Delete { message_id: message_id.clone() }).await;
    let chat = Chat { id: "alice".to_owned(), kind: ChatKind::Direct, title: None, thread: None };
    desk.connector.typing(&chat).await;
    for (expected, id) in [("message", "w1"), ("edit", "w1"), ("react", "w1"), ("delete", "w1")] {
        let frame = page.next().await;
        assert_eq!((&frame["type"], &frame["id"]), (&json!(expected), &json!(id)));
    }
    assert_eq!(page.next().await, json!({ "type": "typing" }));
    let forward = delivery(6, "alice", Action::Forward { message_id, to: "bob".to_owned() });
    assert!(matches!(desk.connector.deliver(&forward).await, Err(DeliveryError::Rejected { .. })));
    assert!(desk.status.get().last_outbound.is_some());
}

#[tokio::test]
async fn with_nobody_there_a_delivery_is_done_and_the_history_has_it() {
    let desk = Desk::open().await;
    desk.deliver(1, "alice", Action::Send(Outgoing::text("the answer"))).await;
    *desk.log.0.lock().unwrap() = vec![
        LoggedTurn { from: Speaker::Person, text: "the question".to_owned(), at: UnixMillis(1000) },
        LoggedTurn { from: Speaker::Us, text: "the answer".to_owned(), at: UnixMillis(2000) },
    ];
    let (_, hello) = desk.socket(Some(&desk.alice().await)).await;
    let expected = json!([
        { "from": "visitor", "text": "the question", "at": 1000 },
        { "from": "host", "text": "the answer", "at": 2000 },
    ]);
    assert_eq!(hello["history"], expected);
}

#[tokio::test]
async fn a_slow_reader_is_disconnected_and_holds_nobody_up() {
    let desk = Desk::open().await;
    let cookie = desk.alice().await;
    let (_slow, _) = desk.socket(Some(&cookie)).await;
    let (mut quick, _) = desk.socket(Some(&cookie)).await;
    let text = "x".repeat(16 * 1024);
    // More than the buffers of the socket take, however large the kernel makes them.
    for id in 0..8000 {
        desk.deliver(id, "alice", Action::Send(Outgoing::text(text.clone()))).await;
        assert_eq!(quick.next().await["id"], format!("w{id}"));
        if desk.hub.connections(&channel()) == 1 {
            return;
        }
    }
    panic!("128 MB are waiting for a reader that doesn't read");
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_in_words() {
    let desk = Desk::open().await;
    let (mut page, _) = desk.socket(Some(&desk.alice().await)).await;
    page.send("q-1", &"ä".repeat(8 * 1024 + 1)).await;
    let refused = page.next().await;
    assert_eq!(
        (&refused["type"], &refused["id"], &refused["retry_ms"]),
        (&json!("refused"), &json!("q-1"), &json!(null))
    );
    assert!(refused["reason"].as_str().unwrap().contains("longer than 16 KiB"), "{refused}");
    page.send("q-2", &"\u{1}".repeat(16 * 1024)).await;
    assert_eq!(page.next().await["type"], "accepted");
    for bad in [
        json!({ "type": "send", "id": "q-3", "text": "  " }),
        json!({ "type": "send", "id": "q/4", "text": "x" }),
        json!({ "type": "sing", "id": "q-5" }),
    ] {
        page.say(bad).await;
        assert_eq!(page.next().await["retry_ms"], json!(null));
    }
    let full = InboxError::Full { retry_after: Duration::from_millis(1500) };
    desk.inbox.errors.lock().unwrap().push_back(full);
    page.send("q-6", "x").await;
    let refused = page.next().await;
    assert_eq!((&refused["id"], &refused["retry_ms"]), (&json!("q-6"), &json!(1500)));
    assert_eq!(desk.inbox.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flood_is_slowed_down() {
    let desk = Desk::open().await;
    let (mut page, _) = desk.socket(None).await;
    let mut refused = 0;
    for n in 0..200 {
        page.send(&format!("q-{n}"), "x").await;
        let answer = page.next().await;
        assert_eq!(answer["id"], format!("q-{n}"));
        if answer["type"] == "refused" {
            assert!(answer["retry_ms"].as_u64().unwrap() > 0, "{answer}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(desk.inbox.kept.lock().unwrap().len(), 200 - refused);
}

/// F2
#[tokio::test]
async fn an_update_keeps_the_socket() {
    let desk = Desk::open().await;
    let (mut alice, before) = desk.socket(Some(&desk.alice().await)).await;
    let (mut guest, _) = desk.socket(None).await;
    let bob = ("bob", "bobs-secret-0123456789");
    desk.connector.update(settings("Reception", &[("alice", ALICE), bob])).await;
    for page in [&mut alice, &mut guest] {
        assert_eq!(page.next().await, json!({ "type": "title", "title": "Reception" }));
    }
    alice.send("q-1", "still here").await;
    assert_eq!(alice.next().await["type"], "accepted");
    assert_eq!(before["socket"], 1);
    assert_eq!((desk.hub.connections(&channel()), desk.status.get().connections), (2, 1));
    let answer = desk.get("/chat/desk/login/bobs-secret-0123456789", &[]).await;
    let (_, hello) = desk.socket(cookie_of(&answer)).await;
    assert_eq!((&hello["visitor"], &hello["socket"]), (&json!("bob"), &json!(3)));
}

#[tokio::test]
async fn a_visitor_taken_off_the_list_is_nobody_from_then_on() {
    let desk = Desk::open().await;
    let cookie = desk.alice().await;
    let (mut alice, _) = desk.socket(Some(&cookie)).await;
    let (mut guest, _) = desk.socket(None).await;
    desk.connector.update(settings("Front desk", &[])).await;
    assert_eq!(alice.close_code().await, 4401);
    guest.send("q-1", "still here").await;
    assert_eq!(guest.next().await["type"], "accepted");
    let (_, hello) = desk.socket(Some(&cookie)).await;
    assert!(hello["visitor"].as_str().unwrap().starts_with("guest-"), "{hello}");
}

#[tokio::test]
async fn draining_finishes_what_was_received_and_then_closes() {
    let desk = Desk::open().await;
    let (mut one, _) = desk.socket(Some(&desk.alice().await)).await;
    let (mut two, _) = desk.socket(None).await;
    desk.inbox.open.send_replace(false);
    one.send("q-1", "in time").await;
    desk.inbox.entered.subscribe().wait_for(|n| *n == 1).await.unwrap();
    desk.drain.cancel();
    two.send("q-2", "too late").await;
    let refused = two.next().await;
    assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!("this chat is closing")));
    assert!(!desk.run.is_finished());
    desk.inbox.open.send_replace(true);
    assert_eq!(one.next().await["type"], "accepted");
    assert_eq!(one.close_code().await, 1001);
    assert_eq!(two.close_code().await, 1001);
    desk.run.await.unwrap().unwrap();
    assert_eq!(desk.status.get().state, State::Connected, "the supervisor says what comes next");
    assert_eq!(desk.inbox.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_absent_channel_is_told_by_a_close_code() {
    let mut desk = Desk::open().await;
    assert_eq!(desk.try_socket("nowhere", &[]).await.unwrap().close_code().await, 4404);
    assert!(desk.try_socket("desk", &[]).await.is_ok());
    desk.drain.cancel();
    desk.until_absent().await;
    assert_eq!(desk.try_socket("desk", &[]).await.unwrap().close_code().await, 4404);
    assert!(desk.get("/chat/desk", &[]).await.starts_with("HTTP/1.1 404"));
    assert!(desk.get("/", &[]).await.contains("No chat is open"));
}

#[tokio::test]
async fn a_socket_that_leaves_is_forgotten() {
    let desk = Desk::open().await;
    let (page, _) = desk.socket(None).await;
    desk.until_connections(1).await;
    drop(page);
    desk.until_connections(0).await;
}

#[tokio::test]
async fn settings_that_prove_nobody_are_refused() {
    let desk = Desk::open().await;
    let kind = WebKind::new(desk.hub.clone());
    for (visitors, words) in [
        (("alice", "short"), "shorter than 16 characters"),
        (("guest-x", ALICE), "given to guests"),
        (("a b", ALICE), "no visitor's name"),
    ] {
        let error = kind.account(&settings("t", &[visitors])).unwrap_err();
        assert!(error.key == "visitors" && error.message.contains(words), "{error}");
        assert!(!error.message.contains(ALICE));
    }
}
