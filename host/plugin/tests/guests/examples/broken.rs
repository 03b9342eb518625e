//! Traps where it should describe itself.

wit_bindgen::generate!({ world: "policy-plugin", path: "../../../../wit/v0.1" });

use exports::switchhook::plugin::about::{Description, Problem};
use exports::switchhook::plugin::policy::{HookError, Message, Verdict};

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        panic!("nothing to say about +15551234567")
    }
    fn configure(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl exports::switchhook::plugin::policy::Guest for Guest {
    fn decide(_: Message) -> Result<Verdict, HookError> {
        Ok(Verdict::Pass)
    }
}
