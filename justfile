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

fakes := "-p switchhook-fake-telegram -p switchhook-fake-model -p switchhook-fake-whatsapp -p switchhook-seed-whatsapp"
measured := "-p switchhook -p switchhook-bench " + fakes

# Measure what the host costs (`bench --full` for figures to quote)
bench *arguments:
    cargo build --release --locked --manifest-path tests/hostile/Cargo.toml --package hostile-plugins --example policy \
        --target wasm32-wasip2 --target-dir "$CARGO_TARGET_DIR/tmp/hostile"
    cargo build --release {{ measured }} --bins
    cargo bench {{ measured }} --bench decision --bench message
    "$CARGO_TARGET_DIR/release/drive" {{ arguments }}

# Build the program as it is to be released: run under load first, then built for what was seen (two long builds)
profiled:
    tests/bench/profiled

# Run end-to-end cases against the release program, as it is: those of WhatsApp, or those whose names are given
released *cases="whatsapp:: linking::plain":
    cargo build --release --locked
    cargo build --workspace --bins --tests
    SWITCHHOOK_PROGRAM="$CARGO_TARGET_DIR/release/switchhook" cargo test --workspace --test e2e -- {{ cases }}

# Kill and starve the host, and count what was lost (`torture --minutes 60` for a night)
torture *arguments:
    cargo build --workspace --bins --tests
    "$CARGO_TARGET_DIR/debug/torture" {{ arguments }}

# Fuzz what comes from outside: one target or all, so many seconds each
fuzz target="all" seconds="60":
    tests/fuzz/run {{ target }} {{ seconds }}

# Have an independent client link with the fake WhatsApp and talk (needs node 20 and npm, and fetches the client)
peer *arguments:
    cargo build -p switchhook-fake-whatsapp --bin fake-whatsapp
    npm ci --prefix tests/fakes/whatsapp/peer
    node tests/fakes/whatsapp/peer/run.mjs {{ arguments }} "$CARGO_TARGET_DIR/debug/fake-whatsapp"
