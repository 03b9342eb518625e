//! The program as people and scripts use it.

mod operator;
mod program;
mod shell;
