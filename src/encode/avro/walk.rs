//! Parsed JSON by the compiled Avro types: objects as records or maps, arrays, and what is in them.
//!
//! Nothing is assumed of the order of members. Of a repeated member the last one counts.

use simd_json::{Node as TapeNode, StaticNode};

use super::binary::{write_length, write_measured, write_text};
use super::mismatch::{Mismatch, What};
use super::node::{Kind, Node, Record};
use super::scalar::{write_branch, write_scalar};
use crate::encode::element::Element;
use crate::encode::nested::{self, Nested};
use crate::encode::sink::Sink;

/// Parses nested JSON and writes it; what it needs of memory is kept for the next time.
#[derive(Default)]
pub(super) struct Walker {
    pub nested: Nested,
    pub slots: Vec<usize>,
}

impl Walker {
    /// The bytes of a field's default, if the field's type accepts it.
    pub fn encode_default(&mut self, node: &Node, default: &serde_json::Value) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let text = default.to_string();
        write_json(node, &text, &mut self.nested, &mut self.slots, &mut bytes).ok().map(|()| bytes)
    }
}

/// Writes the value whose JSON text is `text` as `node` has it.
pub(super) fn write_json<S: Sink>(
    node: &Node,
    text: &str,
    nested: &mut Nested,
    slots: &mut Vec<usize>,
    out: &mut S,
) -> Result<(), Box<Mismatch>> {
    slots.clear();
    let written = nested.parse(text, |tape| Walk { tape, slots }.write(node, 0, out));
    match written {
        Ok(written) => written.map(|_| ()),
        Err(error) => Err(Mismatch::new(What::Json(error))),
    }
}

/// One walk over a parsed value.
struct Walk<'t, 'i> {
    tape: &'t [TapeNode<'i>],
    /// Places on the tape, a frame for each object that is being written: a slot a field, then the
    /// places of the names that no field takes.
    slots: &'t mut Vec<usize>,
}

/// A slot whose property has not been seen.
const ABSENT: usize = usize::MAX;

impl Walk<'_, '_> {
    /// Writes the value at `at`; returns the place behind it.
    fn write<S: Sink>(&mut self, node: &Node, at: usize, out: &mut S) -> Result<usize, Box<Mismatch>> {
        let scalar = match self.tape.get(at).copied() {
            Some(TapeNode::Array { len, .. }) => match &node.kind {
                Kind::Array(items) => {
                    write_branch(node, out);
                    return self.write_items(items, len, at + 1, out);
                }
                _ => return self.write_raw(node, at, out),
            },
            Some(TapeNode::Object { len, .. }) => match &node.kind {
                Kind::Record(record) => {
                    write_branch(node, out);
                    return self.write_record(record, len, at + 1, out);
                }
                Kind::Map(values) => {
                    write_branch(node, out);
                    return self.write_map(values, len, at + 1, out);
                }
                _ => return self.write_raw(node, at, out),
            },
            Some(TapeNode::String(text)) => Element::String(text),
            Some(TapeNode::Static(StaticNode::Bool(value))) => Element::Bool(value),
            Some(TapeNode::Static(StaticNode::U64(value))) => Element::Unsigned(value),
            Some(TapeNode::Static(StaticNode::I64(value))) => match u64::try_from(value) {
                Ok(value) => Element::Unsigned(value),
                Err(_) => Element::Negative(value),
            },
            Some(TapeNode::Static(StaticNode::F64(value))) => Element::Float(value),
            Some(TapeNode::Static(StaticNode::Null)) | None => Element::Null,
        };
        write_scalar(node, scalar, out)?;
        Ok(at + 1)
    }

    fn write_items<S: Sink>(
        &mut self,
        items: &Node,
        len: usize,
        mut at: usize,
        out: &mut S,
    ) -> Result<usize, Box<Mismatch>> {
        if len > 0 {
            write_length(len, out);
        }
        for i in 0..len {
            at = self.write(items, at, out).map_err(|error| error.within(&i.to_string()))?;
        }
        out.push(0);
        Ok(at)
    }

