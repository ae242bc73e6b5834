//! The bound on what one bundle may make of itself.
//!
//! Shapes are trees, so references, `additionalProperties` and patterns that are copied into many places can
//! make an exponentially large one from a small text. Every shape made or copied is counted.

use serde_json::Value;

use crate::schema::{Error, Shape};

/// How many more shapes may be made.
pub(super) struct Budget {
    left: usize,
    limit: usize,
}

/// A shape is about 300 bytes, so what a bundle at the limit makes stays below 160 MB. The largest of the GitHub
/// schemas (pull_request, 800 locations) spends 22,000.
const SHAPES: usize = 1 << 19;

impl Budget {
    /// The budget of one inference or mapping.
    pub(super) fn new() -> Self {
        Self::of(SHAPES)
    }

    pub(super) fn of(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    /// Counts `shapes` that are about to be made.
    pub(super) fn spend(&mut self, shapes: usize) -> Result<(), Error> {
        match self.left.checked_sub(shapes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::TooLarge { limit: self.limit }),
        }
    }

    /// Copies a shape and counts what is in it, before it is copied.
    pub(super) fn copy(&mut self, shape: &Shape) -> Result<Box<Shape>, Error> {
        self.count(shape)?;
        Ok(Box::new(shape.clone()))
    }

    /// Counts the texts and values of a shape that was made: so many bytes are as good as a shape.
    pub(super) fn spend_contents(&mut self, shape: &Shape) -> Result<(), Error> {
        let texts = [&shape.title, &shape.description].into_iter().flatten().map(|text| text.len());
        let names = shape.object.properties.iter().map(|property| property.name.len());
        let values = shape.enumeration.iter().flatten().chain(&shape.default).map(size);
        self.spend(texts.chain(names).chain(values).sum::<usize>() / BYTES)
    }

    fn count(&mut self, shape: &Shape) -> Result<(), Error> {
        self.spend(1)?;
        self.spend_contents(shape)?;
        shape.children().try_for_each(|child| self.count(child))
    }
}

/// The bytes of texts and values that count as one shape.
const BYTES: usize = 256;

/// About how much memory a value takes. Its depth is bounded, since that of the bundle is.
fn size(value: &Value) -> usize {
    let own = size_of::<Value>();
    match value {
        Value::String(text) => own + text.len(),
        Value::Array(items) => own + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => {
            own + members.iter().map(|(name, member)| name.len() + size(member)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => own,
    }
}
