//! The Avro schemas that collections map to (reference `schema-mapping.md`, section 6).

/// An Avro type as this mapping uses it. Unions are of one type and null, in that order. The types from [`Schema::Int`] on
/// come from registered schemas of others ([`adopt`](crate::schema::adopt)) and are no part of what is registered.
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
    /// `int`, for integers
    Int,
    /// `float`, for numbers, which are rounded to the nearest
    Float,
    /// `long` with logical type `timestamp-millis`, for date-times, whose further digits are cut
    TimestampMillis,
    /// `enum` of these symbols, in order, for strings
    Enum(Vec<String>),
    /// A branch of a union other than that of a type and null in this order.
    Branch(Branch),
    /// What is the same in every message: these bytes. It stands for a field that the registered schema has and documents have
    /// not.
    Constant(Vec<u8>),
}

/// The branch of a union that values have, if they are not null.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The branch's number.
    pub index: usize,
    /// Its type.
    pub schema: Box<Schema>,
    /// The number of the branch null, if the union has it.
    pub null: Option<usize>,
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
