//! `cargo +nightly fuzz run schema`

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| materialize_kafka_fuzz::schema::run(data));
