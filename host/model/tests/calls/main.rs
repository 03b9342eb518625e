//! Whole calls, against a server on loopback that does as it is told.

mod answers;
mod fallback;
mod generations;
mod limits;
mod server;
