//! The progress record, as it lies in the topic: a byte for the version, then a protobuf message.

use bytes::Bytes;
use prost::Message;

use super::error::Error;
use super::shard::{Range, Shard};

/// What is recorded of a shard's latest transaction.
#[derive(Clone, PartialEq, Message)]
pub(in crate::session) struct Record {
    #[prost(fixed32, tag = "1")]
    pub(in crate::session) key_begin: u32,
    #[prost(fixed32, tag = "2")]
    pub(in crate::session) key_end: u32,
    #[prost(fixed32, tag = "3")]
    pub(in crate::session) r_clock_begin: u32,
    #[prost(fixed32, tag = "4")]
    pub(in crate::session) r_clock_end: u32,
    /// Counts the transactions under one key from 1.
    #[prost(uint64, tag = "5")]
    pub(in crate::session) sequence: u64,
    /// Tells a task from others of its name.
    #[prost(string, tag = "6")]
    pub(in crate::session) token: String,
    /// The runtime's checkpoint of StartCommit, as protobuf.
    #[prost(bytes = "bytes", tag = "7")]
    pub(in crate::session) checkpoint: Bytes,
}

impl Record {
    pub(in crate::session) fn new(range: Range, sequence: u64, token: &str, checkpoint: Bytes) -> Self {
        Self {
            key_begin: range.key.0,
            key_end: range.key.1,
            r_clock_begin: range.clock.0,
            r_clock_end: range.clock.1,
            sequence,
            token: token.to_owned(),
            checkpoint,
        }
    }

    /// The record as a message's value.
    pub(in crate::session) fn to_value(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.reserve(self.encoded_len());
        value.extend(self.encode_to_vec());
        value
    }

    /// Reads the value of a shard's record.
    pub(in crate::session) fn read(shard: &Shard, value: &[u8]) -> Result<Self, Error> {
        let damaged = |reason: String| Error::Record { key: shard.id(), reason };
        let record = match value.split_first() {
            None => return Err(damaged("it is empty".to_owned())),
            Some((&VERSION, message)) => Self::decode(message).map_err(|error| damaged(error.to_string()))?,
            Some((&version, _)) => return Err(Error::Version { key: shard.id(), version, known: VERSION }),
        };
        let range = Range {
            key: (record.key_begin, record.key_end),
            clock: (record.r_clock_begin, record.r_clock_end),
        };
        if range != shard.range {
            return Err(damaged(format!("its range is {range}, not that of its key")));
        }
        Ok(record)
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::shard::tests::{keys, shard};
    use super::*;

    #[test]
    fn the_format_is_this_for_ever() {
        let record = Record::new(keys(1, 0x7fff_ffff), 3, "t", Bytes::from_static(b"cp"));
        let value = b"\x01\x0d\x01\0\0\0\x15\xff\xff\xff\x7f\x25\xff\xff\xff\xff\x28\x03\x32\x01t\x3a\x02cp";
        assert_eq!(record.to_value(), value);
        assert_eq!(Record::read(&shard(1, 0x7fff_ffff), value), Ok(record));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let own = shard(0, 9);
        let text = |value: &[u8]| Record::read(&own, value).unwrap_err().to_string();
        assert!(text(b"").contains("00000000-00000009: it is empty; "), "{}", text(b""));
        assert!(text(b"\x02").contains("it is of version 2, and this connector reads version 1"));
        assert!(text(b"\x01\x0d").contains("00000000-00000009: failed to decode"), "{}", text(b"\x01\x0d"));
        let other = Record::new(keys(0, 8), 1, "", Bytes::new()).to_value();
        assert!(text(&other).contains("its range is 00000000-00000008, not that of its key"));
    }

    proptest! {
        #[test]
        fn a_record_is_read_back(end: u32, sequence: u64, token: String, checkpoint: Vec<u8>) {
            let record = Record::new(keys(0, end), sequence, &token, checkpoint.into());
            prop_assert_eq!(Record::read(&shard(0, end), &record.to_value()), Ok(record));
        }

        #[test]
        fn no_value_panics(value: Vec<u8>) {
            let _ = Record::read(&shard(0, 1), &value);
        }
    }
}
