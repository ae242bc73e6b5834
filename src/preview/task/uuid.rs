//! Version-1 UUIDs: the ones that the runtime's preview gives to documents, and the publication
//! time that any of them tells.

use jiff::Timestamp;

/// The UUID of the document at position `line` of transaction `transaction`, both from zero
/// (the *classic* rule: an hour for each transaction, a second for each line, since 1970).
pub(in crate::preview) fn synthetic(transaction: u64, line: u64) -> String {
    let seconds = transaction.wrapping_mul(3600).wrapping_add(line);
    let ticks = UNIX_EPOCH_TICKS.wrapping_add(seconds.wrapping_mul(TICKS_PER_SECOND));
    // Sixty bits last until the year 5236.
    let (low, mid, high) = (ticks & 0xffff_ffff, ticks >> 32 & 0xffff, ticks >> 48 & 0x0fff);
    format!("{low:08x}-{mid:04x}-1{high:03x}-{CLOCK_SEQUENCE}-{NODE}")
}

/// The publication time that the text of a version-1 UUID tells, in UTC with nine digits of a
/// second; none if the text is no such UUID.
pub(super) fn published_at(uuid: &str) -> Option<String> {
    let bytes = uuid.as_bytes();
    let dashes = [8, 13, 18, 23];
    let shaped = bytes.len() == 36
        && bytes
            .iter()
            .enumerate()
            .all(|(i, byte)| if dashes.contains(&i) { *byte == b'-' } else { byte.is_ascii_hexdigit() });
    if !shaped {
        return None;
    }
    let field = |from: usize, to: usize| i128::from_str_radix(uuid.get(from..to)?, 16).ok();
    let (low, mid, high, sequence) = (field(0, 8)?, field(9, 13)?, field(14, 18)?, field(19, 23)?);
    if high >> 12 != 1 || sequence >> 14 != 0b10 {
        return None;
    }
    let ticks = (high & 0x0fff) << 48 | mid << 32 | low;
    // Flow counts what happens within one tick in the upper bits of the clock sequence.
    let counter = sequence >> 10 & 0xf;
    let nanoseconds = (ticks - i128::from(UNIX_EPOCH_TICKS)) * 100 + counter * 4;
    let time = Timestamp::from_nanosecond(nanoseconds).ok()?;
    Some(format!("{time:.9}"))
}

/// 1970-01-01 in ticks of 100 ns since 1582-10-15.
const UNIX_EPOCH_TICKS: u64 = 0x01B2_1DD2_1381_4000;
const TICKS_PER_SECOND: u64 = 10_000_000;
/// Flags and counter zero, besides the variant.
const CLOCK_SEQUENCE: &str = "8000";
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
