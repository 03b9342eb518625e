//! Aligned columns for people, and times as they say them. No colours: what is piped away reads the same.

use std::time::Duration;

use switchhook_core::time::UnixMillis;

/// The width that every terminal has.
const FRAME: usize = 80;
const GAP: &str = "  ";
/// What is longer than its column goes on below it, indented by this.
const BELOW: &str = "    ";
/// A column narrower than this is no place for a sentence.
const NARROW: usize = 20;

/// Rows of equally many cells, the first of them the heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()] }
    }
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }
    /// `none` where there is no row but the heading. Lines keep to [`FRAME`]: the last column is continued below its
    /// heading, or on lines of its own where there is no room beside the others.
    pub(crate) fn or(self, none: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{none}\n");
        }
        let widths = self.widths();
        let lead: usize = widths.iter().map(|width| width + GAP.len()).sum();
        let beside = FRAME.saturating_sub(lead);
        let sentences = self.rows[1..].iter().filter_map(|row| row.last());
        let longest = sentences.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let (last, others) = row.split_last().expect("a row has cells");
            let cells = others.iter().zip(&widths).map(|(cell, &width)| format!("{:width$}{GAP}", clip(cell, width)));
            let start = cells.collect::<String>();
            // A heading stays beside the others where it can.
            let below = if number == 0 { last.chars().count() > beside } else { longest > beside && beside < NARROW };
            if below {
                push_line(&mut text, &start);
                wrap(last, FRAME - BELOW.len()).iter().for_each(|line| push_line(&mut text, &format!("{BELOW}{line}")));
                continue;
            }
            for (line, words) in wrap(last, beside.max(NARROW)).iter().enumerate() {
                let start = if line == 0 { start.clone() } else { " ".repeat(lead) };
                push_line(&mut text, &format!("{start}{words}"));
            }
        }
        text
    }

    /// Of every column but the last. Where they do not fit into the frame the widest gives way; the first, by which a row is
    /// named to other commands, stays whole.
    fn widths(&self) -> Vec<usize> {
        let columns = self.rows[0].len() - 1;
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns).map(width).collect();
        while widths.iter().map(|width| width + GAP.len()).sum::<usize>() > FRAME + GAP.len() {
            let Some(widest) = widths.iter_mut().skip(1).max() else { break };
            if *widest <= NARROW / 2 {
                break;
            }
            *widest -= 1;
        }
        widths
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Breaks at spaces; a word that is too long is cut. At least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if room < width && word.len() + 1 > room {
            lines.push(String::new());
            room = width;
        }
        if room < width {
            lines.last_mut().expect("at least one line").push(' ');
            room -= 1;
        }
        while word.len() > room {
            let rest = word.split_off(room);
            lines.last_mut().expect("at least one line").extend(word);
            lines.push(String::new());
            (word, room) = (rest, width);
        }
        room -= word.len();
        lines.last_mut().expect("at least one line").extend(word);
    }
    lines
}

fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// What may be absent, or too long for a column, or break a line.
pub(crate) fn cell(text: Option<&str>, longest: usize) -> String {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return "-".to_owned() };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clip(&line, longest)
}

/// `5 s`, `3 min`, `2 h`, `4 d`.
pub(crate) fn span(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

pub(crate) fn ago(at: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", span(now.since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heading() {
        let mut table = Table::new(["ID", "REASON"]);
        table.row(["m1".to_owned(), "größer".to_owned()]);
        table.row(["m1000".to_owned(), String::new()]);
        assert_eq!(table.or("none"), "ID     REASON\nm1     größer\nm1000\n");
        assert_eq!(Table::new(["ID"]).or("Nothing is held."), "Nothing is held.\n");
    }

    fn check(table: Table, expect: &[&str]) {
        let text = table.or("none");
        assert!(text.lines().all(|line| line.chars().count() <= FRAME), "{text}");
        assert_eq!(text.lines().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_long_sentence_goes_on_below_its_heading() {
        let mut table = Table::new(["CHANNEL", "DETAIL"]);
        table.row(["c".repeat(40), format!("no connection: {}", "word ".repeat(8).trim())]);
        let start = " ".repeat(42);
        check(
            table,
            &[
                &format!("CHANNEL{}DETAIL", " ".repeat(35)),
                &format!("{}  no connection: word word word word", "c".repeat(40)),
                &format!("{start}word word word word"),
            ],
        );
    }

    #[test]
    fn a_sentence_without_room_gets_lines_of_its_own() {
        let mut table = Table::new(["ID", "CHAT", "NAME", "WHY"]);
        table.row(["m1".to_owned(), "a".repeat(60), "b".repeat(30), "because ".repeat(12).trim().to_owned()]);
        table.row(["m2".to_owned(), "a".to_owned(), "b".to_owned(), String::new()]);
        let text = table.or("none");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= FRAME), "{text}");
        let row = lines.iter().position(|line| line.starts_with("m1  aaa")).expect("the row is there");
        assert!(lines[row].contains('…'), "{text}");
        assert!(lines[row + 1].starts_with("    because"), "{text}");
        assert_eq!(wrap("xxxxxxxx", 3), ["xxx", "xxx", "xx"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn a_cell_keeps_to_its_line() {
        assert_eq!(cell(Some("two\nlines\u{1b}[31m"), 20), "two lines [31m");
        assert_eq!(cell(Some("abcdef"), 4), "abc…");
        assert_eq!(cell(None, 4), "-");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let ago = |seconds: u64| ago(UnixMillis(0), UnixMillis(seconds * 1000));
        assert_eq!([ago(5), ago(300), ago(10_000), ago(400_000)], ["5 s ago", "5 min ago", "2 h ago", "4 d ago"]);
    }
}
