//! Avro messages: a plan per binding, compiled from the schemas that were registered.
//!
//! Field order, branch numbers, names, counts and schema ids are settled when a binding is opened
//! ([`AvroPlan::new`]). A document's scalars then go from the tuple straight to their bytes ([`scalar`]);
//! only arrays and objects are looked into, in one pass if they are as the runtime writes them
//! ([`straight`]), else parsed and walked by their types ([`walk`]).

mod adopted;
mod binary;
mod logical;
mod mismatch;
mod node;
mod scalar;
mod straight;
mod walk;

use bumpalo::Bump;

use self::binary::{Mend, write_length, write_text};
use self::mismatch::Mismatch;
use self::node::{Kind, Node};
use self::scalar::{write_branch, write_scalar};
use self::straight::write_straight;
use self::walk::Walk;
use super::element::{Element, recycle};
use super::error::{Part, shortened};
use super::fields::{Selection, read_fields};
use super::json::Slot;
use super::nested::Nested;
use super::{Buffer, Document, Error, Layout, Scratch};
use crate::schema::avro::{Record, Schema};

/// How the documents of a binding become Avro messages.
#[derive(Debug)]
pub struct AvroPlan {
    keys: Vec<String>,
    values: Vec<String>,
    document: Option<String>,
    key_header: [u8; 5],
    /// The parts of the key, one per key field.
    parts: Vec<Node>,
    record: RecordPlan,
}

/// How a binding's documents become the values of Avro messages.
#[derive(Debug)]
pub(super) struct RecordPlan {
    header: [u8; 5],
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
    /// Nowhere: the type is a constant.
    Nothing,
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
        let mut defaults = Defaults::default();
        let parts = compile_key(key, layout.keys.len(), &mut defaults)?;
        Ok(Self {
            keys: layout.keys.to_vec(),
            values: layout.values.to_vec(),
            document: layout.document.map(str::to_owned),
            key_header: header(key_id),
            parts,
            record: RecordPlan::compile(layout, value, value_id, &mut defaults)?,
        })
    }

    /// Appends the document's message key to `key`, and its value to the message that `value` is at; false
    /// when it has none (the document is deleted), of which nothing but the key is read then.
    ///
    /// # Errors
    ///
    /// When the Store does not fit the layout, or a value does not fit its Avro type. Nothing has been
    /// appended then.
    pub fn encode(
        &self,
        doc: &Document<'_>,
        scratch: &mut Scratch,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        scratch.begin();
        let key_start = key.len();
        let Scratch { arena, slots: home, nested, avro: memory, .. } = scratch;
        let mut slots = recycle(std::mem::take(home));
        let outcome = self.encode_with(doc, arena, &mut slots, &mut Writer { nested, memory }, key, value);
        *home = recycle(slots);
        if outcome.is_err() {
            key.truncate(key_start);
            value.abandon();
        }
        outcome
    }

    fn encode_with<'a>(
        &self,
        doc: &Document<'a>,
        arena: &'a Bump,
        slots: &mut Vec<Slot<'a>>,
        writer: &mut Writer<'_>,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        read_fields(doc.key, Selection { part: Part::Key, names: &self.keys }, arena, slots)?;
        key.extend_from_slice(&self.key_header);
        for (i, (part, slot)) in self.parts.iter().zip(&*slots).enumerate() {
            writer.write_slot(part, slot, key).map_err(|mismatch| part_mismatch(&self.keys, i, mismatch))?;
        }
        if doc.delete {
            return Ok(false);
        }
        read_fields(doc.values, Selection { part: Part::Values, names: &self.values }, arena, slots)?;
        let document = document_text(self.document.as_deref(), doc.doc)?;
        self.record.write(slots, document, writer, value)?;
        Ok(true)
    }
}

impl RecordPlan {
    /// Compiles the plan of a value whose schema is registered under `id`.
    pub(super) fn new(layout: &Layout<'_>, schema: &Schema, id: u32) -> Result<Self, Error> {
        Self::compile(layout, schema, id, &mut Defaults::default())
    }

