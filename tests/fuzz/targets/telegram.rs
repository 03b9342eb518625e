//! The updates of a Telegram bot.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchhook_telegram::fuzz::updates(bytes));
