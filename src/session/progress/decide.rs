//! Where a session goes on: what Kafka has, by its records, against what the runtime has, by the connector's state.

use bytes::Bytes;

use super::checkpoint::to_wire;
use super::error::Error;
use super::record::Record;
use super::shard::Shard;
use super::state::State;
use crate::protocol::Codec;

/// A shard's committed record, as it was found in the progress topic.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::session) struct Found {
    pub(in crate::session) shard: Shard,
    pub(in crate::session) offset: i64,
    pub(in crate::session) record: Record,
}

/// From where a session goes on.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::session) struct Decision {
    pub(in crate::session) basis: Basis,
    /// The number of this shard's last transaction that the runtime has committed, or 0.
    pub(in crate::session) sequence: u64,
    /// The token for the records to come; none where one has to be made.
    pub(in crate::session) token: Option<String>,
}

/// What a decision rests on.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::session) enum Basis {
    /// Nothing was ever recorded: the runtime's checkpoint.
    Nothing,
    /// The record of `key`: its checkpoint. `ahead`: the runtime has not committed this transaction.
    Record { key: String, sequence: u64, ahead: bool, checkpoint: Bytes },
    /// There are records, but of an earlier task, or of this one before it delivered at least once: the runtime's checkpoint.
    Stale,
    /// The record of `key`, which the runtime knows of, is gone: the runtime's checkpoint. If it was ahead, a transaction is
    /// doubled.
    Gone { key: String },
}

impl Basis {
    /// The checkpoint that Opened carries; empty for the runtime's own.
    pub(in crate::session) fn checkpoint(&self, codec: Codec) -> Result<Bytes, Error> {
        match self {
            Self::Record { checkpoint, .. } => to_wire(checkpoint, codec),
            Self::Nothing | Self::Stale | Self::Gone { .. } => Ok(Bytes::new()),
        }
    }
}

