//! A walk over JSON text that finds where values begin and end, without a tree and without recursion.
//!
//! It holds the text to JSON's grammar, but for surrogates in escapes. The caller has made sure that
//! the text is UTF-8. Nesting is limited by nothing but the text's length: it takes a bit a level.

use super::Fault;
use super::error::{At, Came};

/// A position in a text.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// The beginning of a text.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Where the scan is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The first byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                byte => return byte.copied(),
            }
        }
    }

    /// Begins an object; whether it has a member, whose [`name`](Self::name) is next.
    pub(super) fn object(&mut self) -> Result<bool, At> {
        self.expect(b'{', "`{`")?;
        let empty = self.peek() == Some(b'}');
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// The name of a member, as it is written between its quotes; its value is next.
    #[inline]
    pub(super) fn name(&mut self) -> Result<&'a [u8], At> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("the name of a member"));
        }
        let name = self.string()?;
        self.expect(b':', "`:`")?;
        Ok(name)
    }

    /// Goes on behind the value of a member; whether there is another one, whose name is next.
    #[inline]
    pub(super) fn more(&mut self) -> Result<bool, At> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.fault("`,` or `}`")),
        }
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Result<(), At> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("the end of the line")),
        }
    }

    /// The text of the next value.
    pub(super) fn value(&mut self, nesting: &mut Nesting) -> Result<&'a [u8], At> {
        nesting.clear();
        self.peek();
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'{') => {
                    if self.object()? {
                        nesting.push(true);
                        self.name()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.peek() != Some(b']') {
                        nesting.push(false);
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'"') => drop(self.string()?),
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.fault("a value")),
            }
            loop {
                // White space behind the outermost value is no part of it.
                let Some(object) = nesting.innermost() else {
                    return Ok(self.text.get(from..self.at).unwrap_or_default());
                };
                match (object, self.peek()) {
                    (true, Some(b',')) => {
                        self.at += 1;
                        self.name()?;
                        break;
                    }
                    (false, Some(b',')) => {
                        self.at += 1;
                        break;
                    }
                    (true, Some(b'}')) | (false, Some(b']')) => {
                        self.at += 1;
                        nesting.pop();
                    }
                    (true, _) => return Err(self.fault("`,` or `}`")),
                    (false, _) => return Err(self.fault("`,` or `]`")),
                }
            }
        }
    }

    /// A string, whose quote has been seen; what is between its quotes.
    fn string(&mut self) -> Result<&'a [u8], At> {
        self.at += 1;
        let from = self.at;
        loop {
            self.at += plain(self.text.get(self.at..).unwrap_or_default());
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.text.get(from..self.at - 1).unwrap_or_default());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), At> {
        self.at += 1;
        match self.text.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.text.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return Err(self.fault("four hexadecimal digits"));
                    }
                }
                self.at += 1;
            }
            _ => return Err(self.fault("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), At> {
        self.at += usize::from(self.text.get(self.at) == Some(&b'-'));
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), At> {
        let digits = self.text.iter().skip(self.at).take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err(self.fault("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), At> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(literal)) {
            self.at += literal.len();
            Ok(())
        } else {
            Err(self.fault("a value"))
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), At> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault(expected))
        }
    }

    #[cold]
    fn fault(&self, expected: &'static str) -> At {
        let came = Came(self.text.get(self.at).copied());
        At::new(self.at, Fault::Json { expected, came })
    }
}

/// How many bytes come before a quote, a backslash or a control character, eight at a time.
#[inline]
fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // Of each expression the lowest high bit that is set stands for the first byte that meets
        // the condition (0, 0, below 0x20); those above it may be wrong, by borrows.
        let special = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let special = special & HIGHS;
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count();
    text.len() - rest.len() + tail
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// The containers that are open, a bit each: whether it is an object.
#[derive(Default)]
pub(super) struct Nesting {
    bits: Vec<u64>,
    depth: usize,
}

impl Nesting {
    fn clear(&mut self) {
        self.depth = 0;
        // A deep text is rare; its successors need not pay for it.
        if self.bits.len() > 1024 {
            self.bits = Vec::new();
        }
    }

    #[inline]
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.bits.len() {
            self.bits.push(0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits = if object { *bits | bit } else { *bits & !bit };
        }
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    #[inline]
    fn innermost(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        self.bits.get(last / 64).map(|bits| bits >> (last % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &[u8]) -> Result<(), At> {
        let mut scan = Scan::new(text);
        scan.value(&mut Nesting::default())?;
        scan.end()
    }

    #[test]
    fn values_end_where_they_end() {
        for (text, value) in [
            (&b" {\"a\":[1,{}, [ ] ,\"}\"]} , 1"[..], &b"{\"a\":[1,{}, [ ] ,\"}\"]}"[..]),
            (b"-0.5e+7]", b"-0.5e+7"),
            (b"\"a\\\"b\\\\\" ", b"\"a\\\"b\\\\\""),
            (b"true ", b"true"),
            (b"null\r", b"null"),
            (b"01", b"0"),
        ] {
            let mut scan = Scan::new(text);
            assert_eq!(scan.value(&mut Nesting::default()).unwrap(), value);
        }
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stops_being_json() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("{\"a\"}", 4),
            ("{\"a\":1,}", 7),
            ("{\"a\":1]", 6),
            ("[1,]", 3),
            ("[1}", 2),
            ("[1 2]", 3),
            ("-", 1),
            ("1.", 2),
            ("1e", 2),
            ("+1", 0),
            ("01", 1),
            ("\"a", 2),
            ("\"\t\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("tru", 0),
            ("1 1", 2),
            ("\u{feff}1", 0),
        ] {
            assert_eq!(whole(text.as_bytes()).unwrap_err().offset, offset, "{text}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn nesting_is_limited_by_the_text_alone() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let deep = [open.repeat(10_000).as_str(), "1", &close.repeat(10_000)].concat();
            whole(deep.as_bytes()).unwrap();
            whole(&deep.as_bytes()[..deep.len() - 1]).unwrap_err();
        }
        let mut nesting = Nesting::default();
        let mut scan = Scan::new(&[b'['; 1 << 20]);
        scan.value(&mut nesting).unwrap_err();
        assert!(nesting.bits.capacity() <= 2 * (1 << 20) / 64);
        Scan::new(b"1").value(&mut nesting).unwrap();
        assert_eq!(nesting.bits.capacity(), 0, "a deep text leaves nothing behind");
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of texts: minutes in Miri")]
    fn plain_stops_at_each_special_byte() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(plain(&text), if special { place } else { length }, "{byte:02x}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(text in "[\\[\\]{}:,\"a01\\-+.eE\\\\u tfn\u{e9}]{0,24}") {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(whole(text.as_bytes()).is_ok(), theirs.is_ok(), "{}", text);
        }

        #[test]
        fn accepts_and_refuses_mutated_json_as_serde_json_does(
            place in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let mut text = br#"{"a": [1, -2.5e3, true, false, null, "x\u00e9\n"], "b": {"c": {}, "d": []}}"#.to_vec();
            let place = place.index(text.len());
            text[place] = byte;
            prop_assume!(std::str::from_utf8(&text).is_ok());
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(whole(&text).is_ok(), theirs.is_ok());
        }
    }
}
