//! Nested JSON, parsed by simd-json into a tape that is used again for the next one.
//!
//! The parser works in a copy of the text that has room behind it, and unescapes strings in place; the
//! tape's nodes borrow from that copy. [`Value`] reads the tape by the rules of messages: it is where the
//! parser's own reading differs (a `-0`, which it takes for an integer, is a float).

use simd_json::tape::{Node, Tape};
use simd_json::{Buffers, INPUT_PADDING, StaticNode};

use super::element::Element;
use super::error::Fault;
use super::scan::{MAX_DEPTH, diagnose};

/// The parser's memory.
pub(super) struct Parser {
    /// The text that is parsed, with room behind it.
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Parser {
    fn default() -> Self {
        Self { text: Vec::new(), buffers: Buffers::with_max_depth(0, MAX_DEPTH), tape: Tape(Vec::new()) }
    }
}

impl Parser {
    /// Parses `text`.
    pub(super) fn parse<'p>(&'p mut self, text: &str) -> Result<Parsed<'p>, Fault> {
        self.text.clear();
        self.text.reserve(text.len() + INPUT_PADDING);
        self.text.extend_from_slice(text.as_bytes());
        self.text.extend_from_slice(&[b' '; INPUT_PADDING]);
        let tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let mut parsed = Parsed { tape, home: &mut self.tape };
        match simd_json::fill_tape_padded(&mut self.text, text.len(), &mut self.buffers, &mut parsed.tape) {
            Ok(()) => Ok(parsed),
            Err(_) => Err(diagnose(text)),
        }
    }

    /// Gives back what an unusually large value took.
    pub(super) fn trim(&mut self) {
        if self.text.capacity() > KEPT_TEXT || self.tape.0.capacity() > KEPT_NODES {
            *self = Self::default();
        }
    }
}

/// A parsed value, which lends the parser's memory.
pub(super) struct Parsed<'p> {
    tape: Tape<'p>,
    /// Where the tape returns to.
    home: &'p mut Tape<'static>,
}

impl Parsed<'_> {
    /// The value.
    pub(super) fn root(&self) -> Value<'_> {
        Value(&self.tape.0)
    }
}

impl Drop for Parsed<'_> {
    fn drop(&mut self) {
        *self.home = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
    }
}

/// A parsed value: the tape from its node on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'t>(&'t [Node<'t>]);

/// What a value is.
pub(super) enum View<'t> {
    /// Anything that has no values within; never [`Element::Json`].
    Scalar(Element<'t>),
    /// An array's items.
    Array(Items<'t>),
    /// An object's members in the order of the text, repeated ones included.
    Object(Members<'t>),
}

impl<'t> Value<'t> {
    /// What the value is.
    #[inline]
    pub(super) fn view(self) -> View<'t> {
        let Some((&node, rest)) = self.0.split_first() else {
            // No value is built without a node.
            return View::Scalar(Element::Null);
        };
        View::Scalar(match node {
            Node::String(text) => Element::String(text),
            Node::Object { len, .. } => return View::Object(Members { left: len, rest }),
            Node::Array { len, .. } => return View::Array(Items { left: len, rest }),
            Node::Static(StaticNode::Null) => Element::Null,
            Node::Static(StaticNode::Bool(value)) => Element::Bool(value),
            Node::Static(StaticNode::U64(value)) => Element::Unsigned(value),
            // The parser has a sign and no fraction only here.
            Node::Static(StaticNode::I64(0)) => Element::Float(-0.0),
            Node::Static(StaticNode::I64(value)) => Element::Negative(value),
            Node::Static(StaticNode::F64(value)) => Element::Float(value),
        })
    }

    /// Nodes that the value takes.
    #[inline]
    fn span(self) -> usize {
        match self.0.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        }
    }
}

/// The items of an array.
#[derive(Debug, Clone)]
pub(super) struct Items<'t> {
    left: usize,
    rest: &'t [Node<'t>],
}

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    #[inline]
    fn next(&mut self) -> Option<Value<'t>> {
        self.left = self.left.checked_sub(1)?;
        let value = Value(self.rest);
        self.rest = self.rest.get(value.span()..)?;
        Some(value)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The members of an object.
