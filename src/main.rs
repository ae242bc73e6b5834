//! The binary; the library does everything.

use std::process::ExitCode;

/// Faster than the system's for the few allocations of our own side; librdkafka keeps C's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    materialize_kafka::cli::run()
}
