//! `switchhook compile`: what the host starts for itself, so that a compilation can be killed.

use std::ffi::OsString;

use crate::failure::Failure;

pub(crate) fn compile(arguments: Vec<OsString>) -> Result<String, Failure> {
    switchhook_plugin::run_compiler(arguments.into_iter())?;
    Ok(String::new())
}
