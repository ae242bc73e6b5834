//! `cargo +nightly fuzz run packed`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::packed::run(data));
