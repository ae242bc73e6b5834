//! The full names of a binding's records: that of its values, that of its keys, and those of the records within.
//!
//! Without a name of its own a record is called `root`, and the others have the dotted path of their location behind that, so
//! that bytes and subjects stay what they ever were. In Java `root` is a class then and `root` a package, which no compiler takes.
//! So where a record was given a name, the others are its siblings: `com.example.OrderKey`, `com.example.Order_customer`.

/// The names of a binding's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordNames {
    value: Path,
}

impl RecordNames {
    /// Those of a record without a name: `root`, `root.Key`, and paths below these.
    #[must_use]
    pub fn root() -> Self {
        Self { value: Path { name: "root".to_owned(), style: Style::Dotted } }
    }

    /// Those of a record with this full name, and of its siblings.
    #[must_use]
    pub fn named(record: impl Into<String>) -> Self {
        Self { value: Path { name: record.into(), style: Style::Siblings } }
    }

    /// The full name of the record of values.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value.name
    }

    /// The full name of the record of keys.
    #[must_use]
    pub fn key(&self) -> String {
        self.value.with("Key").name
    }

    pub(super) fn value_path(&self) -> Path {
        self.value.clone()
    }

    /// Of the record of a key's parts.
    pub(super) fn parts_path(&self) -> Path {
        self.value.with("Key").with("Parts")
    }
}

/// The name of the record at a location, if it has one, and what the names of those below it are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    name: String,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Dotted,
    Siblings,
}

/// What leads from a location to one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A property whose name is a legal Avro name, and not [`EXTRA`].
    Property(&'a str),
    /// The items of an array.
    Items,
    /// The values of a record's extra map.
    Extra,
    /// The record of a text of JSON.
    RawJson,
}

impl Path {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Goes down a step; [`Self::truncate`] goes back up.
    pub(super) fn push(&mut self, step: Step<'_>) {
        match self.style {
            Style::Dotted => {
                self.name.push('.');
                self.name.push_str(match step {
                    Step::Property(name) => name,
                    Step::Items => "_items",
                    Step::Extra => EXTRA,
                    Step::RawJson => RAW_JSON,
                });
            }
            Style::Siblings => match step {
                Step::Property(name) => self.push_property(name),
                // An array has no properties, and a text of JSON neither, so these cannot be taken for one.
                Step::Items => self.name.push_str("_items"),
                Step::RawJson => {
                    self.name.push('_');
                    self.name.push_str(RAW_JSON);
                }
                Step::Extra => self.name.push_str(EXTRA),
            },
        }
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.name.truncate(length);
    }

    /// The name that a step leads to.
    pub(super) fn below(&self, step: Step<'_>) -> String {
        let mut path = self.clone();
        path.push(step);
        path.name
    }

    /// Appends a property so that it can be read back, from left to right, and two locations never have one name: an underscore
    /// begins a step where a letter follows (`_a`), a step that begins with an underscore where `0` does (`_0a` for `_a`), and is
    /// an underscore of the step where another follows (`a__b` for `a_b`). `_flow` begins [`EXTRA`]: the property `flow` is `_1flow`.
    fn push_property(&mut self, name: &str) {
        self.name.push('_');
        let rest = if let Some(rest) = name.strip_prefix('_') {
            self.name.push('0');
            rest
        } else {
            if name == "flow" {
                self.name.push('1');
            }
            name
        };
        for c in rest.chars() {
            self.name.push(c);
            if c == '_' {
                self.name.push(c);
            }
        }
    }

    fn with(&self, part: &str) -> Self {
        let dot = match self.style {
            Style::Dotted => ".",
            Style::Siblings => "",
        };
        Self { name: [&self.name, dot, part].concat(), style: self.style }
    }
}

/// The name of a record's extra map, which no property's record has.
pub(super) const EXTRA: &str = "_flow_extra";

const RAW_JSON: &str = "RawJSON";

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn sibling(steps: &[Step<'_>]) -> String {
        let mut path = RecordNames::named("com.acme.Order").value_path();
        steps.iter().for_each(|step| path.push(*step));
        path.name
    }

    fn of(properties: &[&str]) -> String {
        sibling(&properties.iter().map(|name| Step::Property(name)).collect::<Vec<_>>())
    }

    #[test]
    fn records_without_a_name_have_paths() {
        let names = RecordNames::root();
        assert_eq!((names.value(), names.key().as_str()), ("root", "root.Key"));
        assert_eq!(names.parts_path().below(Step::Property("p1")), "root.Key.Parts.p1");
        let mut path = names.value_path();
        for step in [Step::Property("a_b"), Step::Items, Step::Extra, Step::RawJson] {
            path.push(step);
        }
        assert_eq!(path.name(), "root.a_b._items._flow_extra.RawJSON");
        path.truncate("root.a_b".len());
        assert_eq!(path.name(), "root.a_b");
    }

    #[test]
    fn records_with_a_name_have_siblings() {
        let names = RecordNames::named("com.acme.Order");
        assert_eq!((names.value(), names.key().as_str()), ("com.acme.Order", "com.acme.OrderKey"));
        assert_eq!(names.parts_path().below(Step::Property("p1")), "com.acme.OrderKeyParts_p1");
        assert_eq!(sibling(&[Step::Extra, Step::RawJson]), "com.acme.Order_flow_extra_RawJSON");
        assert_eq!(sibling(&[Step::Property("tags"), Step::Items]), "com.acme.Order_tags_items");
        assert_eq!(of(&["customer", "shipping_address"]), "com.acme.Order_customer_shipping__address");
        assert_eq!(of(&["_meta"]), "com.acme.Order_0meta");
    }

    #[test]
    fn siblings_that_look_alike_are_told_apart() {
        assert_ne!(of(&["a_b", "c"]), of(&["a", "b_c"]));
        assert_ne!(of(&["a_", "b"]), of(&["a", "_b"]));
        assert_ne!(of(&["flow", "extra"]), sibling(&[Step::Extra]));
        assert_ne!(of(&["flow_extra"]), sibling(&[Step::Extra]));
        assert_ne!(of(&["Key"]), RecordNames::named("com.acme.Order").key());
    }

    proptest! {
        /// Of few letters, so that names come close to each other.
        #[test]
        fn no_two_locations_have_one_name(
            paths in prop::collection::vec(
                prop::collection::vec("[a_][a0_]{0,3}|flow|extra|flow_extra|_flow|_extra", 1..4), 2..80)
        ) {
            let mut seen: HashMap<String, Vec<Option<String>>> = HashMap::new();
            for path in paths {
                // At some locations there is an extra map on the way.
                for at in 0..=path.len() {
                    let mut steps: Vec<_> = path.iter().map(|name| Some(name.clone())).collect();
                    steps.insert(at, None);
                    for steps in [steps, path.iter().cloned().map(Some).collect()] {
                        let name = sibling(&steps.iter().map(|step| {
                            step.as_ref().map_or(Step::Extra, |name| Step::Property(name))
                        }).collect::<Vec<_>>());
                        prop_assert!(name.bytes().all(|byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric()));
                        let first = seen.entry(name.clone()).or_insert_with(|| steps.clone());
                        prop_assert_eq!(first, &steps, "{}", name);
                    }
                }
            }
        }
    }
}
