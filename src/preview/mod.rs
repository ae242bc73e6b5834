//! Plays the runtime's part for people: a specification and a fixture in, messages out.

pub mod task;
