//! What stands at each location of documents that are generated: compiled from a JSON schema once, before the first document.
//!
//! Schemas that apply together (`$ref`, `allOf`) are taken together; of those that are alternatives (`anyOf`, `oneOf`, `if`) each
//! becomes a plan of its own, among which each document chooses. A schema that refers to itself is followed twice; what would go deeper
//! is left out where it may be.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Number, Value};

use super::accept::{Part, Schema, count, item_schema, number, types};
use super::random::Random;
use super::text::Text;
use crate::schema::{Format, Types};

/// How the value of a location is made.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One of these.
    Values(Vec<Value>),
    Boolean,
    Integer(Integers),
    Float(Floats),
    Text(Text),
    Array(Box<Items>),
    Object(Box<Members>),
    /// One of several, each as often as the others.
    Choice(Vec<Node>),
    /// Seldom null.
    Nullable(Box<Node>),
}

/// Integers of a range, in steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integers {
    /// The least and the greatest that are allowed, in steps.
    low: i64,
    high: i64,
    /// The greatest that is made at random, in steps.
    usual: i64,
    step: i64,
}

/// Numbers of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floats {
    low: f64,
    high: f64,
    step: Option<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct Items {
    first: Vec<Node>,
    /// Those after the first ones; none: there are no others.
    others: Option<Node>,
    least: usize,
    most: usize,
    distinct: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Members {
    named: Vec<Member>,
    /// Members of other names; none: there are no others.
    others: Option<Node>,
    least: usize,
    most: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) node: Node,
    required: bool,
}

/// The plan of the documents of a schema.
///
/// # Errors
///
/// What keeps documents from being made.
pub(super) fn compile(schema: &Schema<'_>) -> Result<Node, Obstacle> {
    let compiler =
        Compiler { schema, left: Cell::new(NODES), at: RefCell::default(), obstacle: RefCell::default() };
    let plan = compiler.location(vec![schema.root()], &[], 0);
    plan.ok_or_else(|| {
        compiler.obstacle.take().unwrap_or_else(|| Obstacle::at(&[], "type", "it allows no value"))
    })
}

/// Where a plan ends, and by which keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The location, as a JSON pointer; empty for the document itself.
    place: String,
    keyword: &'static str,
    why: String,
}

impl Obstacle {
    fn at(steps: &[String], keyword: &'static str, why: impl Into<String>) -> Self {
        let place: String =
            steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
        let place = match place.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &place[..end]),
            None => place,
        };
        Self { place, keyword, why: why.into() }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, keyword, why } = self;
        let place = if place.is_empty() { "the document itself" } else { place };
        write!(
            f,
            "no document that is valid by its schema can be made: the keyword {keyword} of {place}: {why}"
        )
    }
}

struct Compiler<'s, 'b> {
    schema: &'s Schema<'b>,
    /// Nodes that may still be made.
    left: Cell<u32>,
    /// The steps to the location that is looked at.
    at: RefCell<Vec<String>>,
    /// The last location that had to be given up. It is the one that counts where the whole plan is: what could be left out
    /// was passed.
    obstacle: RefCell<Option<Obstacle>>,
}

/// Schemas that apply together, none of which is an alternative, and the references that led to them.
struct Together<'b> {
    parts: Vec<Part<'b>>,
    followed: Vec<String>,
}

impl<'b> Together<'b> {
    fn keywords(&self) -> impl Iterator<Item = &'b Map<String, Value>> + '_ {
        self.parts.iter().filter_map(|part| part.schema.as_object())
    }

    fn has(&self, names: &[&str]) -> bool {
        self.keywords().any(|keywords| names.iter().any(|name| keywords.contains_key(*name)))
    }
}

