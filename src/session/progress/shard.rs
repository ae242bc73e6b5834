//! Shards: a task's name with the part of the key space that one session serves, and their transactional ids.

use std::fmt;

use super::error::Error;
use crate::protocol::messages::flow::RangeSpec;

/// The part of the key space that a session serves. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::session) struct Range {
    /// Least and greatest hash of a key.
    pub(in crate::session) key: (u32, u32),
    /// Least and greatest rotated clock.
    pub(in crate::session) clock: (u32, u32),
}

impl Range {
    /// The range of Open; all there is where Open names none.
    pub(in crate::session) fn of(spec: Option<&RangeSpec>) -> Result<Self, Error> {
        let range = spec.map_or(Self { key: WHOLE, clock: WHOLE }, |spec| Self {
            key: (spec.key_begin, spec.key_end),
            clock: (spec.r_clock_begin, spec.r_clock_end),
        });
        // It would overlap nothing, its own records included.
        if range.is_empty() { Err(Error::EmptyRange { range }) } else { Ok(range) }
    }

    fn is_empty(&self) -> bool {
        self.key.0 > self.key.1 || self.clock.0 > self.clock.1
    }

    pub(in crate::session) fn overlaps(&self, other: &Self) -> bool {
        let overlap = |a: (u32, u32), b: (u32, u32)| a.0 <= b.1 && b.0 <= a.1;
        overlap(self.key, other.key) && overlap(self.clock, other.clock)
    }

    /// Whether all of `other` is in this range.
    pub(in crate::session) fn covers(&self, other: &Self) -> bool {
        let covers = |a: (u32, u32), b: (u32, u32)| a.0 <= b.0 && b.1 <= a.1;
        covers(self.key, other.key) && covers(self.clock, other.clock)
    }

    /// The inverse of `Display`, and of nothing else: a text has one range, and a range one text. One that ends before it
    /// begins is no shard's.
    fn parse(text: &str) -> Option<Self> {
        let pair = |text: &str| {
            let (begin, end) = text.split_once('-')?;
            Some((u32::from_str_radix(begin, 16).ok()?, u32::from_str_radix(end, 16).ok()?))
        };
        let range = match text.split_once('.') {
            None => Self { key: pair(text)?, clock: WHOLE },
            Some((key, clock)) => Self { key: pair(key)?, clock: pair(clock)? },
        };
        (range.to_string() == text && !range.is_empty()).then_some(range)
    }
}

/// `00000000-7fffffff`, followed by `.` and the clock's bounds where these are not all there is.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.key.0, self.key.1)?;
        if self.clock != WHOLE {
            write!(f, ".{:08x}-{:08x}", self.clock.0, self.clock.1)?;
        }
        Ok(())
    }
}

const WHOLE: (u32, u32) = (0, u32::MAX);

/// A shard of a task. Parents and children of a split are different shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) struct Shard {
    pub(in crate::session) task: String,
    pub(in crate::session) range: Range,
}

impl Shard {
    /// Its transactional id, which is also its records' key and the name of its entry in the state.
    pub(in crate::session) fn id(&self) -> String {
        format!("{PREFIX}{}/{}", self.task, self.range)
    }

    /// The key of the record by which a session makes itself known before its first transaction.
    pub(in crate::session) fn registration(&self) -> String {
        self.id() + REGISTRATION
    }

    /// The range of another key's shard, if the key is of a shard of this task, and whether it is a registration.
    pub(in crate::session) fn sibling(&self, key: &[u8]) -> Option<(Self, bool)> {
        let key = std::str::from_utf8(key).ok()?;
        let rest = key.strip_prefix(PREFIX)?.strip_prefix(&*self.task)?.strip_prefix('/')?;
        let (range, registration) = match rest.strip_suffix(REGISTRATION) {
            Some(range) => (range, true),
            None => (rest, false),
        };
        let range = Range::parse(range)?;
        Some((Self { task: self.task.clone(), range }, registration))
    }
}

