//! The life of a message: it waits in its chat's lane, is permitted by policy, answered by a reply plugin or framed for
//! a language model, and goes out through a connector.
//!
//! Start with [`stages`](self), which has the sentence above as code. [`Pipeline`] is the door.
#![forbid(unsafe_code)]

mod answer;
mod desk;
mod dispatch;
mod errands;
mod event;
mod intake;
mod lanes;
mod outbound;
mod permit;
mod pipeline;
mod redact;
mod request;
mod revoke;
mod services;
mod settle;
mod stages;
mod trace;
pub mod wiring;

pub use desk::Carriers;
pub use event::{Event, EventKind};
pub use pipeline::{Load, Pipeline, PipelineParts, Placement, Straggler};
pub use request::{NotAsked, Request, Requested};
pub use trace::{HostAnswer, ModelStep, Trace, TraceStep};
