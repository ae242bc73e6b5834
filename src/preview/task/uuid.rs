//! Version-1 UUIDs: the ones that the runtime's preview gives to documents, and the publication
//! time that any of them tells.

use crate::preview::digits::{date_time, decimal, hex};

/// The UUID of the document at position `line` of transaction `transaction`, both from zero
/// (the *classic* rule: an hour for each transaction, a second for each line, since 1970).
pub(in crate::preview) fn synthetic(transaction: u64, line: u64) -> String {
    let seconds = transaction.wrapping_mul(3600).wrapping_add(line);
    let ticks = UNIX_EPOCH_TICKS.wrapping_add(seconds.wrapping_mul(TICKS_PER_SECOND));
    // Sixty bits last until the year 5236.
    let (low, mid, high) = (ticks & 0xffff_ffff, ticks >> 32 & 0xffff, ticks >> 48 & 0x0fff);
    let mut text = String::with_capacity(36);
    hex(&mut text, low, 8);
    text.push('-');
    hex(&mut text, mid, 4);
    text.push_str("-1");
    hex(&mut text, high, 3);
    text.push_str(CLOCK_SEQUENCE);
    text.push_str(NODE);
    text
}

/// The publication time that the text of a version-1 UUID tells, in UTC with nine digits of a
/// second; none if the text is no such UUID.
pub(super) fn published_at(uuid: &str) -> Option<String> {
    let bytes: &[u8; 36] = uuid.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].into_iter().any(|dash: usize| bytes[dash] != b'-') {
        return None;
    }
    let field = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?.iter();
        digits
            .copied()
            .try_fold(0_u64, |number, digit| Some(number << 4 | u64::from(char::from(digit).to_digit(16)?)))
    };
    let (low, mid, high, sequence) = (field(0, 8)?, field(9, 13)?, field(14, 18)?, field(19, 23)?);
    field(24, 36)?;
    if high >> 12 != 1 || sequence >> 14 != 0b10 {
        return None;
    }
    let ticks = (high & 0x0fff) << 48 | mid << 32 | low;
    // Flow counts what happens within one tick in the upper bits of the clock sequence.
    let counter = sequence >> 10 & 0xf;
    // Sixty bits of ticks: the years 1582 to 5236.
    let ticks = ticks.cast_signed() - UNIX_EPOCH_TICKS.cast_signed();
    let seconds = ticks.div_euclid(TICKS_PER_SECOND.cast_signed());
    let nanoseconds = ticks.rem_euclid(TICKS_PER_SECOND.cast_signed()).unsigned_abs() * 100 + counter * 4;
    let mut text = String::with_capacity(30);
    date_time(&mut text, seconds);
    text.push('.');
    decimal(&mut text, nanoseconds, 9);
    text.push('Z');
    Some(text)
}

/// 1970-01-01 in ticks of 100 ns since 1582-10-15.
const UNIX_EPOCH_TICKS: u64 = 0x01B2_1DD2_1381_4000;
const TICKS_PER_SECOND: u64 = 10_000_000;
/// Flags and counter zero, besides the variant.
const CLOCK_SEQUENCE: &str = "-8000-";
const NODE: &str = "071353030311";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_synthetic_uuids() {
        let cases = [
            (1, 0, "7545a800-1dda-11b2-8000-071353030311", "1970-01-01T01:00:00.000000000Z"),
            (1, 1, "75de3e80-1dda-11b2-8000-071353030311", "1970-01-01T01:00:01.000000000Z"),
            (1, 2, "7676d500-1dda-11b2-8000-071353030311", "1970-01-01T01:00:02.000000000Z"),
            (2, 0, "d70a1000-1de2-11b2-8000-071353030311", "1970-01-01T02:00:00.000000000Z"),
            (0, 0, "13814000-1dd2-11b2-8000-071353030311", "1970-01-01T00:00:00.000000000Z"),
        ];
        for (transaction, line, uuid, published) in cases {
            assert_eq!(synthetic(transaction, line), uuid);
            assert_eq!(published_at(uuid).as_deref(), Some(published));
        }
        // The first transaction with more lines than seconds overlaps the second.
        assert_eq!(synthetic(0, 3600), synthetic(1, 0));
    }

    #[test]
    fn publication_times_of_other_uuids() {
        let cases = [
            // The first document by the newer rule, and all bits of the counter set.
            ("1419d680-1dd2-11b2-8400-071353030311", "1970-01-01T00:00:01.000000004Z"),
            ("1419d680-1dd2-11b2-bc00-071353030311", "1970-01-01T00:00:01.000000060Z"),
            ("1419d680-1dd2-11b2-8001-071353030311", "1970-01-01T00:00:01.000000000Z"),
            ("1419D681-1DD2-11B2-8000-071353030311", "1970-01-01T00:00:01.000000100Z"),
            ("00000000-0000-1000-8000-000000000000", "1582-10-15T00:00:00.000000000Z"),
            ("ffffffff-ffff-1fff-bfff-ffffffffffff", "5236-03-31T21:21:00.684697560Z"),
        ];
        for (uuid, published) in cases {
            assert_eq!(published_at(uuid).as_deref(), Some(published), "{uuid}");
        }
    }

    #[test]
    fn other_texts_tell_no_time() {
        let others = [
            "",
            "7545a800-1dda-41b2-8000-071353030311",
            "7545a800-1dda-11b2-0000-071353030311",
            "7545a800-1dda-11b2-c000-071353030311",
            "7545a8001dda11b28000071353030311",
            "7545a800-1dda-11b2-8000-07135303031g",
            "7545a800-1dda-11b2-8000-07135303031é",
            "+545a800-1dda-11b2-8000-071353030311",
            "{7545a800-1dda-11b2-8000-07135303031}",
        ];
        for text in others {
            assert_eq!(published_at(text), None, "{text}");
        }
    }

    #[test]
    fn ticks_wrap_rather_than_overflow() {
        assert_eq!(published_at(&synthetic(u64::MAX, u64::MAX)).map(|text| text.len()), Some(30));
    }
}
