//! A walk over the fields of a protobuf message, as borrowed slices.

use super::Fault;
use super::error::At;

/// A position in a message. Offsets are those of the frame, also inside a nested message.
pub(super) struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
}

/// The number of a field and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) field: u32,
    pub(super) wire: u8,
    /// Where the key begins.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a frame.
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self { frame, at: 0 }
    }

    /// The next field, or `None` at the end of the message.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Option<Key>, At> {
        if self.at == self.frame.len() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let wire = (key & 7) as u8;
        match u32::try_from(key >> 3) {
            Ok(field @ 1..=MAX_FIELD) => Ok(Some(Key { field, wire, at })),
            _ => Err(At::new(at, Fault::Key(key))),
        }
    }

    /// A varint of up to ten bytes; longer forms than necessary are legal.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, At> {
        match self.frame.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, At> {
        let from = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.frame.get(self.at) else {
                return Err(At::new(from, Fault::CutVarint));
            };
            self.at += 1;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(At::new(from, Fault::Varint))
    }

    /// The varint of a field that must be one.
    #[inline]
    pub(super) fn field_varint(&mut self, key: Key) -> Result<u64, At> {
        key.expect(VARINT)?;
        self.varint()
    }

    /// The bytes of a field that must be length-delimited.
    #[inline]
    pub(super) fn field_bytes(&mut self, key: Key) -> Result<&'a [u8], At> {
        key.expect(LENGTH)?;
        self.bytes()
    }

    /// The nested message of a field that must be one; this cursor goes on behind it.
    #[inline]
    pub(super) fn field_message(&mut self, key: Key) -> Result<Self, At> {
        let body = self.field_bytes(key)?;
        let at = self.at - body.len();
        Ok(Self { frame: self.frame.get(..self.at).unwrap_or_default(), at })
    }

    /// Passes over a field of any kind.
    pub(super) fn skip(&mut self, key: Key) -> Result<(), At> {
        // The groups that are open, innermost last. A stack of its own, so that no input can
        // exhaust the thread's.
        let mut open = [0_u32; MAX_GROUPS];
        let mut depth = 0;
        let mut key = key;
        loop {
            match key.wire {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.take(8)?),
                LENGTH => drop(self.bytes()?),
                FIXED32 => drop(self.take(4)?),
                GROUP => {
                    let Some(place) = open.get_mut(depth) else {
                        return Err(At::new(key.at, Fault::GroupDepth(MAX_GROUPS)));
                    };
                    *place = key.field;
                    depth += 1;
                }
                GROUP_END => {
                    if depth == 0 || open.get(depth - 1) != Some(&key.field) {
                        return Err(At::new(key.at, Fault::GroupEnd(key.field)));
                    }
                    depth -= 1;
                }
                wire => return Err(At::new(key.at, Fault::UnknownWire { field: key.field, wire })),
            }
            if depth == 0 {
                return Ok(());
            }
            key = match self.key()? {
                Some(key) => key,
                None => {
                    let group = open.get(depth - 1).copied().unwrap_or_default();
                    return Err(At::new(self.at, Fault::OpenGroup(group)));
                }
            };
        }
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], At> {
        let length = self.varint()?;
        self.take(length)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], At> {
        let rest = self.frame.get(self.at..).unwrap_or_default();
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(At::new(self.at, Fault::Cut { wanted: length, left: rest.len() })),
        }
    }
}

impl Key {
    #[inline]
    fn expect(self, expected: u8) -> Result<(), At> {
        if self.wire == expected {
            Ok(())
        } else {
            Err(At::new(self.at, Fault::Wire { field: self.field, wire: self.wire, expected }))
        }
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

const MAX_FIELD: u32 = (1 << 29) - 1;

/// As deep as prost goes.
const MAX_GROUPS: usize = 100;