#[derive(Debug, Clone)]
pub(super) struct Members<'t> {
    left: usize,
    rest: &'t [Node<'t>],
}

impl<'t> Members<'t> {
    /// The member whose name is `position` nodes behind the first one's.
    #[inline]
    pub(super) fn at(&self, position: usize) -> Option<(&'t str, Value<'t>)> {
        let (Node::String(name), rest) = self.rest.get(position..)?.split_first()? else { return None };
        Some((name, Value(rest)))
    }

    /// Nodes from a member's name to the next one's.
    #[inline]
    pub(super) fn step(value: Value<'_>) -> usize {
        1 + value.span()
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, Value<'t>);

    #[inline]
    fn next(&mut self) -> Option<(&'t str, Value<'t>)> {
        self.left = self.left.checked_sub(1)?;
        let (name, value) = self.at(0)?;
        self.rest = self.rest.get(Self::step(value)..)?;
        Some((name, value))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Members<'_> {}

/// Bytes of text, and nodes of tape, up to which memory is kept for the next document. The parser's
/// other buffers are in proportion to the text.
const KEPT_TEXT: usize = 1 << 20;
const KEPT_NODES: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Option<String> {
        let mut parser = Parser::default();
        let parsed = parser.parse(text).ok()?;
        match parsed.root().view() {
            View::Scalar(element) => Some(format!("{element:?}")),
            _ => None,
        }
    }

    #[test]
    fn scalars_are_what_the_rules_say() {
        for (text, element) in [
            (" null ", "Null"),
            ("true", "Bool(true)"),
            ("0", "Unsigned(0)"),
            ("-0", "Float(-0.0)"),
            ("-0.0", "Float(-0.0)"),
            ("18446744073709551615", "Unsigned(18446744073709551615)"),
            ("18446744073709551616", "Float(1.8446744073709552e19)"),
            ("-9223372036854775808", "Negative(-9223372036854775808)"),
            ("-9223372036854775809", "Float(-9.223372036854776e18)"),
            ("1e2", "Float(100.0)"),
            ("1e-400", "Float(0.0)"),
            ("-1e-400", "Float(-0.0)"),
            ("\"a\\u00e9\\/\"", "String(\"aé/\")"),
        ] {
            assert_eq!(scalar(text).as_deref(), Some(element), "{text}");
        }
        for text in ["1e400", "-1e400", "\"\\ud800\"", "\"\n\"", "1 2", "", "-", "nul", "[1,]"] {
            assert_eq!(scalar(text), None, "{text}");
        }
    }

    #[test]
    fn items_and_members_come_in_order_with_what_is_repeated() {
        let mut parser = Parser::default();
        let parsed = parser.parse(r#"{"b":[1,[2,3],{"x":4}],"a":{},"b":"last"}"#).expect("well-formed");
        let View::Object(members) = parsed.root().view() else { unreachable!() };
        assert_eq!(members.len(), 3);
        assert_eq!(members.clone().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "a", "b"]);
        let values: Vec<_> = members.map(|(_, value)| value).collect();
        let View::Array(items) = values[0].view() else { unreachable!() };
        assert_eq!(items.len(), 3);
        let kinds: Vec<_> = items.map(|item| matches!(item.view(), View::Scalar(_))).collect();
        assert_eq!(kinds, [true, false, false]);
        assert!(matches!(values[1].view(), View::Object(members) if members.len() == 0));
        assert!(matches!(values[2].view(), View::Scalar(Element::String("last"))));
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn memory_of_a_large_value_is_given_back() {
        let mut parser = Parser::default();
        for (text, kept) in [("[1,2]".to_owned(), true), (format!("[{}0]", "0,".repeat(1 << 20)), false)] {
            drop(parser.parse(&text).expect("well-formed"));
            assert!(parser.text.capacity() >= text.len() && parser.tape.0.capacity() > 0);
            parser.trim();
            assert_eq!(parser.text.capacity() > 0, kept);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn deep_nesting_is_refused_without_recursion() {
        let mut parser = Parser::default();
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parser.parse(&nested(127)).is_ok());
        for levels in [128, 10_000, 1_000_000] {
            let fault = parser.parse(&nested(levels)).err().expect("too deep");
            assert_eq!(fault.to_string(), "nesting of more than 127 levels at byte 127");
        }
    }
}
