//! Takes an input apart. What is not there reads as zero or empty, so that every input means something.

use materialize_kafka::encode::{Buffer, Document, Error, Fields, Plan, Scratch};

/// What is left of an input.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// Bytes behind a length of two bytes, little-endian; fewer where there are fewer.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// The parts of a Store, as they stand in an input: a byte of flags, key and values behind their lengths, and the
/// rest is the root document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreInput<'a> {
    pub(crate) document: Document<'a>,
    /// Whether the root document is selected.
    pub(crate) selected: bool,
}

const KEY_IS_ARRAY: u8 = 1;
const VALUES_ARE_ARRAY: u8 = 2;
const DELETE: u8 = 4;
const SELECTED: u8 = 8;

impl<'a> StoreInput<'a> {
    pub(crate) fn take(mut input: Input<'a>) -> Self {
        let flags = input.byte();
        let fields =
            |array: u8, bytes| if flags & array == 0 { Fields::Packed(bytes) } else { Fields::Json(bytes) };
        let key = fields(KEY_IS_ARRAY, input.bytes());
        let values = fields(VALUES_ARE_ARRAY, input.bytes());
        let document = Document { key, values, doc: input.rest(), delete: flags & DELETE != 0 };
        Self { document, selected: flags & SELECTED != 0 }
    }

    /// The reverse, behind `start`.
    pub(crate) fn write(&self, start: &[u8]) -> Vec<u8> {
        let Self { document: Document { key, values, doc, delete }, selected } = *self;
        let mut flags = 0;
        let mut sides = Vec::new();
        for (fields, array) in [(key, KEY_IS_ARRAY), (values, VALUES_ARE_ARRAY)] {
            let bytes = match fields {
                Fields::Packed(bytes) => bytes,
                Fields::Json(bytes) => {
                    flags |= array;
                    bytes
                }
            };
            let length = u16::try_from(bytes.len()).expect("seeds are small");
            sides.extend_from_slice(&length.to_le_bytes());
            sides.extend_from_slice(bytes);
        }
        flags |= if delete { DELETE } else { 0 } | if selected { SELECTED } else { 0 };
        [start, &[flags], &sides, doc].concat()
    }
}

/// Key and value of a message; no value where the document is deleted.
pub(crate) type Message = (Vec<u8>, Option<Vec<u8>>);

/// Encodes a document twice with one scratch memory, the second time behind other messages: both times the same must
/// come out, and an error must leave nothing behind.
pub(crate) fn encode_twice(plan: &Plan, document: &Document<'_>) -> Result<Message, Error> {
    let mut scratch = Scratch::default();
    let (mut key, mut value) = (Vec::new(), Buffer::default());
    let first = plan.encode(document, &mut scratch, &mut key, &mut value);
    let message = value.message().to_vec();

    let mut both = key.clone();
    value.finish();
    value.put(b"finished");
    value.take_outgrown();
    value.finish();
    let second = plan.encode(document, &mut scratch, &mut both, &mut value);
    assert_eq!(first, second, "the second time");
    assert_eq!(both, [&key[..], &key].concat(), "the key of the second time");
    assert_eq!(value.message(), message, "the value of the second time");

    match first {
        Ok(has_value) => {
            assert!(has_value || message.is_empty(), "a tombstone with a value");
            Ok((key, has_value.then_some(message)))
        }
        Err(error) => {
            assert!(key.is_empty() && message.is_empty(), "an error left something behind");
            // The text of an error is made of the input as well.
            assert!(!error.to_string().is_empty());
            Err(error)
        }
    }
}
