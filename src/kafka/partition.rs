//! Which partition a message goes to.

/// The partition of a key: its CRC-32 (ISO-HDLC, as in zlib) modulo the number of partitions, which is at least 1.
///
/// The same as librdkafka's partitioner `consistent`, whose function calls zlib's for every key; for short keys most
/// of its time is the way there.
#[inline]
pub(super) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let partitions = u32::try_from(partitions).unwrap_or(0).max(1);
    i32::try_from(crc32fast::hash(key) % partitions).expect("below a count that is an i32")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kafka::bench::consistent;

    proptest! {
        #[test]
        fn it_is_librdkafkas_consistent(
            key in proptest::collection::vec(any::<u8>(), 0..2048),
            partitions in 1..=i32::MAX,
        ) {
            prop_assert_eq!(partition_of(&key, partitions), consistent(&key, partitions));
            prop_assert_eq!(partition_of(&key, 6), consistent(&key, 6));
        }
    }
}
