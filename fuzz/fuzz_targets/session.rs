//! `cargo +nightly fuzz run session`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::session::run(data));