/// What all transactional ids begin with, so that rights can be given for it.
const PREFIX: &str = "materialize-kafka/";
const REGISTRATION: &str = "#open";

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::session::progress) fn keys(begin: u32, end: u32) -> Range {
        Range { key: (begin, end), clock: WHOLE }
    }

    pub(in crate::session::progress) fn shard(begin: u32, end: u32) -> Shard {
        Shard { task: "acme/task".into(), range: keys(begin, end) }
    }

    #[test]
    fn ids_name_task_and_range() {
        assert_eq!(shard(0, u32::MAX).id(), "materialize-kafka/acme/task/00000000-ffffffff");
        assert_eq!(
            shard(1, 0x7fff_ffff).registration(),
            "materialize-kafka/acme/task/00000001-7fffffff#open"
        );
        let half = Shard { range: Range { key: WHOLE, clock: (0, 255) }, ..shard(0, 0) };
        assert_eq!(half.id(), "materialize-kafka/acme/task/00000000-ffffffff.00000000-000000ff");
        assert_eq!(Range::of(None), Ok(keys(0, u32::MAX)));
    }

    #[test]
    fn a_range_whose_end_is_before_its_begin_is_refused() {
        let of = |key_begin, key_end, r_clock_begin, r_clock_end| {
            Range::of(Some(&RangeSpec { key_begin, key_end, r_clock_begin, r_clock_end }))
        };
        assert_eq!(of(3, 3, 0, u32::MAX), Ok(keys(3, 3)));
        for (range, told) in [
            (of(3, 2, 0, u32::MAX), Range { key: (3, 2), clock: WHOLE }),
            (of(0, 9, 8, 7), Range { key: (0, 9), clock: (8, 7) }),
        ] {
            assert_eq!(range, Err(Error::EmptyRange { range: told }));
        }
    }

    #[test]
    fn keys_of_other_tasks_and_of_others_altogether_are_told_apart() {
        let own = shard(0, 9);
        for key in [
            "materialize-kafka/acme/task/x/00000000-ffffffff",
            "materialize-kafka/acme/tas/00000000-ffffffff",
            "materialize-kafka/acme/task/0-ffffffff",
            "materialize-kafka/acme/task/+0000000-ffffffff",
            "materialize-kafka/acme/task/00000000-FFFFFFFF",
            "materialize-kafka/acme/task/00000000-ffffffff.00000000-ffffffff",
            "materialize-kafka/acme/task/00000000-ffffffff#open#open",
            "materialize-kafka/acme/task/00000005-00000002",
            "materialize-kafka/acme/task/00000000-ffffffff.00000005-00000002",
            "materialize-kafka/acme/task/",
            "acme/task/00000000-ffffffff",
            "",
        ] {
            assert_eq!(own.sibling(key.as_bytes()), None, "{key}");
        }
        assert_eq!(own.sibling(b"\xff"), None);
    }

    fn any_range() -> impl Strategy<Value = Range> {
        let bound = || prop_oneof![any::<u32>(), 0..4_u32, Just(u32::MAX)];
        let pair = move || (bound(), bound()).prop_map(|(a, b)| (a.min(b), a.max(b)));
        (pair(), pair()).prop_map(|(key, clock)| Range { key, clock })
    }

    proptest! {
        #[test]
        fn a_key_is_read_back(range in any_range(), task in "[a-z/#.0-9-]{1,12}") {
            let shard = Shard { task, range };
            prop_assert_eq!(shard.sibling(shard.id().as_bytes()), Some((shard.clone(), false)));
            prop_assert_eq!(shard.sibling(shard.registration().as_bytes()), Some((shard.clone(), true)));
        }

        /// Against points: each of 4 by 4.
        #[test]
        fn ranges_overlap_and_cover_as_sets_do(a in small(), b in small()) {
            let points = |r: &Range| -> Vec<(u32, u32)> {
                (r.key.0..=r.key.1).flat_map(|k| (r.clock.0..=r.clock.1).map(move |c| (k, c))).collect()
            };
            let (in_a, in_b) = (points(&a), points(&b));
            prop_assert_eq!(a.overlaps(&b), in_a.iter().any(|point| in_b.contains(point)));
            prop_assert_eq!(a.covers(&b), in_b.iter().all(|point| in_a.contains(point)));
        }
    }

    fn small() -> impl Strategy<Value = Range> {
        let pair = || (0..4_u32, 0..4_u32).prop_map(|(a, b)| (a.min(b), a.max(b)));
        (pair(), pair()).prop_map(|(key, clock)| Range { key, clock })
    }
}
