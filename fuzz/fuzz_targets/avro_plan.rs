//! `cargo +nightly fuzz run avro_plan`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::avro_plan::run(data));
