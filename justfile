# What a person runs by hand. Where CI runs it, too, it is the same step of .ci/run.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", justfile_directory() / "target")

# List the recipes
default:
    @just --list

# Run the host with config/switchhook.toml
run *arguments:
    cargo run -- {{ arguments }}

# Run all tests
test *arguments:
    cargo test --workspace {{ arguments }}

# Check form and lints
lint:
    .ci/run lint

# Check licences, banned crates and sources
deny:
    .ci/run deny

# Everything that CI runs
ci:
    .ci/run
