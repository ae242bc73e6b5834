//! The schema registry: a client for it, and a small registry in memory.
//!
//! A Confluent-compatible registry gives each schema a number, which stands at the front of every message
//! in its framing. [`Client`] asks for these numbers when bindings are opened, never per document. It knows
//! HTTP, subjects, and types and texts of schemas, and nothing of what the schemas say.
//!
//! [`memory`] answers the same requests from this process; preview and tests run against it.

mod client;
mod error;
mod exchange;
pub mod memory;
mod parallel;
mod place;
mod schema;

#[cfg(test)]
mod tests;

pub use self::client::{Client, Verdict, Version};
pub use self::error::{Doing, Error, Trouble};
pub use self::parallel::each;
pub use self::schema::{Schema, SchemaType};
