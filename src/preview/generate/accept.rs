//! Whether a value is valid by a JSON schema: the check behind documents that are generated.
//!
//! Every keyword that restricts values is checked, but for `format` (texts are made to fit it), `unevaluatedProperties` and
//! `unevaluatedItems` (nothing is generated that no schema mentions). Patterns that do not compile restrict nothing, as in
//! inference.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Number, Value};
use url::Url;

use crate::schema::{Bundle, Place, Types};

/// A schema in its bundle: itself, and the base of the references in it.
#[derive(Clone, Debug)]
pub(super) struct Part<'b> {
    pub(super) schema: &'b Value,
    pub(super) base: Url,
}

/// A bundle whose patterns are compiled once.
pub(super) struct Schema<'b> {
    bundle: Bundle<'b>,
    patterns: RefCell<HashMap<String, Option<Regex>>>,
}

impl<'b> Schema<'b> {
    pub(super) fn new(bundle: Bundle<'b>) -> Self {
        Self { bundle, patterns: RefCell::default() }
    }

    /// The whole.
    pub(super) fn root(&self) -> Part<'b> {
        Part { schema: self.bundle.root(), base: self.bundle.base().clone() }
    }

    /// A schema that stands inside of another one.
    pub(super) fn inside(&self, schema: &'b Value, around: &Url) -> Part<'b> {
        // The bundle was indexed, which checked each `$id`.
        let base = self.bundle.base_of(schema, around, &Place::start("#"));
        Part { schema, base: base.map_or_else(|_| around.clone(), std::borrow::Cow::into_owned) }
    }

    /// What a reference leads to, with the name that tells targets apart.
    pub(super) fn refer(&self, reference: &str, base: &Url) -> Option<(Part<'b>, String)> {
        let target = self.bundle.resolve(reference, base, String::new).ok()?;
        Some((Part { schema: target.schema, base: target.base }, target.uri))
    }

    /// Whether a pattern is found in a text.
    pub(super) fn finds(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        if !patterns.contains_key(pattern) {
            patterns.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        patterns.get(pattern).and_then(Option::as_ref).is_none_or(|regex| regex.is_match(text))
    }

    /// Whether the value is valid; else the keyword that refuses it.
    pub(super) fn check(&self, part: &Part<'b>, value: &Value) -> Result<(), &'static str> {
        self.check_at(part, value, 0)
    }

    fn check_at(&self, part: &Part<'b>, value: &Value, depth: usize) -> Result<(), &'static str> {
        let keywords = match part.schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(keywords) => keywords,
            _ => return Err("false"),
        };
        if depth > LEVELS {
            return Err("$ref");
        }
        let holds =
            |schema: &'b Value| self.check_at(&self.inside(schema, &part.base), value, depth + 1).is_ok();
        let of = |name: &str| keywords.get(name);
        let list = |name: &str| of(name).and_then(Value::as_array).map(Vec::as_slice);
        let refused = |name: &'static str, is_refused: bool| if is_refused { Err(name) } else { Ok(()) };

        refused("type", types(keywords).is_some_and(|types| !types.contains(Types::of(value))))?;
        refused("enum", list("enum").is_some_and(|all| !all.iter().any(|one| same(one, value))))?;
        refused("const", of("const").is_some_and(|constant| !same(constant, value)))?;
        if let Some(reference) = of("$ref").and_then(Value::as_str)
            && let Some((target, _)) = self.refer(reference, &part.base)
        {
            self.check_at(&target, value, depth + 1)?;
        }
        for schema in list("allOf").unwrap_or_default() {
            self.check_at(&self.inside(schema, &part.base), value, depth + 1)?;
        }
        refused("anyOf", list("anyOf").is_some_and(|all| !all.iter().any(holds)))?;
        refused("oneOf", list("oneOf").is_some_and(|all| all.iter().filter(|one| holds(one)).count() != 1))?;
        refused("not", of("not").is_some_and(holds))?;
        if let Some(condition) = of("if") {
            let (name, consequence) =
                if holds(condition) { ("then", of("then")) } else { ("else", of("else")) };
            refused(name, consequence.is_some_and(|schema| !holds(schema)))?;
        }
        match value {
            Value::Number(number) => check_number(keywords, number),
            Value::String(text) => self.check_text(keywords, text),
            Value::Array(items) => self.check_items(part, keywords, items, depth),
            Value::Object(members) => self.check_members(part, keywords, value, members, depth),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn check_text(&self, keywords: &Map<String, Value>, text: &str) -> Result<(), &'static str> {
        let length = text.chars().count();
        in_range(keywords, "minLength", "maxLength", length)?;
        let pattern = keywords.get("pattern").and_then(Value::as_str);
        if pattern.is_some_and(|pattern| !self.finds(pattern, text)) { Err("pattern") } else { Ok(()) }
    }

    fn check_items(
        &self,
        part: &Part<'b>,
        keywords: &'b Map<String, Value>,
        items: &[Value],
        depth: usize,
    ) -> Result<(), &'static str> {
        in_range(keywords, "minItems", "maxItems", items.len())?;
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = item_schema(keywords, index) {
                self.check_at(&self.inside(schema, &part.base), item, depth + 1)?;
            }
        }
        if keywords.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            let repeats = |(i, item): (usize, &Value)| items.iter().take(i).any(|before| same(before, item));
            if items.iter().enumerate().any(repeats) {
                return Err("uniqueItems");
            }
        }
        let Some(schema) = keywords.get("contains") else { return Ok(()) };
        let contained = self.inside(schema, &part.base);
        let count = items.iter().filter(|item| self.check_at(&contained, item, depth + 1).is_ok()).count();
        let bound =
            |name: &str| keywords.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let least = bound("minContains").unwrap_or(1);
        if count < least || bound("maxContains").is_some_and(|most| count > most) {
            Err("contains")
        } else {
            Ok(())
        }
    }

    fn check_members(
        &self,
        part: &Part<'b>,
        keywords: &'b Map<String, Value>,
        value: &Value,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), &'static str> {
        in_range(keywords, "minProperties", "maxProperties", members.len())?;
        let lacks = |names: &Value| {
            let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
            names.iter().filter_map(Value::as_str).any(|name| !members.contains_key(name))
        };
        if keywords.get("required").is_some_and(lacks) {
            return Err("required");
        }
        for (name, member) in members {
            for schema in self.member_schemas(keywords, name) {
                self.check_at(&self.inside(schema, &part.base), member, depth + 1)?;
            }
            if let Some(names) = keywords.get("propertyNames") {
                self.check_at(&self.inside(names, &part.base), &Value::from(name.as_str()), depth + 1)
                    .map_err(|_| "propertyNames")?;
            }
        }
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            for (name, dependent) in keywords.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                if !members.contains_key(name) {
                    continue;
                }
                let is_met = match dependent {
                    Value::Array(_) => !lacks(dependent),
                    schema => self.check_at(&self.inside(schema, &part.base), value, depth + 1).is_ok(),
                };
                if !is_met {
                    return Err(keyword);
                }
            }
        }
        Ok(())
    }

    /// The schemas that one schema has for its member of this name.
    pub(super) fn member_schemas(&self, keywords: &'b Map<String, Value>, name: &str) -> Vec<&'b Value> {
        let named = |keyword: &str| keywords.get(keyword).and_then(Value::as_object);
        let own = named("properties").and_then(|properties| properties.get(name));
        let patterns = named("patternProperties").into_iter().flatten();
        let mut schemas: Vec<_> = own.into_iter().collect();
        schemas.extend(patterns.filter(|(pattern, _)| self.finds(pattern, name)).map(|(_, schema)| schema));
        if schemas.is_empty() {
            schemas.extend(keywords.get("additionalProperties"));
        }
        schemas
    }
}

