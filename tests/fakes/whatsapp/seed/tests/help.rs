//! The program is there and says how it is used. Being a test of the package, this also has `cargo test` build the program,
//! which the end-to-end cases start.

use std::process::Command;

#[test]
fn help_names_what_is_needed() {
    let told = Command::new(env!("CARGO_BIN_EXE_seed-whatsapp")).arg("--help").output().expect("it starts");
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && said.contains("--control"), "{said}");
}
