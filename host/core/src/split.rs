//! Cutting long texts into parts that a provider takes.

/// The longest text of one message, in the provider's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLimit {
    /// UTF-16 code units, as Telegram counts.
    Utf16(usize),
    Bytes(usize),
}

impl TextLimit {
    fn units(self) -> usize {
        match self {
            Self::Utf16(units) | Self::Bytes(units) => units,
        }
    }
    fn of(self, c: char) -> usize {
        match self {
            Self::Utf16(_) => c.len_utf16(),
            Self::Bytes(_) => c.len_utf8(),
        }
    }
    /// Whether a text goes out as one message.
    pub fn holds(self, text: &str) -> bool {
        self.cost(text) <= self.units()
    }
    fn cost(self, text: &str) -> usize {
        match self {
            Self::Utf16(_) => text.chars().map(char::len_utf16).sum(),
            Self::Bytes(_) => text.len(),
        }
    }
}

/// Cuts a text into parts within the limit: after a paragraph if it can, else a line, a sentence, a word, and only then
/// within a word, never within a character or what shows as one. White space at a cut is dropped, nothing else. A
/// Markdown code fence that a cut falls into is closed and opened again.
///
/// There is always at least one part; a text within the limit comes back as it is. Limits below 8 units are taken as 8,
/// so that every character fits.
pub fn split_text(text: &str, limit: TextLimit) -> Vec<String> {
    let limit = match limit {
        TextLimit::Utf16(units) => TextLimit::Utf16(units.max(8)),
        TextLimit::Bytes(units) => TextLimit::Bytes(units.max(8)),
    };
    if limit.cost(text) <= limit.units() {
        return vec![text.to_owned()];
    }
    let mut cutter = Cutter { rest: text, fence: None, limit };
    let parts: Vec<String> = std::iter::from_fn(|| cutter.next_part()).filter(|p| !p.trim().is_empty()).collect();
    if parts.is_empty() { vec![String::new()] } else { parts }
}

/// An open code fence: the line that opens it again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fence {
    opening: String,
    marks: usize,
}

impl Fence {
    fn closing(&self) -> String {
        format!("\n{}", "`".repeat(self.marks))
    }
    /// Room a part needs so that something is left for the text itself.
    fn room(&self, limit: TextLimit) -> usize {
        limit.cost(&self.opening) + 1 + limit.cost(&self.closing()) + MIN_CODE
    }
}

/// A part within a fence holds at least this much code; where the limit has no room for it, fences are left as they are.
const MIN_CODE: usize = 16;
/// A longer info string is not repeated on the parts that follow.
const MAX_OPENING: usize = 32;

struct Cutter<'a> {
    rest: &'a str,
    /// The fence open where `rest` starts.
    fence: Option<Fence>,
    limit: TextLimit,
}

impl Cutter<'_> {
    fn next_part(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        let opening = self.fence.as_ref().map(|f| format!("{}\n", f.opening)).unwrap_or_default();
        let room = self.limit.units() - self.limit.cost(&opening);
        let mut cut = find_cut(self.rest, room, self.limit);
        let mut fence = self.fence_after(cut);
        if let Some(open) = fence.as_ref().filter(|_| cut < self.rest.len()) {
            cut = find_cut(self.rest, room.saturating_sub(self.limit.cost(&open.closing())), self.limit);
            cut = before_opening_line(&self.rest[..cut]).unwrap_or(cut);
            fence = self.fence_after(cut);
        }
        let mut part = opening + self.rest[..cut].trim_end();
        self.rest = skip_cut(&self.rest[cut..]);
        if let Some(open) = fence.as_ref().filter(|_| !self.rest.is_empty()) {
            part.push_str(&open.closing());
            if let Some(after) = skip_closing_line(self.rest, open) {
                self.rest = skip_cut(after);
                fence = None;
            }
        }
        self.fence = fence;
        Some(part)
    }

    /// The fence open after `cut` bytes of the rest.
    fn fence_after(&self, cut: usize) -> Option<Fence> {
        let mut fence = self.fence.clone();
        for line in self.rest[..cut].lines() {
            fence = match (fence, fence_marks(line)) {
                (Some(open), Some(marks)) if marks >= open.marks && is_bare(line) => None,
                (None, Some(marks)) => Some(opened_by(line, marks)),
                (fence, _) => fence,
            };
        }
        fence.filter(|f| f.room(self.limit) <= self.limit.units())
    }
}

