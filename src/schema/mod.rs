//! JSON Schema to shape to Avro schema: pure functions.

pub mod avro;
