//! What either of two shapes allows. The left one is widened in place and the right one used up, as in
//! `intersect`.

use std::cmp::Ordering;
use std::mem;

use serde_json::{Number, Value};

use crate::schema::budget::Budget;
use crate::schema::compare::{compare, compare_numbers};
use crate::schema::intersect::{by_name, imputed};
use crate::schema::{
    ArrayShape, Error, Format, NumericShape, ObjectShape, Pattern, Property, Shape, StringShape, Types,
};

/// Makes `a` the union of both; what is left in `b` means nothing.
pub(super) fn union(a: &mut Shape, b: &mut Shape, budget: &mut Budget) -> Result<(), Error> {
    if a.types.is_empty() {
        mem::swap(a, b);
        return Ok(());
    }
    if b.types.is_empty() {
        return Ok(());
    }
    let (types_a, types_b) = (a.types, b.types);
    a.types = types_a | types_b;
    a.enumeration = match (a.enumeration.take(), b.enumeration.take()) {
        (Some(a), Some(b)) => Some(sorted(a.into_iter().chain(b))),
        _ => None,
    };
    a.default = match (a.default.take(), b.default.take()) {
        (Some(a), Some(b)) if compare(&a, &b).is_eq() => Some(a),
        _ => None,
    };
    a.title = same(a.title.take(), b.title.take());
    a.description = same(a.description.take(), b.description.take());
    a.secret = same(a.secret, b.secret);
    // A side that does not allow a type has no say in the part that describes it.
    let sides = |part| (types_a.overlaps(part), types_b.overlaps(part));
    match sides(Types::STRING) {
        (true, true) => union_strings(&mut a.string, &mut b.string),
        (in_a, in_b) => choose(&mut a.string, &mut b.string, in_a, in_b, StringShape::ANY),
    }
    match sides(Types::NUMBER) {
        (true, true) => union_numbers(&mut a.numeric, &mut b.numeric),
        (in_a, in_b) => choose(&mut a.numeric, &mut b.numeric, in_a, in_b, NumericShape::ANY),
    }
    match sides(Types::ARRAY) {
        (true, true) => union_arrays(&mut a.array, &mut b.array, budget)?,
        (in_a, in_b) => choose(&mut a.array, &mut b.array, in_a, in_b, ArrayShape::ANY),
    }
    match sides(Types::OBJECT) {
        (true, true) => union_objects(&mut a.object, &mut b.object, budget)?,
        (in_a, in_b) => choose(&mut a.object, &mut b.object, in_a, in_b, ObjectShape::ANY),
    }
    Ok(())
}

/// Values in ascending order, each once; of equal ones the first stays.
pub(super) fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.collect();
    values.sort_by(compare);
    values.dedup_by(|later, earlier| compare(later, earlier).is_eq());
    values
}

fn choose<T>(a: &mut T, b: &mut T, in_a: bool, in_b: bool, neither: T) {
    if in_b {
        mem::swap(a, b);
    } else if !in_a {
        *a = neither;
    }
}

fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<T> {
    if a == b { a } else { None }
}

/// Unconstrained where one of them is.
fn union_boxed(a: &mut Option<Box<Shape>>, b: Option<Box<Shape>>, budget: &mut Budget) -> Result<(), Error> {
    match (a, b) {
        (Some(a), Some(mut b)) => union(a, &mut b, budget),
        (a, _) => {
            *a = None;
            Ok(())
        }
    }
}

fn union_strings(a: &mut StringShape, b: &mut StringShape) {
    a.format = match (a.format, b.format) {
        (Some(Format::Integer), Some(Format::Number)) | (Some(Format::Number), Some(Format::Integer)) => {
            Some(Format::Number)
        }
        (a, b) => same(a, b),
    };
    a.min_length = a.min_length.min(b.min_length);
    a.max_length = a.max_length.zip(b.max_length).map(|(a, b)| a.max(b));
    a.content_encoding = same(a.content_encoding.take(), b.content_encoding.take());
    a.content_media_type = same(a.content_media_type.take(), b.content_media_type.take());
}

fn union_numbers(a: &mut NumericShape, b: &mut NumericShape) {
    let looser = |a: Option<Number>, b: Option<Number>, order: Ordering| {
        a.zip(b).map(|(a, b)| if compare_numbers(&b, &a) == order { b } else { a })
    };
    a.minimum = looser(a.minimum.take(), b.minimum.take(), Ordering::Less);
    a.maximum = looser(a.maximum.take(), b.maximum.take(), Ordering::Greater);
}

