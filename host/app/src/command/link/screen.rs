//! Where an attempt is shown: a terminal redraws in place, a pipe gets what is new, a script gets JSON.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use switchhook_runtime::link::Attempt;

use super::drawing::Ink;
use super::words::{Look, look};

pub(super) enum Screen {
    /// One attempt a line, whenever something of it changed.
    Json {
        last: Option<Box<Attempt>>,
    },
    /// Nothing is ever redrawn.
    Pipe {
        last: Option<Vec<String>>,
        clock: Clock,
    },
    Terminal {
        drawn: Option<Look>,
        clock: Clock,
    },
}

impl Screen {
    pub(super) fn of(json: bool, terminal: bool) -> Self {
        match (json, terminal) {
            (true, _) => Self::Json { last: None },
            (false, false) => Self::Pipe { last: None, clock: Clock::default() },
            (false, true) => Self::Terminal { drawn: None, clock: Clock::default() },
        }
    }

    pub(super) fn show(&mut self, attempt: &Attempt, now: Instant, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Json { last } => json(last, attempt, out),
            Self::Pipe { last, clock } => {
                let left = clock.left(attempt, now);
                append(last, look(attempt, left, Ink::LightBlocks), left, out)
            }
            Self::Terminal { drawn, clock } => {
                let look = look(attempt, clock.left(attempt, now), Ink::BlackOnWhite);
                redraw(drawn, look, attempt.record.status.is_over(), size(), out)
            }
        }
    }
}

/// When what is shown dies, by our own clock: the host's answer may be the last one that comes.
#[derive(Default)]
pub(super) struct Clock(Option<(String, Instant)>);