    fn compile(layout: &Layout<'_>, value: &Schema, id: u32, defaults: &mut Defaults) -> Result<Self, Error> {
        let mut selected = selected_fields(layout)?;
        let Schema::Record(record) = value else {
            return Err(Error::AvroSchema { place: "root".to_owned(), what: "is not a record" });
        };
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let place = format!("{}.{}", record.name, field.name);
            if let Schema::Constant(_) = field.schema {
                let node = Node::compile(&field.schema, &place, defaults)?;
                let name = field.name.clone();
                fields.push(Step { name, fragment: Vec::new(), source: Source::Nothing, node });
                continue;
            }
            let Some(i) = selected.iter().position(|(name, _)| *name == field.name) else {
                return Err(Error::AvroSchema { place, what: "is not among the selected fields" });
            };
            let (name, source) = selected.remove(i);
            let node = Node::compile(&field.schema, &place, defaults)?;
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
            let node = Node::compile(values, &record.name, defaults)?;
            extras.push(Step { name: name.to_owned(), fragment, source, node });
        }
        Ok(Self {
            header: header(id),
            fields,
            extras,
            extras_start,
            extras_end: if record.extra.is_some() { &[0] } else { &[] },
        })
    }

    /// Writes a value of these elements, keys before values, and of this root document. Inlined, as is
    /// [`Step::write`]: as calls they took 50 instructions more for a document of nine fields.
    #[inline(always)]
    pub(super) fn write(
        &self,
        slots: &[Slot<'_>],
        document: &str,
        writer: &mut Writer<'_>,
        value: &mut Buffer,
    ) -> Result<(), Error> {
        value.put(&self.header);
        for step in &self.fields {
            step.write(slots, document, writer, value)?;
        }
        value.put(&self.extras_start);
        for step in &self.extras {
            value.put(&step.fragment);
            step.write(slots, document, writer, value)?;
        }
        value.put(self.extras_end);
        Ok(())
    }
}

impl Step {
    #[inline(always)]
    fn write(
        &self,
        slots: &[Slot<'_>],
        document: &str,
        writer: &mut Writer<'_>,
        value: &mut Buffer,
    ) -> Result<(), Error> {
        match self.source {
            // The elements were counted when they were read, and the plan has as many.
            Source::Element(i) => {
                writer.write_slot(&self.node, slots.get(i).unwrap_or(&Slot::Element(Element::Null)), value)
            }
            source => write_other(&self.node, source, document, value),
        }
        .map_err(|mismatch| self.mismatch(mismatch))
    }

    #[cold]
    fn mismatch(&self, mismatch: Box<Mismatch>) -> Error {
        mismatch.within(&self.name).into_error(&self.name)
    }
}

/// A key, or the part of one that chooses the partition.
#[derive(Debug)]
pub(super) struct KeyPlan {
    header: [u8; 5],
    /// The number of each part's key field, and its type.
    parts: Vec<(usize, Node)>,
}

impl KeyPlan {
    /// Compiles the plan of a key whose schema is registered under `id`, of all parts or only those that `selected`
    /// says yes to.
    pub(super) fn new(
        layout: &Layout<'_>,
        schema: &Schema,
        id: u32,
        selected: impl Fn(usize) -> bool,
    ) -> Result<Self, Error> {
        let parts = compile_key(schema, layout.keys.len(), &mut Defaults::default())?;
        let parts = parts.into_iter().enumerate().filter(|(index, _)| selected(*index)).collect();
        Ok(Self { header: header(id), parts })
    }

    /// Appends the key of these elements; `names` are those of the key fields.
    pub(super) fn write(
        &self,
        names: &[String],
        slots: &[Slot<'_>],
        writer: &mut Writer<'_>,
        key: &mut Vec<u8>,
    ) -> Result<(), Error> {
        key.extend_from_slice(&self.header);
        for (index, part) in &self.parts {
            let slot = slots.get(*index).unwrap_or(&Slot::Element(Element::Null));
            writer.write_slot(part, slot, key).map_err(|mismatch| part_mismatch(names, *index, mismatch))?;
        }
        Ok(())
    }
}

/// The root document's text, for the field that it is selected as; empty where it is not.
pub(super) fn document_text<'a>(field: Option<&str>, doc: &'a [u8]) -> Result<&'a str, Error> {
    match (field, doc) {
        (None, []) => Ok(""),
        (None, _) => Err(Error::DocumentNotSelected { len: doc.len() }),
        (Some(field), []) => Err(Error::DocumentMissing { field: field.to_owned() }),
        (Some(field), _) => simdutf8::basic::from_utf8(doc).map_err(|_| {
            let offset = std::str::from_utf8(doc).map_or_else(|error| error.valid_up_to(), str::len);
            Error::DocumentNotUtf8 { field: field.to_owned(), offset }
        }),
    }
}

#[cold]
fn part_mismatch(names: &[String], i: usize, mismatch: Box<Mismatch>) -> Error {
    let field = names.get(i).map_or("", String::as_str);
    mismatch.within(&format!("p{}", i + 1)).into_error(field)
}

