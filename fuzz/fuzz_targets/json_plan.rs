//! `cargo +nightly fuzz run json_plan`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::json_plan::run(data));
