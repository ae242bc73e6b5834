//! JSON text to Avro in one pass, where it is as the runtime writes it: compact, and members in
//! ascending order.
//!
//! That order is the schema's order, so nothing has to be parsed first and looked up. Whatever is
//! otherwise (white space, members out of order or repeated, properties that no field takes, values
//! that do not fit) ends the pass without a verdict: the text is parsed and walked then, which also
//! finds the words for what is wrong. A nested2k document takes about 0.4 of the time that one takes whose
//! white space ends the pass (`cargo bench --bench micro -- tuple_to_avro/nested2k`, `ours` against `ours_parsed`,
//! 2 shared cores, 2026-11-22).

use super::adopted::Adopted;
use super::binary::{Mend, mend_length, write_text};
use super::node::{Kind, Node, Record};
use super::scalar::{write_branch, write_scalar};
use crate::encode::element::Element;
use crate::encode::normal::normal_prefix;
use crate::encode::number::read_number;
use crate::encode::scan::{MAX_DEPTH, Scanner};
use crate::encode::text::{first, specials};

/// Writes `text` as `node` has it if one pass can. `None` where it cannot: `out` has then to be
/// shortened to what it was.
#[inline]
pub(super) fn write_straight<S: Mend>(
    node: &Node,
    text: &str,
    unescaped: &mut String,
    out: &mut S,
) -> Option<()> {
    let mut pass = Pass { text, bytes: text.as_bytes(), at: 0, unescaped };
    pass.value(node, 0, out)?;
    (pass.at == text.len()).then_some(())
}

struct Pass<'a, 's> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where strings with escapes are put together.
    unescaped: &'s mut String,
}

