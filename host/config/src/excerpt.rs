//! The part of the text that a message shows: the line of its place and no other, since any other line may hold
//! something that is nobody's business.

use miette::{MietteError, MietteSpanContents, NamedSource, SourceCode, SourceSpan, SpanContents};

/// Bytes of a long line that are shown before and behind the place.
const AROUND: usize = 120;

#[derive(Debug)]
pub(crate) struct Excerpt {
    text: NamedSource<String>,
}

impl Excerpt {
    pub(crate) fn new(name: String, text: String) -> Self {
        Self { text: NamedSource::new(name, text) }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if before == 0 && after == 0 {
            // Asked for the line and column of the place itself.
            return self.text.read_span(span, 0, 0);
        }
        let text = self.text.inner();
        let end = span.offset() + span.len();
        let (Some(ahead), Some(behind)) = (text.get(..span.offset()), text.get(end..)) else {
            return Err(MietteError::OutOfBounds);
        };
        let line = ahead.rfind('\n').map_or(0, |newline| newline + 1);
        let from = text.ceil_char_boundary(line.max(span.offset().saturating_sub(AROUND)));
        let line_end = end + behind.find('\n').unwrap_or(behind.len());
        let to = text.floor_char_boundary(line_end.min(end + AROUND));
        let shown = SourceSpan::new(from.into(), to - from);
        let number = ahead.matches('\n').count();
        let name = self.text.name().to_owned();
        let data = &text.as_bytes()[from..to];
        Ok(Box::new(MietteSpanContents::new_named(name, data, shown, number, 0, number + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, at: usize, length: usize) -> String {
        let excerpt = Excerpt::new("x".to_owned(), text.to_owned());
        let contents = excerpt.read_span(&SourceSpan::new(at.into(), length), 1, 1).unwrap();
        String::from_utf8(contents.data().to_vec()).unwrap()
    }

    #[test]
    fn one_line_is_shown_and_of_a_long_line_a_part() {
        assert_eq!(shown("ab\ncde\nfg", 4, 1), "cde");
        assert_eq!(shown("ab", 2, 0), "ab");
        assert_eq!(shown("", 0, 0), "");
        let long = format!("a\n{}x{}\nb", "ä".repeat(500), "ö".repeat(500));
        assert!(shown(&long, 1002, 1).contains('x'));
        assert!(shown(&long, 1002, 1).len() <= 2 * AROUND + 1);
    }
}