    fn write_record<S: Sink>(
        &mut self,
        record: &Record,
        len: usize,
        mut at: usize,
        out: &mut S,
    ) -> Result<usize, Box<Mismatch>> {
        let fields = self.slots.len();
        let extras = fields + record.fields.len();
        self.slots.resize(extras, ABSENT);
        let mut guess = 0;
        for _ in 0..len {
            match record.find(name(self.tape, at), guess) {
                Some(field) => {
                    if let Some(slot) = self.slots.get_mut(fields + field) {
                        *slot = at + 1;
                    }
                    guess = field + 1;
                }
                None if record.extra.is_some() => self.slots.push(at),
                None => {}
            }
            at = nested::next(self.tape, at + 1);
        }
        for (i, field) in record.fields.iter().enumerate() {
            match (self.slots.get(fields + i), &field.absent) {
                (Some(&place), _) if place != ABSENT => {
                    self.write(&field.node, place, out).map_err(|error| error.within(&field.name))?;
                }
                (_, Some(absent)) => out.put(absent),
                (_, None) => return Err(Mismatch::absent(&field.node).within(&field.name)),
            }
        }
        if let Some(extra) = &record.extra {
            self.write_entries(extra, extras, out)?;
        }
        self.slots.truncate(fields);
        Ok(at)
    }

    fn write_map<S: Sink>(
        &mut self,
        values: &Node,
        len: usize,
        mut at: usize,
        out: &mut S,
    ) -> Result<usize, Box<Mismatch>> {
        let entries = self.slots.len();
        for _ in 0..len {
            self.slots.push(at);
            at = nested::next(self.tape, at + 1);
        }
        self.write_entries(values, entries, out)?;
        self.slots.truncate(entries);
        Ok(at)
    }

    /// Writes the entries of a map, whose names are where the slots from `first` on say.
    fn write_entries<S: Sink>(
        &mut self,
        values: &Node,
        first: usize,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        self.sort_entries(first);
        let tape = self.tape;
        let end = self.slots.len();
        if end > first {
            write_length(end - first, out);
        }
        for i in first..end {
            // Frames of inner objects come and go above `end`.
            let at = self.slots.get(i).copied().unwrap_or(ABSENT);
            let name = name(tape, at);
            write_text(name, out);
            self.write(values, at + 1, out).map_err(|error| error.within(name))?;
        }
        out.push(0);
        Ok(())
    }

    /// Sorts the names from `first` on and leaves the last one of equal ones.
    fn sort_entries(&mut self, first: usize) {
        let tape = self.tape;
        let Some(entries) = self.slots.get_mut(first..) else { return };
        if entries.is_sorted_by(|a, b| name(tape, *a) < name(tape, *b)) {
            return;
        }
        entries.sort_unstable_by(|a, b| name(tape, *a).cmp(name(tape, *b)).then(a.cmp(b)));
        let mut kept = first;
        for i in first..self.slots.len() {
            let Some(&entry) = self.slots.get(i) else { break };
            let repeated = self.slots.get(i + 1).is_some_and(|next| name(tape, *next) == name(tape, entry));
            if let (false, Some(slot)) = (repeated, self.slots.get_mut(kept)) {
                *slot = entry;
                kept += 1;
            }
        }
        self.slots.truncate(kept);
    }

    /// Writes an array or object as JSON text, if the type is that.
    fn write_raw<S: Sink>(&mut self, node: &Node, at: usize, out: &mut S) -> Result<usize, Box<Mismatch>> {
        if !matches!(node.kind, Kind::RawJson) {
            let mut json = Vec::new();
            nested::write_value(self.tape, at, &mut json);
            return Err(Mismatch::value(node, &String::from_utf8_lossy(&json)));
        }
        write_branch(node, out);
        let tape = self.tape;
        write_measured(0, out, |out| {
            nested::write_value(tape, at, out);
            Ok::<_, Box<Mismatch>>(())
        })?;
        Ok(nested::next(tape, at))
    }
}

/// The member name at `at`.
fn name<'i>(tape: &[TapeNode<'i>], at: usize) -> &'i str {
    match tape.get(at) {
        Some(TapeNode::String(name)) => name,
        _ => "",
    }
}
