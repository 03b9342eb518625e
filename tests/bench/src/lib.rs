//! What the driver and the benchmarks inside one process share.
#![forbid(unsafe_code)]

mod component;
mod pairs;
mod stats;

pub use component::{grown, version};
pub use pairs::{Pairs, Run};
pub use stats::Samples;
