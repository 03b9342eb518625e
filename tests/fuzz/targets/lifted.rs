//! Every value that is lifted from a guest.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchhook_plugin::fuzz::lifted(bytes));
