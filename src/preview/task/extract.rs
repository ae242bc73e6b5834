//! Takes a binding's fields out of documents, in the forms that Stores carry them.

use std::borrow::Cow;

use serde_json::Value;

use super::json::{self, Policy};
use super::pointer::Pointer;
use super::projection::Projection;
use super::selection::Selection;
use super::tuple;
use super::uuid;
use crate::protocol::{Codec, Store, Tuple};

/// What a Store carries, in the forms of both generations of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreDoc {
    /// The binding's index.
    pub binding: u32,
    /// The key as a packed tuple.
    pub key_packed: Vec<u8>,
    /// The key as a JSON array.
    pub key_json: Vec<u8>,
    /// The values as a packed tuple.
    pub values_packed: Vec<u8>,
    /// The values as a JSON array.
    pub values_json: Vec<u8>,
    /// The document as JSON; empty if the binding has not selected it.
    pub doc_json: Vec<u8>,
    /// Whether the document says that its key is deleted.
    pub delete: bool,
}

/// The fields of one binding, ready to be taken out of documents.
#[derive(Debug)]
pub struct Extractor {
    keys: Vec<Field>,
    values: Vec<Field>,
    document: bool,
    policy: Policy,
    operation: Pointer,
}

/// Which forms of a Store are wanted.
#[derive(Clone, Copy, Debug)]
struct Forms {
    packed: bool,
    json: bool,
}

#[derive(Debug)]
struct Field {
    pointer: Pointer,
    kind: Kind,
    /// What stands for a value that the document lacks.
    default: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The value that is there.
    Plain,
    /// The publication time, told by the UUID that is there.
    PublishedAt,
    /// Whether anything of the Store was cut.
    Truncated,
    /// The collection has no such field.
    Unknown,
}

impl StoreDoc {
    /// As a request carries it in a codec.
    pub(in crate::preview) fn borrowed(&self, codec: Codec) -> Store<'_> {
        let (key, values) = match codec {
            Codec::Proto => (Tuple::Packed(&self.key_packed), Tuple::Packed(&self.values_packed)),
            Codec::Json => (Tuple::Json(&self.key_json), Tuple::Json(&self.values_json)),
        };
        Store { binding: self.binding, key, values, doc: &self.doc_json, exists: false, delete: self.delete }
    }

    /// Empties it, but for its memory.
    fn clear(&mut self) {
        let Self { binding, key_packed, key_json, values_packed, values_json, doc_json, delete } = self;
        (*binding, *delete) = (0, false);
        for bytes in [key_packed, key_json, values_packed, values_json, doc_json] {
            bytes.clear();
        }
    }
}

impl Extractor {
    /// Takes `selection` out of documents whose fields are `projections`. Fields without a
    /// projection are null.
    pub fn new(projections: &[Projection], selection: &Selection, policy: Policy) -> Self {
        let field = |name: &String| {
            let projection = projections.iter().find(|projection| projection.field == *name);
            let Some(projection) = projection else {
                return Field { pointer: Pointer::default(), kind: Kind::Unknown, default: Value::Null };
            };
            Field {
                pointer: Pointer::parse(&projection.pointer),
                kind: match projection {
                    _ if projection.is_published_at() => Kind::PublishedAt,
                    _ if projection.pointer == TRUNCATED => Kind::Truncated,
                    _ => Kind::Plain,
                },
                default: projection.inference.default.clone().unwrap_or_default(),
            }
        };
        Self {
            keys: selection.keys.iter().map(field).collect(),
            values: selection.values.iter().map(field).collect(),
            document: selection.document.is_some(),
            policy,
            operation: Pointer::parse("/_meta/op"),
        }
    }

    /// The packed key of a document.
    pub fn key(&self, document: &Value) -> Vec<u8> {
        let mut packed = Vec::new();
        self.pack_key(document, &mut packed);
        packed
    }

    fn pack_key(&self, document: &Value, packed: &mut Vec<u8>) {
        for field in &self.keys {
            tuple::pack(packed, &field.extract(document), &Policy::default());
        }
    }

    /// What a Store of the document carries.
    pub fn store(&self, binding: u32, document: &Value) -> StoreDoc {
        let mut store = StoreDoc::default();
        self.store_in(binding, document, Forms { packed: true, json: true }, &mut store);
        store
    }

    /// The same, in the form alone that a codec carries, and in the place of another one, whose memory is used again.
    pub fn store_for(&self, binding: u32, document: &Value, codec: Codec, store: &mut StoreDoc) {
        store.clear();
        let json = codec == Codec::Json;
        self.store_in(binding, document, Forms { packed: !json, json }, store);
    }

    /// Fills a Store that is empty.
    fn store_in(&self, binding: u32, document: &Value, forms: Forms, store: &mut StoreDoc) {
        store.binding = binding;
        if forms.packed {
            self.pack_key(document, &mut store.key_packed);
        }
        let mut truncated = false;
        if self.document {
            truncated |= json::write(&mut store.doc_json, document, &self.policy);
        }
        // Keys are never cut.
        if forms.json {
            for field in &self.keys {
                separate(&mut store.key_json);
                json::write(&mut store.key_json, &field.extract(document), &Policy::default());
            }
            close(&mut store.key_json);
        }

        // Where `false` has been written that may have to become `true`.
        let mut flags = Vec::new();
        for field in &self.values {
            if forms.json {
                separate(&mut store.values_json);
            }
            if field.kind == Kind::Truncated {
                flags.push((store.values_packed.len(), store.values_json.len()));
            }
            let value = field.extract(document);
            if forms.packed {
                truncated |= tuple::pack(&mut store.values_packed, &value, &self.policy);
            }
            if forms.json {
                truncated |= json::write(&mut store.values_json, &value, &self.policy);
            }
        }
        if forms.json {
            close(&mut store.values_json);
        }
        if truncated {
            // From the last to the first, since the texts differ in length.
            for (packed, json) in flags.into_iter().rev() {
                if forms.packed {
                    store.values_packed.splice(packed..=packed, [tuple::TRUE]);
                }
                if forms.json {
                    store.values_json.splice(json..json + "false".len(), *b"true");
                }
            }
        }
        store.delete = self.operation.query(document).and_then(Value::as_str) == Some("d");
    }
}

impl Field {
    fn extract<'v>(&'v self, document: &'v Value) -> Cow<'v, Value> {
        let found = self.pointer.query(document);
        match self.kind {
            Kind::Truncated => return Cow::Owned(Value::Bool(false)),
            Kind::PublishedAt => {
                if let Some(time) = found.and_then(Value::as_str).and_then(uuid::published_at) {
                    return Cow::Owned(Value::String(time));
                }
            }
            Kind::Unknown => return Cow::Owned(Value::Null),
            Kind::Plain => {}
        }
        Cow::Borrowed(found.unwrap_or(&self.default))
    }
}

/// Opens a JSON array, or separates its items.
fn separate(out: &mut Vec<u8>) {
    out.push(if out.is_empty() { b'[' } else { b',' });
}

fn close(out: &mut Vec<u8>) {
    if out.is_empty() {
        out.push(b'[');
    }
    out.push(b']');
}

/// The location whose value tells whether anything was cut.
pub(super) const TRUNCATED: &str = "/_meta/flow_truncated";

#[cfg(test)]
mod tests;
