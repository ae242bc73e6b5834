//! JSON Schema to shape to Avro schema: pure functions, no I/O.
//!
//! A collection's schema bundle is read once by [`Shape::infer`] into a [`Shape`], which says what may
//! stand at every location of a document. [`binding_schemas`] maps the fields that a binding
//! selects from it to the two Avro schemas of the binding's messages, [`json_schemas`] to two JSON schemas; the Avro schemas' canonical text
//! ([`avro::Schema::canonical`]) is what is registered, under the name that [`subject`] makes.
//!
//! Schemas come from users and may be of any size: nesting and the number of shapes made from one bundle are
//! bounded (an internal `Budget` counts them), so that a hostile `$ref` web gives an error and neither an overflow nor
//! a gigabyte.

mod adopt;
pub mod avro;
mod binding;
mod budget;
mod bundle;
mod canonical;
mod compare;
mod difference;
mod error;
mod format;
mod infer;
mod intersect;
mod json;
mod keywords;
mod locate;
mod map;
mod names;
mod pointer;
mod read;
mod shape;
mod types;
mod union;

pub use adopt::{adopt, adopt_key};
pub use binding::{BindingSchemas, Projection, Selection, binding_schemas, named_binding_schemas};
pub(crate) use bundle::Bundle;
pub use canonical::subject;
pub use difference::{avro_differences, json_differences};
pub use error::Error;
pub use format::Format;
pub use json::{JsonSchemas, json_schemas};
pub(crate) use keywords::Place;
pub use locate::{Exists, Location};
pub use names::RecordNames;
pub use shape::{ArrayShape, NumericShape, ObjectShape, Pattern, Property, Shape, StringShape};
pub use types::Types;

#[cfg(test)]
mod tests;
