//! What either of two shapes allows.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::schema::budget::Budget;
use crate::schema::compare::{compare, compare_numbers};
use crate::schema::intersect::{by_name, imputed};
use crate::schema::{
    ArrayShape, Error, Format, NumericShape, ObjectShape, Pattern, Property, Shape, StringShape, Types,
};

/// The union of two shapes.
pub(super) fn union(a: Shape, b: Shape, budget: &mut Budget) -> Result<Shape, Error> {
    if a.types.is_empty() {
        return Ok(b);
    }
    if b.types.is_empty() {
        return Ok(a);
    }
    let (types_a, types_b) = (a.types, b.types);
    Ok(Shape {
        types: types_a | types_b,
        enumeration: match (a.enumeration, b.enumeration) {
            (Some(a), Some(b)) => Some(sorted(a.into_iter().chain(b))),
            _ => None,
        },
        default: match (a.default, b.default) {
            (Some(a), Some(b)) if compare(&a, &b).is_eq() => Some(a),
            _ => None,
        },
        title: same(a.title, b.title),
        description: same(a.description, b.description),
        secret: same(a.secret, b.secret),
        string: match sides(Types::STRING, types_a, types_b) {
            Sides::Both => union_strings(a.string, b.string),
            side => side.of(a.string, b.string, StringShape::ANY),
        },
        array: match sides(Types::ARRAY, types_a, types_b) {
            Sides::Both => union_arrays(a.array, b.array, budget)?,
            side => side.of(a.array, b.array, ArrayShape::ANY),
        },
        object: match sides(Types::OBJECT, types_a, types_b) {
            Sides::Both => union_objects(a.object, b.object, budget)?,
            side => side.of(a.object, b.object, ObjectShape::ANY),
        },
        numeric: match sides(Types::NUMBER, types_a, types_b) {
            Sides::Both => union_numbers(a.numeric, b.numeric),
            side => side.of(a.numeric, b.numeric, NumericShape::ANY),
        },
    })
}

/// Values in ascending order, each once; of equal ones the first stays.
pub(super) fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.collect();
    values.sort_by(compare);
    values.dedup_by(|later, earlier| compare(later, earlier).is_eq());
    values
}

/// Which of two shapes allow a type, and so have a say in the part that describes it.
enum Sides {
    Neither,
    A,
    B,
    Both,
}

fn sides(part: Types, a: Types, b: Types) -> Sides {
    match (a.overlaps(part), b.overlaps(part)) {
        (false, false) => Sides::Neither,
        (true, false) => Sides::A,
        (false, true) => Sides::B,
        (true, true) => Sides::Both,
    }
}

impl Sides {
    fn of<T>(self, a: T, b: T, neither: T) -> T {
        match self {
            Self::A => a,
            Self::B => b,
            Self::Neither | Self::Both => neither,
        }
    }
}

fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<T> {
    if a == b { a } else { None }
}

fn union_boxed(
    a: Option<Box<Shape>>,
    b: Option<Box<Shape>>,
    budget: &mut Budget,
) -> Result<Option<Box<Shape>>, Error> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some(Box::new(union(*a, *b, budget)?))),
        _ => Ok(None),
    }
}

fn union_strings(a: StringShape, b: StringShape) -> StringShape {
    StringShape {
        format: match (a.format, b.format) {
            (Some(Format::Integer), Some(Format::Number)) | (Some(Format::Number), Some(Format::Integer)) => {
                Some(Format::Number)
            }
            (a, b) => same(a, b),
        },
        min_length: a.min_length.min(b.min_length),
        max_length: a.max_length.zip(b.max_length).map(|(a, b)| a.max(b)),
        content_encoding: same(a.content_encoding, b.content_encoding),
        content_media_type: same(a.content_media_type, b.content_media_type),
    }
}

fn union_numbers(a: NumericShape, b: NumericShape) -> NumericShape {
    let looser = |a: Option<Number>, b: Option<Number>, order: Ordering| {
        a.zip(b).map(|(a, b)| if compare_numbers(&b, &a) == order { b } else { a })
    };
    NumericShape {
        minimum: looser(a.minimum, b.minimum, Ordering::Less),
        maximum: looser(a.maximum, b.maximum, Ordering::Greater),
    }
}

