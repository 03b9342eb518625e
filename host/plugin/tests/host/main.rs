//! The plugin host against real components. Each module is a promise.

mod calls;
mod contract;
mod fairness;
mod guests;
mod isolation;
mod kit;
mod loading;
mod reproducible;
