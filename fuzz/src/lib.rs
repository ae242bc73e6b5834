//! Fuzz targets of materialize-kafka.
//!
//! A target is a module with two functions: `run` takes any bytes and panics where a promise is broken, `seeds`
//! gives the inputs that fuzzing begins with. `fuzz_targets/` hands them to libFuzzer; the program
//! `replay` runs them on stable Rust. What each target promises stands at its head.

pub mod avro_plan;
pub mod config;
pub mod frames;
mod input;
pub mod json_plan;
pub mod mutate;
pub mod packed;
pub mod progress;
pub mod schema;
pub mod session;
pub mod store;
mod tuple;

/// Named inputs that fuzzing begins with.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;

/// A target, by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its module, its corpus and its binary.
    pub name: &'static str,
    /// Runs it once; panics where a promise is broken.
    pub run: fn(&[u8]),
    /// What fuzzing begins with.
    pub seeds: fn() -> Seeds,
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "avro_plan", run: avro_plan::run, seeds: avro_plan::seeds },
    Target { name: "config", run: config::run, seeds: config::seeds },
    Target { name: "frames", run: frames::run, seeds: frames::seeds },
    Target { name: "json_plan", run: json_plan::run, seeds: json_plan::seeds },
    Target { name: "packed", run: packed::run, seeds: packed::seeds },
    Target { name: "progress", run: progress::run, seeds: progress::seeds },
    Target { name: "schema", run: schema::run, seeds: schema::seeds },
    Target { name: "session", run: session::run, seeds: session::seeds },
    Target { name: "store", run: store::run, seeds: store::seeds },
];
