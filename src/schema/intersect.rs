//! What both of two shapes allow. The left one wins where only one can speak.
//!
//! The left shape is narrowed in place and the right one used up, so that recursion puts no shapes on the stack.

use std::cmp::Ordering;
use std::mem;

use serde_json::{Number, Value};

use crate::schema::budget::Budget;
use crate::schema::compare::{compare, compare_numbers};
use crate::schema::{
    ArrayShape, Error, NumericShape, ObjectShape, Pattern, Property, Shape, StringShape, Types,
};

/// Makes `a` the intersection of both; what is left in `b` means nothing.
pub(super) fn intersect(a: &mut Shape, b: &mut Shape, budget: &mut Budget) -> Result<(), Error> {
    let (types_a, types_b) = (a.types, b.types);
    let both = |types| types_a.overlaps(types) && types_b.overlaps(types);

    let values = intersect_enumerations(a.enumeration.take(), b.enumeration.take());
    (a.types, a.enumeration) = restrict(types_a & types_b, values);
    let fits = |default: &Value| a.types.contains(Types::of(default));
    a.default = a.default.take().filter(fits).or(b.default.take().filter(fits));
    a.title = a.title.take().or(b.title.take());
    a.description = a.description.take().or(b.description.take());
    a.secret = a.secret.or(b.secret);
    if both(Types::STRING) {
        intersect_strings(&mut a.string, &mut b.string);
    } else {
        a.string = StringShape::ANY;
    }
    if both(Types::NUMBER) {
        intersect_numbers(&mut a.numeric, &mut b.numeric);
    } else {
        a.numeric = NumericShape::ANY;
    }
    if both(Types::ARRAY) {
        intersect_arrays(&mut a.array, &mut b.array, budget)?;
    } else {
        a.array = ArrayShape::ANY;
    }
    if both(Types::OBJECT) {
        intersect_objects(&mut a.object, &mut b.object, budget)?;
    } else {
        a.object = ObjectShape::ANY;
    }
    Ok(())
}

