//! The text of a schema that is registered, and the subject it is registered under.
//!
//! The text is Avro's parsing canonical form with one deviation that subjects in use depend on: a type that has a
//! logical type keeps its object form, `{"type":"int"}` for a date.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::schema::avro::{Record, Schema};
use crate::schema::names::EXTRA;

/// The subject of a schema: the topic and the hash of its canonical text.
pub fn subject(topic: &str, canonical: &str) -> String {
    format!("{topic}-{:016x}", xxh3_64(canonical.as_bytes()))
}

impl Schema {
    /// The text that is registered: full names, no defaults, no logical types. All names in it are legal Avro names, so
    /// nothing is escaped.
    pub fn canonical(&self) -> String {
        let mut records = HashSet::new();
        record_names(self, &mut records);
        let mut writer = Writer { text: String::new(), records, durations: HashMap::new() };
        writer.schema(self, "");
        writer.text
    }
}

struct Writer<'s> {
    text: String,
    /// The full names of all records.
    records: HashSet<&'s str>,
    /// The name that the type `duration` got in each namespace that has one. A type may be defined once only, and a
    /// simple name means that of the surrounding namespace.
    durations: HashMap<&'s str, String>,
}

impl<'s> Writer<'s> {
    fn schema(&mut self, schema: &'s Schema, namespace: &'s str) {
        match schema {
            Schema::Boolean => self.text.push_str(r#""boolean""#),
            Schema::Long => self.text.push_str(r#""long""#),
            Schema::Double => self.text.push_str(r#""double""#),
            Schema::String => self.text.push_str(r#""string""#),
            Schema::Date => self.text.push_str(r#"{"type":"int"}"#),
            Schema::TimestampMicros => self.text.push_str(r#"{"type":"long"}"#),
            Schema::Uuid => self.text.push_str(r#"{"type":"string"}"#),
            Schema::Duration => self.duration(namespace),
            Schema::RawJson { name } => {
                self.push(&[
                    r#"{"name":""#,
                    name,
                    r#"","type":"record","fields":[{"name":"json","type":"string"}]}"#,
                ]);
            }
            Schema::Array(items) => self.wrapped(r#"{"type":"array","items":"#, items, "}", namespace),
            Schema::Map(values) => self.wrapped(MAP, values, "}", namespace),
            Schema::Nullable(inner) => self.wrapped("[", inner, r#","null"]"#, namespace),
            Schema::Record(record) => self.record(record),
            // What is registered has none of these.
            Schema::Int => self.text.push_str(r#""int""#),
            Schema::Float => self.text.push_str(r#""float""#),
            Schema::TimestampMillis => self.text.push_str(r#"{"type":"long"}"#),
            Schema::Enum(_) => self.text.push_str(r#""string""#),
            Schema::Branch(branch) => self.schema(&branch.schema, namespace),
            Schema::Constant(_) => self.text.push_str(r#""null""#),
        }
    }

    fn record(&mut self, record: &'s Record) {
        let namespace = record.name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
        self.push(&[r#"{"name":""#, &record.name, r#"","type":"record","fields":["#]);
        let mut separator = "";
        for field in &record.fields {
            self.push(&[separator, r#"{"name":""#, &field.name, r#"","type":"#]);
            self.schema(&field.schema, namespace);
            self.text.push('}');
            separator = ",";
        }
        if let Some(values) = &record.extra {
            self.push(&[separator, r#"{"name":""#, EXTRA, r#"","type":"#]);
            self.wrapped(MAP, values, "}}", namespace);
        }
        self.text.push_str("]}");
    }

    fn wrapped(&mut self, before: &str, schema: &'s Schema, after: &str, namespace: &'s str) {
        self.text.push_str(before);
        self.schema(schema, namespace);
        self.text.push_str(after);
    }

    fn duration(&mut self, namespace: &'s str) {
        if let Some(name) = self.durations.get(namespace) {
            let name = qualified(namespace, name);
            self.push(&["\"", &name, "\""]);
            return;
        }
        // A property called `duration` may have a record of that very name.
        let mut name = "duration".to_owned();
        while self.records.contains(qualified(namespace, &name).as_str()) {
            name.push('_');
        }
        self.push(&[r#"{"type":{"name":""#, &name, r#"","type":"fixed","size":12}}"#]);
        self.durations.insert(namespace, name);
    }

    fn push(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied());
    }
}

const MAP: &str = r#"{"type":"map","values":"#;

fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn record_names<'s>(schema: &'s Schema, names: &mut HashSet<&'s str>) {
    match schema {
        Schema::Array(inner) | Schema::Map(inner) | Schema::Nullable(inner) => record_names(inner, names),
        Schema::Branch(branch) => record_names(&branch.schema, names),
        Schema::RawJson { name } => {
            names.insert(name);
        }
        Schema::Record(record) => {
            names.insert(&record.name);
            let fields = record.fields.iter().map(|field| &field.schema);
            fields.chain(record.extra.as_deref()).for_each(|schema| record_names(schema, names));
        }
        Schema::Boolean
        | Schema::Long
        | Schema::Double
        | Schema::String
        | Schema::Date
        | Schema::TimestampMicros
        | Schema::Uuid
        | Schema::Duration
        | Schema::Int
        | Schema::Float
        | Schema::TimestampMillis
        | Schema::Enum(_)
        | Schema::Constant(_) => {}
    }
}
