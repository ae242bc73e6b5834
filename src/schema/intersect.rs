//! What both of two shapes allow. The left one wins where only one can speak.

use std::cmp::Ordering;
use std::mem;

use serde_json::{Number, Value};

use crate::schema::budget::Budget;
use crate::schema::compare::{compare, compare_numbers};
use crate::schema::{
    ArrayShape, Error, NumericShape, ObjectShape, Pattern, Property, Shape, StringShape, Types,
};

/// The intersection of two shapes.
pub(super) fn intersect(a: Shape, b: Shape, budget: &mut Budget) -> Result<Shape, Error> {
    let both = |types| a.types.overlaps(types) && b.types.overlaps(types);
    let (strings, numbers) = (both(Types::STRING), both(Types::NUMBER));
    let (arrays, objects) = (both(Types::ARRAY), both(Types::OBJECT));

    let (types, enumeration) =
        restrict(a.types & b.types, intersect_enumerations(a.enumeration, b.enumeration));
    let fits = |default: &Value| types.contains(Types::of(default));
    Ok(Shape {
        types,
        enumeration,
        default: a.default.filter(fits).or(b.default.filter(fits)),
        title: a.title.or(b.title),
        description: a.description.or(b.description),
        secret: a.secret.or(b.secret),
        string: if strings { intersect_strings(a.string, b.string) } else { StringShape::ANY },
        array: if arrays { intersect_arrays(a.array, b.array, budget)? } else { ArrayShape::ANY },
        object: if objects { intersect_objects(a.object, b.object, budget)? } else { ObjectShape::ANY },
        numeric: if numbers { intersect_numbers(a.numeric, b.numeric) } else { NumericShape::ANY },
    })
}

/// What a side says of a property that it does not name: the patterns that match, else its rule for all others.
pub(super) fn imputed(object: &ObjectShape, name: &str, budget: &mut Budget) -> Result<Option<Shape>, Error> {
    let mut shape = None;
    for pattern in object.patterns.iter().filter(|pattern| pattern.matches(name)) {
        let matched = budget.copy(&pattern.shape)?;
        shape = intersect_optional(shape, Some(matched), budget)?;
    }
    match (shape, &object.additional) {
        (None, Some(additional)) => budget.copy(additional).map(Some),
        (shape, _) => Ok(shape),
    }
}

/// Drops enum values that are of none of the types, and types that no enum value is of.
pub(super) fn restrict(types: Types, enumeration: Option<Vec<Value>>) -> (Types, Option<Vec<Value>>) {
    let Some(mut values) = enumeration else { return (types, None) };
    values.retain(|value| types.contains(Types::of(value)));
    let of_values = values.iter().fold(Types::NONE, |types, value| types | Types::of(value));
    (types & of_values, Some(values))
}

/// The values of both enums, where there are two.
pub(super) fn intersect_enumerations(a: Option<Vec<Value>>, b: Option<Vec<Value>>) -> Option<Vec<Value>> {
    let (mut a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (a, b) => return a.or(b),
    };
    a.retain(|value| b.binary_search_by(|other| compare(other, value)).is_ok());
    Some(a)
}

fn intersect_optional(
    a: Option<Shape>,
    b: Option<Shape>,
    budget: &mut Budget,
) -> Result<Option<Shape>, Error> {
    match (a, b) {
        (Some(a), Some(b)) => intersect(a, b, budget).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

fn intersect_boxed(
    a: Option<Box<Shape>>,
    b: Option<Box<Shape>>,
    budget: &mut Budget,
) -> Result<Option<Box<Shape>>, Error> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some(Box::new(intersect(*a, *b, budget)?))),
        (a, b) => Ok(a.or(b)),
    }
}

fn intersect_strings(a: StringShape, b: StringShape) -> StringShape {
    StringShape {
        format: a.format.or(b.format),
        min_length: a.min_length.max(b.min_length),
        max_length: least(a.max_length, b.max_length),
        content_encoding: a.content_encoding.or(b.content_encoding),
        content_media_type: a.content_media_type.or(b.content_media_type),
    }
}

