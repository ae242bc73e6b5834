//! Texts: of a format, of a pattern, or of letters.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::random::Random;
use crate::preview::digits::{date, date_time, decimal, hex};
use crate::schema::Format;

/// How texts of a location are made.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// Of a format; a number makes one.
    Format(Format),
    /// That a regex matches as a whole.
    Pattern(Box<Hir>),
    /// Of so many letters: least and most.
    Letters(usize, usize),
}

impl Text {
    /// A random text.
    pub(super) fn any(&self, random: &mut Random) -> String {
        match self {
            // Fewer numbers than there are make texts of usual sizes.
            Self::Format(format) => of_format(*format, random.below(1 << 40)),
            Self::Pattern(pattern) => {
                let mut text = String::new();
                of_pattern(pattern, random, &mut text);
                text
            }
            Self::Letters(least, most) => {
                let usual = (*least).max(USUAL.0)..=(*most).min(least.saturating_add(USUAL.1)).max(*least);
                let span = usual.end().saturating_sub(*usual.start()) + 1;
                let length = (usual.start() + random.index(span)).min(*most);
                letters(random, length)
            }
        }
    }

    /// A text that belongs to a number alone, if there are such.
    pub(super) fn numbered(&self, number: u64) -> Option<String> {
        match self {
            Self::Format(format) => Some(of_format(*format, number)),
            Self::Pattern(_) => None,
            Self::Letters(least, most) => {
                let text = format!("k{number:0width$}", width = (*least).saturating_sub(1).clamp(1, 1 << 16));
                (text.len() <= *most).then_some(text)
            }
        }
    }
}

fn letters(random: &mut Random, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut bits = 0_u64;
    for i in 0..length {
        // Twelve letters from each number.
        if i % 12 == 0 {
            bits = random.next();
        }
        text.push(char::from(ALPHABET[usize::try_from(bits & 31).unwrap_or(0)]));
        bits >>= 5;
    }
    text
}

/// The text of a format that belongs to a number: different ones for different numbers as far as the format allows.
fn of_format(format: Format, number: u64) -> String {
    match format {
        Format::Date => {
            // Until the year 2200.
            let mut text = String::with_capacity(10);
            date(&mut text, i64::try_from(number % 84_000).unwrap_or(0));
            text
        }
        Format::DateTime => {
            let seconds = i64::try_from(number / 1000 % 7_000_000_000).unwrap_or(0);
            let mut text = String::with_capacity(24);
            date_time(&mut text, seconds);
            text.push('.');
            decimal(&mut text, number, 3);
            text.push('Z');
            text
        }
        Format::Time => {
            let (seconds, fraction) = (number % 86_400, number / 86_400 % 1_000_000);
            format!("{:02}:{:02}:{:02}.{fraction:06}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
        Format::Email | Format::IdnEmail => around("user", number, "@example.com"),
        Format::Hostname | Format::IdnHostname => around("host", number, ".example.com"),
        Format::Ipv4 => {
            format!("10.{}.{}.{}", number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff)
        }
        Format::Ipv6 => {
            let group = |shift: u32| number >> shift & 0xffff;
            format!("fd00::1:{:x}:{:x}:{:x}:{:x}", group(48), group(32), group(16), group(0))
        }
        Format::MacAddr => mac(number, &[32, 24, 16, 8, 0], "02"),
        Format::MacAddr8 => mac(number, &[48, 40, 32, 24, 16, 8, 0], "02"),
        Format::Uuid => {
            let (high, low) = (Random::of(&[number]).next(), number);
            // Version 4 and the RFC's variant; the lower 60 bits and the mixed ones tell numbers apart.
            let mut text = String::with_capacity(36);
            let groups = [
                (high >> 32, 8, "-"),
                (high >> 16, 4, "-4"),
                (high, 3, "-8"),
                (low >> 48, 3, "-"),
                (low, 12, ""),
            ];
            for (number, digits, after) in groups {
                hex(&mut text, number, digits);
                text.push_str(after);
            }
            text
        }
        Format::Duration => format!("PT{number}S"),
        Format::Iri | Format::Uri => around("https://example.com/", number, ""),
        Format::UriReference | Format::IriReference => format!("/{number}"),
        Format::UriTemplate => format!("/{number}/{{id}}"),
        Format::JsonPointer => format!("/{number}"),
        Format::RelativeJsonPointer => format!("0/{number}"),
        Format::Regex => format!("^{number}$"),
        Format::Integer => number.to_string(),
        Format::Number => format!("{}.{:02}", number / 100, number % 100),
        Format::Sha256 => {
            let mut random = Random::of(&[number]);
            let mut text = format!("{number:016x}");
            for _ in 0..3 {
                let _infallible = write!(text, "{:016x}", random.next());
            }
            text
        }
    }
}

fn around(before: &str, number: u64, after: &str) -> String {
    [before, itoa::Buffer::new().format(number), after].concat()
}

fn mac(number: u64, shifts: &[u32], first: &str) -> String {
    let mut text = first.to_owned();
    for shift in shifts {
        let _infallible = write!(text, ":{:02x}", number >> shift & 0xff);
    }
    text
}

fn of_pattern(hir: &Hir, random: &mut Random, text: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(of_class(class, random)),
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let most = repetition.max.unwrap_or(u32::MAX).min(least.saturating_add(REPEATED));
            for _ in 0..random.between(i64::from(least), i64::from(most)) {
                if text.len() > LONGEST {
                    return;
                }
                of_pattern(&repetition.sub, random, text);
            }
        }
        HirKind::Capture(capture) => of_pattern(&capture.sub, random, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| of_pattern(part, random, text)),
        HirKind::Alternation(parts) => {
            if let Some(part) = parts.get(random.index(parts.len())) {
                of_pattern(part, random, text);
            }
        }
    }
}