/// Decides from where the session of `shard` goes on. `found` has the newest committed record of each shard of this task
/// whose range overlaps this one's.
pub(in crate::session) fn decide(
    shard: &Shard,
    state: Option<&State>,
    found: &[Found],
) -> Result<Decision, Error> {
    let unknown = State::default();
    let state = state.unwrap_or(&unknown);
    let token = state.token().map(str::to_owned);
    let id = shard.id();

    // Where the runtime knows of no transaction of a shard, only a record of this same task counts.
    let mut records: Vec<_> = found
        .iter()
        .filter(|found| state.shards.contains_key(&found.shard.id()) || state.knows(&found.record.token))
        .collect();
    records.sort_by_key(|found| found.offset);
    let newest = records.last();

    // Counted from what the runtime knows, also where Kafka is ahead: two sessions in a row may be killed after Kafka's
    // commit and before the runtime's, and the second one's record must be the next one for the runtime, too.
    let sequence = state.shards.get(&id).map_or(0, |entry| entry.sequence);
    let decided = |basis| Ok(Decision { basis, sequence, token: token.clone() });

    // A record that is gone may have been the newest one, unless a transaction of this very shard came after it: shards
    // are split, and a parent has written nothing since its child.
    let gone = state.shards.keys().find(|key| {
        let overlaps = shard.sibling(key.as_bytes()).is_some_and(|(of, _)| of.range.overlaps(&shard.range));
        overlaps && !records.iter().any(|found| found.shard.id() == **key)
    });
    if let Some(key) = gone
        && newest.is_none_or(|newest| newest.shard != *shard)
    {
        return decided(Basis::Gone { key: key.clone() });
    }
    let Some(newest) = newest else {
        return decided(if found.is_empty() { Basis::Nothing } else { Basis::Stale });
    };

    let (key, record) = (newest.shard.id(), &newest.record);
    let known = match state.shards.get(&key) {
        Some(entry) if entry.token != record.token => {
            return Err(Error::OtherTask { key, found: record.token.clone(), known: entry.token.clone() });
        }
        Some(entry) => entry.sequence,
        None => 0,
    };
    if record.sequence != known && Some(record.sequence) != known.checked_add(1) {
        return Err(Error::Sequence { key, found: record.sequence, known });
    }
    if !newest.shard.range.covers(&shard.range) {
        return Err(Error::NotCovered { key, found: newest.shard.range, range: shard.range });
    }
    decided(Basis::Record {
        key,
        sequence: record.sequence,
        ahead: record.sequence != known,
        checkpoint: record.checkpoint.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::shard::tests::shard;
    use super::super::state::Entry;
    use super::*;

    const END: u32 = u32::MAX;
    const MIDDLE: u32 = 0x7fff_ffff;

    fn found(offset: i64, shard: &Shard, sequence: u64, token: &str) -> Found {
        let checkpoint = format!("{} {sequence}", shard.range).into();
        Found { shard: shard.clone(), offset, record: Record::new(shard.range, sequence, token, checkpoint) }
    }

    fn state(token: Option<&str>, entries: &[(&Shard, u64)]) -> State {
        let entries = entries
            .iter()
            .map(|(shard, sequence)| (shard.id(), Entry { sequence: *sequence, token: "t".into() }));
        State { token: token.map(str::to_owned), shards: entries.collect() }
    }

    /// In short: `checkpoint of KEY at N`, or what else was decided.
    fn told(shard: &Shard, state: Option<&State>, found: &[Found]) -> String {
        match decide(shard, state, found) {
            Err(error) => format!("{error:?}").split([' ', '{']).next().unwrap().to_owned(),
            Ok(Decision { basis, sequence, .. }) => match basis {
                Basis::Nothing => format!("nothing, {sequence}"),
                Basis::Stale => format!("stale, {sequence}"),
                Basis::Gone { .. } => format!("gone, {sequence}"),
                Basis::Record { ahead, checkpoint, .. } => {
                    let ahead = if ahead { ", ahead" } else { "" };
                    format!("{}{ahead}, {sequence}", String::from_utf8_lossy(&checkpoint))
                }
            },
        }
    }

    #[test]
    fn each_case_of_one_shard() {
        let own = &shard(0, END);
        let with = |token, entries: &[(&Shard, u64)]| Some(state(token, entries));
        let record = |sequence, token| vec![found(10, own, sequence, token)];
        for (state, records, expected) in [
            // New tasks, with and without a runtime that keeps Applied's state.
            (None, vec![], "nothing, 0"),
            (with(Some("t"), &[]), vec![], "nothing, 0"),
            // The very first transaction, committed by Kafka alone.
            (with(Some("t"), &[]), record(1, "t"), "00000000-ffffffff 1, ahead, 0"),
            (None, record(1, "t"), "stale, 0"),
            // Of an earlier task of the name.
            (with(Some("t"), &[]), record(1, "old"), "stale, 0"),
            (with(Some("t"), &[]), record(8, "old"), "stale, 0"),
            // The usual: both have committed, or Kafka alone.
            (with(Some("t"), &[(own, 7)]), record(7, "t"), "00000000-ffffffff 7, 7"),
            (with(Some("t"), &[(own, 7)]), record(8, "t"), "00000000-ffffffff 8, ahead, 7"),
            (with(None, &[(own, 7)]), record(8, "t"), "00000000-ffffffff 8, ahead, 7"),
            // After a time at least once: nothing is known, or a new token alone.
            (None, record(7, "t"), "stale, 0"),
            (Some(State::default()), record(7, "t"), "stale, 0"),
            (with(Some("new"), &[]), record(7, "t"), "stale, 0"),
            // What does not belong together.
            (with(Some("t"), &[]), record(2, "t"), "Sequence"),
            (with(Some("t"), &[(own, 7)]), record(9, "t"), "Sequence"),
            (with(Some("t"), &[(own, 7)]), record(6, "t"), "Sequence"),
            (with(Some("t"), &[(own, END.into())]), record(0, "t"), "Sequence"),
            (with(Some("t"), &[(own, u64::MAX)]), record(0, "t"), "Sequence"),
            (with(Some("t"), &[(own, 7)]), record(7, "other"), "OtherTask"),
            // The topic was deleted.
            (with(Some("t"), &[(own, 7)]), vec![], "gone, 7"),
        ] {
            assert_eq!(told(own, state.as_ref(), &records), expected, "{state:?} {records:?}");
        }
    }

    #[test]
    fn children_go_on_where_their_parent_was() {
        let (parent, left, right) = (&shard(0, END), &shard(0, MIDDLE), &shard(MIDDLE + 1, END));
        let known = state(Some("t"), &[(parent, 4)]);
        let behind = [found(10, parent, 4, "t")];
        let ahead = [found(10, parent, 5, "t")];
        for child in [left, right] {
            assert_eq!(told(child, Some(&known), &behind), "00000000-ffffffff 4, 0");
            assert_eq!(told(child, Some(&known), &ahead), "00000000-ffffffff 5, ahead, 0");
        }
        // The parent was killed in its first transaction, which had committed, or had not.
        assert_eq!(
            told(left, Some(&state(Some("t"), &[])), &[found(3, parent, 1, "t")]),
            "00000000-ffffffff 1, ahead, 0"
        );
        assert_eq!(told(left, Some(&state(Some("t"), &[])), &[]), "nothing, 0");
        // The left one has gone on; the right one opens later, and its overlapping records are the parent's alone.
        let later = state(Some("t"), &[(parent, 4), (left, 1)]);
        assert_eq!(told(right, Some(&later), &ahead), "00000000-ffffffff 5, ahead, 0");
        let both = [found(10, parent, 5, "t"), found(12, left, 1, "t")];
        assert_eq!(told(left, Some(&later), &both), "00000000-7fffffff 1, 1");
        let both = [found(10, parent, 5, "t"), found(12, left, 2, "t")];
        assert_eq!(told(left, Some(&later), &both), "00000000-7fffffff 2, ahead, 1");
        // Only the newest one's number has to fit.
        let old = state(Some("t"), &[(parent, 1), (left, 2)]);
        assert_eq!(told(left, Some(&old), &both), "00000000-7fffffff 2, 2");
    }

    #[test]
    fn merged_shards_are_refused_unless_nothing_was_written_by_the_halves() {
        let (parent, left) = (&shard(0, END), &shard(0, MIDDLE));
        let known = state(Some("t"), &[(parent, 4), (left, 1)]);
        let records = [found(10, parent, 4, "t"), found(12, left, 1, "t")];
        assert_eq!(told(parent, Some(&known), &records), "NotCovered");
        let known = state(Some("t"), &[(parent, 4)]);
        assert_eq!(told(parent, Some(&known), &records[..1]), "00000000-ffffffff 4, 4");
    }

    #[test]
    fn a_record_that_is_gone_makes_older_ones_useless() {
        let (whole, left, quarter) = (&shard(0, END), &shard(0, MIDDLE), &shard(0, MIDDLE / 2));
        let known = state(Some("t"), &[(whole, 4), (left, 2)]);
        // The left one's record may have been newer than that of the whole.
        assert_eq!(told(quarter, Some(&known), &[found(1, whole, 4, "t")]), "gone, 0");
        assert_eq!(told(left, Some(&known), &[found(1, whole, 4, "t")]), "gone, 2");
        // The left one's own came after what is gone of the whole.
        assert_eq!(told(left, Some(&known), &[found(1, left, 2, "t")]), "00000000-7fffffff 2, 2");
        // Shards beside this one, and other tasks, do not count.
        let beside = state(Some("t"), &[(&shard(MIDDLE + 1, END), 3)]);
        assert_eq!(told(left, Some(&beside), &[]), "nothing, 0");
    }

    #[test]
    fn the_token_is_kept() {
        let own = &shard(0, END);
        let token = |state: Option<&State>| decide(own, state, &[]).unwrap().token;
        assert_eq!(token(None), None);
        assert_eq!(token(Some(&state(Some("t"), &[]))).as_deref(), Some("t"));
        assert_eq!(token(Some(&state(None, &[(own, 1)]))).as_deref(), Some("t"));
    }

    /// A task's history: what a correct decision goes on from is known.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// Kafka and the runtime commit.
        Both,
        /// Kafka commits, then the session is killed.
        KafkaAlone,
        /// The session is killed before either.
        Killed,
        /// The shard is split; the child with the least keys is looked at from here on.
        Split,
    }

    proptest! {
        /// Whatever happens to a shard and its descendants, each session goes on right behind what Kafka has.
        #[test]
        fn a_history_is_followed(
            steps in prop::collection::vec(
                prop_oneof![4 => Just(Step::Both), 2 => Just(Step::KafkaAlone), 2 => Just(Step::Killed), 1 => Just(Step::Split)],
                0..40,
            ),
            applied_state_is_kept: bool,
        ) {
            let mut known = State { token: applied_state_is_kept.then(|| "t".into()), shards: BTreeMap::new() };
            let mut topic: Vec<Found> = Vec::new();
            let mut end = END;
            let (mut in_kafka, mut in_runtime) = (0_u64, 0_u64);
            for (offset, step) in (0..).zip(steps) {
                let own = shard(0, end);
                let Decision { basis, sequence, token } = decide(&own, Some(&known), &topic).unwrap();
                let on = match basis {
                    Basis::Record { checkpoint, .. } => u64::from_be_bytes(checkpoint[..].try_into().unwrap()),
                    _ => in_runtime,
                };
                // Without a token the first transaction is not protected, as documented.
                let protected = applied_state_is_kept || !known.shards.is_empty();
                prop_assert_eq!(on, if protected { in_kafka } else { in_runtime });
                in_kafka = on;
                let token = token.unwrap_or_else(|| "t".into());
                if matches!(step, Step::Both | Step::KafkaAlone) {
                    in_kafka += 1;
                    let checkpoint = Bytes::copy_from_slice(&in_kafka.to_be_bytes());
                    topic.retain(|found| found.shard != own);
                    let record = Record::new(own.range, sequence + 1, &token, checkpoint);
                    topic.push(Found { shard: own.clone(), offset, record });
                }
                match step {
                    Step::Both => {
                        known.shards.insert(own.id(), Entry { sequence: sequence + 1, token });
                        in_runtime = in_kafka;
                    }
                    Step::Split if end > 1 => end /= 2,
                    _ => {}
                }
            }
        }
    }
}
