//! From the keywords of a bundle's schemas to shapes.
//!
//! A schema's own keywords make a first shape; whatever applies in place (`$ref`, `allOf`, ...) narrows it; last
//! come the keywords for what is still unevaluated. A `$ref` back to a target that is being inferred already stands
//! for anything, which ends every recursion.

use std::collections::{HashMap, HashSet};

use regex::Regex;
use serde_json::Value;
use url::Url;

use crate::schema::budget::Budget;
use crate::schema::bundle::Bundle;
use crate::schema::intersect::{intersect, restrict};
use crate::schema::keywords::{Place, is_known};
use crate::schema::read::{
    Keywords, annotations, count, enumeration, kind, list, named, numbers, required, text, types,
};
use crate::schema::union::union;
use crate::schema::{Error, Format, ObjectShape, Pattern, Property, Shape};

impl Shape {
    /// Infers the shape of the documents that a schema bundle allows. The bundle is one self-contained JSON Schema,
    /// as a collection has it.
    ///
    /// Unknown keywords and formats and regexes that do not compile are logged as warnings and have no effect: a
    /// schema that is in use already must not stop a task.
    ///
    /// # Errors
    ///
    /// References that resolve to nothing, keywords with values that they cannot have, and schemas that are nested
    /// too deeply or expand to too much.
    pub fn infer(bundle: &Value) -> Result<Self, Error> {
        infer_within(bundle, Budget::new())
    }
}

pub(super) fn infer_within(bundle: &Value, budget: Budget) -> Result<Shape, Error> {
    let bundle = Bundle::new(bundle)?;
    let (root, base) = (bundle.root(), bundle.base().clone());
    let mut inference = Inference {
        bundle,
        budget,
        regexes: HashMap::new(),
        warned: HashSet::new(),
        open: Vec::new(),
        depth: 0,
    };
    inference.inside(root, &base, &Place::start("#")).map(|shape| *shape)
}