/// A character of a class, one that can be typed if there is one.
fn of_class(class: &Class, random: &mut Random) -> Option<char> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => {
            class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
        Class::Bytes(class) => {
            class.iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
    };
    let typed: Vec<_> = ranges
        .iter()
        .map(|(from, to)| ((*from).max(0x20), (*to).min(0x7e)))
        .filter(|(from, to)| from <= to)
        .collect();
    let ranges = if typed.is_empty() { ranges } else { typed };
    let (from, to) = *ranges.get(random.index(ranges.len()))?;
    let point = from + u32::try_from(random.below(u64::from(to - from) + 1)).unwrap_or(0);
    // Surrogates are in no class of characters.
    char::from_u32(point).or_else(|| char::from_u32(from))
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz aeion";
/// Letters of a text that may have any length.
const USUAL: (usize, usize) = (6, 24);
/// How much more often than it must something is repeated.
const REPEATED: u32 = 8;
/// Bytes after which nothing is repeated any more.
const LONGEST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_their_forms() {
        let rows = [
            (Format::Date, "1970-01-02"),
            (Format::DateTime, "1970-01-01T00:00:00.001Z"),
            (Format::Time, "00:00:01.000000Z"),
            (Format::Email, "user1@example.com"),
            (Format::Ipv4, "10.0.0.1"),
            (Format::Ipv6, "fd00::1:0:0:0:1"),
            (Format::MacAddr, "02:00:00:00:00:01"),
            (Format::MacAddr8, "02:00:00:00:00:00:00:01"),
            (Format::Duration, "PT1S"),
            (Format::Integer, "1"),
            (Format::Number, "0.01"),
        ];
        for (format, expected) in rows {
            assert_eq!(of_format(format, 1), expected);
        }
        for number in [0, 1, 999, 123_456_789_012, u64::MAX] {
            of_format(Format::DateTime, number).parse::<jiff::Timestamp>().unwrap();
            of_format(Format::Date, number).parse::<jiff::civil::Date>().unwrap();
            of_format(Format::Ipv4, number).parse::<std::net::Ipv4Addr>().unwrap();
            of_format(Format::Ipv6, number).parse::<std::net::Ipv6Addr>().unwrap();
            of_format(Format::Uri, number).parse::<url::Url>().unwrap();
            assert_eq!(of_format(Format::Uuid, number).len(), 36);
            assert_eq!(of_format(Format::Sha256, number).len(), 64);
        }
    }

    #[test]
    fn patterns_are_matched() {
        let mut random = Random::of(&[7]);
        for pattern in ["^[A-Z]{3}-[0-9]+$", "^(a|bc)*d?$", r"^\d{4}\w\s.$", "^[^a-z]{5}$", "x", "^é+$"] {
            let text = Text::Pattern(Box::new(regex_syntax::parse(pattern).unwrap()));
            let regex = regex::Regex::new(pattern).unwrap();
            for _ in 0..200 {
                let made = text.any(&mut random);
                assert!(regex.is_match(&made), "{pattern} {made:?}");
            }
        }
    }

    #[test]
    fn lengths_are_kept_and_numbers_told_apart() {
        let mut random = Random::of(&[8]);
        for (least, most) in [(0, 0), (0, 1), (3, 3), (100, 200), (0, usize::MAX), (40, usize::MAX)] {
            for _ in 0..200 {
                let text = Text::Letters(least, most).any(&mut random);
                assert!((least..=most).contains(&text.len()), "{least} to {most}: {}", text.len());
            }
        }
        assert_eq!(Text::Letters(6, 10).numbered(42).as_deref(), Some("k00042"));
        assert_eq!(Text::Letters(0, 2).numbered(42), None);
    }
}
