//! Avro messages: a plan per binding, compiled from the schemas that were registered.
//!
//! Field order, branch numbers, names, counts and schema ids are settled when a binding is opened
//! ([`AvroPlan::new`]). A document's scalars then go from the tuple straight to their bytes
//! ([`scalar`]); only typed arrays and objects are parsed, and walked by their types ([`walk`]).

mod binary;
mod logical;
mod mismatch;
mod node;
mod scalar;
mod walk;

use bumpalo::collections::Vec as BumpVec;

use self::binary::{write_length, write_text};
use self::mismatch::Mismatch;
use self::node::Node;
use self::scalar::write_scalar;
use self::walk::{Walker, write_json};
use super::element::Element;
use super::nested::Nested;
use super::sink::Sink;
use super::tuple::read_fields;
use super::{Buffer, Document, Error, Layout, Scratch};
use crate::schema::avro::{Record, Schema};

/// How the documents of a binding become Avro messages.
#[derive(Debug)]
pub struct AvroPlan {
    keys: Vec<String>,
    values: Vec<String>,
    document: Option<String>,
    key_header: [u8; 5],
    value_header: [u8; 5],
    /// The parts of the key, one per key field.
    parts: Vec<Node>,
    /// The value's fields in schema order.
    fields: Vec<Step>,
    /// The selected fields that the record does not have, in ascending order, each with its name as
    /// a map key before it.
    extras: Vec<Step>,
    /// What stands before and behind the extras: their count, and the end of the map.
    extras_start: Vec<u8>,
    extras_end: &'static [u8],
}

/// One field to write.
#[derive(Debug)]
struct Step {
    /// The field's name.
    name: String,
    /// What is written before the value whatever it is.
    fragment: Vec<u8>,
    source: Source,
    node: Node,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The element of this number, keys before values.
    Element(usize),
    /// The root document's text.
    Document,
}

impl AvroPlan {
    /// Compiles the plan of a binding whose fields are `layout`, with its schemas and the ids under
    /// which the registry has them.
    ///
    /// # Errors
    ///
    /// If the schemas are not those of this layout, or nest more than 256 types.
    pub fn new(
        layout: &Layout<'_>,
        key: &Schema,
        key_id: u32,
        value: &Schema,
        value_id: u32,
    ) -> Result<Self, Error> {
        let mut walker = Walker::default();
        let parts = compile_key(key, layout.keys.len(), &mut walker)?;
        let mut selected = selected_fields(layout)?;
        let Schema::Record(record) = value else {
            return Err(Error::AvroSchema { place: "root".to_owned(), what: "is not a record" });
        };
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let place = format!("{}.{}", record.name, field.name);
            let Some(i) = selected.iter().position(|(name, _)| *name == field.name) else {
                return Err(Error::AvroSchema { place, what: "is not among the selected fields" });
            };
            let (name, source) = selected.remove(i);
            let node = Node::compile(&field.schema, &place, &mut walker)?;
            fields.push(Step { name: name.to_owned(), fragment: Vec::new(), source, node });
        }
        let mut extras_start = Vec::new();
        if !selected.is_empty() {
            write_length(selected.len(), &mut extras_start);
        }
        let mut extras = Vec::with_capacity(selected.len());
        for (name, source) in selected {
            let Some(values) = &record.extra else {
                return Err(Error::NoExtraMap { field: name.to_owned() });
            };
            let mut fragment = Vec::new();
            write_text(name, &mut fragment);
            let node = Node::compile(values, &record.name, &mut walker)?;
            extras.push(Step { name: name.to_owned(), fragment, source, node });
        }
        Ok(Self {
            keys: layout.keys.to_vec(),
            values: layout.values.to_vec(),
            document: layout.document.map(str::to_owned),
            key_header: header(key_id),
            value_header: header(value_id),
            parts,
            fields,
            extras,
            extras_start,
            extras_end: if record.extra.is_some() { &[0] } else { &[] },
        })
    }

    /// Appends the key of `doc` to `key` and its value to `value`. Returns whether it has a value:
    /// that of a deleted document is null, and `value` is left alone.
    ///
    /// # Errors
    ///
    /// If the Store is malformed, or a value does not fit its Avro type. What has been written of
    /// the message by then is for the caller to drop.
    pub fn encode(
        &self,
        doc: &Document<'_>,
        scratch: &mut Scratch,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        let Scratch { arena, nested, slots } = scratch;
        arena.reset();
        let arena = &*arena;
        let mut elements = BumpVec::with_capacity_in(self.keys.len() + self.values.len(), arena);
        read_fields(doc.key, arena, &self.keys, &mut elements)?;
        key.extend_from_slice(&self.key_header);
        for (i, (part, &element)) in self.parts.iter().zip(&elements).enumerate() {
            write_element(part, element, nested, slots, key)
                .map_err(|mismatch| mismatch.within(&format!("p{}", i + 1)))?;
        }
        if doc.delete {
            return Ok(false);
        }
        read_fields(doc.values, arena, &self.values, &mut elements)?;
        let document = self.document_text(doc)?;
        value.put(&self.value_header);
        let mut write = |step: &Step, value: &mut Buffer| {
            let element = match step.source {
                // The elements were counted when they were read, and the plan has as many.
                Source::Element(i) => elements.get(i).copied().unwrap_or(Element::Null),
                Source::Document => Element::String(document),
            };
            write_element(&step.node, element, nested, slots, value)
                .map_err(|mismatch| mismatch.within(&step.name))
        };
        for step in &self.fields {
            write(step, value)?;
        }
        value.put(&self.extras_start);
        for step in &self.extras {
            value.put(&step.fragment);
            write(step, value)?;
        }
        value.put(self.extras_end);
        Ok(true)
    }

    /// The root document's text; empty where none is selected.
    fn document_text<'a>(&self, doc: &Document<'a>) -> Result<&'a str, Error> {
        match &self.document {
            None if doc.doc.is_empty() => Ok(""),
            None => Err(Error::StandIn("document not selected".to_owned())),
            Some(field) if doc.doc.is_empty() => Err(Error::DocumentMissing { field: field.clone() }),
            Some(field) => {
                std::str::from_utf8(doc.doc).map_err(|error| Error::StandIn(format!("{field}: {error}")))
            }
        }
    }
}

