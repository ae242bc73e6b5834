//! What the suites share. Each is a crate of its own and uses its own part of it.

#![allow(dead_code, reason = "no suite uses all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

pub mod authorization;
pub mod brokers;
pub mod runtime;
pub mod services;
pub mod state;