impl<'b> Compiler<'_, 'b> {
    /// Notes why there is no plan of the location that is looked at.
    fn give_up<T>(&self, keyword: &'static str, why: impl Into<String>) -> Option<T> {
        self.obstacle.replace(Some(Obstacle::at(&self.at.borrow(), keyword, why)));
        None
    }

    /// The plan of a location one step below.
    fn below(&self, step: String, parts: Vec<Part<'b>>, followed: &[String], depth: usize) -> Option<Node> {
        self.at.borrow_mut().push(step);
        let node = self.location(parts, followed, depth + 1);
        self.at.borrow_mut().pop();
        node
    }

    /// The plan of a location where these schemas apply.
    fn location(&self, parts: Vec<Part<'b>>, followed: &[String], depth: usize) -> Option<Node> {
        let inner = if self.at.borrow().last().is_some_and(|step| step.bytes().all(|b| b.is_ascii_digit())) {
            "items"
        } else {
            "properties"
        };
        let Some(left) = self.left.get().checked_sub(1) else {
            return self.give_up(inner, format!("the schema has more than {NODES} locations"));
        };
        self.left.set(left);
        if depth > LEVELS {
            return self
                .give_up(inner, format!("it lies below {LEVELS} levels of others, and no more are made"));
        }
        if parts.iter().any(|part| *part.schema == Value::Bool(false)) {
            return self.give_up("false", "it allows no value");
        }
        let mut alternatives = Vec::new();
        let start = Together { parts: Vec::new(), followed: followed.to_vec() };
        self.expand(parts, start, Vec::new(), &mut alternatives);
        if alternatives.is_empty() {
            return self
                .give_up("$ref", "it refers to itself without an end, or what it refers to allows no value");
        }
        let nodes = alternatives.iter().filter_map(|together| self.node(together, depth)).collect();
        choice(nodes)
    }

    /// Takes schemas apart until none refers to another one, once for each choice among alternatives.
    fn expand(
        &self,
        mut todo: Vec<Part<'b>>,
        mut together: Together<'b>,
        mut choices: Vec<Vec<Vec<Part<'b>>>>,
        out: &mut Vec<Together<'b>>,
    ) {
        while let Some(part) = todo.pop() {
            let keywords = match part.schema {
                Value::Bool(true) => continue,
                Value::Object(keywords) => keywords,
                _ => return,
            };
            let inside = |schema: &'b Value| self.schema.inside(schema, &part.base);
            let list = |name: &str| keywords.get(name).and_then(Value::as_array).map(Vec::as_slice);
            if let Some(reference) = keywords.get("$ref").and_then(Value::as_str)
                && let Some((target, uri)) = self.schema.refer(reference, &part.base)
            {
                if together.followed.iter().filter(|followed| **followed == uri).count() >= FOLLOWED {
                    return;
                }
                together.followed.push(uri);
                todo.push(target);
            }
            todo.extend(list("allOf").unwrap_or_default().iter().map(inside));
            for name in ["anyOf", "oneOf"] {
                if let Some(all) = list(name) {
                    choices.push(all.iter().map(|one| vec![inside(one)]).collect());
                }
            }
            if let Some(condition) = keywords.get("if") {
                let met = [Some(condition), keywords.get("then")].into_iter().flatten().map(inside).collect();
                let unmet = keywords.get("else").map(inside).into_iter().collect();
                choices.push(vec![met, unmet]);
            }
            together.parts.push(part);
        }
        let Some(alternatives) = choices.pop() else {
            if out.len() < ALTERNATIVES {
                out.push(together);
            }
            return;
        };
        for alternative in alternatives {
            let so_far = Together { parts: together.parts.clone(), followed: together.followed.clone() };
            self.expand(alternative, so_far, choices.clone(), out);
        }
    }

    fn node(&self, together: &Together<'b>, depth: usize) -> Option<Node> {
        let listed = together.keywords().find_map(|keywords| match keywords.get("const") {
            Some(value) => Some(vec![value.clone()]),
            None => keywords.get("enum").and_then(Value::as_array).cloned(),
        });
        if let Some(mut values) = listed {
            let mut refused = "enum";
            values.retain(|value| {
                let checked = together.parts.iter().try_for_each(|part| self.schema.check(part, value));
                checked.map_err(|keyword| refused = keyword).is_ok()
            });
            if values.is_empty() {
                return self.give_up(refused, "of const or enum beside it, it allows no value");
            }
            return Some(Node::Values(values));
        }
        let mut allowed = together.keywords().filter_map(types).fold(Types::ANY, |all, one| all & one);
        if allowed == Types::ANY {
            allowed = guess(together);
        }
        let nullable = allowed.contains(Types::NULL);
        let mut nodes = Vec::new();
        if allowed.contains(Types::OBJECT) {
            nodes.extend(self.object(together, depth));
        }
        if allowed.contains(Types::ARRAY) {
            nodes.extend(self.array(together, depth));
        }
        if allowed.contains(Types::STRING) {
            nodes.extend(self.text(together));
        }
        let range = || self.give_up("minimum", "with the bounds beside it, it allows no number");
        if allowed.contains(Types::FRACTIONAL) {
            nodes.extend(floats(together).map(Node::Float).or_else(range));
        } else if allowed.contains(Types::INTEGER) {
            nodes.extend(integers(together).map(Node::Integer).or_else(range));
        }
        if allowed.contains(Types::BOOLEAN) {
            nodes.push(Node::Boolean);
        }
        if allowed.is_empty() {
            return self.give_up("type", "there are several, and no value is of all these types");
        }
        match choice(nodes) {
            Some(node) if nullable => Some(Node::Nullable(Box::new(node))),
            None if nullable => Some(Node::Values(vec![Value::Null])),
            node => node,
        }
    }

    fn object(&self, together: &Together<'b>, depth: usize) -> Option<Node> {
        let mut names: BTreeMap<&str, bool> = BTreeMap::new();
        for keywords in together.keywords() {
            for name in
                keywords.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(n, _)| n)
            {
                names.entry(name).or_default();
            }
            for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
                if let Some(name) = name.as_str() {
                    names.insert(name, true);
                }
            }
        }
        let member = |name: &str| {
            let mut parts = Vec::new();
            for part in &together.parts {
                let Some(keywords) = part.schema.as_object() else { continue };
                let schemas = self.schema.member_schemas(keywords, name);
                parts.extend(schemas.into_iter().map(|schema| self.schema.inside(schema, &part.base)));
            }
            self.below(name.to_owned(), parts, &together.followed, depth)
        };
        let mut named = Vec::new();
        for (name, required) in names {
            match member(name) {
                Some(node) => named.push(Member { name: name.to_owned(), node, required }),
                None if required => return None,
                None => {}
            }
        }
        let least = together.keywords().filter_map(|k| count(k, "minProperties")).max().unwrap_or(0);
        let most = together.keywords().filter_map(|k| count(k, "maxProperties")).min().unwrap_or(usize::MAX);
        // Only a map, or an object that must have more members than are known, has others.
        let is_map = named.is_empty() && together.has(&["additionalProperties"]);
        let others = (is_map || least > named.len()).then(|| member(&other_name(0))).flatten();
        if least > most {
            return self.give_up("minProperties", format!("{least} is more than maxProperties, {most}"));
        }
        if least > LONGEST_LIST {
            return self
                .give_up("minProperties", format!("{least} is more than the {LONGEST_LIST} that are made"));
        }
        (others.is_some() || least <= named.len())
            .then(|| Node::Object(Box::new(Members { named, others, least, most })))
    }

    fn array(&self, together: &Together<'b>, depth: usize) -> Option<Node> {
        let item = |index: usize| {
            let mut parts = Vec::new();
            for part in &together.parts {
                let schema = part.schema.as_object().and_then(|keywords| item_schema(keywords, index));
                parts.extend(schema.map(|schema| self.schema.inside(schema, &part.base)));
            }
            self.below(index.to_string(), parts, &together.followed, depth)
        };
        let prefix = |keywords: &Map<String, Value>| {
            let of = |name: &str| keywords.get(name).and_then(Value::as_array).map_or(0, Vec::len);
            of("prefixItems").max(of("items"))
        };
        let known = together.keywords().map(prefix).max().unwrap_or(0).min(PREFIX);
        let first: Vec<_> = (0..known).map_while(item).collect();
        let others = if first.len() == known { item(known) } else { None };
        let least = together.keywords().filter_map(|k| count(k, "minItems")).max().unwrap_or(0);
        let most = together.keywords().filter_map(|k| count(k, "maxItems")).min().unwrap_or(usize::MAX);
        let can = if others.is_some() { usize::MAX } else { first.len() };
        let distinct = together.has(&["uniqueItems"]);
        let contains = usize::from(together.has(&["contains"]));
        let least = least.max(contains);
        if least > most {
            return self.give_up("minItems", format!("{least} is more than maxItems, {most}"));
        }
        if least > LONGEST_LIST {
            return self
                .give_up("minItems", format!("{least} is more than the {LONGEST_LIST} that are made"));
        }
        // Else an item was given up.
        let most = most.min(can);
        (least <= most).then(|| Node::Array(Box::new(Items { first, others, least, most, distinct })))
    }

    fn text(&self, together: &Together<'b>) -> Option<Node> {
        let least = together.keywords().filter_map(|k| count(k, "minLength")).max().unwrap_or(0);
        let most = together.keywords().filter_map(|k| count(k, "maxLength")).min().unwrap_or(usize::MAX);
        if least > most {
            return self.give_up("minLength", format!("{least} is more than maxLength, {most}"));
        }
        if least > LONGEST_TEXT {
            return self
                .give_up("minLength", format!("{least} is more than the {LONGEST_TEXT} that are made"));
        }
        let texts = |name: &'static str| {
            together.keywords().filter_map(move |keywords| keywords.get(name).and_then(Value::as_str))
        };
        if let Some(format) = texts("format").find_map(Format::from_name) {
            return Some(Node::Text(Text::Format(format)));
        }
        if let Some(pattern) = texts("pattern").next() {
            return match regex_syntax::parse(pattern) {
                Ok(hir) => Some(Node::Text(Text::Pattern(Box::new(hir)))),
                Err(error) => {
                    let error = match &error {
                        regex_syntax::Error::Parse(error) => error.kind().to_string(),
                        regex_syntax::Error::Translate(error) => error.kind().to_string(),
                        _ => "it cannot be read".to_owned(),
                    };
                    self.give_up("pattern", format!("texts cannot be made by it: {error}"))
                }
            };
        }
        Some(Node::Text(Text::Letters(least, most)))
    }
}

