//! Of all records of the progress topic those that a decision needs.

use std::collections::BTreeMap;

use super::decide::Found;
use super::error::Error;
use super::record::Record;
use super::shard::Shard;

/// The newest record of each shard of a task whose range overlaps that of one shard.
pub(in crate::session) struct Newest<'a> {
    shard: &'a Shard,
    /// By transactional id. A tombstone takes the place of what was before it.
    by_id: BTreeMap<String, (Shard, i64, Option<Vec<u8>>)>,
    /// Where the newest record of each shard of the task lies.
    offsets: BTreeMap<String, i64>,
}

impl<'a> Newest<'a> {
    /// For `shard`, of a topic of which nothing has been read yet.
    pub(in crate::session) fn new(shard: &'a Shard) -> Self {
        Self { shard, by_id: BTreeMap::new(), offsets: BTreeMap::new() }
    }

    /// Takes the next record of the topic.
    pub(in crate::session) fn add(&mut self, key: &[u8], offset: i64, value: Option<Vec<u8>>) {
        let Some((sibling, false)) = self.shard.sibling(key) else { return };
        if value.is_some() {
            self.offsets.insert(sibling.id(), offset);
        } else {
            self.offsets.remove(&sibling.id());
        }
        if sibling.range.overlaps(&self.shard.range) {
            self.by_id.insert(sibling.id(), (sibling, offset, value));
        }
    }

    /// Reads those that are left, and gives the offset of each shard's newest record, overlapping or not.
    pub(in crate::session) fn found(self) -> Result<(Vec<Found>, BTreeMap<String, i64>), Error> {
        let found = self.by_id.into_values().filter_map(|(shard, offset, value)| {
            let value = value?;
            Some(Record::read(&shard, &value).map(|record| Found { shard, offset, record }))
        });
        Ok((found.collect::<Result<_, _>>()?, self.offsets))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::shard::tests::{keys, shard};
    use super::*;

    #[test]
    fn the_last_record_of_each_overlapping_shard_is_read() {
        let (own, beside) = (shard(0, 9), shard(10, 19));
        let parent = shard(0, 19);
        let mut newest = Newest::new(&own);
        let value =
            |shard: &Shard, number| Some(Record::new(shard.range, number, "t", Bytes::new()).to_value());
        newest.add(own.id().as_bytes(), 1, value(&own, 1));
        newest.add(b"", 2, Some(b"of nobody".to_vec()));
        newest.add(own.registration().as_bytes(), 3, Some(b"no record".to_vec()));
        newest.add(beside.id().as_bytes(), 4, Some(b"not looked at".to_vec()));
        newest.add(parent.id().as_bytes(), 5, value(&parent, 7));
        newest.add(own.id().as_bytes(), 6, value(&own, 2));
        let (found, offsets) = newest.found().unwrap();
        let found: Vec<_> = found.iter().map(|f| (f.offset, f.record.sequence, f.shard.range)).collect();
        assert_eq!(found, [(6, 2, keys(0, 9)), (5, 7, keys(0, 19))]);
        assert_eq!(offsets, BTreeMap::from([(own.id(), 6), (parent.id(), 5), (beside.id(), 4)]));

        let mut newest = Newest::new(&own);
        newest.add(own.id().as_bytes(), 1, Some(b"damaged".to_vec()));
        newest.add(own.id().as_bytes(), 2, None);
        assert_eq!(newest.found(), Ok((vec![], BTreeMap::new())), "a tombstone");
        let mut newest = Newest::new(&own);
        newest.add(own.id().as_bytes(), 1, Some(b"damaged".to_vec()));
        assert!(matches!(newest.found(), Err(Error::Version { version: b'd', .. })));
    }
}
