//! Messages that are not of one format as a whole: key and value have formats of their own, JSON stands behind a
//! schema's id, a key is plain text, or the partition is that of some key fields.
//!
//! A [`ComposedPlan`] is put together from what the plans of whole formats are made of. The fields are read once,
//! whatever is made of them.

use bumpalo::Bump;

use super::avro::{KeyPlan, RecordPlan, Writer, document_text, header};
use super::element::{Element, recycle};
use super::error::{Error, Part};
use super::fields::{Selection, read_fields};
use super::json::{JsonPlan, Member, Slot};
use super::nested::write_scalar;
use super::parsed::View;
use super::{Buffer, Document, Layout, Scratch};
use crate::schema::avro::Schema;

/// The format of a key.
#[derive(Debug, Clone, Copy)]
pub enum KeyFormat<'s> {
    /// A JSON object.
    Json,
    /// A JSON object behind the id of its JSON schema.
    JsonSchema(u32),
    /// An Avro record of this schema, behind its id.
    Avro(&'s Schema, u32),
    /// The only key field as text.
    Text,
}

/// The format of a value.
#[derive(Debug, Clone, Copy)]
pub enum ValueFormat<'s> {
    /// A JSON object.
    Json,
    /// A JSON object behind the id of its JSON schema.
    JsonSchema(u32),
    /// An Avro record of this schema, behind its id.
    Avro(&'s Schema, u32),
}

/// What a binding's messages are to be.
#[derive(Debug, Clone, Copy)]
pub struct Formats<'s> {
    /// The format of keys.
    pub key: KeyFormat<'s>,
    /// The format of values.
    pub value: ValueFormat<'s>,
    /// Whether the root document is a value in the message's JSON, in place of a string of its text.
    pub embeds_document: bool,
    /// The key fields of which a partition is chosen; none for the whole key.
    pub partition_by: &'s [String],
}

/// How a binding's documents become messages of formats of their own.
#[derive(Debug)]
pub struct ComposedPlan {
    keys: Vec<String>,
    values: Vec<String>,
    document: Option<String>,
    /// Writes what is JSON.
    json: JsonPlan,
    key: Key,
    value: Value,
    /// What is written of the key fields that choose the partition, where those are not all.
    partition: Option<Key>,
}

#[derive(Debug)]
enum Key {
    Json { header: Option<[u8; 5]>, members: Vec<Member> },
    Avro(KeyPlan),
    Text,
}

#[derive(Debug)]
enum Value {
    Json { header: Option<[u8; 5]> },
    Avro(RecordPlan),
}

impl ComposedPlan {
    /// Compiles the plan of a binding's fields.
    ///
    /// # Errors
    ///
    /// Two fields of one name, Avro schemas that are not those of this layout, several key fields for a key of text, a
    /// name in `partition_by` that is no key field's.
    pub fn new(layout: &Layout<'_>, formats: &Formats<'_>) -> Result<Self, Error> {
        let json = match formats.embeds_document {
            true => JsonPlan::with_embedded_document(layout)?,
            false => JsonPlan::new(layout)?,
        };
        let by = formats.partition_by;
        if let Some(unknown) = by.iter().find(|name| !layout.keys.contains(name)) {
            return Err(Error::PartitionField { field: unknown.clone(), keys: layout.keys.to_vec() });
        }
        let is_chosen = |index: usize| layout.keys.get(index).is_some_and(|name| by.contains(name));
        let partition = match by {
            [] => None,
            _ => Some(Key::compile(layout, formats.key, &json, is_chosen)?),
        };
        let value = match formats.value {
            ValueFormat::Json => Value::Json { header: None },
            ValueFormat::JsonSchema(id) => Value::Json { header: Some(header(id)) },
            ValueFormat::Avro(schema, id) => Value::Avro(RecordPlan::new(layout, schema, id)?),
        };
        Ok(Self {
            keys: layout.keys.to_vec(),
            values: layout.values.to_vec(),
            document: layout.document.map(str::to_owned),
            key: Key::compile(layout, formats.key, &json, |_| true)?,
            json,
            value,
            partition,
        })
    }

    /// Whether the partition is chosen by what [`encode`](Self::encode) leaves in the scratch's partition key.
    pub(super) fn has_partition_key(&self) -> bool {
        self.partition.is_some()
    }