/// The schema that one schema has for its item at this place.
pub(super) fn item_schema(keywords: &Map<String, Value>, index: usize) -> Option<&Value> {
    let first = |name: &str| keywords.get(name).and_then(Value::as_array);
    if let Some(prefix) = first("prefixItems") {
        return prefix.get(index).or_else(|| keywords.get("items"));
    }
    match first("items") {
        // As drafts before 2020-12 had it.
        Some(prefix) => prefix.get(index).or_else(|| keywords.get("additionalItems")),
        None => keywords.get("items"),
    }
}

/// The types that a schema's own keyword allows.
pub(super) fn types(keywords: &Map<String, Value>) -> Option<Types> {
    let of = |name: &Value| name.as_str().and_then(Types::from_name).unwrap_or(Types::NONE);
    match keywords.get("type")? {
        Value::Array(names) => Some(names.iter().map(of).fold(Types::NONE, |all, one| all | one)),
        name => Some(of(name)),
    }
}

/// A limit of numbers that a schema's own keyword sets.
pub(super) fn number(keywords: &Map<String, Value>, name: &str) -> Option<f64> {
    keywords.get(name).and_then(Value::as_f64)
}

/// A limit of lengths.
pub(super) fn count(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    // 3.0 is an integer too.
    let number = keywords.get(name)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let float = || number.as_f64().map(|float| float as usize);
    number.as_u64().and_then(|count| usize::try_from(count).ok()).or_else(float)
}

fn in_range(
    keywords: &Map<String, Value>,
    least: &'static str,
    most: &'static str,
    found: usize,
) -> Result<(), &'static str> {
    if count(keywords, least).is_some_and(|least| found < least) {
        return Err(least);
    }
    if count(keywords, most).is_some_and(|most| found > most) { Err(most) } else { Ok(()) }
}

