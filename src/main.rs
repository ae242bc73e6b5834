//! The binary; the library does everything.

/// Millions of short-lived buffers of Rust's side; librdkafka keeps the C allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {}
