//! Exports two hooks, which no plugin may.

wit_bindgen::generate!({
    path: "../../../../wit/v0.1",
    inline: "
        package test:guests;
        world both {
            export switchhook:plugin/about@0.1.0;
            export switchhook:plugin/policy@0.1.0;
            export switchhook:plugin/reply@0.1.0;
        }
    ",
    world: "test:guests/both",
    generate_all,
});

use exports::switchhook::plugin::about::{Description, Problem};
use exports::switchhook::plugin::{policy, reply};

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        unreachable!()
    }
    fn configure(_: String) -> Result<(), Vec<Problem>> {
        unreachable!()
    }
}

impl policy::Guest for Guest {
    fn decide(_: policy::Message) -> Result<policy::Verdict, policy::HookError> {
        unreachable!()
    }
}

impl reply::Guest for Guest {
    fn handle(_: reply::Message) -> Result<reply::Outcome, reply::HookError> {
        unreachable!()
    }
}
