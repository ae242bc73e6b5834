//! Plays the runtime's part for people: a specification and a fixture in, messages out.

mod avro;
mod connector;
mod error;
mod landed;
mod log;
mod reader;
pub mod task;
