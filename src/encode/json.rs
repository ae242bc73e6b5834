//! Documents to JSON messages, by a plan that is a flat list of members in output order.
//!
//! A member is written as its fragment (`,"name":`, made when the binding is opened) and then the element
//! at its place in the Store. All fragments begin with a comma; the first one's becomes the brace.

use bumpalo::Bump;

use super::buffer::Buffer;
use super::element::{Element, Elements, recycle};
use super::error::{Error, Fault, Part, excerpt, shortened};
use super::fields::{Selection, read_fields};
use super::nested::{Nested, write_scalar};
use super::scratch::Scratch;
use super::sink::Sink;
use super::text::write_string;
use super::{Document, Layout};

/// How a binding's documents become JSON messages.
#[derive(Debug)]
pub struct JsonPlan {
    /// Names of the key fields, in tuple order.
    keys: Vec<String>,
    /// Names of the value fields, in tuple order.
    values: Vec<String>,
    /// Name of the root document's field.
    document: Option<String>,
    /// Members of the message's key, ascending.
    key_members: Vec<Member>,
    /// Members of the message's value, ascending.
    value_members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    fragment: Fragment,
    source: Source,
}

/// What is written behind a fragment.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The element at this index: keys first, then values.
    Element(usize),
    /// The root document, as a string.
    Document,
    /// The root document, as the value that it is.
    EmbeddedDocument,
}

/// `,"name":`
#[derive(Debug)]
struct Fragment {
    /// Its first bytes, which for most names are all.
    short: [u8; SHORT],
    len: usize,
    /// The whole of it, where `short` is too short.
    long: Vec<u8>,
}

