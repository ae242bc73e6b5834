//! Avro messages the obvious way, by `apache_avro` and by `serde_avro_fast`.
//!
//! Both get the elements of the tuples and the schema as the connector has them, at run time: the first as trees of
//! its own values, the second by way of serde, straight from the elements. What the second cannot be given are types
//! known when it is compiled, for which it is made; its union of a type and null, its maps and its records hold all
//! that our schemas have.

use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use materialize_kafka::schema::avro::{Field, Record, Schema};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_avro_fast::ser::SerializerConfig;
use serde_json::Value;

use super::documents::Scenario;
use super::schemas;
use super::tuple::{Element, elements};

/// Writes messages with `apache_avro`.
pub struct Apache {
    schemas: [&'static Schema; 2],
    writers: [GenericDatumWriter<'static>; 2],
}

impl Apache {
    /// For the scenario's messages.
    pub fn new(scenario: &Scenario) -> Self {
        let schemas = schemas_of(scenario);
        let writers = schemas.map(|schema| {
            let parsed = apache_avro::Schema::parse_str(&text(schema)).expect("the schema is legal");
            GenericDatumWriter::builder(Box::leak(Box::new(parsed))).build().expect("the schema is complete")
        });
        Self { schemas, writers }
    }

    /// A Store's key and value.
    pub fn message(&self, scenario: &Scenario, key: &[u8], values: &[u8], doc: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let elements = elements(scenario, key, values);
        let write = |number: usize, source: Source<'_>| {
            let mut message = header(number);
            let datum = datum(self.schemas[number], &source);
            self.writers[number].write_value_ref(&mut message, &datum).expect("the value fits");
            message
        };
        (write(0, Source::Key(&elements)), write(1, Source::Root { scenario, elements: &elements, doc }))
    }
}

/// Writes messages with `serde_avro_fast`.
pub struct Fast {
    schemas: [&'static Schema; 2],
    settings: [SerializerConfig<'static>; 2],
}

impl Fast {
    /// For the scenario's messages.
    pub fn new(scenario: &Scenario) -> Self {
        let schemas = schemas_of(scenario);
        let settings = schemas.map(|schema| {
            let parsed: serde_avro_fast::Schema = text(schema).parse().expect("the schema is legal");
            SerializerConfig::new(Box::leak(Box::new(parsed)))
        });
        Self { schemas, settings }
    }

    /// A Store's key and value.
    pub fn message(
        &mut self,
        scenario: &Scenario,
        key: &[u8],
        values: &[u8],
        doc: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let elements = elements(scenario, key, values);
        let mut write = |number: usize, source: Source<'_>| {
            let typed = Typed { schema: self.schemas[number], source };
            serde_avro_fast::to_datum(&typed, header(number), &mut self.settings[number])
                .expect("the value fits")
        };
        (write(0, Source::Key(&elements)), write(1, Source::Root { scenario, elements: &elements, doc }))
    }
}

/// What stands before a body: zero, and the schema's number.
fn header(number: usize) -> Vec<u8> {
    let id = u8::try_from(number + 1).expect("two schemas");
    vec![0, 0, 0, 0, id]
}

/// The schemas of keys and of values. They stay for ever, as serde wants names that do.
fn schemas_of(scenario: &Scenario) -> [&'static Schema; 2] {
    let field = |name: &str, schema| Field { name: name.to_owned(), schema, default: None };
    let record = |name: &str, field| {
        Schema::Record(Record { name: name.to_owned(), fields: vec![field], extra: None })
    };
    let key = record("root.Key", field("_flow_key", record("root.Key.Parts", field("p1", Schema::Long))));
    [key, schemas::plan(scenario).1].map(|schema| &*Box::leak(Box::new(schema)))
}

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// The key's record, and the parts in it.
    Key(&'a [Element<'a>]),
    /// The whole document.
    Root { scenario: &'a Scenario, elements: &'a [Element<'a>], doc: &'a [u8] },
    /// An element that is no array or object.
    Scalar(&'a Element<'a>),
    /// The root document as a text.
    Document(&'a str),
    /// A nested value.
    Value(&'a Value),
    /// There is none.
    Absent,
}

impl<'a> Source<'a> {
    /// Gives the member's source to `take`.
    fn member<T>(&self, name: &str, take: impl FnOnce(Source<'_>) -> T) -> T {
        match *self {
            Self::Key(elements) if name == "_flow_key" => take(Source::Key(elements)),
            Self::Key(elements) => {
                let part: usize = name[1..].parse().expect("parts have numbers");
                of_element(&elements[part - 1], take)
            }
            Self::Root { scenario, doc, .. } if scenario.document.as_deref() == Some(name) => {
                take(Source::Document(std::str::from_utf8(doc).expect("documents are text")))
            }
            Self::Root { scenario, elements, .. } => {
                let mut names = scenario.keys.iter().chain(&scenario.values);
                of_element(
                    &elements[names.position(|other| other == name).expect("fields are selected")],
                    take,
                )
            }
            Self::Value(Value::Object(members)) => {
                take(members.get(name).map_or(Source::Absent, Source::Value))
            }
            _ => take(Source::Absent),
        }
    }

    /// Members that the record does not have.
    fn others(&self, fields: &[Field]) -> Vec<(&'a str, Value)> {
        let is_other = |name: &str| fields.iter().all(|field| field.name != name);
        match *self {
            Self::Root { scenario, elements, .. } => {
                let names = scenario.keys.iter().chain(&scenario.values).map(String::as_str);
                let others = names.zip(elements).filter(|(name, _)| is_other(name));
                others.map(|(name, element)| (name, element.to_value())).collect()
            }
            Self::Value(Value::Object(members)) => {
                let others = members.iter().filter(|(name, _)| is_other(name));
                others.map(|(name, value)| (name.as_str(), value.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Absent | Self::Value(Value::Null))
    }

    fn bool(&self) -> Option<bool> {
        match self {
            Self::Scalar(Element::Bool(value)) => Some(*value),
            Self::Value(value) => value.as_bool(),
            _ => None,
        }
    }

    fn long(&self) -> Option<i64> {
        match self {
            Self::Scalar(Element::Integer(value)) => i64::try_from(*value).ok(),
            Self::Value(value) => value.as_i64(),
            _ => None,
        }
    }

    fn double(&self) -> Option<f64> {
        match self {
            Self::Scalar(Element::Double(value)) => Some(*value),
            // Numbers without a fraction are packed as integers.
            #[expect(clippy::cast_precision_loss, reason = "as JSON's numbers become doubles")]
            Self::Scalar(Element::Integer(value)) => Some(*value as f64),
            Self::Value(value) => value.as_f64(),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(Element::Text(text)) => Some(text),
            Self::Document(text) => Some(text),
            Self::Value(value) => value.as_str(),
            _ => None,
        }
    }

    fn micros(&self) -> Option<i64> {
        let time: jiff::Timestamp = self.text()?.parse().ok()?;
        Some(time.as_microsecond())
    }

    fn items(&self) -> Option<&'a [Value]> {
        match *self {
            Self::Value(Value::Array(items)) => Some(items),
            _ => None,
        }
    }
}

fn of_element<T>(element: &Element<'_>, take: impl FnOnce(Source<'_>) -> T) -> T {
    match element {
        Element::Json(_) => take(Source::Value(&element.to_value())),
        scalar => take(Source::Scalar(scalar)),
    }
}

/// The tree that `apache_avro` writes.
fn datum(schema: &Schema, source: &Source<'_>) -> Datum {
    match schema {
        Schema::Nullable(_) if source.is_null() => Datum::Union(1, Box::new(Datum::Null)),
        Schema::Nullable(inner) => Datum::Union(0, Box::new(datum(inner, source))),
        Schema::Boolean => Datum::Boolean(source.bool().expect("a boolean")),
        Schema::Long => Datum::Long(source.long().expect("an integer")),
        Schema::Double => Datum::Double(source.double().expect("a number")),
        Schema::TimestampMicros => Datum::Long(source.micros().expect("a time")),
        Schema::Array(items) => {
            let item = |item| datum(items, &Source::Value(item));
            Datum::Array(source.items().expect("an array").iter().map(item).collect())
        }
        Schema::Record(Record { fields, extra, .. }) => {
            let field = |field: &Field| {
                let datum = source.member(&field.name, |source| datum(&field.schema, &source));
                (field.name.clone(), datum)
            };
            let mut record: Vec<_> = fields.iter().map(field).collect();
            if let Some(schema) = extra {
                let other =
                    |(name, value): (&str, Value)| (name.to_owned(), datum(schema, &Source::Value(&value)));
                let others = source.others(fields).into_iter().map(other).collect();
                record.push(("_flow_extra".to_owned(), Datum::Map(others)));
            }
            Datum::Record(record)
        }
        Schema::RawJson { .. } => {
            let Source::Value(value) = source else { unreachable!("extras are values") };
            Datum::Record(vec![("json".to_owned(), Datum::String(value.to_string()))])
        }
        _ => Datum::String(source.text().expect("a text").to_owned()),
    }
}

/// A value that serde gives to `serde_avro_fast`.
struct Typed<'a> {
    schema: &'static Schema,
    source: Source<'a>,
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { schema, source } = *self;
        match schema {
            Schema::Nullable(_) if source.is_null() => serializer.serialize_unit(),
            Schema::Nullable(inner) => Typed { schema: inner, source }.serialize(serializer),
            Schema::Boolean => serializer.serialize_bool(source.bool().expect("a boolean")),
            Schema::Long => serializer.serialize_i64(source.long().expect("an integer")),
            Schema::Double => serializer.serialize_f64(source.double().expect("a number")),
            Schema::TimestampMicros => serializer.serialize_i64(source.micros().expect("a time")),
            Schema::Array(schema) => {
                let items = source.items().expect("an array");
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(&Typed { schema, source: Source::Value(item) })?;
                }
                sequence.end()
            }
            Schema::Record(Record { name, fields, extra }) => {
                let count = fields.len() + usize::from(extra.is_some());
                let mut record = serializer.serialize_struct(name, count)?;
                for Field { name, schema, .. } in fields {
                    source.member(name, |source| record.serialize_field(name, &Typed { schema, source }))?;
                }
                if let Some(schema) = extra {
                    let extra = Extra { schema, others: source.others(fields) };
                    record.serialize_field("_flow_extra", &extra)?;
                }
                record.end()
            }
            Schema::RawJson { name } => {
                let Source::Value(value) = source else { unreachable!("extras are values") };
                let mut record = serializer.serialize_struct(name, 1)?;
                record.serialize_field("json", &value.to_string())?;
                record.end()
            }
            _ => serializer.serialize_str(source.text().expect("a text")),
        }
    }
}

/// The map of members that a record does not have.
struct Extra<'a> {
    schema: &'static Schema,
    others: Vec<(&'a str, Value)>,
}

impl Serialize for Extra<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.others.len()))?;
        for (name, value) in &self.others {
            map.serialize_entry(name, &Typed { schema: self.schema, source: Source::Value(value) })?;
        }
        map.end()
    }
}

