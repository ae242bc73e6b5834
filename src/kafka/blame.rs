//! Which message of a batch is at fault when the brokers refuse all of it.
//!
//! Brokers name the records that they do not take (KIP-467), but librdkafka 2.12.1 lets little of it through. Of several
//! such records it gives each the code `INVALID_RECORD`, and `_INVALID_DIFFERENT_RECORD` to the others. Of one it gives
//! all messages of the batch the record's own code; then only the place of the words tells them apart, which is the
//! same for all that are not at fault.

use std::mem;

/// The reports of one batch, as they come.
#[derive(Debug)]
pub(super) struct Blame<E> {
    /// Those with the words that came first.
    first: Option<Suspects<E>>,
    /// Those with other words.
    other: Option<Suspects<E>>,
    /// One that is refused for another's sake.
    innocent: Option<E>,
}

#[derive(Debug)]
struct Suspects<E> {
    words_at: usize,
    count: usize,
    /// What is told of the first one.
    error: E,
}

/// The message that is told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blamed<E> {
    pub(super) error: E,
    /// Whether the batch's other message may be at fault instead.
    pub(super) or_the_other: bool,
}

impl<E> Default for Blame<E> {
    fn default() -> Self {
        Self { first: None, other: None, innocent: None }
    }
}

impl<E> Blame<E> {
    /// A message that was refused for another's sake, by its code.
    pub(super) fn innocent(&mut self, error: impl FnOnce() -> E) {
        self.innocent.get_or_insert_with(error);
    }

    /// A message whose words are at this address.
    pub(super) fn suspect(&mut self, words_at: usize, error: impl FnOnce() -> E) {
        let place = match &self.first {
            Some(first) if first.words_at != words_at => &mut self.other,
            _ => &mut self.first,
        };
        place.get_or_insert_with(|| Suspects { words_at, count: 0, error: error() }).count += 1;
    }

    /// The message to tell of, if any was refused. Nothing is left.
    pub(super) fn take(&mut self) -> Option<Blamed<E>> {
        let Self { first, other, innocent } = mem::take(self);
        let certain = |error| Blamed { error, or_the_other: false };
        match (first, other) {
            (Some(first), Some(other)) if first.count > 1 && other.count == 1 => Some(certain(other.error)),
            (Some(first), Some(other)) => {
                let or_the_other = first.count == 1 && other.count == 1 && innocent.is_none();
                Some(Blamed { error: first.error, or_the_other })
            }
            (Some(one), None) | (None, Some(one)) => Some(certain(one.error)),
            (None, None) => innocent.map(certain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(reports: &[Option<usize>]) -> Option<Blamed<usize>> {
        let mut blame = Blame::default();
        for (number, report) in reports.iter().enumerate() {
            match *report {
                Some(words_at) => blame.suspect(words_at, || number),
                None => blame.innocent(|| number),
            }
        }
        let blamed = blame.take();
        assert_eq!(blame.take(), None);
        blamed
    }

    #[test]
    fn the_one_that_is_not_like_the_others_is_told() {
        for (reports, error, or_the_other) in [
            (&[Some(7)][..], 0, false),
            (&[Some(7), Some(7), Some(9), Some(7)], 2, false),
            (&[Some(9), Some(7), Some(7)], 0, false),
            (&[Some(7), Some(7)], 0, false),
            (&[Some(7), Some(9)], 0, true),
            (&[Some(7), Some(8), Some(9)], 0, false),
            (&[None, None, Some(7), Some(8), None], 2, false),
            (&[None, None], 0, false),
        ] {
            assert_eq!(blamed(reports), Some(Blamed { error, or_the_other }), "{reports:?}");
        }
        assert_eq!(blamed(&[]), None);
    }
}
