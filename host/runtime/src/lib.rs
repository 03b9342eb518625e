//! The running generation: an edit becomes a plan, a plan becomes a generation, and connectors are kept alive.
//!
//! Start with [`Host`], then `apply` (the life of an edit) and `supervisor` (the life of a connection). No vendor is
//! known here: kinds of connectors are handed in.
#![forbid(unsafe_code)]

mod apply;
mod build;
mod channels;
mod devices;
mod explain;
mod fingerprint;
mod health;
mod host;
pub mod link;
mod messages;
mod rest;
mod restore;
mod rotation;
mod send;
mod status;
mod supervisor;
mod tasks;

pub use explain::{ExplainedDelivery, Explanation};
pub use health::{Health, Level, Reason};
pub use host::{Cause, DrainReport, Host, HostOptions, StartError};
pub use messages::{Direction, LogEntry, LogKind, LogStatus, MessageLog};
pub use rotation::{KeySource, KeyState, KeyStatus, RotationRefusal};
pub use send::{SendRefusal, SendRequest, Sending};
pub use status::{Attempt, AttemptOutcome, ChannelStatus, HostStatus, PluginStatus};
pub use switchhook_pipeline::{Event, Trace};
