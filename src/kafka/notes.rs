//! Headers and times of a batch's messages.
//!
//! librdkafka takes neither by the batch, so a message that has one is handed in by itself: `rd_kafka_produceva` with the
//! topic's handle. Values stay where they are, as in a batch; headers are copied.

#![allow(unsafe_code, reason = "values are lent to librdkafka")]

use std::ffi::CString;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_vtype_t as Type;

use super::client::{Code, TopicHandle};
use super::error::Error;

/// A header of every message of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: CString,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Constant(String),
    /// The message's own, by place in [`Note::values`]; a message that has none does not have the header.
    Own(usize),
}

impl Header {
    /// One that has the same value everywhere.
    ///
    /// # Errors
    ///
    /// A NUL character in the name.
    pub fn constant(name: &str, value: &str) -> Result<Self, Error> {
        Ok(Self { name: c_name(name)?, value: Value::Constant(value.to_owned()) })
    }

    /// One of which each message has a value of its own, by place in [`Note::values`].
    ///
    /// # Errors
    ///
    /// A NUL character in the name.
    pub fn own(name: &str, place: usize) -> Result<Self, Error> {
        Ok(Self { name: c_name(name)?, value: Value::Own(place) })
    }

    /// Bytes that a message's copy takes at most.
    fn bytes(&self) -> usize {
        let value = match &self.value {
            Value::Constant(text) => text.len(),
            Value::Own(_) => LONGEST_OWN,
        };
        OVERHEAD + self.name.as_bytes().len() + value
    }
}

fn c_name(name: &str) -> Result<CString, Error> {
    CString::new(name)
        .map_err(|_| Error::Client { reason: format!("header {name:?} has a nul byte in its name") })
}

/// What a message has beside key and value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Note<'a> {
    /// Milliseconds since 1970; none for the time of sending.
    pub timestamp: Option<i64>,
    /// Values of headers that are each message's own; of more than 64 bytes there is none.
    pub values: [Option<&'a str>; OWN],
}

/// The notes of a batch.
#[derive(Default)]
pub(super) struct Notes {
    /// Headers by the number of the topic, as the session counts them.
    headers: Vec<Vec<Header>>,
    /// By number of the entry; shorter than the batch where the last ones have none.
    entries: Vec<Entry>,
    /// Values of entries.
    text: String,
    /// For the call.
    arguments: Vec<sys::rd_kafka_vu_t>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// None: the message has no note.
    topic: Option<usize>,
    /// 0: the time of sending.
    timestamp: i64,
    values: [Option<(usize, usize)>; OWN],
}

impl Notes {
    /// Those of a session whose topics have these headers.
    pub(super) fn new(headers: Vec<Vec<Header>>) -> Self {
        Self { headers, ..Self::default() }
    }

    /// Bytes that the headers of a message of the topic take at most.
    pub(super) fn header_bytes(&self, topic: usize) -> usize {
        self.headers.get(topic).into_iter().flatten().map(Header::bytes).sum()
    }

    /// Adds that of the message which will be the batch's `entry`th, for the `topic`th topic.
    pub(super) fn push(&mut self, entry: usize, topic: usize, note: &Note<'_>) {
        let values = note.values.map(|value| {
            let value = value.filter(|value| value.len() <= LONGEST_OWN)?;
            let start = self.text.len();
            self.text.push_str(value);
            Some((start, value.len()))
        });
        // Messages before it may have none.
        self.entries.resize(entry, Entry::default());
        self.entries.push(Entry { topic: Some(topic), timestamp: note.timestamp.unwrap_or(0), values });
    }

    /// Whether no message of the batch has one.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets those of the batch.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    /// Hands messages of one partition in, each with the note of the entry of its number, up to the first that
    /// librdkafka refuses: gives its place and error.
    ///
    /// # Safety
    ///
    /// As for [`TopicHandle::produce`].
    pub(super) unsafe fn produce(
        &mut self,
        handle: &TopicHandle,
        partition: i32,
        messages: &[sys::rd_kafka_message_t],
        numbers: &[u32],
    ) -> Option<(usize, Code)> {
        for (at, (message, &number)) in messages.iter().zip(numbers).enumerate() {
            self.arguments.clear();
            self.arguments.extend([
                argument(Type::RD_KAFKA_VTYPE_RKT, Union { rkt: handle.as_ptr() }),
                argument(Type::RD_KAFKA_VTYPE_PARTITION, Union { i32_: partition }),
                argument(Type::RD_KAFKA_VTYPE_VALUE, memory(message.payload, message.len)),
                argument(Type::RD_KAFKA_VTYPE_KEY, memory(message.key, message.key_len)),
                argument(Type::RD_KAFKA_VTYPE_OPAQUE, Union { ptr: message._private }),
            ]);
            let entry = self.entries.get(number as usize).copied().unwrap_or_default();
            if entry.timestamp != 0 {
                self.arguments
                    .push(argument(Type::RD_KAFKA_VTYPE_TIMESTAMP, Union { i64_: entry.timestamp }));
            }
            let headers = entry.topic.and_then(|topic| self.headers.get(topic));
            for header in headers.into_iter().flatten() {
                let value = match &header.value {
                    Value::Constant(text) => Some(&text[..]),
                    Value::Own(place) => {
                        let own = entry.values.get(*place).copied().flatten();
                        own.and_then(|(start, len)| self.text.get(start..start + len))
                    }
                };
                let Some(value) = value else { continue };
                self.arguments.push(argument(
                    Type::RD_KAFKA_VTYPE_HEADER,
                    Union {
                        header: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                            name: header.name.as_ptr(),
                            val: value.as_ptr().cast(),
                            size: isize::try_from(value.len()).expect("no text is longer"),
                        },
                    },
                ));
            }
            // SAFETY: the arguments are of the types that they say; names end with nul, texts and key are readable
            // during the call, the value stays as the caller promised.
            let code = unsafe { handle.produce_one(&self.arguments) };
            if code.0 != 0 {
                return Some((at, code));
            }
        }
        None
    }
}

type Union = sys::rd_kafka_vu_s__bindgen_ty_1;

fn argument(vtype: Type, u: Union) -> sys::rd_kafka_vu_t {
    sys::rd_kafka_vu_t { vtype, u }
}

fn memory(ptr: *mut std::ffi::c_void, size: usize) -> Union {
    Union { mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } }
}

/// Headers that can be each message's own.
const OWN: usize = 2;
const LONGEST_OWN: usize = 64;
/// librdkafka's bookkeeping for a header, about.
const OVERHEAD: usize = 64;
