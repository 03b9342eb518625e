//! Exports what a policy exports, by name; its functions take and give something else.

wit_bindgen::generate!({
    inline: "
        package switchhook:plugin@0.1.0;

        interface about {
            describe: func() -> string;
            configure: func(settings: string);
        }
        interface policy {
            decide: func(message: string) -> string;
        }
        world misfit {
            export about;
            export policy;
        }
    ",
    world: "misfit",
});

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> String {
        "a policy, surely".into()
    }
    fn configure(_: String) {}
}

impl exports::switchhook::plugin::policy::Guest for Guest {
    fn decide(message: String) -> String {
        message
    }
}
