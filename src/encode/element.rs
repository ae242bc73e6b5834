//! One field's value as it came, before it is written in an output format.

/// A field's value, borrowed from the Store or from the scratch arena.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of zero or more.
    Unsigned(u64),
    /// An integer below zero.
    Negative(i64),
    /// Any other number; a packed tuple may also hold NaN and the infinities.
    Float(f64),
    /// A string, unescaped.
    String(&'a str),
    /// The JSON text of an array or object, or of any value; not yet checked.
    Json(&'a str),
}

/// What the readers of fields append to.
pub(super) trait Elements<'a> {
    /// Appends `element`.
    fn push(&mut self, element: Element<'a>);

    /// Appends a string of which the reader has seen that it is [plain](super::text::plain_len): ASCII
    /// that JSON writes as it is.
    fn push_plain(&mut self, text: &'a [u8]);
}

impl<'a> Elements<'a> for Vec<Element<'a>> {
    #[inline]
    fn push(&mut self, element: Element<'a>) {
        Vec::push(self, element);
    }

    #[inline]
    fn push_plain(&mut self, text: &'a [u8]) {
        let text = simdutf8::basic::from_utf8(text).expect("plain text is ASCII");
        Vec::push(self, Element::String(text));
    }
}

/// An empty vector in the allocation of `spent`, for elements of another lifetime.
pub(super) fn recycle<T, U>(mut spent: Vec<T>) -> Vec<U> {
    spent.clear();
    // The standard library collects in place where the two types have one layout; otherwise this
    // merely allocates anew.
    spent.into_iter().filter_map(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_vector_keeps_its_allocation() {
        let text = String::from("short-lived");
        let mut elements: Vec<Element<'_>> = Vec::with_capacity(17);
        elements.push(Element::String(&text));
        let place = elements.as_ptr().addr();
        let elements: Vec<Element<'static>> = recycle(elements);
        drop(text);
        assert_eq!((elements.len(), elements.capacity(), elements.as_ptr().addr()), (0, 17, place));
    }
}