/// The types of the key's parts, of which there must be `expected`.
fn compile_key(schema: &Schema, expected: usize, walker: &mut Walker) -> Result<Vec<Node>, Error> {
    let parts = match schema {
        Schema::Record(Record { fields, extra: None, .. }) => match fields.as_slice() {
            [only] if only.name == "_flow_key" => match &only.schema {
                Schema::Record(Record { fields, extra: None, .. }) => Some(fields),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let Some(parts) = parts else { return Err(Error::KeySchema) };
    if parts.len() != expected {
        return Err(Error::KeyParts { expected, found: parts.len() });
    }
    parts
        .iter()
        .map(|part| Node::compile(&part.schema, &format!("root.Key.Parts.{}", part.name), walker))
        .collect()
}

/// All selected fields by name, ascending.
fn selected_fields<'a>(layout: &Layout<'a>) -> Result<Vec<(&'a str, Source)>, Error> {
    let elements = layout.keys.iter().chain(layout.values).map(String::as_str);
    let mut selected: Vec<_> = elements.enumerate().map(|(i, name)| (name, Source::Element(i))).collect();
    selected.extend(layout.document.map(|name| (name, Source::Document)));
    selected.sort_unstable_by_key(|(name, _)| *name);
    match selected.iter().zip(selected.iter().skip(1)).find(|(a, b)| a.0 == b.0) {
        Some(((name, _), _)) => Err(Error::StandIn(format!("duplicate {name}"))),
        None => Ok(selected),
    }
}

/// What precedes a message in Confluent's wire format.
fn header(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

/// Writes one element of a tuple.
#[inline]
fn write_element<S: Sink>(
    node: &Node,
    element: Element<'_>,
    nested: &mut Nested,
    slots: &mut Vec<usize>,
    out: &mut S,
) -> Result<(), Box<Mismatch>> {
    match element {
        Element::Json(text) => write_json(node, text, nested, slots, out),
        scalar => write_scalar(node, scalar, out),
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
