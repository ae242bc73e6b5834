//! Names of Avro records and their namespaces, by the rules of Avro's specification ("Names").

use std::fmt;

/// The name of a record: a simple one, or with dots a full one, to which no namespace is added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordName(String);

impl RecordName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// Why it is none, and what was expected.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        check(&name, "a record's name")?;
        let simple = name.rsplit_once('.').map_or(name.as_str(), |(_, simple)| simple);
        if PRIMITIVE.contains(&simple) {
            return Err(format!("{simple:?} is the name of one of Avro's own types: choose another"));
        }
        Ok(Self(name))
    }

    /// The nearest name to a topic's: each character that a name cannot have becomes an underscore.
    #[must_use]
    pub fn of_topic(topic: &str) -> Self {
        let mut name: String =
            topic.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            || PRIMITIVE.contains(&name.as_str())
        {
            name.insert(0, '_');
        }
        Self(name)
    }

    /// The full name in a namespace.
    #[must_use]
    pub fn within(&self, namespace: Option<&Namespace>) -> String {
        match namespace {
            Some(namespace) if !self.0.contains('.') => format!("{namespace}.{self}"),
            _ => self.0.clone(),
        }
    }
}

/// A namespace: names with dots between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// Checks a namespace.
    ///
    /// # Errors
    ///
    /// Why it is none, and what was expected.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        check(&name, "a namespace")?;
        Ok(Self(name))
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the parts between dots.
fn check(name: &str, what: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
            && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    if name.len() > MAX_LENGTH {
        return Err(format!("{what} may have {MAX_LENGTH} characters, this one has {}", name.len()));
    }
    if name.split('.').all(is_part) {
        return Ok(());
    }
    // What is wrong is not repeated: it may be a secret that was pasted here.
    Err(format!(
        "expected {what} by Avro's rules: parts with dots between them, each a letter a-z or A-Z or an underscore, \
         then letters, digits and underscores"
    ))
}

/// Types that have no names of their own, and whose names no other type may have.
const PRIMITIVE: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Each record within has the name in its own; subjects have it as well, and registries keep 255 characters of them.
const MAX_LENGTH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_avros_specification() {
        for name in ["a", "_", "A_1", "com.acme.Order", "x.null_"] {
            assert_eq!(RecordName::new(name).map(|name| name.to_string()), Ok(name.to_owned()));
            assert!(apache_avro::Schema::parse_str(&record(name)).is_ok(), "{name}");
        }
        for name in ["", ".", "a.", ".a", "a..b", "1a", "a-b", "ä", "a b"] {
            assert!(RecordName::new(name).unwrap_err().starts_with("expected a record's name by "), "{name}");
            assert!(Namespace::new(name).unwrap_err().starts_with("expected a namespace by "), "{name}");
        }
        assert_eq!(
            RecordName::new("com.1acme").unwrap_err(),
            "expected a record's name by Avro's rules: parts with dots between them, each a letter a-z or A-Z or an \
             underscore, then letters, digits and underscores"
        );
        assert_eq!(
            RecordName::new("com.acme.string").unwrap_err(),
            "\"string\" is the name of one of Avro's own types: choose another"
        );
        assert!(Namespace::new("string").is_ok());
        assert_eq!(
            Namespace::new("n".repeat(201)).unwrap_err(),
            "a namespace may have 200 characters, this one has 201"
        );
    }

    fn record(name: &str) -> String {
        format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#)
    }

    #[test]
    fn a_namespace_stands_before_simple_names_only() {
        let namespace = Namespace::new("com.acme").unwrap();
        let full = |name: &str, namespace| RecordName::new(name).unwrap().within(namespace);
        assert_eq!(full("Order", Some(&namespace)), "com.acme.Order");
        assert_eq!(full("shop.Order", Some(&namespace)), "shop.Order");
        assert_eq!(full("Order", None), "Order");
    }

    #[test]
    fn topics_have_names_near_theirs() {
        for (topic, name) in [
            ("orders", "orders"),
            ("shop.orders-v1", "shop_orders_v1"),
            ("1st", "_1st"),
            ("long", "_long"),
            ("_a", "_a"),
        ] {
            assert_eq!(RecordName::of_topic(topic).to_string(), name);
            assert!(RecordName::new(name).is_ok());
        }
    }
}
