//! What is shown to be scanned or typed dies, and then it is shown no more. These cases wait for as long as a person may:
//! two minutes at most.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{OWNER, eventually, eventually_within};
use crate::linking::{in_state, unlinked};

const ALICE: &str = "15550002222";

/// B1, C6: a QR code is shown for a minute at most; then asking for it is 400 `QR_EXPIRED`, and no answer holds it. The
/// next one takes its place, the dead one links nobody, and the new one links.
#[tokio::test]
async fn dying_qr_code_is_shown_no_more_and_the_next_one_links() {
    let world = unlinked().await;
    let mut linking = world.host.link(&["wa"]);
    let first = linking.qr().await;
    let ask = || world.host.call("GET", "channels/wa/link/qr", Value::Null);
    for format in ["png", "svg", "raw"] {
        let (status, _) = world.host.call("GET", &format!("channels/wa/link/qr?format={format}"), Value::Null).await;
        assert_eq!(status, 200, "{format}");
    }
    let refused = eventually_within(Duration::from_secs(65), "the code is too old", || async {
        let (status, said) = ask().await;
        (status != 200).then_some((status, said))
    })
    .await;
    assert_eq!((refused.0, &refused.1["error"]["code"]), (400, &json!("QR_EXPIRED")), "{}", refused.1);
    let (_, attempt) = world.host.call("GET", "channels/wa/link", Value::Null).await;
    assert_eq!((&attempt["status"], &attempt["qr"]), (&json!("pending"), &Value::Null), "{attempt}");

    let other = |attempt: &Value| attempt["qr"]["payload"].as_str().is_some_and(|payload| payload != first);
    let second = linking.until("the next code", other).await;
    assert!(second["qr"]["expires_in_ms"].as_u64() <= Some(20_000), "{second}");
    let dead = world.whatsapp().try_post("scan", json!({ "account": OWNER, "qr": first })).await;
    assert!(dead.as_ref().is_err_and(|why| why.contains("expired")), "{dead:?}");
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": second["qr"]["payload"] })).await;
    let linked = linking.end().await;
    assert_eq!((linked.code, &linked.last["status"]), (Some(0), &json!("success")), "{linked:?}");
    world.whatsapp().no_violations().await;
}

/// B2, B3, B11: a pairing code that nobody types is shown for two minutes; then the attempt has expired with
/// `PAIRING_CODE_EXPIRED`, the code links nobody, and the next attempt does.
#[tokio::test]
async fn pairing_code_that_nobody_types_expires() {
    let world = unlinked().await;
    let number = format!("+{OWNER}");
    let mut linking = world.host.link(&["wa", "--code", &number]);
    let shown = linking.until("a code", |attempt| attempt["code"].is_object()).await;
    let left = shown["code"]["expires_in_ms"].as_u64().expect("a time");
    assert!((115_000..=120_000).contains(&left), "{shown}");
    let gone = eventually_within(Duration::from_secs(125), "it is shown no more", || async {
        let (_, attempt) = world.host.call("GET", "channels/wa/link", Value::Null).await;
        attempt["code"].is_null().then_some(attempt)
    })
    .await;
    assert_ne!(gone["status"], "success", "{gone}");
    let ended = linking.end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("expired")), "{ended:?}");
    assert_eq!(ended.last["error"]["code"], "PAIRING_CODE_EXPIRED", "{ended:?}");
    assert!(ended.stderr.contains("PAIRING_CODE_EXPIRED"), "{ended:?}");
    let typed = json!({ "account": OWNER, "code": shown["code"]["code"] });
    eventually("the dead code is refused", || async {
        world.whatsapp().try_post("enter-code", typed.clone()).await.is_err().then_some(())
    })
    .await;
    in_state(&world, "needs-link").await;
    let linked = world.link().await;
    assert_eq!(linked.last["attempt"], 2);
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
}