/// The schema as JSON text. Times are plain longs, as which both crates take them.
fn text(schema: &Schema) -> String {
    match schema {
        Schema::Boolean => r#""boolean""#.to_owned(),
        Schema::Long | Schema::TimestampMicros => r#""long""#.to_owned(),
        Schema::Double => r#""double""#.to_owned(),
        Schema::Nullable(inner) => format!(r#"[{},"null"]"#, text(inner)),
        Schema::Array(items) => format!(r#"{{"type":"array","items":{}}}"#, text(items)),
        Schema::Map(values) => format!(r#"{{"type":"map","values":{}}}"#, text(values)),
        Schema::RawJson { name } => {
            format!(r#"{{"name":"{name}","type":"record","fields":[{{"name":"json","type":"string"}}]}}"#)
        }
        Schema::Record(Record { name, fields, extra }) => {
            let field = |(name, schema)| format!(r#"{{"name":"{name}","type":{schema}}}"#);
            let extra = extra.iter().map(|values| {
                let map = format!(r#"{{"type":"map","values":{}}}"#, text(values));
                ("_flow_extra", map)
            });
            let fields: Vec<_> = fields
                .iter()
                .map(|field| (field.name.as_str(), text(&field.schema)))
                .chain(extra)
                .map(field)
                .collect();
            format!(r#"{{"name":"{name}","type":"record","fields":[{}]}}"#, fields.join(","))
        }
        _ => r#""string""#.to_owned(),
    }
}