impl Node {
    /// Makes a value.
    pub(super) fn make(&self, random: &mut Random) -> Value {
        match self {
            Self::Values(values) => values.get(random.index(values.len())).cloned().unwrap_or_default(),
            Self::Boolean => Value::Bool(random.once_in(2)),
            Self::Integer(integers) => {
                let Integers { low, usual, step, .. } = *integers;
                Value::from(random.between(low, usual).saturating_mul(step))
            }
            Self::Float(floats) => floats.make(random.unit()),
            Self::Text(text) => Value::String(text.any(random)),
            Self::Array(items) => items.make(random),
            Self::Object(members) => members.make(random),
            Self::Choice(nodes) => match nodes.get(random.index(nodes.len())) {
                Some(node) => node.make(random),
                None => Value::Null,
            },
            Self::Nullable(node) => {
                if random.once_in(NULLS) {
                    Value::Null
                } else {
                    node.make(random)
                }
            }
        }
    }

    /// A value that belongs to a number alone, if there are such.
    pub(super) fn numbered(&self, number: u64) -> Option<Value> {
        match self {
            Self::Integer(Integers { low, high, step, .. }) => {
                let index = low.checked_add_unsigned(number)?;
                (index <= *high).then(|| index.checked_mul(*step).map(Value::from)).flatten()
            }
            Self::Text(text) => text.numbered(number).map(Value::String),
            Self::Nullable(node) => node.numbered(number),
            Self::Choice(nodes) => nodes.iter().find_map(|node| node.numbered(number)),
            _ => None,
        }
    }

