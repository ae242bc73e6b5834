//! The texts of dates, timestamps and durations, as the numbers that Avro's logical types hold.
//!
//! Each function reads one whole text; `None` means that the text is not of the form.

/// Days from 1970-01-01 to a date `YYYY-MM-DD`, which a sign may precede.
pub(super) fn days(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, bytes),
    };
    let (date, rest) = digits.split_first_chunk::<10>()?;
    if !rest.is_empty() {
        return None;
    }
    let (year, month, day) = date_parts(date)?;
    let days = days_of(if negative { -year } else { year }, month, day)?;
    i32::try_from(days).ok()
}

/// Microseconds from 1970-01-01T00:00:00Z to an RFC 3339 date-time. Further digits are cut, toward
/// the past. The second 60 counts as the last microsecond before it ends, where UTC may have one.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (date, rest) = text.as_bytes().split_first_chunk::<10>()?;
    let (year, month, day) = date_parts(date)?;
    let days = days_of(year, month, day)?;
    let (clock, rest) = rest.split_first_chunk::<9>()?;
    let &[b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = millionths(rest)?;
    let offset = match *rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let leap = second == 60;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - i64::from(leap) - offset;
    if leap {
        return (seconds.rem_euclid(DAY) == DAY - 1).then_some(seconds * SECOND + SECOND - 1);
    }
    Some(seconds * SECOND + fraction)
}

/// The 12 bytes of a duration: months, days and milliseconds, each an unsigned 32-bit number,
/// little-endian. The text is `P`, then years, months and days, then an optional `T`, then hours,
/// minutes and seconds, at least one of them, each at most once and whole but for the seconds; or
/// `P`, a number of weeks, and `W`. Digits behind the milliseconds are cut.
pub(super) fn duration(text: &str) -> Option<[u8; 12]> {
    let mut rest = text.as_bytes().strip_prefix(b"P")?;
    let (mut months, mut days, mut millis) = (0u64, 0u64, 0u64);
    // Which unit may come next; each is behind the one before it.
    let mut next = Unit::Year;
    let mut after_t = None;
    let mut parts = 0;
    while let Some((&first, behind)) = rest.split_first() {
        if first == b'T' && after_t.is_none() && next <= Unit::Hour {
            (rest, next, after_t) = (behind, Unit::Hour, Some(parts));
            continue;
        }
        let (number, tail) = number(rest)?;
        let (fraction, tail) = match tail {
            [b'.', ..] => {
                let (micros, tail) = millionths(tail)?;
                (Some(u64::try_from(micros).ok()? / 1000), tail)
            }
            _ => (None, tail),
        };
        let (&letter, tail) = tail.split_first()?;
        let unit = match letter {
            b'Y' => Unit::Year,
            b'M' if next <= Unit::Month => Unit::Month,
            b'D' => Unit::Day,
            b'H' => Unit::Hour,
            b'M' => Unit::Minute,
            b'S' => Unit::Second,
            b'W' if parts == 0 && after_t.is_none() && tail.is_empty() && fraction.is_none() => {
                days = number.checked_mul(7)?;
                parts = 1;
                break;
            }
            _ => return None,
        };
        if unit < next || (fraction.is_some() && unit != Unit::Second) {
            return None;
        }
        let (sum, factor) = match unit {
            Unit::Year => (&mut months, 12),
            Unit::Month => (&mut months, 1),
            Unit::Day => (&mut days, 1),
            Unit::Hour => (&mut millis, 3_600_000),
            Unit::Minute => (&mut millis, 60_000),
            Unit::Second | Unit::End => (&mut millis, 1000),
        };
        *sum = sum.checked_add(number.checked_mul(factor)?)?.checked_add(fraction.unwrap_or(0))?;
        next = unit.next();
        parts += 1;
        rest = tail;
    }
    if parts == 0 || after_t == Some(parts) {
        return None;
    }
    let mut bytes = [0; 12];
    for (chunk, sum) in bytes.chunks_exact_mut(4).zip([months, days, millis]) {
        chunk.copy_from_slice(&u32::try_from(sum).ok()?.to_le_bytes());
    }
    Some(bytes)
}

/// The units of a duration in the order in which they may come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    End,
}

impl Unit {
    fn next(self) -> Self {
        match self {
            Self::Year => Self::Month,
            Self::Month => Self::Day,
            Self::Day => Self::Hour,
            Self::Hour => Self::Minute,
            Self::Minute => Self::Second,
            Self::Second | Self::End => Self::End,
        }
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Year, month and day of `YYYY-MM-DD`, not yet checked against the calendar.
fn date_parts(text: &[u8; 10]) -> Option<(i64, i64, i64)> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    Some((two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?))
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, if it has that date.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if day < 1 || day > longest {
        return None;
    }
    // Years are counted from March, so that the leap day is a year's last; 719,468 days lie
    // between 0000-03-01 and 1970-01-01, and 146,097 make four centuries.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The number of two decimal digits.
fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// Millionths in a fraction (`.` and at least one digit) if there is one, and what is behind it.
fn millionths(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(len)?;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), rest))
}

