//! One pass over a JSON text that proves it to be in the normal form already, so that it can be copied.
//!
//! The runtime writes nested values compact and sorted, so nearly all pass. The check is one-sided: what
//! it lets through is exactly what parsing and writing anew would give; what it turns down is parsed, and
//! may come out the same (member names with escapes, for one).

use super::number::prints_as;
use super::scan::MAX_DEPTH;
use super::text::{first, specials};

/// Whether `text` is known to be in normal form: well-formed, compact, members ascending and distinct,
/// strings and numbers written as they would be.
pub(super) fn is_normal(text: &str) -> bool {
    let mut check = Check { text, bytes: text.as_bytes(), at: 0 };
    check.value(0) && check.at == text.len()
}

/// The length of the value in normal form that `text` begins with, if it does and the value, which
/// stands within `depth` arrays and objects, nests no deeper than may be.
pub(super) fn normal_prefix(text: &str, depth: usize) -> Option<usize> {
    let mut check = Check { text, bytes: text.as_bytes(), at: 0 };
    check.value(depth).then_some(check.at)
}

struct Check<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Check<'a> {
    #[inline]
    fn peek(&self) -> u8 {
        // A zero is nowhere legal: it stands for the end as well.
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn next(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    /// The next eight bytes.
    #[inline]
    fn word(&self) -> Option<[u8; 8]> {
        self.bytes.get(self.at..)?.first_chunk().copied()
    }

    fn value(&mut self, depth: usize) -> bool {
        match self.next() {
            b'"' => self.string(),
            digit @ (b'-' | b'0'..=b'9') => self.number(digit == b'-'),
            b'{' => depth < MAX_DEPTH && self.object(depth + 1),
            b'[' => depth < MAX_DEPTH && self.array(depth + 1),
            b't' => self.rest(b"rue"),
            b'f' => self.rest(b"alse"),
            b'n' => self.rest(b"ull"),
            _ => false,
        }
    }

    fn rest<const N: usize>(&mut self, word: &[u8; N]) -> bool {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) == Some(word);
        self.at += N;
        found
    }

    fn array(&mut self, depth: usize) -> bool {
        if self.peek() == b']' {
            self.at += 1;
            return true;
        }
        loop {
            if !self.value(depth) {
                return false;
            }
            match self.next() {
                b',' => {}
                byte => return byte == b']',
            }
        }
    }

    fn object(&mut self, depth: usize) -> bool {
        if self.peek() == b'}' {
            self.at += 1;
            return true;
        }
        let mut before: Option<(u64, &[u8])> = None;
        loop {
            if self.next() != b'"' {
                return false;
            }
            let Some(name) = self.name() else { return false };
            if before.is_some_and(|before| before >= name) || self.next() != b':' || !self.value(depth) {
                return false;
            }
            before = Some(name);
            match self.next() {
                b',' => {}
                byte => return byte == b'}',
            }
        }
    }

    /// Passes over a member's name and its closing quote; none where it holds an escape. The name comes
    /// with its first eight bytes as a number, filled up with zeros: where those differ they tell the
    /// order, since no name holds a zero.
    #[inline]
    fn name(&mut self) -> Option<(u64, &'a [u8])> {
        let start = self.at;
        let word = self.word();
        if self.special() != b'"' {
            return None;
        }
        let name = self.bytes.get(start..self.at)?;
        self.at += 1;
        let prefix = match word {
            Some(word) if name.len() >= 8 => u64::from_be_bytes(word),
            Some(word) => u64::from_be_bytes(word) & !(u64::MAX >> (8 * name.len())),
            None => name
                .iter()
                .zip((0..8).rev())
                .fold(0, |prefix, (&byte, i)| prefix | u64::from(byte) << (8 * i)),
        };
        Some((prefix, name))
    }

    /// Passes over the rest of a string, whose escapes must be the ones that would be written.
    #[inline]
    fn string(&mut self) -> bool {
        loop {
            match self.special() {
                b'"' => {
                    self.at += 1;
                    return true;
                }
                b'\\' => {
                    if !self.escape() {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }

    /// Goes on to the next quote, backslash or control character and gives it; 0 at the end.
    #[inline]
    fn special(&mut self) -> u8 {
        while let Some(word) = self.word() {
            let marks = specials(u64::from_le_bytes(word));
            if marks != 0 {
                self.at += first(marks);
                return self.peek();
            }
            self.at += 8;
        }
        loop {
            match self.peek() {
                byte @ (b'"' | b'\\' | 0..0x20) => return byte,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> bool {
        self.at += 1;
        match self.next() {
            b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r' => true,
            b'u' => {
                let Some(&digits) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) else {
                    return false;
                };
                self.at += 4;
                // Only what has no shorter escape, in lower case.
                matches!(
                    digits,
                    [b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f']
                        | [b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f']
                )
            }
            _ => false,
        }
    }

    /// Passes over a number whose first character has been read.
    fn number(&mut self, negative: bool) -> bool {
        let start = self.at - 1;
        if !negative {
            self.at = start;
        }
        let leading = self.peek();
        let whole = self.digits();
        // At the top or behind a leading zero, more digits are turned down by what expects an end.
        if whole == 0 || (leading == b'0' && whole > 1) {
            return false;
        }
        match self.peek() {
            b'.' => {
                self.at += 1;
                let fraction_start = self.at;
                let fraction = self.digits();
                let last = self.bytes.get(self.at - 1).copied().unwrap_or(0);
                // A decimal of at most 15 digits is the shortest that reads back as itself. It is printed
                // without exponent when less than five zeros follow `0.`, and is never as large as 1e16.
                let shortest = whole + fraction <= 15 && (fraction == 1 || (fraction > 1 && last != b'0'));
                let plain = leading != b'0'
                    || fraction <= 5
                    || self
                        .bytes
                        .get(fraction_start..fraction_start + 5)
                        .is_some_and(|zeros| zeros != b"00000");
                if shortest && plain && !matches!(self.peek(), b'e' | b'E') {
                    return true;
                }
            }
            b'e' | b'E' => {}
            // Any 18 digits fit; `-0` is a float.
            _ if whole <= 18 => return !(negative && leading == b'0'),
            _ => {}
        }
        while matches!(self.peek(), b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        self.text.get(start..self.at).is_some_and(prints_as)
    }

    /// Passes over digits and counts them.
    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_texts_are_recognised() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-1",
            "1.5",
            "-0.0",
            "0.0",
            "\"\"",
            "[]",
            "{}",
            "\"é😀\u{7f}/\"",
            r#"{"":4,"10":5,"9":6,"Z":1,"a":2,"é":3}"#,
            r#"{"a":[{"b":{},"c":[[]]},"x",-12,true,null],"b":false}"#,
            r#"{"abcdefgh":1,"abcdefghi":2,"abcdefgi":3}"#,
            r#"{"price":62.19,"qty":1,"sku":"SKU-683244"}"#,
            r#""\"\\\b\t\n\f\r\u0000\u0007\u000b\u000e\u001f""#,
            "18446744073709551615",
            "-9223372036854775808",
            "999999999999999999",
            "0.00001",
            "0.00001234",
            "1e-6",
            "1e16",
            "1.5e300",
            "5e-324",
            "1000000000000000.0",
            "123456789012345.0",
            "0.1234567890123456",
            "1.7976931348623157e308",
            "-73.98765432109876",
        ] {
            assert!(is_normal(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        for text in [
            "",
            " 1",
            "1 ",
            "[1, 2]",
            "{\"a\": 1}",
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":2}",
            "{\"ab\":1,\"a\":2}",
            r#"{"abcdefghi":1,"abcdefgh":2}"#,
            r#"{"abcdefghi":1,"abcdefghi":2}"#,
            r#"{"é":1,"z":1}"#,
            r#""\/""#,
            r#""\u00e9""#,
            r#""\u001F""#,
            r#""\u000a""#,
            r#""\u0008""#,
            r#""\u0020""#,
            r#""\x""#,
            "\"\n\"",
            "\"",
            "\"abcdefgh",
            "\"\\",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "tru",
            "truex",
            "nul",
            "[]]",
            "01",
            "-",
            "-0",
            "1.",
            "1.e5",
            ".5",
            "1.0e5",
            "1.50",
            "1.00",
            "1e5",
            "1E16",
            "1e+16",
            "-0e0",
            "1e400",
            "1e-400",
            "0.000001",
            "0.0000012",
            "18446744073709551616",
            "-9223372036854775809",
            "1.7976931348623157e400",
            "0.10000000000000000555",
            "9007199254740993.0",
            "00",
            "-00.5",
            "1-2",
            "12345678901234567890123",
            "0.00000",
            "10000000000000000.0",
        ] {
            assert!(!is_normal(text), "{text}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn depth_is_limited() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_normal(&nested(127)));
        assert!(!is_normal(&nested(128)));
        assert!(!is_normal(&nested(1_000_000)));
        assert!(!is_normal(&"{\"a\":".repeat(1_000_000)));
    }
}
