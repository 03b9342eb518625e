//! A policy without WASI, to be built for `wasm32-unknown-unknown`: what `plugins/runtime` puts in its place.

wit_bindgen::generate!({ world: "policy-plugin", path: "../../../../wit/v0.1" });

use exports::switchhook::plugin::about::{Capabilities, Description, Problem};
use exports::switchhook::plugin::policy::Verdict;
use switchhook::plugin::types::{Content, ContentKinds, HookError, Message};

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "bare".into(),
            version: "1.0.0".into(),
            summary: "Has no WASI.".into(),
            settings_schema: String::new(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::empty(),
        }
    }

    fn configure(_: String) -> Result<(), Vec<Problem>> {
        runtime::start();
        Ok(())
    }
}

impl exports::switchhook::plugin::policy::Guest for Guest {
    fn decide(message: Message) -> Result<Verdict, HookError> {
        let Content::Text(text) = &message.content else { return Ok(Verdict::Pass) };
        match text.split_once(' ').unwrap_or((text, "")) {
            ("panic", _) => panic!("it hurts"),
            ("now", _) => Ok(Verdict::Hold(runtime::now().as_millis().to_string())),
            ("churn", seed) => Ok(Verdict::Hold(churn(seed.parse().unwrap()).to_string())),
            (other, _) => Err(HookError::Internal(format!("`{other}` is not known"))),
        }
    }
}

/// Makes, grows, shrinks and drops vectors, each full of a byte of its own; says how many bytes were not what was
/// written.
fn churn(seed: u64) -> usize {
    let mut chance = seed;
    let mut next = move |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % below
    };
    let mut held: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut wrong = 0;
    for round in 0..2_000_usize {
        let mark = round as u8 | 1;
        match (next(4), held.len()) {
            (0, _) | (_, 0) => held.push((mark, vec![mark; next(3_000)])),
            (1, count) => {
                let (mark, bytes) = &mut held[next(count)];
                let longer = bytes.len() + next(2_000);
                bytes.resize(longer, *mark);
            }
            (2, count) => {
                let bytes = &mut held[next(count)].1;
                bytes.truncate(bytes.len() / 2);
                bytes.shrink_to_fit();
            }
            (_, count) => {
                let (mark, bytes) = held.swap_remove(next(count));
                wrong += bytes.iter().filter(|byte| **byte != mark).count();
            }
        }
        // Memory that was somebody's before is zero where that was asked for.
        wrong += vec![0_u8; next(500)].iter().filter(|byte| **byte != 0).count();
    }
    wrong + held.iter().flat_map(|(mark, bytes)| bytes.iter().filter(move |byte| *byte != mark)).count()
}
