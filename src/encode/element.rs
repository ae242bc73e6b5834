//! One field's value as a Store carries it.

/// One element of a tuple.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Element<'a> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// An integer below zero.
    Negative(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(&'a str),
    /// The JSON text of an array or object, or of any other value.
    Json(&'a str),
}