impl Clock {
    fn left(&mut self, attempt: &Attempt, now: Instant) -> Option<Duration> {
        let (what, lives) = match (&attempt.qr, &attempt.code) {
            (Some(qr), _) => (&qr.payload, qr.expires_in_ms),
            (None, Some(code)) => (&code.code, code.expires_in_ms),
            (None, None) => return None,
        };
        let until = match &self.0 {
            Some((known, until)) if known == what => *until,
            _ => now + Duration::from_millis(lives),
        };
        self.0 = Some((what.clone(), until));
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

fn json(last: &mut Option<Box<Attempt>>, attempt: &Attempt, out: &mut impl Write) -> io::Result<()> {
    // Time that passes is no news.
    let mut still = attempt.clone();
    still.qr.iter_mut().for_each(|qr| qr.expires_in_ms = 0);
    still.code.iter_mut().for_each(|code| code.expires_in_ms = 0);
    if last.as_deref() == Some(&still) {
        return Ok(());
    }
    *last = Some(Box::new(still));
    serde_json::to_writer(&mut *out, attempt)?;
    writeln!(out)
}

fn append(last: &mut Option<Vec<String>>, look: Look, left: Option<Duration>, out: &mut impl Write) -> io::Result<()> {
    if look.body.is_empty() || last.as_ref() == Some(&look.body) {
        return Ok(());
    }
    look.body.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    if let Some(left) = left {
        writeln!(out, "Expires in {} s.", left.as_secs())?;
    }
    *last = Some(look.body);
    Ok(())
}

/// Columns and rows.
type Size = (usize, usize);

fn size() -> Size {
    let found = terminal_size::terminal_size();
    found.map_or((80, 24), |(width, height)| (usize::from(width.0).max(1), usize::from(height.0).max(1)))
}

fn redraw(drawn: &mut Option<Look>, look: Look, over: bool, size: Size, out: &mut impl Write) -> io::Result<()> {
    let look = fitted(look, size);
    match drawn.as_ref() {
        Some(before) if before.body == look.body => {
            if before.below != look.below {
                write!(out, "\r\x1b[K{}", look.below)?;
            }
        }
        before => {
            if let Some(before) = before {
                erase(before, size, out)?;
            }
            look.body.iter().try_for_each(|line| write!(out, "{line}\r\n"))?;
            write!(out, "{}", look.below)?;
        }
    }
    if over && !look.below.is_empty() {
        write!(out, "\r\n")?;
    }
    *drawn = Some(look);
    Ok(())
}

/// What does not fit can't be scanned, and would scroll away from where it is redrawn.
fn fitted(look: Look, (columns, rows): Size) -> Look {
    let wide = look.body.iter().map(|line| visible(line)).max().unwrap_or(0);
    let high = look.body.len() + 1;
    if wide <= columns && high <= rows {
        return look;
    }
    let body = vec![
        format!("This window is too small for the code: it needs {wide} columns and {high} rows."),
        "Make it larger, or end this and use `--code +NUMBER`.".to_owned(),
    ];
    Look { body, below: look.below }
}

fn erase(before: &Look, (columns, _): Size, out: &mut impl Write) -> io::Result<()> {
    let rows: usize = before.body.iter().map(|line| visible(line).max(1).div_ceil(columns)).sum();
    let below = visible(&before.below).max(1).div_ceil(columns) - 1;
    match rows + below {
        0 => write!(out, "\r\x1b[J"),
        up => write!(out, "\r\x1b[{up}A\x1b[J"),
    }
}

/// The columns a line takes, its colours left aside.
fn visible(line: &str) -> usize {
    let mut columns = 0;
    let mut colour = false;
    for character in line.chars() {
        match character {
            '\x1b' => colour = true,
            'm' if colour => colour = false,
            _ if colour => {}
            _ => columns += 1,
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::words::tests::{attempt, with_qr};
    use super::*;

    fn shown(screen: &mut Screen, attempt: &Attempt, now: Instant) -> String {
        let mut out = Vec::new();
        screen.show(attempt, now, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_script_gets_a_line_for_every_change_and_none_for_the_clock() {
        let (mut screen, now) = (Screen::of(true, true), Instant::now());
        let first = shown(&mut screen, &with_qr("abc"), now);
        assert_eq!(first.lines().count(), 1);
        assert_eq!(serde_json::from_str::<Attempt>(&first).unwrap().qr.unwrap().payload, "abc");
        let mut later = with_qr("abc");
        later.qr.as_mut().unwrap().expires_in_ms = 10;
        assert_eq!(shown(&mut screen, &later, now), "");
        assert_ne!(shown(&mut screen, &with_qr("def"), now), "");
    }

    #[test]
    fn a_pipe_gets_each_code_once_and_no_control_characters() {
        let (mut screen, now) = (Screen::of(false, false), Instant::now());
        let first = shown(&mut screen, &with_qr("abc"), now);
        assert!(first.contains('█') && first.ends_with("Expires in 60 s.\n"), "{first}");
        assert!(!first.contains('\x1b') && !first.contains('\r'), "{first:?}");
        assert_eq!(shown(&mut screen, &with_qr("abc"), now + Duration::from_secs(5)), "");
        assert!(shown(&mut screen, &with_qr("def"), now + Duration::from_secs(50)).contains('█'));
    }

    fn at(screen: &mut Option<Look>, look: Look, size: Size) -> String {
        let mut out = Vec::new();
        redraw(screen, look, false, size, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn two_lines(first: &str, below: &str) -> Look {
        Look { body: vec![first.to_owned(), "second".to_owned()], below: below.to_owned() }
    }

    #[test]
    fn a_terminal_counts_down_in_place_and_draws_over_what_died() {
        let mut drawn = None;
        let size = (80, 24);
        assert_eq!(at(&mut drawn, two_lines("one", "9 s"), size), "one\r\nsecond\r\n9 s");
        assert_eq!(at(&mut drawn, two_lines("one", "8 s"), size), "\r\x1b[K8 s");
        assert_eq!(at(&mut drawn, two_lines("one", "8 s"), size), "");
        assert_eq!(at(&mut drawn, two_lines("two", "60 s"), size), "\r\x1b[2A\x1b[Jtwo\r\nsecond\r\n60 s");
    }

    #[test]
    fn a_small_window_is_told_what_it_lacks() {
        let said = at(&mut None, two_lines("one", "9 s"), (80, 2));
        assert!(said.contains("6 columns and 3 rows"), "{said}");
    }

    /// B1: by our own clock it dies even if the host no longer answers otherwise.
    #[test]
    fn what_is_shown_dies_on_time() {
        let (mut clock, now) = (Clock::default(), Instant::now());
        assert_eq!(clock.left(&with_qr("abc"), now), Some(Duration::from_secs(60)));
        assert_eq!(clock.left(&with_qr("abc"), now + Duration::from_secs(59)), Some(Duration::from_secs(1)));
        assert_eq!(clock.left(&with_qr("abc"), now + Duration::from_secs(60)), None);
        assert_eq!(clock.left(&attempt(json!({})), now), None);
    }
}
