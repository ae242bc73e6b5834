//! The messages that have landed, as they are read, until they are printed by topic, partition and
//! offset.
//!
//! Each partition's messages come in the order of their offsets, so they are kept by partition, and
//! nothing is ever sorted. What does not fit into memory goes to one temporary file, piece by piece;
//! it has no name, so it is gone when the preview is, however that ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use bytes::Buf as _;
use prost::Message as _;

use super::error::Error;
use crate::kafka::Record;

/// Messages by topic and partition.
#[derive(Debug)]
pub(super) struct Landed {
    partitions: BTreeMap<(String, i32), Partition>,
    /// Bytes of all partitions' `recent`.
    in_memory: usize,
    memory_limit: usize,
    spool: Option<File>,
    messages: u64,
    bytes: u64,
    schemas: BTreeSet<(String, u32)>,
}

/// The messages of a partition: those in the file, then the recent ones.
#[derive(Debug, Default)]
struct Partition {
    /// Places in the file, as offset and length.
    pieces: Vec<(u64, usize)>,
    recent: Vec<u8>,
}

/// A message as it is kept. Topic and partition are known from where.
#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(int64, optional, tag = "2")]
    timestamp: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    value: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    headers: Vec<KeptHeader>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeptHeader {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    value: Option<Vec<u8>>,
}

impl Default for Landed {
    fn default() -> Self {
        Self::new(MEMORY_LIMIT)
    }
}

impl Landed {
    /// Keeps about `memory_limit` bytes in memory.
    fn new(memory_limit: usize) -> Self {
        Self {
            partitions: BTreeMap::new(),
            in_memory: 0,
            memory_limit,
            spool: None,
            messages: 0,
            bytes: 0,
            schemas: BTreeSet::new(),
        }
    }

    /// Keeps a message, which comes behind those that its partition has.
    pub(super) fn add(&mut self, record: Record) -> Result<(), Error> {
        let Record { topic, partition, offset, timestamp, key, value, headers } = record;
        self.messages += 1;
        for part in [&key, &value].into_iter().flatten() {
            self.bytes += u64::try_from(part.len()).unwrap_or(u64::MAX);
            if let Some((id, _)) = split_schema_id(part)
                && !self.schemas.iter().any(|(known, of)| *known == topic && *of == id)
            {
                self.schemas.insert((topic.clone(), id));
            }
        }
        let headers = headers.into_iter().map(|(name, value)| KeptHeader { name, value }).collect();
        let kept = Kept { offset, timestamp, key, value, headers };
        let recent = &mut self.partitions.entry((topic, partition)).or_default().recent;
        let before = recent.len();
        // A vector takes all that it is given.
        let _infallible = kept.encode_length_delimited(recent);
        self.in_memory += recent.len() - before;
        if self.in_memory > self.memory_limit { self.spill() } else { Ok(()) }
    }

    /// How many messages there are.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// The bytes of their keys and values.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many topics have messages.
    pub(super) fn topics(&self) -> usize {
        self.partitions.keys().map(|(topic, _)| topic).collect::<BTreeSet<_>>().len()
    }

    /// The numbers of schemas that keys and values begin with, if they are Avro, with their topics.
    pub(super) fn schemas(&self) -> &BTreeSet<(String, u32)> {
        &self.schemas
    }

    /// Gives each message to `take`, by topic, partition, offset.
    pub(super) fn for_each<E: From<Error>>(
        mut self,
        mut take: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        for ((topic, partition), Partition { pieces, recent }) in self.partitions {
            let mut piece = Vec::new();
            for (at, len) in pieces {
                piece.resize(len, 0);
                if let Some(spool) = &mut self.spool {
                    spool
                        .seek(SeekFrom::Start(at))
                        .and_then(|_| spool.read_exact(&mut piece))
                        .map_err(spool_error("reading the temporary file of messages"))?;
                }
                records(&topic, partition, &piece, &mut take)?;
            }
            drop(piece);
            records(&topic, partition, &recent, &mut take)?;
        }
        Ok(())
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self) -> Result<(), Error> {
        let failed = || spool_error("writing messages to a temporary file");
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => {
                none.insert(nameless_file().map_err(spool_error("making a temporary file for messages"))?)
            }
        };
        let mut at = spool.stream_position().map_err(failed())?;
        for partition in self.partitions.values_mut().filter(|partition| !partition.recent.is_empty()) {
            spool.write_all(&partition.recent).map_err(failed())?;
            partition.pieces.push((at, partition.recent.len()));
            at += u64::try_from(partition.recent.len()).unwrap_or(u64::MAX);
            partition.recent = Vec::new();
        }
        self.in_memory = 0;
        Ok(())
    }
}

