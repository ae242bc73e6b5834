//! `cargo +nightly fuzz run progress`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::progress::run(data));