/// Memory of walks along Avro types, used again for each.
#[derive(Default)]
pub(super) struct Memory {
    /// See [`Walk::slots`].
    slots: Vec<usize>,
    /// A string whose escapes have been resolved.
    unescaped: String,
}

impl Memory {
    /// Gives back what an unusually large value took.
    pub(super) fn trim(&mut self) {
        if self.slots.capacity() > KEPT || self.unescaped.capacity() > KEPT {
            *self = Self::default();
        }
    }
}

/// Slots, and bytes of a string, for which memory is kept from one document to the next.
const KEPT: usize = 1 << 18;

/// Writes elements that may hold JSON, with the memory that this needs.
pub(super) struct Writer<'s> {
    pub(super) nested: &'s mut Nested,
    pub(super) memory: &'s mut Memory,
}

impl Writer<'_> {
    /// Writes one element as `node` has it.
    #[inline]
    fn write_slot<S: Mend>(
        &mut self,
        node: &Node,
        slot: &Slot<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        match *slot {
            // Known to be ASCII, and mostly a string: not to be checked once more.
            Slot::Plain(text) if matches!(node.kind, Kind::String | Kind::Uuid) => {
                write_branch(node, out);
                write_length(text.len(), out);
                out.put(text);
                Ok(())
            }
            Slot::Plain(text) => {
                let text = simdutf8::basic::from_utf8(text).expect("plain text is ASCII");
                write_scalar(node, Element::String(text), out)
            }
            Slot::Element(Element::Json(text)) => self.write(node, text, out),
            Slot::Element(scalar) => write_scalar(node, scalar, out),
        }
    }

    /// Writes the value whose JSON text is `text`.
    fn write<S: Mend>(&mut self, node: &Node, text: &str, out: &mut S) -> Result<(), Box<Mismatch>> {
        let start = out.position();
        if write_straight(node, text, &mut self.memory.unescaped, out).is_some() {
            return Ok(());
        }
        out.shorten(start);
        self.parse_and_write(node, text, out)
    }

    fn parse_and_write<S: Mend>(
        &mut self,
        node: &Node,
        text: &str,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        let Nested { parser, order } = &mut *self.nested;
        let parsed = parser.parse(text).map_err(|fault| Mismatch::json(text, fault))?;
        // A walk that ended in an error leaves its frames behind.
        self.memory.slots.clear();
        order.clear();
        Walk { slots: &mut self.memory.slots, order }.write(node, parsed.root(), out)
    }
}

/// Encodes the defaults of fields, when a plan is compiled.
#[derive(Default)]
struct Defaults {
    nested: Nested,
    memory: Memory,
}

impl Defaults {
    /// The bytes of `default`, if the type accepts it.
    fn encode(&mut self, node: &Node, default: &serde_json::Value) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = Writer { nested: &mut self.nested, memory: &mut self.memory };
        writer.write(node, &default.to_string(), &mut bytes).ok().map(|()| bytes)
    }
}

/// The types of the key's parts, of which there must be `expected`.
fn compile_key(schema: &Schema, expected: usize, defaults: &mut Defaults) -> Result<Vec<Node>, Error> {
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
        .map(|part| Node::compile(&part.schema, &format!("root.Key.Parts.{}", part.name), defaults))
        .collect()
}

/// All selected fields by name, ascending.
fn selected_fields<'a>(layout: &Layout<'a>) -> Result<Vec<(&'a str, Source)>, Error> {
    let elements = layout.keys.iter().chain(layout.values).map(String::as_str);
    let mut selected: Vec<_> = elements.enumerate().map(|(i, name)| (name, Source::Element(i))).collect();
    selected.extend(layout.document.map(|name| (name, Source::Document)));
    selected.sort_unstable_by_key(|(name, _)| *name);
    match selected.iter().zip(selected.iter().skip(1)).find(|(a, b)| a.0 == b.0) {
        Some(((name, _), _)) => Err(Error::DuplicateField { field: shortened(name) }),
        None => Ok(selected),
    }
}

/// Writes what is no element: of these there is one at most in a document, unless its schema is another's.
#[inline(never)]
fn write_other(node: &Node, source: Source, document: &str, value: &mut Buffer) -> Result<(), Box<Mismatch>> {
    let element = if let Source::Document = source { Element::String(document) } else { Element::Null };
    write_scalar(node, element, value)
}

/// What precedes a message in Confluent's wire format.
pub(super) fn header(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
