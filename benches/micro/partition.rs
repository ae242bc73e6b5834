//! Keys to partitions: CRC32 of the key, as librdkafka's partitioner `consistent` has it.
//!
//! Ours is by the crate crc32fast, the other by librdkafka's function, which goes to zlib. Both must give the same for
//! ever, as keys would move otherwise.

use std::hint::black_box;

use materialize_kafka::kafka::bench::{consistent, partition_of};

use super::table::{Subject, Table};

pub fn rows(table: &mut Table) {
    for (what, len) in [("8b", 8), ("64b", 64), ("1k", 1024)] {
        let subject = Subject { name: "partition", what, bytes: len };
        let keys: Vec<Vec<u8>> = (0..64_usize).map(|i| key(i, len)).collect();
        if table.compares() {
            for key in &keys {
                for partitions in [1, 6, 1000] {
                    assert_eq!(partition_of(key, partitions), consistent(key, partitions));
                }
            }
        }
        table.ours(subject, || each(&keys, partition_of));
        table.theirs(subject, "librdkafka", || each(&keys, consistent));
    }
}

fn each(keys: &[Vec<u8>], partition: fn(&[u8], i32) -> i32) -> impl FnMut(u64) {
    let mut keys = keys.iter().cycle();
    move |documents| {
        for _ in 0..documents {
            black_box(partition(black_box(keys.next().expect("a cycle")), black_box(PARTITIONS)));
        }
    }
}

fn key(number: usize, len: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes().into_iter().cycle().take(len).collect()
}

const PARTITIONS: i32 = 6;
