//! What a guest says: lines of the `log` interface, standard output and standard error, bounded and redacted.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use switchhook_core::hook::{HostServices, LogLevel};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The bounds of the contract: lines and bytes of one call.
const MAX_LINES: usize = 64;
const MAX_BYTES: usize = 16 * 1024;
/// How much of what went wrong last is kept to explain a trap: a panic message and where it happened.
const TAIL: usize = 400;
/// A line of output that goes on for longer is cut into several.
const MAX_LINE: usize = 4 * 1024;
/// As many digits in a row may be a person's number.
const NUMBER: usize = 7;

/// One call's log. Shared with the guest's output streams.
#[derive(Clone, Default)]
pub(crate) struct GuestLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Where lines go; nowhere while a plugin is described or configured.
    target: Option<Arc<dyn HostServices>>,
    lines: usize,
    bytes: usize,
    /// Standard output and standard error up to the next end of a line: a guest may write a line in pieces.
    output: Vec<u8>,
    error: Vec<u8>,
    /// The latest of standard error, and of what was logged as an error: a guest may have no other.
    tail: Vec<u8>,
}

impl GuestLog {
    /// From now on lines reach the operator.
    pub(crate) fn connect(&self, target: Arc<dyn HostServices>) {
        self.0.lock().target = Some(target);
    }

    pub(crate) fn line(&self, level: LogLevel, text: &str) {
        let mut inner = self.0.lock();
        if level == LogLevel::Error {
            inner.remember(text.as_bytes());
            inner.remember(b"\n");
        }
        inner.line(level, text);
    }

    /// The last words of an error, redacted; a panic message, usually.
    pub(crate) fn last_words(&self) -> Option<String> {
        let tail = clean(&String::from_utf8_lossy(&self.0.lock().tail));
        (!tail.is_empty()).then_some(tail)
    }

    /// The call is over: what was printed without an end of line is a line, too.
    pub(crate) fn finish(&self) {
        let mut inner = self.0.lock();
        for output in [Output::Standard, Output::Error] {
            let rest = std::mem::take(inner.pending(output));
            inner.print(output, &rest);
        }
    }

    pub(crate) fn stream(&self, output: Output) -> GuestStream {
        GuestStream { log: self.clone(), output }
    }
}

impl Inner {
    fn line(&mut self, level: LogLevel, text: &str) {
        let Some(target) = &self.target else { return };
        if self.lines > MAX_LINES {
            return;
        }
        if self.lines == MAX_LINES || self.bytes == MAX_BYTES {
            // Past the end for good: this is said once.
            self.lines = MAX_LINES + 1;
            target.log(LogLevel::Warn, "(more was logged than a call may: the rest is dropped)");
            return;
        }
        let cut = floor_boundary(text, MAX_BYTES - self.bytes);
        self.lines += 1;
        self.bytes = if cut < text.len() { MAX_BYTES } else { self.bytes + cut };
        target.log(level, &clean(&text[..cut]));
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn pending(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Standard => &mut self.output,
            Output::Error => &mut self.error,
        }
    }

    fn written(&mut self, output: Output, bytes: &[u8]) {
        if let Output::Error = output {
            self.remember(bytes);
        }
        let pending = self.pending(output);
        pending.extend_from_slice(bytes);
        let end = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if pending.len() < MAX_LINE => return,
            None => pending.len(),
        };
        let complete: Vec<u8> = pending.drain(..end).collect();
        self.print(output, &complete);
    }

    fn print(&mut self, output: Output, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
            self.line(output.level(), line);
        }
    }
}

fn floor_boundary(text: &str, most: usize) -> usize {
    let mut at = most.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One line without control characters and without what may be a person's number.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        flush(&mut digits, &mut out);
        out.push(if c.is_control() { ' ' } else { c });
    }
    flush(&mut digits, &mut out);
    out
}

fn flush(digits: &mut String, out: &mut String) {
    if digits.len() >= NUMBER {
        out.push_str("[number]");
    } else {
        out.push_str(digits);
    }
    digits.clear();
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Output {
    Standard,
    Error,
}

impl Output {
    fn level(self) -> LogLevel {
        match self {
            Self::Standard => LogLevel::Info,
            Self::Error => LogLevel::Warn,
        }
    }
}

/// Standard output or standard error of a guest.
#[derive(Clone)]
pub(crate) struct GuestStream {
    log: GuestLog,
    output: Output,
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and no contract offers that.
        Box::new(tokio::io::sink())
    }
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.0.lock().written(self.output, &bytes);
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(4096)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_control_characters_are_redacted() {
        assert_eq!(clean("from +15551234567 at 12:30"), "from +[number] at 12:30");
        assert_eq!(clean("1234567"), "[number]");
        assert_eq!(clean("123456 ok\x1b[31m\nnext"), "123456 ok [31m next");
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(floor_boundary("aé", 2), 1);
        assert_eq!(floor_boundary("aé", 9), 3);
    }
}