/// A whole number of at least one digit, and what is behind it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(len)?;
    if digits.is_empty() {
        return None;
    }
    let number = digits
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("1969-12-31"), Some(-1));
        assert_eq!(days("2022-05-10"), Some(19_122));
        assert_eq!(days("2000-02-29"), Some(11_016));
        assert_eq!(days("-0001-01-01"), Some(-719_893));
        assert_eq!(days("9999-12-31"), Some(2_932_896));
        for text in [
            "",
            "-",
            "2022-5-1",
            "12022-05-10",
            "2022-02-29",
            "1900-02-29",
            "2022-13-01",
            "2022-00-01",
            "2022-04-31",
            "2022-01-00",
            "2022-01-01 ",
            " 2022-01-01",
            "2022/01/01",
            "2022-01-0é",
            "--001-01-01",
        ] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        assert_eq!(micros("2019-03-06T00:00:00Z"), Some(1_551_830_400_000_000));
        assert_eq!(micros("1970-01-01t00:00:00z"), Some(0));
        assert_eq!(micros("1970-01-01 00:00:00.5Z"), Some(500_000));
        assert_eq!(micros("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(micros("1970-01-01T00:00:00-00:30"), Some(1_800_000_000));
        assert_eq!(micros("1970-01-01T00:00:00.123456789Z"), Some(123_456));
        assert_eq!(micros("1970-01-01T00:00:00.1234567899999999999Z"), Some(123_456));
        assert_eq!(micros("1969-12-31T23:59:59.9999999Z"), Some(-1));
        assert_eq!(micros("1969-12-31T23:59:59.0000009Z"), Some(-1_000_000), "cut toward the past");
        assert_eq!(micros("2016-12-31T23:59:60Z"), micros("2016-12-31T23:59:59.999999Z"));
        assert_eq!(micros("2017-01-01T01:59:60.5+02:00"), micros("2016-12-31T23:59:59.999999Z"));
        for text in [
            "",
            "2019-03-06",
            "2019-03-06T00:00:00",
            "2019-03-06T00:00Z",
            "2019-03-06T24:00:00Z",
            "2019-03-06T00:60:00Z",
            "2019-03-06T00:00:61Z",
            "2019-03-06T12:59:60Z",
            "2019-03-06T00:00:00.Z",
            "2019-03-06T00:00:00,5Z",
            "2019-03-06T00:00:00+0200",
            "2019-03-06T00:00:00+24:00",
            "2019-03-06T00:00:00+02:60",
            "2019-03-06T00:00:00Z ",
            "2019-02-30T00:00:00Z",
            "2019-03-06é00:00:00Z",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    fn parts(text: &str) -> Option<[u32; 3]> {
        let bytes = duration(text)?;
        let mut parts = [0; 3];
        for (part, chunk) in parts.iter_mut().zip(bytes.chunks_exact(4)) {
            *part = u32::from_le_bytes(chunk.try_into().expect("four bytes"));
        }
        Some(parts)
    }

    #[test]
    fn durations() {
        assert_eq!(duration("P1Y2M3DT4H5M6.789S"), Some([0x0e, 0, 0, 0, 0x03, 0, 0, 0, 0x65, 0x68, 0xe0, 0]));
        assert_eq!(parts("P2W"), Some([0, 14, 0]));
        assert_eq!(parts("P0D"), Some([0, 0, 0]));
        assert_eq!(parts("P1M"), Some([1, 0, 0]));
        assert_eq!(parts("PT1M"), Some([0, 0, 60_000]));
        assert_eq!(parts("P1MT1M"), Some([1, 0, 60_000]));
        assert_eq!(parts("P1D2H"), Some([0, 1, 7_200_000]), "the T is optional");
        assert_eq!(parts("PT1.001S"), Some([0, 0, 1001]), "no float arithmetic");
        assert_eq!(parts("PT0.0019999999999S"), Some([0, 0, 1]));
        assert_eq!(parts("PT1193H"), Some([0, 0, 4_294_800_000]));
        assert_eq!(parts("P4294967295D"), Some([0, u32::MAX, 0]));
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "1D",
            "p1D",
            "-P1D",
            "P-1D",
            "P1",
            "PD",
            "P1.5D",
            "PT1.H",
            "PT1.S",
            "PT.5S",
            "P1D1Y",
            "P1D1D",
            "PT1H1D",
            "PTT1H",
            "PT1HT1M",
            "P1W1D",
            "P1D1W",
            "PT1W",
            "P1.5W",
            "P1D ",
            "Purple",
            "PT1194H",
            "P4294967296D",
            "P357913942Y",
            "P99999999999999999999Y",
            "P18446744073709551615Y",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_and_timestamps_agree_with_jiff(
            year in 0i16..=9999, month in 1i8..=12, day in 1i8..=31,
            hour in 0i8..=23, minute in 0i8..=59, second in 0i8..=59, nanos in 0i32..1_000_000_000,
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let date = jiff::civil::Date::new(year, month, day).ok();
            let since = |date: jiff::civil::Date| {
                (date - jiff::civil::date(1970, 1, 1)).get_days()
            };
            prop_assert_eq!(days(&text), date.map(since));
            let text = format!("{text}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z");
            let expected = date.map(|date| {
                let stamp = date.at(hour, minute, second, 0).to_zoned(jiff::tz::TimeZone::UTC).expect("in range");
                stamp.timestamp().as_second() * 1_000_000 + i64::from(nanos) / 1000
            });
            prop_assert_eq!(micros(&text), expected);
        }

        #[test]
        fn no_text_makes_them_panic(text in "[-+PTYMDHWSZ0-9.: ]{0,24}") {
            let _ = (days(&text), micros(&text), duration(&text));
        }
    }
}
