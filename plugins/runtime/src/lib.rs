//! What a plugin needs that is built for `wasm32-unknown-unknown`, where the standard library has no WASI to ask.
//!
//! WASI as the standard library uses it is some twenty functions, which the host links into every new instance for a guest
//! that calls none of them; and every call has a new instance. Without them one costs half as much to make. On every
//! other target this crate does nothing of its own, so that a plugin that uses it is built and tested like any other.

#[cfg_attr(not(all(target_arch = "wasm32", target_os = "unknown")), allow(dead_code, reason = "used in tests"))]
mod heap;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod linear;

use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "
            package switchhook:runtime;

            world bare {
                import switchhook:plugin/log@0.1.0;
                import wasi:clocks/wall-clock@0.2.0;
            }

            package wasi:clocks@0.2.0 {
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                    now: func() -> datetime;
                }
            }
        ",
        world: "switchhook:runtime/bare",
        generate_all,
    });
}

/// To be called first thing in `configure`: from then on the host is told what a panic says.
pub fn start() {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    std::panic::set_hook(Box::new(|panic| {
        use bindings::switchhook::plugin::log::{Level, log};
        log(Level::Error, &panic.to_string());
    }));
}

/// The time since 1970, as the host gives it: it stands still within a call.
pub fn now() -> Duration {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    {
        let now = bindings::wasi::clocks::wall_clock::now();
        Duration::new(now.seconds, now.nanoseconds)
    }
    #[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default()
}