fn union_arrays(a: ArrayShape, b: ArrayShape, budget: &mut Budget) -> Result<ArrayShape, Error> {
    let length = a.tuple.len().max(b.tuple.len());
    let mut tuple = Vec::with_capacity(length);
    let (mut items_a, mut items_b) = (a.tuple.into_iter(), b.tuple.into_iter());
    for _ in 0..length {
        let item = match (items_a.next(), items_b.next(), &a.additional, &b.additional) {
            (Some(item_a), Some(item_b), _, _) => union(item_a, item_b, budget)?,
            (Some(item), None, _, Some(other)) => {
                let other = budget.copy(other)?;
                union(item, other, budget)?
            }
            (None, Some(item), Some(other), _) => {
                let other = budget.copy(other)?;
                union(other, item, budget)?
            }
            _ => break,
        };
        tuple.push(item);
    }
    Ok(ArrayShape {
        tuple,
        additional: union_boxed(a.additional, b.additional, budget)?,
        min_items: a.min_items.min(b.min_items),
        max_items: a.max_items.zip(b.max_items).map(|(a, b)| a.max(b)),
    })
}

fn union_objects(mut a: ObjectShape, mut b: ObjectShape, budget: &mut Budget) -> Result<ObjectShape, Error> {
    let mut properties = Vec::with_capacity(a.properties.len().max(b.properties.len()));
    let names_a = std::mem::take(&mut a.properties);
    let names_b = std::mem::take(&mut b.properties);
    for (name, of_a, of_b) in by_name(names_a, names_b, |property| &property.name) {
        let property = match (of_a, of_b) {
            (Some(of_a), Some(of_b)) => both(name, of_a, of_b, budget)?,
            (Some(of_a), None) => match imputed(&b, &name, budget)? {
                Some(of_b) if of_a.is_property => Some(optional(name, of_a.shape, of_b, budget)?),
                _ => None,
            },
            (None, Some(of_b)) => match imputed(&a, &name, budget)? {
                Some(of_a) if of_b.is_property => Some(optional(name, of_a, of_b.shape, budget)?),
                _ => None,
            },
            (None, None) => None,
        };
        properties.extend(property);
    }
    Ok(ObjectShape {
        properties,
        patterns: union_patterns(a.patterns, b.patterns, (&a.additional, &b.additional), budget)?,
        additional: union_boxed(a.additional, b.additional, budget)?,
    })
}

fn both(name: Box<str>, a: Property, b: Property, budget: &mut Budget) -> Result<Option<Property>, Error> {
    if !a.is_property || !b.is_property {
        return Ok(None);
    }
    let is_required = a.is_required && b.is_required;
    let shape = union(a.shape, b.shape, budget)?;
    Ok(Some(Property { name, is_property: true, is_required, shape }))
}

fn optional(name: Box<str>, a: Shape, b: Shape, budget: &mut Budget) -> Result<Property, Error> {
    let shape = union(a, b, budget)?;
    Ok(Property { name, is_property: true, is_required: false, shape })
}

fn union_patterns(
    a: Vec<Pattern>,
    b: Vec<Pattern>,
    additional: (&Option<Box<Shape>>, &Option<Box<Shape>>),
    budget: &mut Budget,
) -> Result<Vec<Pattern>, Error> {
    let mut patterns = Vec::with_capacity(a.len().max(b.len()));
    for (_, of_a, of_b) in by_name(a, b, |pattern| &pattern.text) {
        let united = match (of_a, of_b, additional) {
            (Some(of_a), Some(of_b), _) => Pattern { shape: union(of_a.shape, of_b.shape, budget)?, ..of_a },
            (Some(of_a), None, (_, Some(other))) => {
                let other = budget.copy(other)?;
                Pattern { shape: union(of_a.shape, other, budget)?, ..of_a }
            }
            (None, Some(of_b), (Some(other), _)) => {
                let other = budget.copy(other)?;
                Pattern { shape: union(other, of_b.shape, budget)?, ..of_b }
            }
            _ => continue,
        };
        patterns.push(united);
    }
    Ok(patterns)
}