fn union_arrays(a: &mut ArrayShape, b: &mut ArrayShape, budget: &mut Budget) -> Result<(), Error> {
    union_tuples(a, b, budget)?;
    union_boxed(&mut a.additional, b.additional.take(), budget)?;
    a.min_items = a.min_items.min(b.min_items);
    a.max_items = a.max_items.zip(b.max_items).map(|(a, b)| a.max(b));
    Ok(())
}

/// Past the end of the shorter tuple an item is united with that side's rule for further items; the tuple ends where
/// there is none.
fn union_tuples(a: &mut ArrayShape, b: &mut ArrayShape, budget: &mut Budget) -> Result<(), Error> {
    if b.additional.is_none() {
        a.tuple.truncate(b.tuple.len());
    }
    let length = a.tuple.len();
    if let Some(own) = &a.additional {
        for item in b.tuple.iter_mut().skip(length) {
            let mut own = budget.copy(own)?;
            union(&mut own, item, budget)?;
            a.tuple.push(*own);
        }
    }
    for (index, item) in a.tuple.iter_mut().take(length).enumerate() {
        match (b.tuple.get_mut(index), &b.additional) {
            (Some(other), _) => union(item, other, budget)?,
            (None, Some(other)) => union(item, &mut *budget.copy(other)?, budget)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn union_objects(a: &mut ObjectShape, b: &mut ObjectShape, budget: &mut Budget) -> Result<(), Error> {
    let (of_a, of_b) = (mem::take(&mut a.properties), mem::take(&mut b.properties));
    let mut properties = Vec::with_capacity(of_a.len().max(of_b.len()));
    by_name(
        of_a,
        of_b,
        |property| &property.name,
        |of_a, of_b| {
            let united = match (of_a, of_b) {
                (Some(of_a), Some(of_b)) => union_named(of_a, of_b, budget)?,
                (Some(own), None) => {
                    let other = imputed(b, &own.name, budget)?;
                    union_optional(own, other, budget)?
                }
                (None, Some(own)) => {
                    let other = imputed(a, &own.name, budget)?;
                    union_optional(own, other, budget)?
                }
                (None, None) => None,
            };
            properties.extend(united.map(|property| *property));
            Ok(())
        },
    )?;
    a.properties = properties;
    union_patterns(a, b, budget)?;
    union_boxed(&mut a.additional, b.additional.take(), budget)
}

fn union_named(
    mut a: Box<Property>,
    mut b: Box<Property>,
    budget: &mut Budget,
) -> Result<Option<Box<Property>>, Error> {
    if !a.is_property || !b.is_property {
        return Ok(None);
    }
    a.is_required &= b.is_required;
    union(&mut a.shape, &mut b.shape, budget)?;
    Ok(Some(a))
}

/// A property that one side names, united with what the other imputes to it.
fn union_optional(
    mut own: Box<Property>,
    other: Option<Box<Shape>>,
    budget: &mut Budget,
) -> Result<Option<Box<Property>>, Error> {
    let Some(mut other) = other.filter(|_| own.is_property) else { return Ok(None) };
    own.is_required = false;
    union(&mut own.shape, &mut other, budget)?;
    Ok(Some(own))
}

fn union_patterns(a: &mut ObjectShape, b: &mut ObjectShape, budget: &mut Budget) -> Result<(), Error> {
    let (of_a, of_b) = (mem::take(&mut a.patterns), mem::take(&mut b.patterns));
    by_name(
        of_a,
        of_b,
        |pattern| &pattern.text,
        |of_a: Option<Box<Pattern>>, of_b: Option<Box<Pattern>>| {
            let united = match (of_a, of_b, &a.additional, &b.additional) {
                (Some(mut of_a), Some(mut of_b), _, _) => {
                    union(&mut of_a.shape, &mut of_b.shape, budget)?;
                    of_a
                }
                (Some(mut own), None, _, Some(other)) | (None, Some(mut own), Some(other), _) => {
                    union(&mut own.shape, &mut *budget.copy(other)?, budget)?;
                    own
                }
                _ => return Ok(()),
            };
            a.patterns.push(*united);
            Ok(())
        },
    )
}
