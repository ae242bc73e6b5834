//! JSON's grammar, read step by step: where a string or number ends, and what is wrong with a text.
//!
//! The array form of a Store's fields is split with this, and a nested text that was refused is
//! looked through again to say where and why. Neither is on the path of packed tuples.

use super::error::Fault;

/// Levels of arrays and objects that a nested value may have.
pub(super) const MAX_DEPTH: usize = 127;

/// A position in a JSON text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A string that has been passed over.
pub(super) struct Passed<'a> {
    /// Between the quotes, as it stands.
    pub(super) raw: &'a str,
    /// Whether it holds escapes.
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn fault(&self, what: &'static str) -> Fault {
        Fault { offset: self.at, what }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over white space.
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes over `byte` if it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over `word` (true, false, null).
    pub(super) fn word(&mut self, word: &str) -> Result<(), Fault> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fault("expected a value"))
        }
    }

    /// What has been passed over since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Passes over a number.
    pub(super) fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            return Err(self.fault("malformed number"));
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("malformed number")) } else { Ok(()) }
    }

    /// Passes over a string, which must begin here.
    pub(super) fn string(&mut self) -> Result<Passed<'a>, Fault> {
        if !self.eat(b'"') {
            return Err(self.fault("expected a string"));
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                None => return Err(self.fault("unterminated string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(..0x20) => return Err(self.fault("unescaped control character in a string")),
                Some(_) => self.at += 1,
            }
        }
        let raw = self.since(start);
        self.at += 1;
        Ok(Passed { raw, escaped })
    }

    /// Passes over an escape and gives the character that it stands for.
    pub(super) fn escape(&mut self) -> Result<char, Fault> {
        let start = *self;
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.hex().ok_or_else(|| start.fault("malformed escape in a string"))?;
                let code = match unit {
                    0xd800..=0xdbff if self.eat(b'\\') && self.eat(b'u') => match self.hex() {
                        Some(low @ 0xdc00..=0xdfff) => 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                        _ => unit,
                    },
                    _ => unit,
                };
                // No other number that can come to stand here is no character.
                char::from_u32(code).ok_or_else(|| start.fault("lone surrogate in a string"))?
            }
            _ => return Err(start.fault("malformed escape in a string")),
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
    }

    /// Passes over one value of any kind. Checks all but the range of numbers; depth is a counter, not a
    /// call.
    pub(super) fn value(&mut self) -> Result<(), Fault> {
        // Bit n tells whether level n is an object.
        let mut objects = 0u128;
        let mut depth = 0;
        loop {
            // At the beginning of a value.
            self.space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(self.fault("nesting of more than 127 levels"));
                    }
                    let object = open == b'{';
                    objects = objects << 1 | u128::from(object);
                    depth += 1;
                    self.at += 1;
                    self.space();
                    if !self.eat(if object { b'}' } else { b']' }) {
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                    depth -= 1;
                    objects >>= 1;
                }
                Some(b'"') => self.string().map(|_| ())?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|_| ())?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return Err(self.fault("expected a value")),
            }
            // At the end of one.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                self.space();
                if self.eat(b',') {
                    if object {
                        self.space();
                        self.name()?;
                    }
                    break;
                }
                if !self.eat(if object { b'}' } else { b']' }) {
                    return Err(self.fault(if object {
                        "expected a comma or the end of the object"
                    } else {
                        "expected a comma or the end of the array"
                    }));
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// Passes over a member's name and its colon.
    fn name(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected a member name"));
        }
        self.string()?;
        self.space();
        if self.eat(b':') { Ok(()) } else { Err(self.fault("expected a colon")) }
    }

    /// Passes over white space to the end of the text.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault("trailing text")) }
    }
}

/// What is wrong with `text`, which a parser has refused.
#[cold]
pub(super) fn diagnose(text: &str) -> Fault {
    let mut scanner = Scanner::new(text);
    match scanner.value().and_then(|()| scanner.end()) {
        Err(fault) => fault,
        // All that remains by the grammar's account.
        Ok(()) => {
            Fault { offset: too_large(text).unwrap_or(0), what: "number beyond the range of a 64-bit float" }
        }
    }
}

/// Whether the scanner, too, finds something wrong with `text`.
#[cfg(test)]
pub(super) fn refused(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().and_then(|()| scanner.end()).is_err() || too_large(text).is_some()
}

/// Offset of the first number of a well-formed text that no float can hold.
fn too_large(text: &str) -> Option<usize> {
    let mut scanner = Scanner::new(text);
    while let Some(byte) = scanner.peek() {
        let start = scanner.at;
        match byte {
            b'"' => {
                if scanner.string().is_err() {
                    break;
                }
            }
            b'-' | b'0'..=b'9' => match scanner.number() {
                Ok(number) if super::number::read_number(number).is_some() => {}
                _ => return Some(start),
            },
            _ => scanner.at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_a_place_and_a_reason() {
        for (text, offset, what) in [
            ("", 0, "expected a value"),
            ("  ", 2, "expected a value"),
            ("[1,]", 3, "expected a value"),
            ("[1 2]", 3, "expected a comma or the end of the array"),
            ("[1", 2, "expected a comma or the end of the array"),
            ("{\"a\":1]", 6, "expected a comma or the end of the object"),
            ("{\"a\" 1}", 5, "expected a colon"),
            ("{a:1}", 1, "expected a member name"),
            ("{\"a\":1,}", 7, "expected a member name"),
            ("{]", 1, "expected a member name"),
            ("[tru]", 1, "expected a value"),
            ("[01]", 2, "malformed number"),
            ("[1.]", 3, "malformed number"),
            ("[-]", 2, "malformed number"),
            ("[1e+]", 4, "malformed number"),
            ("[+1]", 1, "expected a value"),
            ("[\"\\ud83d\"]", 2, "lone surrogate in a string"),
            ("[\"\\ud83d\\u0041\"]", 2, "lone surrogate in a string"),
            ("[\"\\ude00\"]", 2, "lone surrogate in a string"),
            ("[\"\\x\"]", 2, "malformed escape in a string"),
            ("[\"\\u12g4\"]", 2, "malformed escape in a string"),
            ("[\"a\n\"]", 3, "unescaped control character in a string"),
            ("[\"a", 3, "unterminated string"),
            ("[\"a\\", 3, "malformed escape in a string"),
            ("[] []", 3, "trailing text"),
            ("{\"1e999\":[1,-1e400]}", 12, "number beyond the range of a 64-bit float"),
        ] {
            assert_eq!(diagnose(text), Fault { offset, what }, "{text}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn nesting_is_counted_not_recursed() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Scanner::new(&nested(127)).value().is_ok());
        let fault = Fault { offset: 127, what: "nesting of more than 127 levels" };
        assert_eq!(diagnose(&nested(128)), fault);
        assert_eq!(diagnose(&nested(1_000_000)), fault);
    }

    #[test]
    fn escapes_stand_for_characters() {
        for (text, c) in
            [("\\u00e9", 'é'), ("\\/", '/'), ("\\ud83d\\ude00", '😀'), ("\\u0000", '\0'), ("\\f", '\u{c}')]
        {
            let mut scanner = Scanner::new(text);
            assert_eq!(scanner.escape(), Ok(c));
            assert_eq!(scanner.at, text.len());
        }
    }
}