/// The number of the schema in front of an Avro message, and what follows it.
pub(super) fn split_schema_id(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (id, rest) = bytes.strip_prefix(&[0])?.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), rest))
}

fn records<E: From<Error>>(
    topic: &str,
    partition: i32,
    mut kept: &[u8],
    take: &mut impl FnMut(Record) -> Result<(), E>,
) -> Result<(), E> {
    while kept.has_remaining() {
        let Kept { offset, timestamp, key, value, headers } = Kept::decode_length_delimited(&mut kept)
            .map_err(io::Error::other)
            .map_err(spool_error("reading the messages that were kept"))?;
        let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
        take(Record { topic: topic.to_owned(), partition, offset, timestamp, key, value, headers })?;
    }
    Ok(())
}

/// A file that nobody else can open, and that goes with its handle.
fn nameless_file() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let mut number = std::process::id();
    loop {
        let path = folder.join(format!("materialize-kafka-preview-{number:08x}"));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            // Another preview is between these two steps.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(0x0100_0193);
            }
            Err(error) => return Err(error),
        }
    }
}

fn spool_error(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { doing, source }
}

/// Bytes of messages that are kept in memory.
const MEMORY_LIMIT: usize = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &str, partition: i32, offset: i64) -> Record {
        Record {
            topic: topic.to_owned(),
            partition,
            offset,
            timestamp: (offset != 1).then_some(offset * 10),
            key: (offset != 2).then(|| format!("key {offset}").into_bytes()),
            value: (offset != 3).then(|| vec![b'v'; usize::try_from(offset).unwrap_or(0)]),
            headers: if offset == 4 {
                vec![("a".to_owned(), Some(b"1".to_vec())), (String::new(), None)]
            } else {
                Vec::new()
            },
        }
    }

    fn all(landed: Landed) -> Vec<Record> {
        let mut records = Vec::new();
        landed
            .for_each(|record| {
                records.push(record);
                Ok::<_, Error>(())
            })
            .unwrap();
        records
    }

    #[test]
    fn messages_come_out_by_topic_partition_and_offset_from_memory_and_file_alike() {
        let places = [("b", 0), ("a", 1), ("a", 10), ("a", 2), ("b", 1)];
        for memory_limit in [usize::MAX, 1000, 0] {
            let mut landed = Landed::new(memory_limit);
            for offset in 0..50 {
                for (topic, partition) in places {
                    landed.add(record(topic, partition, offset)).unwrap();
                    assert!(landed.in_memory <= memory_limit);
                }
            }
            assert_eq!(landed.spool.is_some(), memory_limit < usize::MAX);
            assert_eq!((landed.messages(), landed.topics()), (250, 2));
            let mut expected = Vec::new();
            for (topic, partition) in [("a", 1), ("a", 2), ("a", 10), ("b", 0), ("b", 1)] {
                expected.extend((0..50).map(|offset| record(topic, partition, offset)));
            }
            let bytes: usize = expected
                .iter()
                .map(|r| r.key.as_ref().map_or(0, Vec::len) + r.value.as_ref().map_or(0, Vec::len))
                .sum();
            assert_eq!(landed.bytes(), u64::try_from(bytes).unwrap());
            assert_eq!(all(landed), expected);
        }
    }

    #[test]
    fn schemas_are_found_in_keys_and_values() {
        let mut landed = Landed::default();
        let with = |topic: &str, key: &[u8], value: Option<&[u8]>| Record {
            key: Some(key.to_vec()),
            value: value.map(<[u8]>::to_vec),
            ..record(topic, 0, 0)
        };
        landed.add(with("a", &[0, 0, 0, 1, 2, 9], Some(&[0, 0, 0, 0, 7]))).unwrap();
        landed.add(with("b", &[0, 0, 0, 1, 2], None)).unwrap();
        landed.add(with("b", b"{}", Some(&[0, 0, 0, 1]))).unwrap();
        let found: Vec<_> = landed.schemas().iter().map(|(topic, id)| (&topic[..], *id)).collect();
        assert_eq!(found, [("a", 7), ("a", 258), ("b", 258)]);
    }

    #[test]
    fn the_temporary_file_has_no_name() {
        let mut file = nameless_file().unwrap();
        file.write_all(b"x").unwrap();
        let path = std::env::temp_dir().join(format!("materialize-kafka-preview-{:08x}", std::process::id()));
        assert!(!path.exists());
    }
}
