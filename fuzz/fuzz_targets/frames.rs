//! `cargo +nightly fuzz run frames`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::frames::run(data));