    /// Appends the document's message key to `key`, and its value to the message that `value` is at; false
    /// when it has none (the document is deleted), of which nothing but the key is read then.
    ///
    /// # Errors
    ///
    /// When the Store does not fit the layout, or a value does not fit its format. Nothing has been appended then.
    // Inlined into `Plan::encode`, it would take registers of the plans that most bindings have.
    #[inline(never)]
    pub fn encode(
        &self,
        doc: &Document<'_>,
        scratch: &mut Scratch,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        scratch.begin();
        let key_start = key.len();
        let Scratch { arena, slots: home, nested, avro: memory, partition } = scratch;
        let mut slots = recycle(std::mem::take(home));
        let mut writer = Writer { nested, memory };
        let outcome = self.encode_with(doc, arena, &mut slots, &mut writer, partition, key, value);
        *home = recycle(slots);
        if outcome.is_err() {
            key.truncate(key_start);
            value.abandon();
        }
        outcome
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a scratch, which are lent apart")]
    fn encode_with<'a>(
        &self,
        doc: &Document<'a>,
        arena: &'a Bump,
        slots: &mut Vec<Slot<'a>>,
        writer: &mut Writer<'_>,
        partition: &mut Vec<u8>,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        read_fields(doc.key, Selection { part: Part::Key, names: &self.keys }, arena, slots)?;
        self.write_key(&self.key, slots, writer, key)?;
        if let Some(chosen) = &self.partition {
            partition.clear();
            self.write_key(chosen, slots, writer, partition)?;
        }
        if doc.delete {
            return Ok(false);
        }
        read_fields(doc.values, Selection { part: Part::Values, names: &self.values }, arena, slots)?;
        match &self.value {
            Value::Json { header } => {
                value.put(header.as_ref().map_or(&[], |header| header));
                // The object's place counts from where the message begins.
                self.json.write_value(slots, doc.doc, writer.nested, value)?;
            }
            Value::Avro(record) => {
                let document = document_text(self.document.as_deref(), doc.doc)?;
                record.write(slots, document, writer, value)?;
            }
        }
        Ok(true)
    }

    fn write_key(
        &self,
        key: &Key,
        slots: &[Slot<'_>],
        writer: &mut Writer<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match key {
            Key::Json { header, members } => {
                out.extend_from_slice(header.as_ref().map_or(&[], |header| header));
                self.json.write_object(members, slots, None, writer.nested, out)
            }
            Key::Avro(plan) => plan.write(&self.keys, slots, writer, out),
            Key::Text => {
                let written = slots.first().is_some_and(|slot| write_text(slot, writer, out));
                let field = || self.keys.first().cloned().unwrap_or_default();
                if written { Ok(()) } else { Err(Error::KeyText { field: field() }) }
            }
        }
    }
}

impl Key {
    /// A key of the fields that `selected` says yes to.
    fn compile(
        layout: &Layout<'_>,
        format: KeyFormat<'_>,
        json: &JsonPlan,
        selected: impl Fn(usize) -> bool,
    ) -> Result<Self, Error> {
        Ok(match format {
            KeyFormat::Json => Self::Json { header: None, members: json.key_members_of(selected) },
            KeyFormat::JsonSchema(id) => {
                Self::Json { header: Some(header(id)), members: json.key_members_of(selected) }
            }
            KeyFormat::Avro(schema, id) => Self::Avro(KeyPlan::new(layout, schema, id, selected)?),
            KeyFormat::Text if layout.keys.len() == 1 => Self::Text,
            KeyFormat::Text => return Err(Error::KeyTextFields { keys: layout.keys.to_vec() }),
        })
    }
}

/// Appends a scalar as text: a string as it is, anything else as JSON has it. False for null, arrays and objects.
fn write_text(slot: &Slot<'_>, writer: &mut Writer<'_>, out: &mut Vec<u8>) -> bool {
    let mut write = |element: &Element<'_>| match element {
        Element::Null | Element::Json(_) => false,
        Element::String(text) => {
            out.extend_from_slice(text.as_bytes());
            true
        }
        scalar => {
            write_scalar(scalar, out);
            true
        }
    };
    match slot {
        Slot::Plain(text) => {
            out.extend_from_slice(text);
            true
        }
        Slot::Element(Element::Json(text)) => match writer.nested.parser.parse(text) {
            Ok(parsed) => matches!(parsed.root().view(), View::Scalar(element) if write(&element)),
            Err(_) => false,
        },
        Slot::Element(element) => write(element),
    }
}

#[cfg(test)]
mod tests;
