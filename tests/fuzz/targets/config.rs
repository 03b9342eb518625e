//! The text of a config.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchhook_config::fuzz::text(bytes));
