//! Which entries of the state nobody needs any more.
//!
//! A session reads the newest record of its range, and of the state the entry of that record. An entry stays needed as
//! long as its record is the newest one anywhere: the entry of a shard that was split until each of its children has
//! committed. So it may go when other entries' records, each newer than its own, cover its whole range, and not before:
//! a sibling that has not yet opened goes on from the parent's record, and shards may share one state. (Where each has
//! a state of its own, no shard sees its sibling's entry, and the parent's stays.) Nothing is removed whose own record is not
//! there: that it is missing has to be told.

use std::collections::BTreeMap;

use super::shard::{Range, Shard};
use super::state::State;

/// The entries that the first commit of a session of `shard` makes needless, by id. `offsets` has where the newest
/// committed record of each shard of this task lies.
pub(in crate::session) fn superseded(
    shard: &Shard,
    state: &State,
    offsets: &BTreeMap<String, i64>,
) -> Vec<String> {
    let entries: Vec<(&String, Range, i64)> = state
        .shards
        .keys()
        .filter_map(|id| Some((id, shard.sibling(id.as_bytes())?.0.range, *offsets.get(id)?)))
        .collect();
    let is_superseded = |range: Range, offset: i64| {
        // The record of the commit that is to come is the newest one of all.
        let newer = entries.iter().filter(|(_, _, other)| *other > offset).map(|(_, range, _)| *range);
        let newer: Vec<Range> = std::iter::once(shard.range).chain(newer).collect();
        is_covered(range, &newer)
    };
    entries
        .iter()
        .filter(|(_, range, _)| *range != shard.range && range.overlaps(&shard.range))
        .filter(|(_, range, offset)| is_superseded(*range, *offset))
        .map(|(id, ..)| (*id).clone())
        .collect()
}

/// Whether ranges together cover all of another one.
fn is_covered(range: Range, by: &[Range]) -> bool {
    // Pieces that are not yet covered, each with the first range that may cover something of it.
    let mut left = vec![(range, 0)];
    while let Some((piece, from)) = left.pop() {
        let Some(at) = by[from..].iter().position(|other| other.overlaps(&piece)) else { return false };
        left.extend(outside(piece, by[from + at]).map(|rest| (rest, from + at + 1)));
    }
    true
}

