//! Aligned columns for people, and times as they say them. No colours: what is piped away reads the same.

use std::time::Duration;

use switchhook_core::time::UnixMillis;

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
    /// `none` where there is no row but the heading.
    pub(crate) fn or(self, none: &str) -> String {
        if self.rows.len() == 1 {
            return format!("{none}\n");
        }
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// What may be absent, or too long for a column, or break a line.
pub(crate) fn cell(text: Option<&str>, longest: usize) -> String {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return "-".to_owned() };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
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
