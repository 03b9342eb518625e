//! Collects what is wrong, each with its place in the text.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::mask;
use crate::error::Problem;
use crate::excerpt::Excerpt;

/// A place in the text, and the key that stands there in dotted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) key: String,
}

struct Finding {
    place: Place,
    message: String,
    help: Option<String>,
}

/// Everything found so far.
#[derive(Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    masks: Vec<Range<usize>>,
}

impl Report {
    pub(crate) fn add(&mut self, place: &Place, message: impl Into<String>, help: Option<String>) {
        self.findings.push(Finding { place: place.clone(), message: message.into(), help });
    }

    /// Keeps a part of the text, such as a literal secret, out of every message.
    pub(crate) fn mask(&mut self, span: Range<usize>) {
        self.masks.push(span);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many findings there are: what was read between two equal counts is sound.
    pub(crate) fn count(&self) -> usize {
        self.findings.len()
    }

    /// The problems in the order of the text, each once.
    pub(crate) fn finish(mut self, text: &str, path: &Path) -> Vec<Problem> {
        let source = Arc::new(Excerpt::new(path.display().to_string(), mask::masked(text, &self.masks)));
        self.findings.sort_by_key(|f| f.place.span.start);
        let mut problems: Vec<Problem> = Vec::with_capacity(self.findings.len());
        let mut cursor = Cursor { text, at: 0, line: 1, line_start: 0 };
        for Finding { place, message, help } in self.findings {
            if problems.iter().rev().take(8).any(|p| p.span.start == place.span.start && p.message == message) {
                continue;
            }
            let (line, column) = cursor.advance(place.span.start);
            problems.push(Problem {
                message,
                help,
                line,
                column,
                key: place.key,
                span: first_line(text, place.span),
                source: Some(source.clone()),
            });
        }
        problems
    }
}

/// The part of a place that a caret can underline: of a long value its beginning.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    const LONGEST: usize = 80;
    let value = text.get(span.clone()).unwrap_or_default();
    let length = value.find(['\n', '\r']).unwrap_or(value.len()).min(value.floor_char_boundary(LONGEST));
    let start = text.floor_char_boundary(span.start.min(text.len()));
    start..start + length
}

/// Counts lines on the way through the text, so that a thousand problems cost one walk.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl Cursor<'_> {
    /// Line and column, both from 1, of a byte that lies ahead.
    fn advance(&mut self, to: usize) -> (usize, usize) {
        let to = self.text.floor_char_boundary(to);
        let passed = &self.text[self.at.min(to)..to];
        self.line += passed.matches('\n').count();
        self.line_start = passed.rfind('\n').map_or(self.line_start, |newline| self.at + newline + 1);
        self.at = to;
        (self.line, self.text[self.line_start..to].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut cursor = Cursor { text: "ab\nä\näb", at: 0, line: 1, line_start: 0 };
        let positions: Vec<_> = [0, 1, 3, 5, 6, 8, 99].into_iter().map(|at| cursor.advance(at)).collect();
        assert_eq!(positions, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn a_caret_underlines_the_beginning_of_what_is_long() {
        assert_eq!(first_line("a = [\n1]", 4..8), 4..5);
        assert_eq!(first_line(&"x".repeat(200), 10..150), 10..90);
        assert_eq!(first_line("", 0..0), 0..0);
    }
}
