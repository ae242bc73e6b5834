//! Requests and responses in protobuf.
//!
//! A Request is walked by hand, and so is a Store in it: its fields become slices of the frame.
//! Where protobuf has fields merged, they are: the last one of several wins, and unknown ones are
//! passed over. The other messages go through prost once the walk has found which one it is.

use prost::Message;

use super::Fault;
use super::error::At;
use super::messages::{Request, Response};
use super::reader::{Incoming, NO_MESSAGE, Store, Tuple};
use super::wire::{Cursor, Key};

/// The request in a frame.
#[inline]
pub(super) fn request(frame: &[u8]) -> Result<Incoming<'_>, At> {
    match plain_store(frame) {
        Some(store) => Ok(Incoming::Store(store)),
        None => any_request(frame),
    }
}

/// The Store in a frame that holds nothing else, its fields each once and in ascending order, as every
/// writer of protobuf orders them; `None` where it is anything else, and that includes all that is wrong.
#[inline]
fn plain_store(frame: &[u8]) -> Option<Store<'_>> {
    let (&tag, rest) = frame.split_first()?;
    let (length, mut rest) = short_varint(rest)?;
    if tag != STORE_TAG || rest.len() != length {
        return None;
    }
    let mut binding = 0;
    if let Some((0x08, after)) = rest.split_first() {
        (binding, rest) = short_varint(after)?;
    }
    let [key_json, key_packed, values_json, values_packed, doc_json] =
        [0x12, 0x1a, 0x22, 0x2a, 0x32].map(|tag| match rest.split_first() {
            Some((&found, after)) if found == tag => {
                let (length, after) = short_varint(after)?;
                let (bytes, after) = after.split_at_checked(length)?;
                rest = after;
                Some(bytes)
            }
            _ => Some(&[][..]),
        });
    let [exists, delete] = [0x38, 0x40].map(|tag| match rest {
        [found, value @ (0 | 1), after @ ..] if *found == tag => {
            rest = after;
            *value == 1
        }
        _ => false,
    });
    rest.is_empty().then_some(())?;
    Some(Store {
        binding: u32::try_from(binding).ok()?,
        key: Tuple::of(key_packed?, key_json?),
        values: Tuple::of(values_packed?, values_json?),
        doc: doc_json?,
        exists,
        delete,
    })
}

/// A varint of up to four bytes, as all lengths below 256 MiB are, and what follows it.
#[inline]
fn short_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, rest));
        }
    }
    None
}

/// The request in a frame, whatever it is.
fn any_request(frame: &[u8]) -> Result<Incoming<'_>, At> {
    let mut cursor = Cursor::new(frame);
    let mut found: Option<(u32, usize)> = None;
    let mut fields = Fields::default();
    while let Some(key) = cursor.key()? {
        match key.field {
            1..=9 => {
                let mut message = cursor.field_message(key)?;
                if key.field == STORE {
                    fields.merge(&mut message)?;
                }
                match found {
                    Some((first, _)) if first != key.field => return Err(several(first, key)),
                    _ => found = Some((key.field, key.at)),
                }
            }
            _ => cursor.skip(key)?,
        }
    }
    match found {
        Some((STORE, _)) => Ok(Incoming::Store(fields.store())),
        Some((_, at)) => {
            let request = Request::decode(frame).map_err(|e| At::new(at, Fault::Message(e)))?;
            Incoming::owned(request).ok_or_else(|| empty("request", frame, NO_MESSAGE))
        }
        None => Err(empty("request", frame, NO_MESSAGE)),
    }
}

/// The response in a frame.
pub(super) fn response(frame: &[u8]) -> Result<Response, At> {
    Response::decode(frame).map_err(|e| At::new(0, Fault::Message(e)))
}

/// The fields of a Store as they come.
#[derive(Default)]
struct Fields<'a> {
    binding: u32,
    key_json: &'a [u8],
    key_packed: &'a [u8],
    values_json: &'a [u8],
    values_packed: &'a [u8],
    doc_json: &'a [u8],
    exists: bool,
    delete: bool,
}

impl<'a> Fields<'a> {
    fn merge(&mut self, message: &mut Cursor<'a>) -> Result<(), At> {
        while let Some(key) = message.key()? {
            match key.field {
                1 => {
                    let binding = message.field_varint(key)?;
                    // protobuf would drop the upper bits, and the document would go elsewhere.
                    self.binding =
                        u32::try_from(binding).map_err(|_| At::new(key.at, Fault::Binding(binding)))?;
                }
                2 => self.key_json = message.field_bytes(key)?,
                3 => self.key_packed = message.field_bytes(key)?,
                4 => self.values_json = message.field_bytes(key)?,
                5 => self.values_packed = message.field_bytes(key)?,
                6 => self.doc_json = message.field_bytes(key)?,
                7 => self.exists = message.field_varint(key)? != 0,
                8 => self.delete = message.field_varint(key)? != 0,
                _ => message.skip(key)?,
            }
        }
        Ok(())
    }

    fn store(self) -> Store<'a> {
        Store {
            binding: self.binding,
            key: Tuple::of(self.key_packed, self.key_json),
            values: Tuple::of(self.values_packed, self.values_json),
            doc: self.doc_json,
            exists: self.exists,
            delete: self.delete,
        }
    }
}

#[cold]
fn several(first: u32, second: Key) -> At {
    At::new(second.at, Fault::Several { kind: "request", first: name(first), second: name(second.field) })
}

/// Says which fields there are, of a frame that has been walked without an error.
#[cold]
pub(super) fn empty(kind: &'static str, frame: &[u8], expected: &'static str) -> At {
    let mut cursor = Cursor::new(frame);
    let mut found = String::new();
    let mut count = 0;
    while let Ok(Some(key)) = cursor.key() {
        if cursor.skip(key).is_err() {
            break;
        }
        match count {
            0..8 => {
                found.push_str(if count == 0 { "it has field " } else { ", " });
                found.push_str(&key.field.to_string());
            }
            8 => found.push_str(", and more"),
            _ => {}
        }
        count += 1;
    }
    if found.is_empty() {
        found.push_str("it is empty");
    }
    At::new(0, Fault::Empty { kind, found, expected })
}

fn name(field: u32) -> &'static str {
    match field {
        1 => "spec",
        2 => "validate",
        3 => "apply",
        4 => "open",
        5 => "load",
        6 => "flush",
        7 => "store",
        8 => "startCommit",
        _ => "acknowledge",
    }
}

const STORE: u32 = 7;

/// Field 7, length-delimited.
pub(super) const STORE_TAG: u8 = 0x3a;

#[cfg(test)]
mod tests;