impl<'a> Pass<'a, '_> {
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

    #[inline]
    fn eat(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Writes the value that begins here, within `depth` arrays and objects.
    fn value<S: Mend>(&mut self, node: &Node, depth: usize, out: &mut S) -> Option<()> {
        let scalar = match (self.peek(), &node.kind) {
            (_, Kind::RawJson) => {
                let text = self.text.get(self.at..)?;
                let text = text.get(..normal_prefix(text, depth)?)?;
                write_branch(node, out);
                write_text(text, out);
                self.at += text.len();
                return Some(());
            }
            (b'"', _) => Element::String(self.string()?),
            (b'-' | b'0'..=b'9', _) => self.number()?,
            (b'{', Kind::Record(record)) if depth < MAX_DEPTH => {
                write_branch(node, out);
                return self.record(record, depth + 1, out);
            }
            (b'[', Kind::Array(items)) if depth < MAX_DEPTH => {
                write_branch(node, out);
                return self.array(items, depth + 1, out);
            }
            (b'{', Kind::Map(values)) if depth < MAX_DEPTH => {
                write_branch(node, out);
                return self.map(values, depth + 1, out);
            }
            (b't', _) => self.eat(b"true").then_some(Element::Bool(true))?,
            (b'f', _) => self.eat(b"false").then_some(Element::Bool(false))?,
            (b'n', _) => self.eat(b"null").then_some(Element::Null)?,
            _ => return self.branch(node, depth, out),
        };
        write_scalar(node, scalar, out).ok()
    }

    /// Writes the array or object that begins here in the union of a registered schema, if the type is one; its scalars are
    /// written like others. A call, and not one more case above: that took 24 instructions more for a document of 2 KB.
    #[inline(never)]
    fn branch<S: Mend>(&mut self, node: &Node, depth: usize, out: &mut S) -> Option<()> {
        let (b'{' | b'[', Kind::Adopted(adopted)) = (self.peek(), &node.kind) else { return None };
        let Adopted::Branch(branch) = &**adopted else { return None };
        let node = branch.enter(out);
        self.value(node, depth, out)
    }

    fn array<S: Mend>(&mut self, items: &Node, depth: usize, out: &mut S) -> Option<()> {
        self.at += 1;
        let start = out.position();
        // The count, if it turns out to be small, or the end of an array without items.
        out.push(0);
        if self.peek() == b']' {
            self.at += 1;
            return Some(());
        }
        let mut count = 0;
        loop {
            self.value(items, depth, out)?;
            count += 1;
            match self.next() {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        mend_length(start, 1, count, out);
        out.push(0);
        Some(())
    }

    fn map<S: Mend>(&mut self, values: &Node, depth: usize, out: &mut S) -> Option<()> {
        self.at += 1;
        let start = out.position();
        out.push(0);
        if self.peek() == b'}' {
            self.at += 1;
            return Some(());
        }
        let mut count = 0;
        let mut before: Option<&[u8]> = None;
        loop {
            let name = self.name()?;
            if before.is_some_and(|before| before >= name.as_bytes()) {
                return None;
            }
            before = Some(name.as_bytes());
            write_text(name, out);
            self.value(values, depth, out)?;
            count += 1;
            match self.next() {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        mend_length(start, 1, count, out);
        out.push(0);
        Some(())
    }

    fn record<S: Mend>(&mut self, record: &Record, depth: usize, out: &mut S) -> Option<()> {
        self.at += 1;
        let mut more = self.peek() != b'}';
        if !more {
            self.at += 1;
        }
        for field in &record.fields {
            // Members come in the order of the fields: one that is not this field is behind it.
            if more && self.eat(&field.fragment) {
                self.value(&field.node, depth, out)?;
                more = match self.next() {
                    b',' => true,
                    b'}' => false,
                    _ => return None,
                };
            } else {
                out.put(field.absent.as_ref()?);
            }
        }
        // Otherwise a member is left that is out of order, repeated, or no field.
        (!more).then(|| {
            if record.extra.is_some() {
                out.push(0);
            }
        })
    }

    /// Passes over a string without escapes and the colon behind it.
    #[inline]
    fn name(&mut self) -> Option<&'a str> {
        if self.next() != b'"' {
            return None;
        }
        let start = self.at;
        if self.special() != b'"' {
            return None;
        }
        let name = self.text.get(start..self.at)?;
        self.at += 1;
        (self.next() == b':').then_some(name)
    }

    /// Passes over the string that begins here.
    #[inline]
    fn string(&mut self) -> Option<&str> {
        self.at += 1;
        let start = self.at;
        match self.special() {
            b'"' => {
                let text = self.text.get(start..self.at)?;
                self.at += 1;
                Some(text)
            }
            b'\\' => self.escaped(start),
            _ => None,
        }
    }

    /// Passes over the string whose contents begin at `start` and whose first escape is here.
    fn escaped(&mut self, start: usize) -> Option<&str> {
        self.unescaped.clear();
        let mut plain = start;
        loop {
            let special = self.special();
            self.unescaped.push_str(self.text.get(plain..self.at)?);
            match special {
                b'"' => {
                    self.at += 1;
                    return Some(self.unescaped);
                }
                b'\\' => {
                    let mut scanner = Scanner { text: self.text, at: self.at };
                    self.unescaped.push(scanner.escape().ok()?);
                    self.at = scanner.at;
                    plain = scanner.at;
                }
                _ => return None,
            }
        }
    }

    /// Goes on to the next quote, backslash or control character and gives it; 0 at the end.
    #[inline]
    fn special(&mut self) -> u8 {
        while let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let marks = specials(u64::from_le_bytes(*word));
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

    /// Passes over a number.
    #[inline]
    fn number(&mut self) -> Option<Element<'static>> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let leading = self.peek();
        let (whole, mut digits) = self.digits(0);
        if digits == 0 || (leading == b'0' && digits > 1) {
            return None;
        }
        let mut number = whole;
        let mut scale = 0;
        if self.peek() == b'.' {
            self.at += 1;
            (number, scale) = self.digits(number);
            if scale == 0 {
                return None;
            }
            digits += scale;
        }
        if matches!(self.peek(), b'e' | b'E') {
            return self.long_number(start);
        }
        match (scale, POWERS_OF_TEN.get(scale)) {
            // Any 18 digits fit; `-0` is a float.
            (0, _) if digits <= 18 && !(negative && number == 0) => Some(if negative {
                Element::Negative(-number.cast_signed())
            } else {
                Element::Unsigned(number)
            }),
            // Both are exact as floats, so that the one rounding is that of the quotient.
            (1.., Some(power)) if digits <= 15 => {
                let value = exact(number) / power;
                Some(Element::Float(if negative { -value } else { value }))
            }
            _ => self.long_number(start),
        }
    }

    /// Passes over the rest of a number that begins at `start`, and reads it the long way.
    #[cold]
    fn long_number(&mut self, start: usize) -> Option<Element<'static>> {
        let mut scanner = Scanner { text: self.text, at: start };
        let number = scanner.number().ok()?;
        self.at = scanner.at;
        read_number(number)
    }

    /// Passes over digits; gives `number` with them appended, wrong if they are many, and their count.
    #[inline]
    fn digits(&mut self, mut number: u64) -> (u64, usize) {
        let start = self.at;
        while let digit @ b'0'..=b'9' = self.peek() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        (number, self.at - start)
    }
}

/// A number of at most 15 digits.
#[expect(clippy::cast_precision_loss, reason = "below 2^53 nothing is lost")]
#[inline]
fn exact(number: u64) -> f64 {
    number as f64
}

/// By the number of digits behind the point.
const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
