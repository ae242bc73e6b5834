//! Values that do not fit their Avro types. Cold: made only when encoding fails, and boxed so that
//! success costs nothing.

use super::node::{Kind, Node};
use crate::encode::Error;
use crate::encode::element::Element;
use crate::encode::error::{Fault, excerpt, shortened};
use crate::encode::text::write_string;

/// What did not fit, and where.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// JSON pointer, put together from its end while the error is handed up.
    pointer: String,
    what: What,
}

/// What did not fit.
#[derive(Debug)]
pub(super) enum What {
    /// A value that the type does not accept.
    Value { value: String, schema: String },
    /// The same of a type that a registered schema has, and not the collection's.
    Adopted { value: String, schema: String },
    /// A string that was to be read as a double.
    FloatText { text: String },
    /// A property that must be there.
    Absent { schema: String },
    /// Nested JSON that cannot be read.
    Json { fault: Fault, text: String },
}

impl What {
    #[cold]
    pub fn float_text(text: &str) -> Self {
        Self::FloatText { text: shortened(text) }
    }
}

impl Mismatch {
    #[cold]
    pub fn new(what: What) -> Box<Self> {
        Box::new(Self { pointer: String::new(), what })
    }

    /// A value, of which `json` is the text, that `node` does not accept.
    #[cold]
    pub fn value(node: &Node, json: &str) -> Box<Self> {
        let (value, schema) = (shortened(json), shortened(&node.to_string()));
        Self::new(match node.kind {
            Kind::Adopted(_) => What::Adopted { value, schema },
            _ => What::Value { value, schema },
        })
    }

    #[cold]
    pub fn scalar(node: &Node, scalar: Element<'_>) -> Box<Self> {
        match scalar {
            Element::Null => Self::value(node, "null"),
            Element::Bool(value) => Self::value(node, &value.to_string()),
            Element::Unsigned(value) => Self::value(node, &value.to_string()),
            Element::Negative(value) => Self::value(node, &value.to_string()),
            Element::Float(value) if value.is_finite() => {
                Self::value(node, ryu::Buffer::new().format_finite(value))
            }
            Element::Float(value) => Self::value(node, &value.to_string()),
            Element::String(value) => {
                let mut json = Vec::new();
                write_string(value, &mut json);
                Self::value(node, &String::from_utf8_lossy(&json))
            }
            Element::Json(text) => Self::value(node, text),
        }
    }

    /// Nested JSON that is refused.
    #[cold]
    pub fn json(text: &str, fault: Fault) -> Box<Self> {
        Self::new(What::Json { fault, text: excerpt(text, fault) })
    }

    /// A property that is absent, while `node` has no default and does not accept null.
    #[cold]
    pub fn absent(node: &Node) -> Box<Self> {
        Self::new(What::Absent { schema: shortened(&node.to_string()) })
    }

    /// The same, seen from the array or object around it.
    #[cold]
    pub fn within(mut self: Box<Self>, token: &str) -> Box<Self> {
        let token = shortened(token).replace('~', "~0").replace('/', "~1");
        self.pointer.insert_str(0, &token);
        self.pointer.insert(0, '/');
        self
    }
}

impl Mismatch {
    /// The error that says so of `field`.
    #[cold]
    #[expect(clippy::boxed_local, reason = "a mismatch lives in a box until it is an error")]
    pub fn into_error(self: Box<Self>, field: &str) -> Error {
        let Self { pointer, what } = *self;
        match what {
            What::Value { value, schema } => Error::NotMatched { pointer, value, schema },
            What::Adopted { value, schema } => Error::NotTaken { pointer, value, schema },
            What::FloatText { text } => Error::FloatText { pointer, text },
            What::Absent { schema } => Error::Absent { pointer, schema },
            What::Json { fault, text } => Error::NestedJson { field: field.to_owned(), fault, text },
        }
    }
}