/// What a side says of a property that it does not name: the patterns that match, else its rule for all others.
pub(super) fn imputed(
    object: &ObjectShape,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Box<Shape>>, Error> {
    let mut shape = None;
    for pattern in object.patterns.iter().filter(|pattern| pattern.matches(name)) {
        let matched = budget.copy(&pattern.shape)?;
        intersect_boxed(&mut shape, Some(matched), budget)?;
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

/// Makes `a` the intersection of those that there are.
fn intersect_boxed(
    a: &mut Option<Box<Shape>>,
    b: Option<Box<Shape>>,
    budget: &mut Budget,
) -> Result<(), Error> {
    match (a, b) {
        (Some(a), Some(mut b)) => intersect(a, &mut b, budget),
        (a, b) => {
            *a = a.take().or(b);
            Ok(())
        }
    }
}

fn intersect_strings(a: &mut StringShape, b: &mut StringShape) {
    a.format = a.format.or(b.format);
    a.min_length = a.min_length.max(b.min_length);
    a.max_length = least(a.max_length, b.max_length);
    a.content_encoding = a.content_encoding.take().or(b.content_encoding.take());
    a.content_media_type = a.content_media_type.take().or(b.content_media_type.take());
}

fn intersect_numbers(a: &mut NumericShape, b: &mut NumericShape) {
    let tighter = |a: Option<Number>, b: Option<Number>, order: Ordering| match (a, b) {
        (Some(a), Some(b)) => Some(if compare_numbers(&b, &a) == order { b } else { a }),
        (a, b) => a.or(b),
    };
    a.minimum = tighter(a.minimum.take(), b.minimum.take(), Ordering::Greater);
    a.maximum = tighter(a.maximum.take(), b.maximum.take(), Ordering::Less);
}

fn intersect_arrays(a: &mut ArrayShape, b: &mut ArrayShape, budget: &mut Budget) -> Result<(), Error> {
    intersect_tuples(a, b, budget)?;
    intersect_boxed(&mut a.additional, b.additional.take(), budget)?;
    a.min_items = a.min_items.max(b.min_items);
    a.max_items = least(a.max_items, b.max_items);
    Ok(())
}

/// As long as the longer one; the other contributes its rule for all further items.
fn intersect_tuples(a: &mut ArrayShape, b: &mut ArrayShape, budget: &mut Budget) -> Result<(), Error> {
    let length = a.tuple.len();
    for item in b.tuple.iter_mut().skip(length) {
        let mut own = a.additional.as_deref().map(|additional| budget.copy(additional)).transpose()?;
        let item = mem::replace(item, Shape::nothing());
        intersect_boxed(&mut own, Some(Box::new(item)), budget)?;
        a.tuple.extend(own.map(|own| *own));
    }
    for (index, item) in a.tuple.iter_mut().take(length).enumerate() {
        match (b.tuple.get_mut(index), &b.additional) {
            (Some(other), _) => intersect(item, other, budget)?,
            (None, Some(other)) => intersect(item, &mut *budget.copy(other)?, budget)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn intersect_objects(a: &mut ObjectShape, b: &mut ObjectShape, budget: &mut Budget) -> Result<(), Error> {
    let (of_a, of_b) = (mem::take(&mut a.properties), mem::take(&mut b.properties));
    let mut properties = Vec::with_capacity(of_a.len().max(of_b.len()));
    by_name(
        of_a,
        of_b,
        |property| &property.name,
        |of_a, of_b| {
            properties.extend(intersect_properties((of_a, a), (of_b, b), budget)?);
            Ok(())
        },
    )?;
    a.properties = properties;
    intersect_patterns(a, b, budget)?;
    intersect_boxed(&mut a.additional, b.additional.take(), budget)
}

fn intersect_properties(
    (of_a, a): (Option<Box<Property>>, &ObjectShape),
    (of_b, b): (Option<Box<Property>>, &ObjectShape),
    budget: &mut Budget,
) -> Result<Option<Property>, Error> {
    let Some(any) = of_a.as_deref().or(of_b.as_deref()) else { return Ok(None) };
    let name = any.name.clone();
    let is_required = [&of_a, &of_b].into_iter().flatten().any(|property| property.is_required);
    let mut shape = own_or_imputed(of_a, a, &name, budget)?;
    intersect_boxed(&mut shape, own_or_imputed(of_b, b, &name, budget)?, budget)?;
    let is_property = shape.is_some();
    let shape = shape.map_or(Shape::anything(), |shape| *shape);
    Ok(Some(Property { name, is_property, is_required, shape }))
}

fn own_or_imputed(
    own: Option<Box<Property>>,
    object: &ObjectShape,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Box<Shape>>, Error> {
    match own {
        Some(property) if property.is_property => Ok(Some(Box::new(property.shape))),
        _ => imputed(object, name, budget),
    }
}

fn intersect_patterns(a: &mut ObjectShape, b: &mut ObjectShape, budget: &mut Budget) -> Result<(), Error> {
    let (of_a, of_b) = (mem::take(&mut a.patterns), mem::take(&mut b.patterns));
    by_name(
        of_a,
        of_b,
        |pattern| &pattern.text,
        |of_a: Option<Box<Pattern>>, of_b| {
            let merged = match (of_a, of_b) {
                (Some(mut of_a), Some(mut of_b)) => {
                    intersect(&mut of_a.shape, &mut of_b.shape, budget)?;
                    Some(of_a)
                }
                (of_a, of_b) => of_a.or(of_b),
            };
            a.patterns.extend(merged.map(|pattern| *pattern));
            Ok(())
        },
    )
}

/// Joins two lists that ascend by name: visits each name once, with what either list has for it.
pub(super) fn by_name<T>(
    a: Vec<T>,
    b: Vec<T>,
    name: impl Fn(&T) -> &str,
    mut visit: impl FnMut(Option<Box<T>>, Option<Box<T>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut a, mut b) = (a.into_iter().map(Box::new), b.into_iter().map(Box::new));
    let (mut next_a, mut next_b) = (a.next(), b.next());
    loop {
        let order = match (&next_a, &next_b) {
            (Some(a), Some(b)) => name(a).cmp(name(b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(()),
        };
        let of_a = if order.is_le() { mem::replace(&mut next_a, a.next()) } else { None };
        let of_b = if order.is_ge() { mem::replace(&mut next_b, b.next()) } else { None };
        visit(of_a, of_b)?;
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
