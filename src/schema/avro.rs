//! The Avro schemas that collections map to (reference `schema-mapping.md`, section 6).

/// An Avro type as this mapping uses it. Unions are always of one type and null, in that order.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// `boolean`
    Boolean,
    /// `long`
    Long,
    /// `double`
    Double,
    /// `string`
    String,
    /// `int` with logical type `date`
    Date,
    /// `long` with logical type `timestamp-micros`
    TimestampMicros,
    /// `string` with logical type `uuid`
    Uuid,
    /// `fixed` of 12 bytes with logical type `duration`
    Duration,
    /// A record of one string field `json` that holds JSON text. Marked explicitly: a property of
    /// that name may have a record of its own.
    RawJson {
        /// The record's full name, ending in `RawJSON`.
        name: String,
    },
    /// `array` of items
    Array(Box<Schema>),
    /// `map` of values
    Map(Box<Schema>),
    /// `record`
    Record(Record),
    /// The union of a type and null, the type first.
    Nullable(Box<Schema>),
    /// What is the same in every message: these bytes. It stands for a field that a registered schema has and documents have
    /// not ([`adopt`](crate::schema::adopt)), and is no part of what is registered.
    Constant(Vec<u8>),
}

/// An Avro record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Full name, made of the path of the location.
    pub name: String,
    /// Fields in schema order, but for the extra map.
    pub fields: Vec<Field>,
    /// The values of the map `_flow_extra`, which comes last, if the record has it.
    pub extra: Option<Box<Schema>>,
}

/// A field of an Avro record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's name, a legal Avro name and the JSON property's name alike.
    pub name: String,
    /// The field's type.
    pub schema: Schema,
    /// What is encoded where the property is absent; null where there is no default.
    pub default: Option<serde_json::Value>,
}
