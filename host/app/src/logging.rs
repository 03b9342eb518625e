//! Where the log goes: standard error, for a person or for a collector.

use std::io::IsTerminal;

use switchhook_config::LogFormat;
use tracing_subscriber::EnvFilter;

/// `SWITCHHOOK_LOG` says how much, in the form of `tracing`'s filters, such as `debug` or `switchhook_pipeline=debug`.
const VARIABLE: &str = "SWITCHHOOK_LOG";
const DEFAULT: &str = "info";

/// Starts the log of this process. Called once, before anything is worth telling.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .parse_lossy(std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned()));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Pretty => log.with_ansi(colours()).with_target(false).init(),
    }
    #[cfg(feature = "whatsapp")]
    switchhook_whatsapp::hear_library();
}

fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