/// How many backticks a fence line starts with; CommonMark allows three spaces before them.
fn fence_marks(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    let marks = text.bytes().take_while(|b| *b == b'`').count();
    let is_fence = line.len() - text.len() <= 3 && marks >= 3 && !text[marks..].contains('`');
    is_fence.then_some(marks)
}

fn is_bare(line: &str) -> bool {
    line.trim().bytes().all(|b| b == b'`')
}

fn opened_by(line: &str, marks: usize) -> Fence {
    let line = line.trim();
    let opening = if line.len() <= MAX_OPENING { line.to_owned() } else { "`".repeat(marks) };
    Fence { opening, marks }
}

/// Where the last line starts, if it opens a fence with nothing in it yet and something comes before it.
fn before_opening_line(part: &str) -> Option<usize> {
    let text = part.trim_end();
    let start = text.rfind('\n')? + 1;
    (fence_marks(&text[start..]).is_some() && !text[..start].trim().is_empty()).then_some(start)
}

/// What follows if the rest starts with the line that closes the fence: the part before has closed it already.
fn skip_closing_line<'a>(rest: &'a str, open: &Fence) -> Option<&'a str> {
    let line = rest.lines().next()?;
    let closes = fence_marks(line).is_some_and(|marks| marks >= open.marks) && is_bare(line);
    closes.then(|| &rest[line.len()..])
}

/// Drops the white space at a cut, but not the indentation of the line that follows.
fn skip_cut(rest: &str) -> &str {
    let text = rest.trim_start();
    let space = &rest[..rest.len() - text.len()];
    match space.rfind('\n') {
        Some(newline) if !text.is_empty() => &rest[newline + 1..],
        _ => text,
    }
}

/// Where to cut so that what comes before fits into `room` units; the length of the text if all of it fits.
fn find_cut(text: &str, room: usize, limit: TextLimit) -> usize {
    let mut used = 0;
    let over = text.char_indices().find(|(_, c)| {
        used += limit.of(*c);
        used > room
    });
    let Some((end, _)) = over else { return text.len() };
    // Whatever the fences take, every part moves on by a character.
    let end = end.max(text.chars().next().map_or(0, char::len_utf8));
    let window = &text[..end];
    // A cut near the start of the window would leave the part nearly empty: take a lesser boundary instead.
    let worth = |cut: &usize| *cut * 3 >= end;
    let next = &text[end..];
    let paragraph = if next.starts_with("\n\n") { Some(end) } else { window.rfind("\n\n") };
    let line = if next.starts_with('\n') { Some(end) } else { window.rfind('\n') };
    let word = if next.starts_with(char::is_whitespace) { Some(end) } else { window.rfind(char::is_whitespace) };
    paragraph
        .filter(worth)
        .or(line.filter(worth))
        .or(sentence_end(window, next).filter(worth))
        .or(word.filter(|cut| !window[..*cut].trim().is_empty()))
        .unwrap_or_else(|| within_word(text, end))
}

/// The end of the last whole sentence.
fn sentence_end(window: &str, next: &str) -> Option<usize> {
    let mut following = next.chars().next();
    for (at, c) in window.char_indices().rev() {
        let ends = match c {
            '.' | '!' | '?' | '…' => following.is_none_or(char::is_whitespace),
            '。' | '！' | '？' => true,
            _ => false,
        };
        if ends {
            return Some(at + c.len_utf8());
        }
        following = Some(c);
    }
    None
}

/// The last place up to `end` that is not within what shows as one character.
fn within_word(text: &str, end: usize) -> usize {
    let whole = |at: usize| !joins(&text[..at], &text[at..]);
    // Nobody writes a longer sequence; what does is cut where it must be.
    let boundaries = text[..end].char_indices().rev().map(|(at, _)| at).take(32).take_while(|at| *at > 0);
    std::iter::once(end).chain(boundaries).find(|at| whole(*at)).unwrap_or(end)
}

