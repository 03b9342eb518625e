//! Everything wrong with a config, at once, each with its place and its remedy.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde::{Deserialize, Serialize};
use switchhook_core::id::Digest;

use crate::digest::Hasher;
use crate::excerpt::Excerpt;

/// Something wrong with the config, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Problem {
    pub message: String,
    /// What to do about it, where that can be said.
    pub help: Option<String>,
    /// From 1; 0 where the problem has no place in the text (the file can't be read).
    pub line: usize,
    /// In characters, from 1; 0 like `line`.
    pub column: usize,
    /// The key in dotted form, such as `channels.me.token`; empty for the whole file.
    pub key: String,
    /// Bytes of the text.
    #[serde(skip)]
    pub(crate) span: Range<usize>,
    /// The text, with the secrets that stood in it masked.
    #[serde(skip)]
    pub(crate) source: Option<Arc<Excerpt>>,
}

impl Problem {
    /// A problem of the config as a whole, found when it was to be put in force.
    pub fn of_whole(message: String) -> Self {
        Self { message, help: None, line: 0, column: 0, key: String::new(), span: 0..0, source: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_deref().map(|source| source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let label = LabeledSpan::new_primary_with_span(None, self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Whether a rendered message carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    Never,
    Always,
}

/// Why a config is refused: every problem of it. Nothing of a refused config is used.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    path: PathBuf,
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
    digest: Digest,
}

/// How many problems are rendered: a person mends the first few and asks again. `problems()` has all of them.
const RENDERED: usize = 30;

/// The width messages are wrapped at, in columns.
const WIDTH: usize = 110;

impl ConfigErrors {
    pub(crate) fn new(path: PathBuf, problems: Vec<Problem>, files: Vec<PathBuf>, digest: Digest) -> Self {
        Self { path, problems, files, digest }
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let problem = Problem {
            message: format!("the config file {} can't be read: {error}", path.display()),
            help: Some("name another with `--config`, or make this one readable".to_owned()),
            line: 0,
            column: 0,
            key: String::new(),
            span: 0..0,
            source: None,
        };
        Self { files: vec![path.clone()], path, problems: vec![problem], digest: Hasher::default().finish() }
    }

    /// In the order of the text; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The files whose change may mend the config, as far as they could be determined. At least the config file.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Of what was read, as in [`Config::digest`](crate::Config::digest): of two equal refusals one is news.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Every problem with its place in the text, for a terminal or a log.
    pub fn render(&self, color: Color) -> String {
        let theme = match color {
            Color::Never => GraphicalTheme::unicode_nocolor(),
            Color::Always => GraphicalTheme::unicode(),
        };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_context_lines(1).with_links(false);
        let mut out = String::new();
        for problem in self.problems.iter().take(RENDERED) {
            // Writing to a string can't fail; what miette can't draw is still said.
            if handler.render_report(&mut out, problem).is_err() {
                out.push_str(&problem.message);
            }
            out.push('\n');
        }
        if let Some(more) = self.problems.len().checked_sub(RENDERED).filter(|more| *more > 0) {
            out.push_str(&format!("and {more} more\n"));
        }
        out
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] if only.line == 0 => f.write_str(&only.message),
            [only] => write!(f, "{}:{}:{}: {}", self.path.display(), only.line, only.column, only.message),
            many => write!(f, "{} has {} errors", self.path.display(), many.len()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl Diagnostic for ConfigErrors {
    fn related(&self) -> Option<Box<dyn Iterator<Item = &dyn Diagnostic> + '_>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