    /// The plan of a location below this one, where all steps are names.
    pub(super) fn below(&self, names: &[String]) -> Option<&Self> {
        let Some((name, rest)) = names.split_first() else { return Some(self) };
        match self {
            Self::Object(members) => {
                members.named.iter().find(|member| member.name == *name)?.node.below(rest)
            }
            Self::Nullable(node) => node.below(names),
            Self::Choice(nodes) => nodes.iter().find_map(|node| node.below(names)),
            _ => None,
        }
    }
}

impl Floats {
    #[expect(clippy::cast_possible_truncation, reason = "it is rounded, and floats saturate")]
    fn make(&self, unit: f64) -> Value {
        let Self { low, high, step } = *self;
        let value = match step {
            Some(step) => {
                let (from, to) = ((low / step).ceil(), (high / step).floor());
                (from + (unit * (to - from + 1.0)).floor()).min(to) * step
            }
            None => {
                let exact = low + (high - low) * unit;
                let cents = (exact * 100.0).round() / 100.0;
                // Bounds that are not allowed themselves are never met, but for ranges without anything between.
                if low < cents && cents < high { cents } else { exact }
            }
        };
        let whole = value as i64;
        #[expect(clippy::cast_precision_loss, reason = "it is compared")]
        let is_whole = step.is_some_and(|step| step.fract() == 0.0) && whole as f64 == value;
        if is_whole {
            Value::from(whole)
        } else {
            Number::from_f64(value).map_or(Value::from(0), Value::Number)
        }
    }
}