/// An element, or a string that needs no escaping.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot<'a> {
    /// ASCII that is written as it is.
    Plain(&'a [u8]),
    /// Anything else.
    Element(Element<'a>),
}

impl JsonPlan {
    /// Compiles the plan of a binding's fields.
    ///
    /// # Errors
    /// When two fields have one name.
    pub fn new(layout: &Layout<'_>) -> Result<Self, Error> {
        Self::compile(layout, Source::Document)
    }

    /// As [`new`](Self::new), with the root document as a value in the message, in place of a string of its text.
    pub(super) fn with_embedded_document(layout: &Layout<'_>) -> Result<Self, Error> {
        Self::compile(layout, Source::EmbeddedDocument)
    }

    fn compile(layout: &Layout<'_>, document: Source) -> Result<Self, Error> {
        let names = || layout.keys.iter().chain(layout.values).enumerate();
        let mut value_members: Vec<_> =
            names().map(|(i, name)| (name.as_str(), Source::Element(i))).collect();
        let mut key_members: Vec<_> = value_members.iter().copied().take(layout.keys.len()).collect();
        value_members.extend(layout.document.map(|name| (name, document)));
        key_members.sort_by_key(|(name, _)| *name);
        value_members.sort_by_key(|(name, _)| *name);
        for pair in value_members.windows(2) {
            if let [(name, _), (next, _)] = pair
                && name == next
            {
                return Err(Error::DuplicateField { field: shortened(name) });
            }
        }
        Ok(Self {
            keys: layout.keys.to_vec(),
            values: layout.values.to_vec(),
            document: layout.document.map(str::to_owned),
            key_members: compile_members(key_members),
            value_members: compile_members(value_members),
        })
    }

    /// The members of a key of those key fields alone whose number `selected` says yes to.
    pub(super) fn key_members_of(&self, selected: impl Fn(usize) -> bool) -> Vec<Member> {
        let names = self.keys.iter().map(String::as_str).enumerate().filter(|(i, _)| selected(*i));
        let mut members: Vec<_> = names.map(|(i, name)| (name, Source::Element(i))).collect();
        members.sort_by_key(|(name, _)| *name);
        compile_members(members)
    }

    /// Appends the document's message key to `key`, and its value to the message that `value` is at; false
    /// when it has none (the document is deleted), of which nothing but the key is read then.
    ///
    /// # Errors
    /// When the Store does not fit the layout or holds what cannot be written. Nothing has been appended then.
    pub fn encode(
        &self,
        doc: &Document<'_>,
        scratch: &mut Scratch,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        scratch.begin();
        let key_start = key.len();
        let Scratch { arena, slots: home, nested, .. } = scratch;
        let mut slots = recycle(std::mem::take(home));
        let outcome = self.encode_with(doc, arena, &mut slots, nested, key, value);
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
        nested: &mut Nested,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        read_fields(doc.key, Selection { part: Part::Key, names: &self.keys }, arena, slots)?;
        self.write_object(&self.key_members, slots, None, nested, key)?;
        if doc.delete {
            return Ok(false);
        }
        read_fields(doc.values, Selection { part: Part::Values, names: &self.values }, arena, slots)?;
        let document = self.document_text(doc.doc)?;
        self.write_object(&self.value_members, slots, document, nested, value)?;
        Ok(true)
    }

    /// Writes the value of these elements, keys before values, and of this root document's text.
    pub(super) fn write_value(
        &self,
        slots: &[Slot<'_>],
        doc: &[u8],
        nested: &mut Nested,
        value: &mut Buffer,
    ) -> Result<(), Error> {
        let document = self.document_text(doc)?;
        self.write_object(&self.value_members, slots, document, nested, value)
    }

    /// The text of the root document, where there is one.
    fn document_text<'a>(&self, doc: &'a [u8]) -> Result<Option<&'a str>, Error> {
        if doc.is_empty() {
            return Ok(None);
        }
        let Some(field) = &self.document else { return Err(Error::DocumentNotSelected { len: doc.len() }) };
        match simdutf8::basic::from_utf8(doc) {
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                let offset = std::str::from_utf8(doc).map_or_else(|error| error.valid_up_to(), str::len);
                Err(Error::DocumentNotUtf8 { field: field.clone(), offset })
            }
        }
    }

    /// Writes the object of `members`. Inlined for each of its callers, which saves 20 instructions a document.
    #[inline(always)]
    pub(super) fn write_object(
        &self,
        members: &[Member],
        slots: &[Slot<'_>],
        document: Option<&str>,
        nested: &mut Nested,
        out: &mut impl Sink,
    ) -> Result<(), Error> {
        let start = out.position();
        for Member { fragment, source } in members {
            match *source {
                Source::Element(index) => {
                    fragment.write(out);
                    // By reference: to copy a slot first cost a third of flat128.
                    match slots.get(index).unwrap_or(&Slot::Element(Element::Null)) {
                        Slot::Plain(text) => {
                            out.push(b'"');
                            out.put(text);
                            out.push(b'"');
                        }
                        Slot::Element(Element::Json(text)) => {
                            nested
                                .write_normal(text, out)
                                .map_err(|fault| self.nested_fault(index, text, fault))?;
                        }
                        Slot::Element(element) => write_scalar(element, out),
                    }
                }
                source => self.write_document(fragment, source, document, nested, out)?,
            }
        }
        if out.position() == start {
            out.push(b'{');
        } else {
            out.patch(start, b'{');
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes the member of the root document. Out of the way of elements, of which there are many.
    #[inline(never)]
    fn write_document(
        &self,
        fragment: &Fragment,
        source: Source,
        document: Option<&str>,
        nested: &mut Nested,
        out: &mut impl Sink,
    ) -> Result<(), Error> {
        let Some(text) = document else { return Ok(()) };
        fragment.write(out);
        if let Source::EmbeddedDocument = source {
            return nested.write_normal(text, out).map_err(|fault| self.document_fault(text, fault));
        }
        write_string(text, out);
        Ok(())
    }

    #[cold]
    fn nested_fault(&self, index: usize, text: &str, fault: Fault) -> Error {
        let field = self.keys.iter().chain(&self.values).nth(index).cloned().unwrap_or_default();
        Error::NestedJson { field, fault, text: excerpt(text, fault) }
    }

    #[cold]
    fn document_fault(&self, text: &str, fault: Fault) -> Error {
        let field = self.document.clone().unwrap_or_default();
        Error::NestedJson { field, fault, text: excerpt(text, fault) }
    }
}

/// Members in the order given, which is that of the message.
fn compile_members(members: Vec<(&str, Source)>) -> Vec<Member> {
    members.into_iter().map(|(name, source)| Member { fragment: Fragment::new(name), source }).collect()
}

impl Fragment {
    fn new(name: &str) -> Self {
        let mut whole = vec![b','];
        write_string(name, &mut whole);
        whole.push(b':');
        let len = whole.len();
        let mut short = [b' '; SHORT];
        let long = if let Some(short) = short.get_mut(..len) {
            short.copy_from_slice(&whole);
            Vec::new()
        } else {
            whole
        };
        Self { short, len, long }
    }

    #[inline]
    fn write(&self, out: &mut impl Sink) {
        if self.len <= SHORT {
            out.put_prefix(&self.short, self.len);
        } else {
            out.put(&self.long);
        }
    }
}

impl<'a> Elements<'a> for Vec<Slot<'a>> {
    #[inline]
    fn push(&mut self, element: Element<'a>) {
        Vec::push(self, Slot::Element(element));
    }

    #[inline]
    fn push_plain(&mut self, text: &'a [u8]) {
        Vec::push(self, Slot::Plain(text));
    }
}

/// Bytes of a fragment that are written by a copy of constant size: names of up to 28 bytes.
const SHORT: usize = 32;

#[cfg(test)]
mod tests;
