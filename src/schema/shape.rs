//! What may stand at a location of a document.

use regex::Regex;
use serde_json::{Number, Value};

use crate::schema::{Format, Types};

/// The inferred description of one document location.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The types that a value may have.
    pub types: Types,
    /// The values that are allowed, ascending and each once; none where any value of the types is.
    pub enumeration: Option<Vec<Value>>,
    /// What an absent value stands for.
    pub default: Option<Value>,
    /// The annotation `title`.
    pub title: Option<Box<str>>,
    /// The annotation `description`.
    pub description: Option<Box<str>>,
    /// Flow's annotation `secret`.
    pub secret: Option<bool>,
    /// What is known of strings.
    pub string: StringShape,
    /// What is known of arrays.
    pub array: ArrayShape,
    /// What is known of objects.
    pub object: ObjectShape,
    /// What is known of numbers.
    pub numeric: NumericShape,
}

/// What is known of strings.
#[derive(Debug, Clone, PartialEq)]
pub struct StringShape {
    /// `format`, recorded whether or not `string` is among the types.
    pub format: Option<Format>,
    /// The least length in characters.
    pub min_length: u64,
    /// The greatest length in characters.
    pub max_length: Option<u64>,
    /// `contentEncoding`
    pub content_encoding: Option<Box<str>>,
    /// `contentMediaType`
    pub content_media_type: Option<Box<str>>,
}

/// What is known of arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayShape {
    /// The shapes of the first items.
    pub tuple: Vec<Shape>,
    /// The shape of the items after those; none where they are unconstrained.
    pub additional: Option<Box<Shape>>,
    /// The least number of items.
    pub min_items: u64,
    /// The greatest number of items.
    pub max_items: Option<u64>,
}

/// What is known of objects.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectShape {
    /// Ascending by name, each name once.
    pub properties: Vec<Property>,
    /// Ascending by the regex's text, each text once.
    pub patterns: Vec<Pattern>,
    /// The shape of every other property; none where they are unconstrained.
    pub additional: Option<Box<Shape>>,
}

/// A named property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The property's name, unescaped.
    pub name: Box<str>,
    /// False for a name that only `required` mentions.
    pub is_property: bool,
    /// Whether an object must have it.
    pub is_required: bool,
    /// What its value may be.
    pub shape: Shape,
}

/// The properties whose names match a regex.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The regex as the schema has it.
    pub text: Box<str>,
    /// The regex compiled; none where it does not compile, and then it matches no name.
    pub regex: Option<Regex>,
    /// What their values may be.
    pub shape: Shape,
}

/// Inclusive bounds of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NumericShape {
    /// The least value.
    pub minimum: Option<Number>,
    /// The greatest value.
    pub maximum: Option<Number>,
}

impl Shape {
    /// The shape of every value.
    pub const fn anything() -> Self {
        Self::of(Types::ANY)
    }

    /// The shape of no value.
    pub const fn nothing() -> Self {
        Self::of(Types::NONE)
    }

    /// The shape of every value of these types.
    pub const fn of(types: Types) -> Self {
        Self {
            types,
            enumeration: None,
            default: None,
            title: None,
            description: None,
            secret: None,
            string: StringShape::ANY,
            array: ArrayShape::ANY,
            object: ObjectShape::ANY,
            numeric: NumericShape::ANY,
        }
    }

    /// The shapes right below this one.
    pub(super) fn children(&self) -> impl Iterator<Item = &Shape> {
        let properties = self.object.properties.iter().map(|property| &property.shape);
        let patterns = self.object.patterns.iter().map(|pattern| &pattern.shape);
        let others = self.object.additional.as_deref().into_iter();
        let items = self.array.tuple.iter().chain(self.array.additional.as_deref());
        properties.chain(patterns).chain(others).chain(items)
    }
}

impl StringShape {
    pub(super) const ANY: Self = Self {
        format: None,
        min_length: 0,
        max_length: None,
        content_encoding: None,
        content_media_type: None,
    };
}

impl ArrayShape {
    pub(super) const ANY: Self = Self { tuple: Vec::new(), additional: None, min_items: 0, max_items: None };

    /// Whether an item may stand after those of the tuple, as far as `maxItems` goes.
    pub(super) fn goes_beyond_tuple(&self) -> bool {
        let Some(most) = self.max_items else { return true };
        usize::try_from(most).map_or(true, |most| most > self.tuple.len())
    }
}

impl ObjectShape {
    pub(super) const ANY: Self = Self { properties: Vec::new(), patterns: Vec::new(), additional: None };

    /// The named property.
    pub(super) fn property(&self, name: &str) -> Option<&Property> {
        let at = self.properties.binary_search_by(|property| (*property.name).cmp(name)).ok()?;
        self.properties.get(at)
    }
}

/// The text of a regex says what it is.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.shape == other.shape
    }
}

impl Pattern {
    /// Whether the regex finds a match anywhere in the name.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

impl NumericShape {
    pub(super) const ANY: Self = Self { minimum: None, maximum: None };
}