impl Items {
    fn make(&self, random: &mut Random) -> Value {
        let Self { first, others, least, most, distinct } = self;
        let usual = (*most).min(least.saturating_add(SOME)).max(first.len().min(*most));
        let length = least + random.index(usual.saturating_sub(*least) + 1);
        let mut items: Vec<Value> = Vec::with_capacity(length);
        for index in 0..length {
            let Some(node) = first.get(index).or(others.as_ref()) else { break };
            let mut item = node.make(random);
            let mut tries = 0;
            while *distinct && items.contains(&item) && tries < TRIES {
                item = node.make(random);
                tries += 1;
            }
            if *distinct && items.contains(&item) && index >= *least {
                break;
            }
            items.push(item);
        }
        Value::Array(items)
    }
}

impl Members {
    fn make(&self, random: &mut Random) -> Value {
        let mut members = Map::new();
        let absent = if self.most < self.named.len() { 2 } else { ABSENT };
        for Member { name, node, required } in &self.named {
            if *required || !random.once_in(absent) {
                members.insert(name.clone(), node.make(random));
            }
        }
        // Those that were left out by chance come back where there are too few.
        for Member { name, node, .. } in &self.named {
            if members.len() >= self.least {
                break;
            }
            if !members.contains_key(name) {
                members.insert(name.clone(), node.make(random));
            }
        }
        if let Some(node) = &self.others {
            let most = self.most.saturating_sub(members.len()).min(SOME);
            let least = self.least.saturating_sub(members.len());
            for i in 0..least.max(random.index(most + 1)) {
                members.insert(other_name(i), node.make(random));
            }
        }
        let mut optional: BTreeSet<&str> =
            self.named.iter().filter(|member| !member.required).map(|member| &*member.name).collect();
        while members.len() > self.most
            && let Some(name) = optional.pop_last()
        {
            members.remove(name);
        }
        Value::Object(members)
    }
}

fn other_name(index: usize) -> String {
    format!("key{}", index + 1)
}

fn choice(mut nodes: Vec<Node>) -> Option<Node> {
    match nodes.len() {
        0 => None,
        1 => nodes.pop(),
        _ => Some(Node::Choice(nodes)),
    }
}

