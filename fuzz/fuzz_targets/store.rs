//! `cargo +nightly fuzz run store`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::store::run(data));