/// What of a range is not in another one that overlaps it, in up to four pieces.
fn outside(range: Range, other: Range) -> impl Iterator<Item = Range> {
    let below = |a: (u32, u32), b: (u32, u32)| (a.0 < b.0).then(|| (a.0, b.0 - 1));
    let above = |a: (u32, u32), b: (u32, u32)| (a.1 > b.1).then(|| (b.1 + 1, a.1));
    let key = (range.key.0.max(other.key.0), range.key.1.min(other.key.1));
    let beside = [below(range.key, other.key), above(range.key, other.key)];
    let beyond = [below(range.clock, other.clock), above(range.clock, other.clock)];
    let beside = beside.into_iter().flatten().map(move |key| Range { key, ..range });
    beside.chain(beyond.into_iter().flatten().map(move |clock| Range { key, clock }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::decide::{Basis, Found, decide};
    use super::super::record::Record;
    use super::super::shard::tests::{keys, shard};
    use super::super::state::Entry;
    use super::*;

    const END: u32 = u32::MAX;

    fn entry(sequence: u64) -> Entry {
        Entry { sequence, token: "t".into() }
    }

    /// What a first commit of `own` removes, by range; of each shard its range and its record's offset.
    fn removed(own: (u32, u32), known: &[(u32, u32, i64)]) -> Vec<String> {
        let id = |begin, end| shard(begin, end).id();
        let state = State {
            token: Some("t".into()),
            shards: known.iter().map(|&(begin, end, _)| (id(begin, end), entry(1))).collect(),
        };
        let offsets = known
            .iter()
            .filter(|(.., offset)| *offset >= 0)
            .map(|&(begin, end, offset)| (id(begin, end), offset))
            .collect();
        let removed = superseded(&shard(own.0, own.1), &state, &offsets);
        removed.into_iter().map(|id| id.rsplit('/').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_entry_goes_with_the_last_of_those_that_go_on_from_it() {
        let parent = (0, 9, 1);
        assert!(removed((0, 9), &[parent]).is_empty(), "the own one");
        assert!(removed((0, 4), &[parent]).is_empty(), "the right one has not opened");
        assert!(removed((0, 4), &[parent, (0, 4, 3)]).is_empty(), "nor has it now");
        assert_eq!(removed((5, 9), &[parent, (0, 4, 3)]), ["00000000-00000009"]);
        assert_eq!(removed((0, 4), &[parent, (0, 4, 3), (5, 9, 4)]), ["00000000-00000009"]);
        assert!(removed((0, 4), &[parent, (6, 9, 4)]).is_empty(), "5 is nobody's");
        assert_eq!(removed((5, 6), &[parent, (0, 4, 3), (7, 9, 4)]), ["00000000-00000009"], "three children");
        assert_eq!(
            removed((0, 2), &[parent, (0, 4, 2), (3, 4, 3), (5, 9, 4)]),
            ["00000000-00000004", "00000000-00000009"],
            "parent and grandparent"
        );
    }

    #[test]
    fn what_is_older_or_missing_takes_nobodys_place() {
        assert!(removed((0, 4), &[(0, 9, 5), (5, 9, 4)]).is_empty(), "the right one is from before");
        assert!(removed((0, 4), &[(0, 9, 1), (5, 9, -1)]).is_empty(), "the right one's record is gone");
        assert!(removed((0, 4), &[(0, 9, -1), (5, 9, 4)]).is_empty(), "the parent's record is gone");
        assert_eq!(removed((0, 9), &[(0, 4, 3), (5, 9, 4)]), ["00000000-00000004", "00000005-00000009"]);
        assert!(removed((0, 4), &[(5, 9, 1), (6, 7, 2)]).is_empty(), "beside this one");
    }

    #[test]
    fn an_entry_that_ends_before_it_begins_is_nobodys() {
        // It overlaps ranges of which it has nothing.
        assert!(removed((0, 999), &[(500, 50, 1)]).is_empty(), "not removed");
        assert!(removed((0, 499), &[(0, 999, 1), (500, 50, 2)]).is_empty(), "nor in anybody's place");
    }

    proptest! {
        /// Against points: each of 6 by 6.
        #[test]
        fn ranges_cover_as_sets_do(range in small(), by in prop::collection::vec(small(), 0..6)) {
            let has = |r: &Range, k: u32, c: u32| {
                (r.key.0..=r.key.1).contains(&k) && (r.clock.0..=r.clock.1).contains(&c)
            };
            let mut points = (0..6).flat_map(|k| (0..6).map(move |c| (k, c)));
            let expected = points.all(|(k, c)| !has(&range, k, c) || by.iter().any(|r| has(r, k, c)));
            prop_assert_eq!(is_covered(range, &by), expected);
        }

        /// A task whose shards share one state, are split and killed: every shard that there is, and every half of one,
        /// goes on as if nothing had ever been removed; and what is left is one entry a shard, once each has committed.
        #[test]
        fn whatever_was_removed_nobody_misses_it(
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..60),
        ) {
            let mut kept = State { token: Some("t".into()), shards: BTreeMap::new() };
            let mut pruned = kept.clone();
            let mut live = vec![(0, END)];
            let mut topic: Vec<Found> = Vec::new();
            for (offset, (which, step)) in (0_i64..).zip(steps) {
                let at = which.index(live.len());
                let (begin, end) = live[at];
                if step == 0 && end > begin {
                    let middle = begin + (end - begin) / 2;
                    live.splice(at..=at, [(begin, middle), (middle + 1, end)]);
                } else {
                    let own = shard(begin, end);
                    let sequence = decide(&own, Some(&pruned), &overlapping(&own, &topic)).unwrap().sequence + 1;
                    let offsets = topic.iter().map(|found| (found.shard.id(), found.offset)).collect();
                    let needless = superseded(&own, &pruned, &offsets);
                    let record = Record::new(own.range, sequence, "t", Bytes::copy_from_slice(&offset.to_be_bytes()));
                    topic.retain(|found| found.shard != own);
                    topic.push(Found { shard: own.clone(), offset, record });
                    // In one of four the runtime does not commit.
                    if step % 4 != 1 {
                        for state in [&mut kept, &mut pruned] {
                            state.shards.insert(own.id(), entry(sequence));
                        }
                        pruned.shards.retain(|id, _| !needless.contains(id));
                    }
                }
                for &(begin, end) in &live {
                    let middle = begin + (end - begin) / 2;
                    for own in [shard(begin, end), shard(begin, middle)] {
                        let found = overlapping(&own, &topic);
                        let expected = decide(&own, Some(&kept), &found);
                        let is_gone = expected.as_ref().is_ok_and(|d| matches!(d.basis, Basis::Gone { .. }));
                        prop_assert!(!is_gone);
                        prop_assert_eq!(decide(&own, Some(&pruned), &found), expected);
                    }
                }
            }
            // Once each has committed twice, and so seen all others, there are no others.
            for round in 0..2_i64 {
                for (number, &(begin, end)) in (0_i64..).zip(&live) {
                    let own = shard(begin, end);
                    let offset = (round + 1) * 1000 + number;
                    let offsets = topic.iter().map(|found| (found.shard.id(), found.offset)).collect();
                    let needless = superseded(&own, &pruned, &offsets);
                    topic.retain(|found| found.shard != own);
                    let record = Record::new(own.range, 1, "t", Bytes::new());
                    topic.push(Found { shard: own.clone(), offset, record });
                    pruned.shards.insert(own.id(), entry(1));
                    pruned.shards.retain(|id, _| !needless.contains(id));
                }
            }
            let mut ids: Vec<_> = live.iter().map(|&(begin, end)| shard(begin, end).id()).collect();
            ids.sort();
            prop_assert_eq!(pruned.shards.into_keys().collect::<Vec<_>>(), ids);
        }
    }

    fn overlapping(own: &Shard, topic: &[Found]) -> Vec<Found> {
        topic.iter().filter(|found| found.shard.range.overlaps(&own.range)).cloned().collect()
    }

    fn small() -> impl Strategy<Value = Range> {
        let pair = || (0..6_u32, 0..6_u32).prop_map(|(a, b)| (a.min(b), a.max(b)));
        (pair(), pair()).prop_map(|(key, clock)| Range { key, clock })
    }

    #[test]
    fn what_is_outside_of_a_range_is_four_pieces_at_most() {
        let all = keys(0, END);
        assert_eq!(outside(all, all).count(), 0);
        let inner = Range { key: (3, 5), clock: (7, 9) };
        assert_eq!(outside(all, inner).count(), 4);
    }
}