fn intersect_numbers(a: NumericShape, b: NumericShape) -> NumericShape {
    let tighter = |a: Option<Number>, b: Option<Number>, order: Ordering| match (a, b) {
        (Some(a), Some(b)) => Some(if compare_numbers(&b, &a) == order { b } else { a }),
        (a, b) => a.or(b),
    };
    NumericShape {
        minimum: tighter(a.minimum, b.minimum, Ordering::Greater),
        maximum: tighter(a.maximum, b.maximum, Ordering::Less),
    }
}

fn intersect_arrays(a: ArrayShape, b: ArrayShape, budget: &mut Budget) -> Result<ArrayShape, Error> {
    let length = a.tuple.len().max(b.tuple.len());
    let mut tuple = Vec::with_capacity(length);
    let (mut items_a, mut items_b) = (a.tuple.into_iter(), b.tuple.into_iter());
    for _ in 0..length {
        let item_a = item_or_additional(items_a.next(), a.additional.as_deref(), budget)?;
        let item_b = item_or_additional(items_b.next(), b.additional.as_deref(), budget)?;
        tuple.extend(intersect_optional(item_a, item_b, budget)?);
    }
    Ok(ArrayShape {
        tuple,
        additional: intersect_boxed(a.additional, b.additional, budget)?,
        min_items: a.min_items.max(b.min_items),
        max_items: least(a.max_items, b.max_items),
    })
}

fn item_or_additional(
    item: Option<Shape>,
    additional: Option<&Shape>,
    budget: &mut Budget,
) -> Result<Option<Shape>, Error> {
    match (item, additional) {
        (None, Some(additional)) => budget.copy(additional).map(Some),
        (item, _) => Ok(item),
    }
}

fn intersect_objects(
    mut a: ObjectShape,
    mut b: ObjectShape,
    budget: &mut Budget,
) -> Result<ObjectShape, Error> {
    let mut properties = Vec::with_capacity(a.properties.len().max(b.properties.len()));
    let names_a = mem::take(&mut a.properties);
    let names_b = mem::take(&mut b.properties);
    for (name, of_a, of_b) in by_name(names_a, names_b, |property| &property.name) {
        let is_required = [&of_a, &of_b].into_iter().flatten().any(|property| property.is_required);
        let shape_a = own_or_imputed(of_a, &a, &name, budget)?;
        let shape_b = own_or_imputed(of_b, &b, &name, budget)?;
        let shape = intersect_optional(shape_a, shape_b, budget)?;
        let is_property = shape.is_some();
        let shape = shape.unwrap_or(Shape::anything());
        properties.push(Property { name, is_property, is_required, shape });
    }
    Ok(ObjectShape {
        properties,
        patterns: intersect_patterns(a.patterns, b.patterns, budget)?,
        additional: intersect_boxed(a.additional, b.additional, budget)?,
    })
}

fn own_or_imputed(
    own: Option<Property>,
    object: &ObjectShape,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Shape>, Error> {
    match own {
        Some(property) if property.is_property => Ok(Some(property.shape)),
        _ => imputed(object, name, budget),
    }
}

fn intersect_patterns(a: Vec<Pattern>, b: Vec<Pattern>, budget: &mut Budget) -> Result<Vec<Pattern>, Error> {
    let mut patterns = Vec::with_capacity(a.len().max(b.len()));
    for (_, of_a, of_b) in by_name(a, b, |pattern| &pattern.text) {
        match (of_a, of_b) {
            (Some(of_a), Some(of_b)) => {
                let shape = intersect(of_a.shape, of_b.shape, budget)?;
                patterns.push(Pattern { shape, ..of_a });
            }
            (of_a, of_b) => patterns.extend(of_a.or(of_b)),
        }
    }
    Ok(patterns)
}

/// Joins two lists that ascend by name: each name once, with what either list has for it.
pub(super) fn by_name<T>(
    a: Vec<T>,
    b: Vec<T>,
    name: impl Fn(&T) -> &str,
) -> impl Iterator<Item = (Box<str>, Option<T>, Option<T>)> {
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    std::iter::from_fn(move || {
        let order = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => name(a).cmp(name(b)),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let of_a = if order.is_le() { a.next() } else { None };
        let of_b = if order.is_ge() { b.next() } else { None };
        let named: Box<str> = of_a.as_ref().or(of_b.as_ref()).map(|entry| name(entry).into())?;
        Some((named, of_a, of_b))
    })
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
