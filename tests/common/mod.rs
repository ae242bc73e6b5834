//! What the suites share. Each is a crate of its own and uses its own part, so a suite takes this in as
//! `#[allow(dead_code, reason = "a suite uses its own part")] mod common;`.

pub mod services;
