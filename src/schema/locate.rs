//! Where a pointer leads in a shape, whether something must be there, and the list of all locations.

use crate::schema::{ArrayShape, Shape, Types, pointer};

/// Whether a document has a value at a location. Ascending: of a path the weakest step counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exists {
    /// No document may have it.
    Cannot,
    /// The schema does not speak of it, and does not forbid it.
    Implicit,
    /// The schema speaks of it.
    May,
    /// Every document has it.
    Must,
}

/// A location that a schema speaks of.
#[derive(Debug, Clone)]
pub struct Location<'s> {
    /// The location's pointer. The regex of a pattern is a step, `*` stands for all other properties and `-`
    /// for all items after a tuple.
    pub pointer: String,
    /// Whether a step of the pointer is such a stand-in.
    pub pattern: bool,
    /// What may stand there.
    pub shape: &'s Shape,
    /// Whether something does.
    pub exists: Exists,
}

static ANYTHING: Shape = Shape::anything();

impl Shape {
    /// Follows a pointer (its leading slash may be missing): what may stand there, and whether something does.
    pub fn locate(&self, pointer: &str) -> (&Self, Exists) {
        let mut shape = self;
        let mut exists = Exists::Must;
        for token in pointer::tokens(pointer) {
            let (next, step) = shape.step(&token);
            shape = next;
            exists = exists.min(step);
        }
        (shape, exists.min(shape.allows()))
    }

    /// All locations of the shape, depth first and parents before children: properties by name, patterns by their
    /// text, other properties, the items of a tuple, other items. The root is the first.
    pub fn locations(&self) -> Vec<Location<'_>> {
        let mut locations = Vec::new();
        self.list(&mut String::new(), false, Exists::Must, &mut locations);
        locations
    }

    /// The location of a pointer's text among those that [`locations`](Self::locations) lists, patterns and stand-ins
    /// left out. Steps are compared by name: that of a tuple's item is its index, and a property goes first.
    pub(super) fn location(&self, pointer: &str) -> Option<(&Self, Exists)> {
        let tokens: Vec<String> = pointer::tokens(pointer).collect();
        self.named(&tokens)
    }

    fn named(&self, tokens: &[String]) -> Option<(&Self, Exists)> {
        let Some((token, rest)) = tokens.split_first() else { return Some((self, self.allows())) };
        let property = self.object.property(token).and_then(|property| {
            let (shape, below) = property.shape.named(rest)?;
            let exists = self.member_exists(property.is_required).min(self.if_type(Types::OBJECT));
            Some((shape, exists.min(below)))
        });
        property.or_else(|| {
            let index = pointer::index(token)?;
            let (shape, below) = self.array.tuple.get(index)?.named(rest)?;
            Some((shape, self.item_exists(index).min(self.if_type(Types::ARRAY)).min(below)))
        })
    }

    fn step(&self, token: &str) -> (&Self, Exists) {
        match pointer::index(token) {
            Some(index) if self.types.overlaps(Types::ARRAY) => {
                let item = self.array.tuple.get(index).or(self.array.additional.as_deref());
                (item.unwrap_or(&ANYTHING), self.item_exists(index))
            }
            _ if self.types.overlaps(Types::OBJECT) => self.member(token),
            _ => (&ANYTHING, Exists::Cannot),
        }
    }

    fn member(&self, name: &str) -> (&Self, Exists) {
        if let Some(property) = self.object.property(name) {
            (&property.shape, self.member_exists(property.is_required))
        } else if let Some(pattern) = self.object.patterns.iter().find(|pattern| pattern.matches(name)) {
            (&pattern.shape, Exists::May)
        } else if let Some(additional) = &self.object.additional {
            (additional, Exists::May)
        } else {
            (&ANYTHING, Exists::Implicit)
        }
    }

    fn member_exists(&self, is_required: bool) -> Exists {
        if is_required && self.types == Types::OBJECT { Exists::Must } else { Exists::May }
    }

    fn item_exists(&self, index: usize) -> Exists {
        let ArrayShape { tuple, additional, min_items, max_items } = &self.array;
        // An index that u64 cannot hold is beyond any number of items that a document could have.
        let at = u64::try_from(index).unwrap_or(u64::MAX);
        if self.types == Types::ARRAY && at < *min_items {
            Exists::Must
        } else if max_items.is_some_and(|most| at >= most) {
            Exists::Cannot
        } else if max_items.is_some() || index < tuple.len() || additional.is_some() {
            Exists::May
        } else {
            Exists::Implicit
        }
    }

    /// What the shape itself says of its existence: without a type there is no value.
    fn allows(&self) -> Exists {
        if self.types.is_empty() { Exists::Cannot } else { Exists::Must }
    }

    /// What is below a value that is not of this type cannot exist.
    fn if_type(&self, types: Types) -> Exists {
        if self.types.overlaps(types) { Exists::Must } else { Exists::Cannot }
    }

    fn list<'s>(&'s self, path: &mut String, pattern: bool, exists: Exists, into: &mut Vec<Location<'s>>) {
        let exists = exists.min(self.allows());
        into.push(Location { pointer: path.clone(), pattern, shape: self, exists });

        let object = exists.min(self.if_type(Types::OBJECT));
        let array = exists.min(self.if_type(Types::ARRAY));
        let mut child = |token: &str, pattern, shape: &'s Self, exists| {
            let length = path.len();
            pointer::push(path, token);
            shape.list(path, pattern, exists, into);
            path.truncate(length);
        };
        for property in &self.object.properties {
            let exists = object.min(self.member_exists(property.is_required));
            child(&property.name, pattern, &property.shape, exists);
        }
        for matched in &self.object.patterns {
            child(&matched.text, true, &matched.shape, object.min(Exists::May));
        }
        if let Some(additional) = &self.object.additional {
            child("*", true, additional, object.min(Exists::May));
        }
        for (index, item) in self.array.tuple.iter().enumerate() {
            child(&index.to_string(), pattern, item, array.min(self.item_exists(index)));
        }
        if let Some(additional) = &self.array.additional {
            let beyond = if self.array.goes_beyond_tuple() { Exists::May } else { Exists::Cannot };
            child("-", true, additional, array.min(beyond));
        }
    }
}
