//! The values of single keywords, read from a schema.

use serde_json::{Map, Value};

use crate::schema::intersect::intersect_enumerations;
use crate::schema::keywords::Place;
use crate::schema::union::sorted;
use crate::schema::{Error, Shape, Types};

/// The members of a schema.
pub(super) type Keywords = Map<String, Value>;

pub(super) fn types(keywords: &Keywords, place: &Place<'_>) -> Result<Types, Error> {
    let Some(value) = keywords.get("type") else { return Ok(Types::ANY) };
    let one = |name: &Value| {
        name.as_str().and_then(Types::from_name).ok_or_else(|| {
            let expected = "a name or a list of names out of array, boolean, fractional, integer, null, \
                            number, object, string";
            Error::Keyword { place: place.to_string(), keyword: "type", found: shortened(name), expected }
        })
    };
    let types = match value {
        Value::Array(names) => names.iter().try_fold(Types::NONE, |types, name| Ok(types | one(name)?))?,
        name => one(name)?,
    };
    let nullable = keywords.get("nullable") == Some(&Value::Bool(true));
    Ok(if nullable { types | Types::NULL } else { types })
}

/// What says nothing of the values that are allowed; of the wrong type it is passed over.
pub(super) fn annotations(keywords: &Keywords, shape: &mut Shape) {
    shape.default = keywords.get("default").cloned();
    shape.title = keywords.get("title").and_then(Value::as_str).map(Box::from);
    shape.description = keywords.get("description").and_then(Value::as_str).map(Box::from);
    shape.secret = keywords.get("secret").and_then(Value::as_bool);
}

pub(super) fn numbers(keywords: &Keywords, shape: &mut Shape, place: &Place<'_>) -> Result<(), Error> {
    for (keyword, bound) in [("minimum", &mut shape.numeric.minimum), ("maximum", &mut shape.numeric.maximum)]
    {
        match keywords.get(keyword) {
            None => {}
            Some(Value::Number(number)) => *bound = Some(number.clone()),
            Some(other) => return Err(unfit(place, keyword, other, "a number")),
        }
    }
    Ok(())
}

/// The values of `enum`, of `const`, or those of both.
pub(super) fn enumeration(keywords: &Keywords, place: &Place<'_>) -> Result<Option<Vec<Value>>, Error> {
    let constant = keywords.get("const").map(|value| vec![value.clone()]);
    let values = match keywords.contains_key("enum") {
        true => Some(sorted(list(keywords, "enum", place)?.iter().cloned())),
        false => None,
    };
    Ok(intersect_enumerations(values, constant))
}

/// The names that `required` lists, ascending, each once.
pub(super) fn required<'b>(keywords: &'b Keywords, place: &Place<'_>) -> Result<Vec<&'b str>, Error> {
    if !keywords.contains_key("required") {
        return Ok(Vec::new());
    }
    let list = list(keywords, "required", place)?.iter();
    let name =
        |name: &'b Value| name.as_str().ok_or_else(|| unfit(place, "required", name, "a list of names"));
    let mut names = list.map(name).collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

pub(super) fn text<'b>(
    keywords: &'b Keywords,
    keyword: &'static str,
    place: &Place<'_>,
) -> Result<Option<&'b str>, Error> {
    match keywords.get(keyword) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(unfit(place, keyword, other, "a string")),
    }
}

pub(super) fn list<'b>(
    keywords: &'b Keywords,
    keyword: &'static str,
    place: &Place<'_>,
) -> Result<&'b [Value], Error> {
    match keywords.get(keyword) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(unfit(place, keyword, other, "an array")),
    }
}

pub(super) fn named<'b>(
    keywords: &'b Keywords,
    keyword: &'static str,
    place: &Place<'_>,
) -> Result<Option<&'b Keywords>, Error> {
    match keywords.get(keyword) {
        None => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(other) => Err(unfit(place, keyword, other, "an object of schemas")),
    }
}

/// A length or a number of items; a float without a fraction will do.
pub(super) fn count(
    keywords: &Keywords,
    keyword: &'static str,
    place: &Place<'_>,
) -> Result<Option<u64>, Error> {
    let Some(value) = keywords.get(keyword) else { return Ok(None) };
    let float = value.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative and without a fraction; beyond u64 the cast saturates, as a bound may"
    )]
    let count = value.as_u64().or(float.map(|float| float as u64));
    count.map(Some).ok_or_else(|| unfit(place, keyword, value, "a whole number that is not negative"))
}

fn unfit(place: &Place<'_>, keyword: &'static str, found: &Value, expected: &'static str) -> Error {
    Error::Keyword { place: place.to_string(), keyword, found: shortened(found), expected }
}

/// A scalar's text, cut where it is long, or what kind of value it is.
fn shortened(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() > 40 => {
            format!("{:?}...", text.chars().take(40).collect::<String>())
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => kind(other).to_owned(),
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
