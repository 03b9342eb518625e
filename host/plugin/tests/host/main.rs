//! The plugin host against real components. Each module is a promise.

mod bare;
mod calls;
#[path = "../../../../tests/hostile/components.rs"]
mod components;
mod contract;
mod fairness;
mod guests;
mod hostile;
mod isolation;
mod kit;
mod leaks;
mod loading;
mod pairs;
mod reproducible;