/// Whether the characters on both sides show as one. Approximate: the sequences people write, not all of Unicode.
fn joins(before: &str, after: &str) -> bool {
    let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else { return false };
    let flags = |c: char| matches!(c, '\u{1F1E6}'..='\u{1F1FF}');
    let odd_flags = before.chars().rev().take_while(|c| flags(*c)).count() % 2 == 1;
    last == '\u{200D}' || extends(next) || (flags(next) && odd_flags)
}

/// Marks, joiners and modifiers that belong to the character before them.
fn extends(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}' | '\u{05BF}'..='\u{05C7}'
        | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{0900}'..='\u{0903}' | '\u{093A}'..='\u{094F}'
        | '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}' | '\u{1160}'..='\u{11FF}'
        | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200C}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, limit: usize, expect: &[&str]) {
        assert_eq!(split_text(text, TextLimit::Utf16(limit)), expect);
    }

    #[test]
    fn a_text_that_fits_is_left_alone() {
        check("", 10, &[""]);
        check(" ten chars", 10, &[" ten chars"]);
    }

    #[test]
    fn cuts_prefer_paragraph_then_line_then_sentence_then_word() {
        check("one two\n\nthree\nfour. five", 20, &["one two", "three\nfour. five"]);
        check("one two\nthree. four five", 18, &["one two", "three. four five"]);
        check("One two. Three four five", 18, &["One two.", "Three four five"]);
        check("one two three four", 10, &["one two", "three four"]);
        check("onetwothreefour", 10, &["onetwothre", "efour"]);
    }

    #[test]
    fn what_shows_as_one_character_stays_whole() {
        let family = "👨\u{200D}👩\u{200D}👧";
        check(&format!("aaaa{family}"), 10, &["aaaa", family]);
        check("aaaaaaaae\u{301}", 9, &["aaaaaaaa", "e\u{301}"]);
        check("aaaaaa🇩🇪🇫🇷", 12, &["aaaaaa🇩🇪", "🇫🇷"]);
    }

    #[test]
    fn code_fences_are_closed_and_opened_again() {
        let parts =
            split_text("Look:\n```rust\nlet a = 1;\n    let b = 2;\nlet c = 3;\n```\nDone.", TextLimit::Utf16(48));
        assert_eq!(
            parts,
            ["Look:\n```rust\nlet a = 1;\n    let b = 2;\n```", "```rust\nlet c = 3;\n```\nDone."],
            "each part shows its code as code"
        );
    }

    #[test]
    fn a_cut_before_the_closing_line_leaves_no_empty_block() {
        let text = format!("```\n{}\n```\nafter the code", "x".repeat(40));
        check(&text, 48, &[&format!("```\n{}\n```", "x".repeat(40)), "after the code"]);
    }

    fn essence(text: &str) -> String {
        text.lines().filter(|l| fence_marks(l).is_none()).flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn parts_fit_and_lose_nothing(text in "(\\PC|[ \n.a-zé👩\u{200D}\u{301}🇩]){0,300}", units in 8usize..80) {
            let text = text.replace('`', "'");
            for limit in [TextLimit::Utf16(units), TextLimit::Bytes(units)] {
                let parts = split_text(&text, limit);
                for part in &parts {
                    prop_assert!(limit.cost(part) <= units, "{part:?}");
                }
                prop_assert_eq!(essence(&parts.concat()), essence(&text));
            }
        }

        #[test]
        fn fenced_parts_fit_balance_and_lose_nothing(
            blocks in prop::collection::vec(("[a-z .\n]{0,60}", "[a-z0-9]{0,6}", "( {0,4}[a-z;]{1,30}\n){0,12}"), 0..5),
            units in 48usize..120,
        ) {
            let text: String = blocks.iter().map(|(prose, info, code)| format!("{prose}\n```{info}\n{code}```\n")).collect();
            let limit = TextLimit::Utf16(units);
            let parts = split_text(&text, limit);
            for part in &parts {
                prop_assert!(limit.cost(part) <= units, "{part:?}");
                let fences = part.lines().filter(|l| fence_marks(l).is_some()).count();
                prop_assert_eq!(fences % 2, 0, "{:?}", part);
            }
            prop_assert_eq!(essence(&parts.join("\n")), essence(&text));
        }
    }
}