struct Inference<'b> {
    bundle: Bundle<'b>,
    budget: Budget,
    /// Compiled once each; none where a regex does not compile.
    regexes: HashMap<&'b str, Option<Regex>>,
    /// What has been warned of, so that it is said once.
    warned: HashSet<(Warning, &'b str)>,
    /// The targets of the references being followed.
    open: Vec<String>,
    depth: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Warning {
    Keyword,
    Format,
}

impl<'b> Inference<'b> {
    // What recurses here passes shapes in boxes and leaves the work on them to functions that do not recurse: without
    // optimisation each shape by value would put several copies on the stack of each level.

    /// The shape of a schema that stands in another one.
    fn schema(&mut self, schema: &'b Value, around: &Url, place: &Place<'_>) -> Result<Box<Shape>, Error> {
        let base = self.bundle.base_of(schema, around, place)?;
        self.inside(schema, &base, place)
    }

    /// The shape of a schema whose base is known.
    fn inside(&mut self, schema: &'b Value, base: &Url, place: &Place<'_>) -> Result<Box<Shape>, Error> {
        self.budget.spend(1)?;
        if self.depth == SCHEMA_LEVELS {
            return Err(Error::TooDeep { limit: SCHEMA_LEVELS });
        }
        self.depth += 1;
        let shape = match schema {
            Value::Bool(allows) => Ok(of_boolean(*allows)),
            Value::Object(keywords) => self.keywords(keywords, base, place),
            other => Err(Error::NotASchema { place: place.to_string(), found: kind(other) }),
        };
        self.depth -= 1;
        shape
    }

    fn keywords(
        &mut self,
        keywords: &'b Keywords,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<Box<Shape>, Error> {
        self.warn_of_unknown(keywords, place);
        let mut shape = of_boolean(true);
        self.scalars(keywords, &mut shape, place)?;
        self.arrays(keywords, &mut shape, base, place)?;
        self.properties(keywords, &mut shape, base, place)?;
        self.patterns(keywords, &mut shape, base, place)?;
        shape.object.additional = self.optional(keywords, "additionalProperties", base, place)?;
        self.local(keywords, &mut shape, place)?;
        self.refer(keywords, &mut shape, base, place)?;
        self.all_of(keywords, &mut shape, base, place)?;
        self.any_of("oneOf", keywords, &mut shape, base, place)?;
        self.any_of("anyOf", keywords, &mut shape, base, place)?;
        self.if_then_else(keywords, &mut shape, base, place)?;
        self.unevaluated(keywords, &mut shape, base, place)?;
        Ok(shape)
    }

    /// The keywords that hold no schemas, but for `enum`.
    fn scalars(&mut self, keywords: &'b Keywords, shape: &mut Shape, place: &Place<'_>) -> Result<(), Error> {
        shape.types = types(keywords, place)?;
        annotations(keywords, shape);
        numbers(keywords, shape, place)?;
        self.strings(keywords, shape, place)
    }

    /// What the keywords of one schema say of each other.
    fn local(&mut self, keywords: &'b Keywords, shape: &mut Shape, place: &Place<'_>) -> Result<(), Error> {
        self.apply_patterns(&mut shape.object)?;
        self.apply_additional(&mut shape.object)?;
        (shape.types, shape.enumeration) = restrict(shape.types, enumeration(keywords, place)?);
        self.budget.spend_contents(shape)
    }

    fn strings(&mut self, keywords: &'b Keywords, shape: &mut Shape, place: &Place<'_>) -> Result<(), Error> {
        if let Some(name) = text(keywords, "format", place)? {
            shape.string.format = Format::from_name(name);
            if shape.string.format.is_none() && self.warned.insert((Warning::Format, name)) {
                tracing::warn!(format = name, place = %place, "ignoring an unknown format in the collection's schema");
            }
        }
        shape.string.min_length = count(keywords, "minLength", place)?.unwrap_or(0);
        shape.string.max_length = count(keywords, "maxLength", place)?;
        shape.string.content_encoding = text(keywords, "contentEncoding", place)?.map(Box::from);
        shape.string.content_media_type = text(keywords, "contentMediaType", place)?.map(Box::from);
        Ok(())
    }

    fn arrays(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        shape.array.min_items = count(keywords, "minItems", place)?.unwrap_or(0);
        shape.array.max_items = count(keywords, "maxItems", place)?;

        let items = keywords.get("items");
        let old_tuple = items.filter(|items| items.is_array()).map(|_| "items");
        let tuple = if keywords.contains_key("prefixItems") { Some("prefixItems") } else { old_tuple };
        if let Some(keyword) = tuple {
            for (index, item) in list(keywords, keyword, place)?.iter().enumerate() {
                let item = self.schema(item, base, &place.name(keyword).at(index))?;
                shape.array.tuple.push(*item);
            }
        }
        let rest = match items {
            Some(items) if !items.is_array() => "items",
            _ => "additionalItems",
        };
        shape.array.additional = self.optional(keywords, rest, base, place)?;
        Ok(())
    }

    fn properties(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        let required = required(keywords, place)?;
        let properties = named(keywords, "properties", place)?;
        for (name, property) in properties.into_iter().flatten() {
            let property = self.schema(property, base, &place.name("properties").name(name))?;
            let is_required = required.binary_search(&name.as_str()).is_ok();
            add_property(&mut shape.object, name, true, is_required, property);
        }
        for name in required {
            if properties.is_none_or(|properties| !properties.contains_key(name)) {
                self.budget.spend(1)?;
                add_property(&mut shape.object, name, false, true, of_boolean(true));
            }
        }
        shape.object.properties.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    fn patterns(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        for (text, schema) in named(keywords, "patternProperties", place)?.into_iter().flatten() {
            let place = place.name("patternProperties");
            let place = place.name(text);
            let regex = self.regex(text, &place);
            let schema = self.schema(schema, base, &place)?;
            add_pattern(&mut shape.object, text, regex, schema);
        }
        Ok(())
    }

    fn optional(
        &mut self,
        keywords: &'b Keywords,
        keyword: &str,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<Option<Box<Shape>>, Error> {
        match keywords.get(keyword) {
            Some(schema) => self.schema(schema, base, &place.name(keyword)).map(Some),
            None => Ok(None),
        }
    }

    /// Narrows named properties by the patterns that their names match.
    fn apply_patterns(&mut self, object: &mut ObjectShape) -> Result<(), Error> {
        for property in &mut object.properties {
            for pattern in object.patterns.iter().filter(|pattern| pattern.matches(&property.name)) {
                let mut matched = self.budget.copy(&pattern.shape)?;
                if property.is_property {
                    intersect(&mut property.shape, &mut matched, &mut self.budget)?;
                } else {
                    property.shape = *matched;
                }
                property.is_property = true;
            }
        }
        Ok(())
    }

    /// Gives the names that only `required` mentions the shape of all other properties.
    fn apply_additional(&mut self, object: &mut ObjectShape) -> Result<(), Error> {
        let Some(additional) = &object.additional else { return Ok(()) };
        for property in object.properties.iter_mut().filter(|property| !property.is_property) {
            property.shape = *self.budget.copy(additional)?;
            property.is_property = true;
        }
        Ok(())
    }

    fn refer(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        let Some(reference) = text(keywords, "$ref", place)? else { return Ok(()) };
        let mut target = self.reference(reference, base, place)?;
        intersect(shape, &mut target, &mut self.budget)
    }

    fn all_of(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        for (index, member) in list(keywords, "allOf", place)?.iter().enumerate() {
            let mut member = self.schema(member, base, &place.name("allOf").at(index))?;
            intersect(shape, &mut member, &mut self.budget)?;
        }
        Ok(())
    }

    /// `oneOf` and `anyOf` alike.
    fn any_of(
        &mut self,
        keyword: &'static str,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        if !keywords.contains_key(keyword) {
            return Ok(());
        }
        let mut members = of_boolean(false);
        for (index, member) in list(keywords, keyword, place)?.iter().enumerate() {
            let mut member = self.schema(member, base, &place.name(keyword).at(index))?;
            union(&mut members, &mut member, &mut self.budget)?;
        }
        intersect(shape, &mut members, &mut self.budget)
    }

    fn if_then_else(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        if !["if", "then", "else"].into_iter().all(|keyword| keywords.contains_key(keyword)) {
            return Ok(());
        }
        let mut either = of_boolean(false);
        for keyword in ["then", "else"] {
            if let Some(mut branch) = self.optional(keywords, keyword, base, place)? {
                union(&mut either, &mut branch, &mut self.budget)?;
            }
        }
        intersect(shape, &mut either, &mut self.budget)
    }

    fn reference(&mut self, reference: &str, base: &Url, place: &Place<'_>) -> Result<Box<Shape>, Error> {
        let target = self.bundle.resolve(reference, base, || place.to_string())?;
        if self.open.contains(&target.uri) {
            return Ok(of_boolean(true));
        }
        self.open.push(target.uri.clone());
        let shape = self.inside(target.schema, &target.base, &Place::start(&target.uri));
        self.open.pop();
        shape
    }

    fn unevaluated(
        &mut self,
        keywords: &'b Keywords,
        shape: &mut Shape,
        base: &Url,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        if shape.object.additional.is_none() {
            shape.object.additional = self.optional(keywords, "unevaluatedProperties", base, place)?;
            self.apply_additional(&mut shape.object)?;
        }
        if shape.array.additional.is_none() {
            shape.array.additional = self.optional(keywords, "unevaluatedItems", base, place)?;
        }
        Ok(())
    }

    fn regex(&mut self, text: &'b str, place: &Place<'_>) -> Option<Regex> {
        let compile = || match Regex::new(text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(regex = text, place = %place, error, "ignoring a regex that does not compile in the collection's schema");
                None
            }
        };
        self.regexes.entry(text).or_insert_with(compile).clone()
    }

    fn warn_of_unknown(&mut self, keywords: &'b Keywords, place: &Place<'_>) {
        for keyword in keywords.keys().filter(|keyword| !is_known(keyword)) {
            if self.warned.insert((Warning::Keyword, keyword)) {
                tracing::warn!(keyword, place = %place, "ignoring an unknown keyword in the collection's schema");
            }
        }
    }
}

/// How deep schemas may be nested, references followed. Tests run this deep on the 2 MiB that a thread has by
/// default, without optimisation.
pub(super) const SCHEMA_LEVELS: usize = 128;

fn of_boolean(allows: bool) -> Box<Shape> {
    Box::new(if allows { Shape::anything() } else { Shape::nothing() })
}

fn add_property(
    object: &mut ObjectShape,
    name: &str,
    is_property: bool,
    is_required: bool,
    shape: Box<Shape>,
) {
    object.properties.push(Property { name: name.into(), is_property, is_required, shape: *shape });
}

fn add_pattern(object: &mut ObjectShape, text: &str, regex: Option<Regex>, shape: Box<Shape>) {
    object.patterns.push(Pattern { text: text.into(), regex, shape: *shape });
}
