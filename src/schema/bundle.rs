//! The schema bundle of a collection and the URIs by which its schemas refer to each other.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use url::Url;

use crate::schema::keywords::{Place, each_subschema};
use crate::schema::{Error, pointer};

/// A bundle whose base URIs and anchors are known, and in which every reference resolves.
pub(crate) struct Bundle<'b> {
    root: &'b Value,
    base: Url,
    /// What a base URI stands for: the root, and each schema with an `$id`.
    resources: HashMap<String, &'b Value>,
    /// Base URI, `#`, and the name of an `$anchor` or `$dynamicAnchor`.
    anchors: HashMap<String, &'b Value>,
}

/// What a reference resolves to.
pub(crate) struct Target<'b> {
    /// The referred schema.
    pub(crate) schema: &'b Value,
    /// The base of the references in it, its own `$id` applied.
    pub(crate) base: Url,
    /// The reference made absolute, an empty fragment dropped: what tells targets apart.
    pub(crate) uri: String,
}

struct Reference<'b> {
    text: &'b str,
    base: Url,
    place: String,
}

impl<'b> Bundle<'b> {
    /// Indexes the bundle and checks its references.
    pub(crate) fn new(root: &'b Value) -> Result<Self, Error> {
        check_depth(root)?;
        let base = match root.get("$id").and_then(Value::as_str).map(Url::parse) {
            Some(Ok(mut url)) => {
                url.set_fragment(None);
                url
            }
            _ => placeholder(),
        };
        let mut bundle = Self { root, base, resources: HashMap::new(), anchors: HashMap::new() };
        let base = bundle.base.clone();
        bundle.resources.insert(base.as_str().to_owned(), root);

        let mut references = Vec::new();
        bundle.index(root, &base, &Place::start("#"), &mut references)?;
        for reference in references {
            bundle.resolve(reference.text, &reference.base, || reference.place.clone())?;
        }
        Ok(bundle)
    }

    pub(crate) fn root(&self) -> &'b Value {
        self.root
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The base of what is in a schema: its own `$id`, else that of the schema around it.
    pub(crate) fn base_of<'u>(
        &self,
        schema: &Value,
        around: &'u Url,
        place: &Place<'_>,
    ) -> Result<Cow<'u, Url>, Error> {
        let id = match schema.get("$id").and_then(Value::as_str) {
            Some(id) if !std::ptr::eq(schema, self.root) => id,
            _ => return Ok(Cow::Borrowed(around)),
        };
        let mut url = around.join(id).map_err(|_| bad_id(place, id))?;
        if url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
            return Err(bad_id(place, id));
        }
        url.set_fragment(None);
        Ok(Cow::Owned(url))
    }

    /// Follows a reference.
    pub(crate) fn resolve(
        &self,
        reference: &str,
        base: &Url,
        place: impl Fn() -> String,
    ) -> Result<Target<'b>, Error> {
        let unresolved =
            |uri: &str| Error::Unresolved { place: place(), reference: reference.into(), uri: uri.into() };
        let mut url = base.join(reference).map_err(|_| unresolved(reference))?;
        if url.fragment() == Some("") {
            url.set_fragment(None);
        }
        let uri = url.as_str().to_owned();
        let fragment = url.fragment().map(percent_decoded);
        url.set_fragment(None);

        let found = match fragment {
            None => self.resources.get(url.as_str()).map(|schema| (*schema, url)),
            Some(path) if path.starts_with('/') => self.descend(&url, &path),
            Some(name) => self.anchors.get(&format!("{url}#{name}")).map(|schema| (*schema, url)),
        };
        let (schema, base) = found.ok_or_else(|| unresolved(&uri))?;
        Ok(Target { schema, base, uri })
    }

    fn index(
        &mut self,
        schema: &'b Value,
        around: &Url,
        place: &Place<'_>,
        references: &mut Vec<Reference<'b>>,
    ) -> Result<(), Error> {
        let Value::Object(object) = schema else { return Ok(()) };
        let base = self.base_of(schema, around, place)?;
        if matches!(base, Cow::Owned(_)) {
            self.resources.entry(base.as_str().to_owned()).or_insert(schema);
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = object.get(keyword).and_then(Value::as_str) {
                self.anchors.entry(format!("{base}#{name}")).or_insert(schema);
            }
        }
        if let Some(text) = object.get("$ref").and_then(Value::as_str) {
            references.push(Reference { text, base: base.clone().into_owned(), place: place.to_string() });
        }
        each_subschema(object, place, |schema, place| self.index(schema, &base, place, references))
    }

    /// Follows a pointer from the schema that a base URI stands for. A location below a nested `$id` is known by its
    /// place in the whole bundle as well.
    fn descend(&self, base: &Url, path: &str) -> Option<(&'b Value, Url)> {
        let resource = self.resources.get(base.as_str())?;
        self.walk(resource, base, path)
            .or_else(|| self.walk(self.root, &self.base, path).filter(|(_, found)| found == base))
    }

    fn walk(&self, start: &'b Value, base: &Url, path: &str) -> Option<(&'b Value, Url)> {
        let mut value = start;
        let mut inside = base.clone();
        for token in pointer::tokens(path) {
            value = match value {
                Value::Object(members) => members.get(&token)?,
                Value::Array(items) => items.get(pointer::index(&token)?)?,
                _ => return None,
            };
            if let Cow::Owned(own) = self.base_of(value, &inside, &Place::start("")).ok()? {
                inside = own;
            }
        }
        Some((value, inside))
    }
}

/// The base of a bundle that does not name its own.
fn placeholder() -> Url {
    Url::parse("bundle://collection/").expect("a constant that parses, as every test here shows")
}

fn bad_id(place: &Place<'_>, id: &str) -> Error {
    Error::Keyword {
        place: place.to_string(),
        keyword: "$id",
        found: format!("{id:?}"),
        expected: "a URI without a fragment",
    }
}

/// Refuses what would overflow the stack in one of the recursions that follow, this one being none.
fn check_depth(root: &Value) -> Result<(), Error> {
    let mut pending = vec![(root, 0)];
    while let Some((value, depth)) = pending.pop() {
        if depth > JSON_LEVELS {
            return Err(Error::TooDeep { limit: JSON_LEVELS });
        }
        match value {
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => pending.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Twice what serde_json lets through when it parses a text; a value may also have been put together.
const JSON_LEVELS: usize = 256;

fn percent_decoded(text: &str) -> String {
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let Some((&first, rest)) = bytes.split_first() {
        let escape = match rest {
            [high, low, after @ ..] if first == b'%' => {
                hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after))
            }
            _ => None,
        };
        let (byte, after) = escape.unwrap_or((first, rest));
        decoded.push(byte);
        bytes = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
