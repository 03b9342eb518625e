//! A policy that attacks in the way the message says, and lets everything else pass.

wit_bindgen::generate!({ world: "policy-plugin", path: "../../../wit/v0.1" });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::policy::{self, Verdict};
use switchhook::plugin::types::{Content, ContentKinds, HookError, Message};
use switchhook::plugin::{groups, kv, log};

struct Guest;
export!(Guest);

/// What `describe` says. A test replaces it in the finished component: a description depends on nothing else.
static LIE: [u8; 16] = *b"lie:none--------";

impl about::Guest for Guest {
    fn describe() -> Description {
        let truth = Description {
            name: "hostile".into(),
            version: "1.0.0".into(),
            summary: "Attacks in the way the message says.".into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::KV,
        };
        let lie = std::str::from_utf8(std::hint::black_box(&LIE)).unwrap_or_default();
        match lie.trim_start_matches("lie:").trim_end_matches('-') {
            "name" => Description { name: "n".repeat(10 << 20), ..truth },
            "groups" => Description { groups: vec![String::new(); 1 << 17], ..truth },
            "text" => Description { settings_schema: "{ no JSON".into(), ..truth },
            "schema" => Description { settings_schema: r#"{"type":"no such type"}"#.into(), ..truth },
            "loop" => hang(),
            "trap" => panic!("it does not say"),
            _ => truth,
        }
    }

    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        if settings.contains("panic") {
            panic!("these settings hurt");
        }
        if settings.contains("loop") {
            hang();
        }
        if settings.contains("problems") {
            return Err((0..1 << 14).map(|_| Problem { path: String::new(), message: "no".repeat(50) }).collect());
        }
        Ok(())
    }
}

fn hang() -> ! {
    hostile_plugins::attack("loop");
    unreachable!("a loop has no end")
}

impl policy::Guest for Guest {
    fn decide(message: Message) -> Result<Verdict, HookError> {
        let Content::Text(text) = &message.content else { return Ok(Verdict::Pass) };
        hostile_plugins::attack(text);
        match text.as_str() {
            "host-calls" => loop {
                groups::contains("allow_from", "tg:1");
            },
            "logs" => loop {
                log::log(log::Level::Error, &"flood ".repeat(1_000));
            },
            "kv" => loop {
                // Every value anew, until somebody puts an end to it: the quota alone does not.
                let _ = kv::set(&format!("k{:p}", &text), &vec![7; 64 << 10]);
            },
            "kv-keys" => flood_keys(),
            "string" => Ok(Verdict::Hold("x".repeat(4 << 20))),
            "long-reason" => Ok(Verdict::Deny(policy::Denial { reason: "x".repeat(300 << 10), notice: None })),
            "route" => Ok(Verdict::Route("attacked".into())),
            "route-nowhere" => Ok(Verdict::Route("\u{0}../nowhere".repeat(1_000))),
            "error" => Err(HookError::Internal("e".repeat(100 << 10))),
            _ => Ok(Verdict::Pass),
        }
    }
}

fn flood_keys() -> ! {
    let mut n = 0u64;
    loop {
        let _ = kv::set(&format!("{n:0250}"), &[]);
        n += 1;
    }
}
