//! What Flow's runtime knows, as plain data: a task as it is specified, the fields that are
//! selected for its bindings, and the documents of a fixture as the Stores of transactions.
//!
//! Nothing here starts a process, opens a connection, or writes a file.

mod build;
mod collection;
mod combine;
mod error;
mod extract;
mod fixture;
mod json;
mod pointer;
mod projection;
mod selection;
mod tuple;

pub mod source;
pub(super) mod uuid;

pub use build::{BuiltTask, Task, TaskBinding};
pub use collection::projections;
pub use combine::{Transaction, Transactions};
pub use error::Error;
pub use extract::{Extractor, StoreDoc};
pub use fixture::Fixture;
pub use json::Policy;
pub use projection::{Inference, Projection, StringInference};
pub use selection::{Constraint, Constraints, Demand, Selection};
