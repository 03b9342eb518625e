//! How a command fails, and what it tells the shell.

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use switchhook_config::{Color, ConfigErrors, LocateError};
use switchhook_core::catalogue::CatalogueError;
use switchhook_plugin::CompileError;

/// Why a command did not do what it was asked. The groups are the exit codes of `--help`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Already in its final form: every problem with its place.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The same, as `--json` puts it on standard output.
    #[error("the config has errors")]
    ConfigTold { text: String },
    /// The same, as the running host put it.
    #[error("the config has errors; what ran goes on")]
    ConfigRefused { rendered: String },
    #[error(transparent)]
    Locate(#[from] LocateError),
    #[error("no host answers at {address}: {reason}")]
    NoHost { address: String, reason: String, config: PathBuf },
    #[error("the token of the running host can't be read: {reason}")]
    NoToken { reason: String },
    /// The running host's word.
    #[error("{message}")]
    Refused { code: String, message: String },
    /// An attempt to link that is over; `code` is that of B11.
    #[error("`{channel}` is not linked ({code}): {what}")]
    NotLinked { channel: String, code: String, what: String },
    /// A plugin that was named on the command line.
    #[error(transparent)]
    Plugin(#[from] CatalogueError),
    /// In the compiler's own process: its parent reads one plain line.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The data folder; `code` is that of the store.
    #[error("the store can't be opened: {what}")]
    Store { code: &'static str, what: String, help: Option<String> },
    #[error("{what}")]
    Other { what: String, help: Option<String> },
}

impl Failure {
    /// Anything that is neither of the others, with its causes in one line.
    pub(crate) fn other(what: &str, error: impl std::error::Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self::Other { what: text, help: None }
    }
    /// See `--help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Other { .. } | Self::Store { .. } | Self::Plugin(_) | Self::Compile(_) => 1,
            Self::Config(_) | Self::ConfigTold { .. } | Self::ConfigRefused { .. } | Self::Locate(_) => 3,
            Self::NoHost { .. } | Self::NoToken { .. } => 4,
            Self::Refused { .. } => 5,
            Self::NotLinked { .. } => 6,
        }
    }
    /// Says it on standard error (what `--json` asked for: on standard output).
    pub(crate) fn report(self) -> ExitCode {
        let code = ExitCode::from(self.exit_code());
        match self {
            Self::ConfigTold { text } => print!("{text}"),
            Self::Config(errors) => eprint!("{}", errors.render(colours())),
            Self::ConfigRefused { rendered } => {
                eprintln!("{}\n\nThe config has errors; what ran goes on.", rendered.trim_end())
            }
            Self::Compile(error) => eprintln!("{error}"),
            failure => eprint!("{}", failure.drawn()),
        }
        code
    }
}

impl Failure {
    /// In the form of the config's errors, with paths kept whole.
    fn drawn(&self) -> String {
        let theme = match colours() {
            Color::Always => GraphicalTheme::unicode(),
            Color::Never => GraphicalTheme::unicode_nocolor(),
        };
        let mut text = String::new();
        let drawn = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).render_report(&mut text, self);
        drawn.map_or_else(|_| format!("{self}\n"), |()| text)
    }
}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        match self {
            Self::Store { code, .. } => Some(Box::new(code)),
            _ => None,
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(match self {
            Self::Locate(_) => Box::new("name one with `--config FILE`, or start in the folder of the clone"),
            Self::NoHost { config, .. } => {
                Box::new(format!("start one with `switchhook run --config {}`", config.display()))
            }
            Self::NoToken { .. } => {
                Box::new("use the user and the config the host runs with; it makes the token on its first run")
            }
            Self::Other { help: Some(help), .. } | Self::Store { help: Some(help), .. } => Box::new(help),
            _ => return None,
        })
    }
}

fn colours() -> Color {
    let wanted = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { Color::Always } else { Color::Never }
}
