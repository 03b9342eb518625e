//! Bytes into pieces of JSON: the events of a stream (`text/event-stream`), or one whole document from a server that
//! does not stream. Told apart by the first byte, since servers are careless with content types.

use crate::answer::MAX_ANSWER;
use crate::failure::Failure;

/// The longest single piece: an answer at its limit, doubled by escapes.
const MAX_PIECE: usize = 2 * MAX_ANSWER;

#[derive(Debug, Default)]
pub(crate) struct Framing {
    shape: Shape,
    buffer: Vec<u8>,
    /// How much of `buffer` is known to hold no line end.
    scanned: usize,
    /// The data of the event that is being read.
    data: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Unknown,
    Events,
    Whole,
}

impl Framing {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.shape == Shape::Unknown {
            self.recognise();
        }
        if self.buffer.len() + self.data.len() > MAX_PIECE { Err(Failure::TooLarge(MAX_ANSWER)) } else { Ok(()) }
    }

    /// Whether this is one document that `end` will give.
    pub(crate) fn is_whole(&self) -> bool {
        self.shape == Shape::Whole
    }

    /// The data of the next event, once it is complete.
    pub(crate) fn next_event(&mut self) -> Result<Option<String>, Failure> {
        if self.shape != Shape::Events {
            return Ok(None);
        }
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.data)));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(None)
    }

    /// What is left when the bytes have ended: the whole document, or an event whose blank line was forgotten.
    pub(crate) fn end(mut self) -> Result<Option<String>, Failure> {
        if self.shape == Shape::Whole {
            return text(self.buffer).map(Some);
        }
        self.buffer.extend_from_slice(b"\n\n");
        self.shape = Shape::Events;
        self.next_event()
    }

    fn recognise(&mut self) {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let start = self.buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.buffer).trim_ascii_start();
        self.shape = match start.first() {
            None => return,
            Some(b'{') => Shape::Whole,
            Some(_) => Shape::Events,
        };
        self.buffer.drain(..self.buffer.len() - start.len());
    }

    fn next_line(&mut self) -> Result<Option<String>, Failure> {
        let Some(found) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let mut line: Vec<u8> = self.buffer.drain(..=self.scanned + found).collect();
        self.scanned = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        text(line).map(Some)
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::Malformed("it is not UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8], step: usize) -> Vec<String> {
        let mut framing = Framing::default();
        let mut out = vec![];
        for piece in bytes.chunks(step) {
            framing.push(piece).unwrap();
            while let Some(event) = framing.next_event().unwrap() {
                out.push(event);
            }
        }
        out.extend(framing.end().unwrap());
        out
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let stream =
            "\u{feff}: hello\n\nevent: x\r\ndata: {\"é\":1}\r\n\r\ndata:two\ndata: lines\nid: 7\n\ndata: [DONE]";
        for step in 1..=stream.len() {
            // A byte order mark that comes in pieces is the one thing that is not recognised.
            let bytes = if step < 3 { &stream.as_bytes()[3..] } else { stream.as_bytes() };
            assert_eq!(events(bytes, step), ["{\"é\":1}", "two\nlines", "[DONE]"], "{step}");
        }
    }

    #[test]
    fn a_document_comes_whole() {
        for step in [1, 5, 100] {
            assert_eq!(events(b"\n {\"a\":\n\n1}", step), ["{\"a\":\n\n1}"]);
        }
        assert_eq!(events(b"", 1), Vec::<String>::new());
    }

    #[test]
    fn an_endless_line_and_broken_text_are_refused() {
        let mut framing = Framing::default();
        framing.push(b"data: ").unwrap();
        assert_eq!(framing.push(&vec![b'x'; MAX_PIECE]), Err(Failure::TooLarge(MAX_ANSWER)));
        let mut framing = Framing::default();
        framing.push(b"data: \xff\n").unwrap();
        assert!(matches!(framing.next_event(), Err(Failure::Malformed(_))));
    }
}