fn check_number(keywords: &Map<String, Value>, value: &Number) -> Result<(), &'static str> {
    let Some(float) = value.as_f64() else { return Err("type") };
    let limit = |name| number(keywords, name);
    if limit("minimum").is_some_and(|least| float < least) {
        return Err("minimum");
    }
    if limit("maximum").is_some_and(|most| float > most) {
        return Err("maximum");
    }
    if limit("exclusiveMinimum").is_some_and(|least| float <= least) {
        return Err("exclusiveMinimum");
    }
    if limit("exclusiveMaximum").is_some_and(|most| float >= most) {
        return Err("exclusiveMaximum");
    }
    let is_multiple = |step: f64| {
        let times = float / step;
        (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
    };
    if limit("multipleOf").is_some_and(|step| step > 0.0 && !is_multiple(step)) {
        return Err("multipleOf");
    }
    Ok(())
}

/// Whether two values are the same to JSON Schema: 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || (x.is_f64() != y.is_f64()) && x.as_f64() == y.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Levels of schemas and references that are followed.
const LEVELS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value) -> Result<(), &'static str> {
        let schema = Schema::new(Bundle::new(schema).unwrap());
        schema.check(&schema.root(), value)
    }

    #[test]
    fn each_keyword_accepts_and_refuses() {
        let rows = [
            (json!({"type": "integer"}), json!(1.0), json!(1.5), "type"),
            (json!({"type": ["null", "string"]}), json!(null), json!(1), "type"),
            (json!({"enum": [1, "a"]}), json!(1.0), json!("b"), "enum"),
            (json!({"const": {"a": [1]}}), json!({"a": [1]}), json!({"a": [2]}), "const"),
            (json!({"minimum": 1}), json!(1), json!(0.5), "minimum"),
            (json!({"maximum": 1}), json!(1), json!(1.5), "maximum"),
            (json!({"exclusiveMinimum": 1}), json!(2), json!(1), "exclusiveMinimum"),
            (json!({"exclusiveMaximum": 1}), json!("any"), json!(1), "exclusiveMaximum"),
            (json!({"multipleOf": 0.01}), json!(12.34), json!(0.005), "multipleOf"),
            (json!({"minLength": 2}), json!("éé"), json!("é"), "minLength"),
            (json!({"maxLength": 2}), json!("éé"), json!("abc"), "maxLength"),
            (json!({"pattern": "^a"}), json!("ab"), json!("ba"), "pattern"),
            (json!({"minItems": 1}), json!([1]), json!([]), "minItems"),
            (json!({"maxItems": 1}), json!([1]), json!([1, 2]), "maxItems"),
            (json!({"items": {"type": "null"}}), json!([null]), json!([1]), "type"),
            (
                json!({"prefixItems": [{"type": "null"}], "items": false}),
                json!([null]),
                json!([null, 1]),
                "false",
            ),
            (json!({"items": [{}], "additionalItems": false}), json!([1]), json!([1, 1]), "false"),
            (json!({"uniqueItems": true}), json!([1, 2]), json!([1, 1.0]), "uniqueItems"),
            (json!({"contains": {"const": 1}}), json!([0, 1]), json!([0]), "contains"),
            (json!({"required": ["a"]}), json!({"a": 1}), json!({}), "required"),
            (json!({"minProperties": 1}), json!({"a": 1}), json!({}), "minProperties"),
            (json!({"maxProperties": 1}), json!({"a": 1}), json!({"a": 1, "b": 1}), "maxProperties"),
            (json!({"properties": {"a": {"type": "null"}}}), json!({"b": 1}), json!({"a": 1}), "type"),
            (
                json!({"patternProperties": {"^a": true}, "additionalProperties": false}),
                json!({"ab": 1}),
                json!({"b": 1}),
                "false",
            ),
            (json!({"propertyNames": {"maxLength": 1}}), json!({"a": 1}), json!({"ab": 1}), "propertyNames"),
            (
                json!({"dependentRequired": {"a": ["b"]}}),
                json!({"a": 1, "b": 1}),
                json!({"a": 1}),
                "dependentRequired",
            ),
            (json!({"allOf": [{"minimum": 1}]}), json!(1), json!(0), "minimum"),
            (json!({"anyOf": [{"minimum": 1}, {"maximum": -1}]}), json!(-1), json!(0), "anyOf"),
            (json!({"oneOf": [{"minimum": 1}, {"maximum": 5}]}), json!(7), json!(3), "oneOf"),
            (json!({"not": {"type": "null"}}), json!(1), json!(null), "not"),
            (json!({"if": {"const": 1}, "then": false}), json!(2), json!(1), "then"),
            (json!({"if": {"const": 1}, "else": false}), json!(1), json!(2), "else"),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}), json!(null), json!(1), "type"),
            (
                json!({"properties": {"next": {"$ref": "#"}}, "required": ["id"]}),
                json!({"id": 1, "next": {"id": 2}}),
                json!({"id": 1, "next": {}}),
                "required",
            ),
        ];
        for (schema, good, bad, keyword) in rows {
            assert_eq!(check(&schema, &good), Ok(()), "{schema} {good}");
            assert_eq!(check(&schema, &bad), Err(keyword), "{schema} {bad}");
        }
    }
}
