//! `cargo +nightly fuzz run config`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::config::run(data));
