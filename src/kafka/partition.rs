//! Which partition a message goes to.

use crate::config::{Partitioner, Partitioning};

impl Partitioning {
    /// The partition of a message with this key, of `partitions`, of which there is at least 1.
    #[inline]
    pub(super) fn partition_of(self, key: &[u8], partitions: i32) -> i32 {
        // Out of line, what few ask for would take 14 instructions of everybody's messages.
        if self == Self::default() { consistent(key, partitions) } else { self.of_choice(key, partitions) }
    }

    #[cold]
    #[inline(never)]
    fn of_choice(self, key: &[u8], partitions: i32) -> i32 {
        let key = if self.without_prefix { key.get(PREFIX..).unwrap_or_default() } else { key };
        match self.partitioner {
            Partitioner::Consistent => consistent(key, partitions),
            Partitioner::Murmur2 => java(key, partitions),
        }
    }
}

/// Bytes of a registry's framing: zero, and the schema's id.
const PREFIX: usize = 5;

/// The partition of a key: its CRC-32 (ISO-HDLC, as in zlib) modulo the number of partitions.
///
/// The same as librdkafka's partitioner `consistent`, whose function calls zlib's for every key; for short keys most
/// of its time is the way there.
#[inline]
pub(super) fn consistent(key: &[u8], partitions: i32) -> i32 {
    modulo(crc32fast::hash(key), partitions)
}

/// The partition of a key as Java's producer computes it (`BuiltInPartitioner.partitionForKey`), and librdkafka's
/// partitioner `murmur2`: the hash without its sign, modulo the number of partitions.
pub(super) fn java(key: &[u8], partitions: i32) -> i32 {
    modulo(murmur2(key) & (u32::MAX >> 1), partitions)
}

#[inline]
fn modulo(hash: u32, partitions: i32) -> i32 {
    let partitions = u32::try_from(partitions).unwrap_or(0).max(1);
    i32::try_from(hash % partitions).expect("below a count that is an i32")
}

/// Kafka's variant of MurmurHash2 (`Utils.murmur2`): little endian whatever the machine, with a seed of its own.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // Keys are far shorter than 4 GiB; the length is that of Java's int.
    #[expect(clippy::cast_possible_truncation, reason = "as Java has it")]
    let length = key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = SEED ^ length;
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |rest, byte| rest << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kafka::bench;

    proptest! {
        #[test]
        fn they_are_librdkafkas(
            key in proptest::collection::vec(any::<u8>(), 0..2048),
            partitions in 1..=i32::MAX,
        ) {
            for count in [partitions, 6] {
                prop_assert_eq!(consistent(&key, count), bench::consistent(&key, count));
                prop_assert_eq!(java(&key, count), bench::murmur2(&key, count));
            }
        }
    }

    /// Kafka's own (`UtilsTest.testMurmur2`).
    #[test]
    fn murmur2_has_the_hashes_of_kafkas_tests() {
        for (key, hash) in [
            (&b"21"[..], -973_932_308_i32),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
        }
    }

    #[test]
    fn the_prefix_can_be_left_out() {
        let of = |partitioner, without_prefix, key: &[u8]| {
            Partitioning { partitioner, without_prefix }.partition_of(key, 1000)
        };
        for partitioner in [Partitioner::Consistent, Partitioner::Murmur2] {
            let bare = of(partitioner, false, b"key");
            assert_eq!(of(partitioner, true, b"\0\0\0\x01\x02key"), bare);
            assert_eq!(of(partitioner, true, b"\0\0\0\xff\xffkey"), bare);
            assert_ne!(of(partitioner, false, b"\0\0\0\x01\x02key"), bare);
            assert_eq!(of(partitioner, true, b"abc"), of(partitioner, false, b""), "shorter than a prefix");
        }
        assert_ne!(of(Partitioner::Consistent, false, b"key"), of(Partitioner::Murmur2, false, b"key"));
    }
}
