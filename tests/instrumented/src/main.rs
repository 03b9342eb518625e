#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    switchhook::main()
}
