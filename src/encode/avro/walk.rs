//! Parsed JSON by the compiled Avro types: objects as records or maps, arrays, and what is in them.
//!
//! Nothing is assumed of the order of members. Of a repeated member the last one counts.

use std::ops::Range;

use super::adopted::Adopted;
use super::binary::{Mend, write_length, write_measured, write_text};
use super::mismatch::Mismatch;
use super::node::{Kind, Node, Record};
use super::scalar::{write_branch, write_scalar};
use crate::encode::nested::write_value;
use crate::encode::order::Order;
use crate::encode::parsed::{Items, Members, Value, View};

/// One walk over a parsed value.
pub(super) struct Walk<'s> {
    /// Positions of members by field, a frame for each record that is being written.
    pub slots: &'s mut Vec<usize>,
    /// Of members that are no fields, and those of maps and of raw JSON.
    pub order: &'s mut Order,
}

/// A slot whose property has not been seen.
const ABSENT: usize = usize::MAX;

impl Walk<'_> {
    /// Writes `value` as `node` has it. Recursion is bounded by the type's depth, and within raw JSON
    /// by the parser's limit.
    pub fn write<S: Mend>(
        &mut self,
        node: &Node,
        value: Value<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        match (&node.kind, value.view()) {
            (_, View::Scalar(element)) => write_scalar(node, element, out),
            (Kind::Array(items), View::Array(values)) => {
                write_branch(node, out);
                self.write_items(items, values, out)
            }
            (Kind::Record(record), View::Object(members)) => {
                write_branch(node, out);
                self.write_record(record, &members, out)
            }
            (Kind::Map(values), View::Object(members)) => {
                write_branch(node, out);
                self.write_map(values, &members, out)
            }
            (Kind::RawJson, _) => {
                write_branch(node, out);
                write_measured(0, out, |out| {
                    write_value(value, self.order, out);
                    Ok(())
                })
            }
            _ => self.write_other(node, value, out),
        }
    }

    /// Writes `value` in the union of a registered schema, if the type is one.
    #[inline(never)]
    fn write_other<S: Mend>(
        &mut self,
        node: &Node,
        value: Value<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        if let Kind::Adopted(adopted) = &node.kind
            && let Adopted::Branch(branch) = &**adopted
        {
            let node = branch.enter(out);
            return self.write(node, value, out);
        }
        Err(self.not_matched(node, value))
    }

    fn write_items<S: Mend>(
        &mut self,
        items: &Node,
        values: Items<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        if values.len() > 0 {
            write_length(values.len(), out);
        }
        for (i, value) in values.enumerate() {
            self.write(items, value, out).map_err(|error| error.within(&i.to_string()))?;
        }
        out.push(0);
        Ok(())
    }

    fn write_record<S: Mend>(
        &mut self,
        record: &Record,
        members: &Members<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        let fields = self.slots.len();
        self.slots.resize(fields + record.fields.len(), ABSENT);
        let extras = self.order.start();
        let mut guess = 0;
        let mut position = 0;
        for (name, value) in members.clone() {
            match record.find(name, guess) {
                Some(field) => {
                    if let Some(slot) = self.slots.get_mut(fields + field) {
                        *slot = position;
                    }
                    guess = field + 1;
                }
                None if record.extra.is_some() => self.order.push(position),
                None => {}
            }
            position += Members::step(value);
        }
        let extras = self.order.arrange(extras, members);
        for (i, field) in record.fields.iter().enumerate() {
            // No member is at the position that marks an absent one.
            match (self.slots.get(fields + i).and_then(|position| members.at(*position)), &field.absent) {
                (Some((_, value)), _) => {
                    self.write(&field.node, value, out).map_err(|error| error.within(&field.name))?;
                }
                (None, Some(absent)) => out.put(absent),
                (None, None) => return Err(Mismatch::absent(&field.node).within(&field.name)),
            }
        }
        if let Some(values) = &record.extra {
            self.write_entries(values, extras, members, out)?;
        }
        self.slots.truncate(fields);
        Ok(())
    }

    fn write_map<S: Mend>(
        &mut self,
        values: &Node,
        members: &Members<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        let sorted = self.order.sort(members);
        self.write_entries(values, sorted, members, out)
    }

    /// Writes the map of those members that are `sorted`.
    fn write_entries<S: Mend>(
        &mut self,
        values: &Node,
        sorted: Range<usize>,
        members: &Members<'_>,
        out: &mut S,
    ) -> Result<(), Box<Mismatch>> {
        if !sorted.is_empty() {
            write_length(sorted.len(), out);
        }
        for i in sorted.clone() {
            let (name, value) = self.order.member(i, members);
            write_text(name, out);
            self.write(values, value, out).map_err(|error| error.within(name))?;
        }
        self.order.release(sorted);
        out.push(0);
        Ok(())
    }

    #[cold]
    fn not_matched(&mut self, node: &Node, value: Value<'_>) -> Box<Mismatch> {
        let mut json = Vec::new();
        write_value(value, self.order, &mut json);
        Mismatch::value(node, &String::from_utf8_lossy(&json))
    }
}
