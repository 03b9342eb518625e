//! Attacks that need nothing of the contract. Each is what its name says, and none returns by itself.

use std::hint::black_box;

/// Runs the attack of this name; returns where there is none.
pub fn attack(name: &str) {
    match name {
        "loop" => spin(),
        "wasi-calls" => wasi_calls(),
        "handles" => handles(),
        "hold-future" => hold_future(),
        "memory" => memory(),
        "trap" => panic!("it hurts"),
        "stack" => stack(),
        "exit" => std::process::exit(3),
        "print" => print(),
        _ => {}
    }
}

fn spin() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Questions to the host that no contract counts.
fn wasi_calls() -> ! {
    loop {
        black_box(wasip2::random::random::get_random_bytes(1 << 16));
        black_box(wasip2::clocks::monotonic_clock::now());
    }
}

/// Takes one handle after the other and gives none back.
fn handles() -> ! {
    loop {
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX));
    }
}

/// Keeps something of the host's waiting, and computes meanwhile.
fn hold_future() -> ! {
    let sleep = wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX / 2);
    loop {
        black_box(&sleep);
    }
}

fn memory() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1u8; 1 << 20]));
    }
}

fn stack() -> ! {
    black_box(deeper(1));
    unreachable!("the stack has an end")
}

fn deeper(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    let frame = black_box([depth; 64]);
    frame[(depth % 64) as usize] + deeper(depth + 1)
}

/// A flood through standard error, which the contract does not know.
fn print() -> ! {
    loop {
        eprintln!("{}", black_box("flood ".repeat(500)));
    }
}
