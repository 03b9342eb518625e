//! Cutting long texts into parts that a provider takes.

/// The longest text of one message, in the provider's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLimit {
    /// UTF-16 code units, as Telegram counts.
    Utf16(usize),
    Bytes(usize),
}
