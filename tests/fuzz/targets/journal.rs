//! The records of the journal.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchhook_store::fuzz::record(bytes));
