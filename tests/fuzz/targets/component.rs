//! A component that is loaded.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchhook_plugin::fuzz::component(bytes));