/// The type of a location for which no schema names one: by the keywords that are there, else a text.
fn guess(together: &Together<'_>) -> Types {
    let rows: [(&[&str], Types); 3] = [
        (
            &["properties", "required", "additionalProperties", "patternProperties", "minProperties"],
            Types::OBJECT,
        ),
        (&["items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"], Types::ARRAY),
        (&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"], Types::NUMBER),
    ];
    rows.iter().find(|(names, _)| together.has(names)).map_or(Types::STRING, |(_, types)| *types)
}

/// The bounds of numbers: least and greatest, and whether each is allowed itself.
struct Bounds {
    low: Option<(f64, bool)>,
    high: Option<(f64, bool)>,
    step: Option<f64>,
}

fn bounds(together: &Together<'_>) -> Bounds {
    let all = |name: &'static str, allowed: bool| {
        together.keywords().filter_map(move |k| number(k, name)).map(move |bound| (bound, allowed))
    };
    let low = all("minimum", true).chain(all("exclusiveMinimum", false));
    let high = all("maximum", true).chain(all("exclusiveMaximum", false));
    // Of equal bounds the one that is not allowed itself counts.
    let low = low.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let high = high.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let step = together
        .keywords()
        .filter_map(|k| number(k, "multipleOf"))
        .filter(|step| *step > 0.0)
        .max_by(f64::total_cmp);
    Bounds { low, high, step }
}

#[expect(clippy::cast_possible_truncation, reason = "it is rounded, and floats saturate")]
fn integers(together: &Together<'_>) -> Option<Integers> {
    let Bounds { low, high, step } = bounds(together);
    // A step that is no integer meets integers at its multiples of one; those are found by trying.
    let step = step.filter(|step| step.fract() == 0.0 && *step < 1e15).map_or(1, |step| step as i64);
    let low = low.map(|(bound, allowed)| {
        let first = bound.ceil();
        let first = if !allowed && first == bound { first + 1.0 } else { first };
        (first as i64).div_euclid(step) + i64::from((first as i64).rem_euclid(step) != 0)
    });
    let high = high.map(|(bound, allowed)| {
        let last = bound.floor();
        let last = if !allowed && last == bound { last - 1.0 } else { last };
        (last as i64).div_euclid(step)
    });
    let most = i64::MAX / step;
    let (low, high) = match (low, high) {
        (Some(low), Some(high)) => (low, high),
        (Some(low), None) => (low, most),
        (None, Some(high)) if high >= 0 => (0, high),
        (None, Some(high)) => (high.saturating_sub(MILLION), high),
        (None, None) => (0, most),
    };
    let usual = high.min(low.saturating_add(MILLION));
    (low <= high).then_some(Integers { low, high, usual, step })
}

fn floats(together: &Together<'_>) -> Option<Floats> {
    const SPAN: f64 = 100_000.0;
    let Bounds { low, high, step } = bounds(together);
    let (low, high) = match (low, high) {
        (Some((low, _)), Some((high, _))) => (low, high),
        (Some((low, _)), None) => (low, low + SPAN),
        (None, Some((high, _))) if high > 0.0 => (0.0, high),
        (None, Some((high, _))) => (high - SPAN, high),
        (None, None) => (0.0, SPAN),
    };
    (low <= high).then_some(Floats { low, high, step })
}

/// Nodes of a plan.
const NODES: u32 = 200_000;
/// Levels of a document.
const LEVELS: usize = 60;
/// How often one reference is followed on the way to a location.
const FOLLOWED: usize = 2;
/// Combinations of alternatives at one location.
const ALTERNATIVES: usize = 32;
/// Items that have schemas of their own.
const PREFIX: usize = 1000;
/// One of so many values that may be null is.
const NULLS: u64 = 8;
/// One of so many members that may be absent is.
const ABSENT: u64 = 8;
/// Items and members that come on top of those that must be.
const SOME: usize = 3;
/// How often another item is made in place of one that is there already.
const TRIES: usize = 20;
const MILLION: i64 = 1_000_000;
/// More than this is no use in a document.
const LONGEST_LIST: usize = 100_000;
/// The same of letters.
const LONGEST_TEXT: usize = 16 << 20;
/// Characters of a location that are told.
const SHOWN: usize = 80;
