//! What an option is: a name, a title, a doc comment, and a [`Setting`] that says how its value is read.
//!
//! [`options!`] makes a group of them: the Rust type, its reader, and its part of the form, from one list. The
//! doc comment of a field is at once its documentation in Rust, its description on the form, and its line in
//! `docs/options.md`; so it is written for users, in plain text. [`choices!`] makes the enum of an option that takes
//! one of a few texts.

use serde_json::{Map, Value, json};

use super::error::Error;
use super::members::Members;

/// How one option's value is read, as a `T`, and how the form describes such values.
pub(super) struct Setting<T> {
    schema: Map<String, Value>,
    /// What the description says beside the doc comment.
    remark: String,
    /// Whether the form insists on a value.
    asked: bool,
    take: Take<T>,
}

type Take<T> = Box<dyn Fn(&Members<'_>, &str) -> Result<T, Error>>;

impl<T> Setting<T> {
    /// Reads the option out of the object that it is a member of.
    pub(super) fn read(&self, members: &Members<'_>, name: &str) -> Result<T, Error> {
        (self.take)(members, name)
    }

    /// The option on the form.
    pub(super) fn property(self, name: &'static str, title: &'static str, doc: &'static str) -> Property {
        let mut schema = self.schema;
        let description = format!("{} {}", doc.trim(), self.remark);
        schema.insert("title".to_owned(), title.into());
        schema.insert("description".to_owned(), description.trim().into());
        // A group says of each of its options whether it may be shown.
        let is_group = schema.contains_key("properties") || schema.contains_key("oneOf");
        if !is_group && !schema.contains_key("secret") {
            schema.insert("nonsensitive".to_owned(), true.into());
        }
        Property { name, schema, asked: self.asked }
    }

    /// Whether the form insists on a value, where that differs from what is accepted.
    pub(super) fn asked(mut self, asked: bool) -> Self {
        self.asked = asked;
        self
    }

    /// Another member of the option's schema.
    pub(super) fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.schema.insert(keyword.to_owned(), value.into());
        self
    }

    /// Adds a sentence to the description.
    pub(super) fn remark(mut self, sentence: impl Into<String>) -> Self {
        self.remark = sentence.into();
        self
    }
}

impl<T: 'static> Setting<Option<T>> {
    /// `schema` describes the values, an object; `take` gives `None` for an absent member.
    pub(super) fn new(
        schema: Value,
        take: impl Fn(&Members<'_>, &str) -> Result<Option<T>, Error> + 'static,
    ) -> Self {
        let schema = if let Value::Object(schema) = schema { schema } else { Map::new() };
        Self { schema, remark: String::new(), asked: false, take: Box::new(take) }
    }

    /// With a value for an absent member, as the configuration spells it.
    pub(super) fn or(self, default: impl Into<Value>) -> Setting<T> {
        let default = default.into();
        self.instead(default.clone()).with("default", default)
    }

    /// A group of options that all have a default: an absent one is an empty one.
    pub(super) fn or_empty(self) -> Setting<T> {
        self.instead(json!({}))
    }

    /// A value must be there; the error of an absent one tells `remedy`.
    pub(super) fn required(self, remedy: &'static str) -> Setting<T> {
        self.map(move |members, name, value| value.ok_or_else(|| members.missing(name, remedy))).asked(true)
    }

    /// An option of a binding's resource which wins over an option of the endpoint, named as in `advanced.producers`.
    pub(super) fn instead_of(self, endpoint_option: &str) -> Self {
        self.remark(format!("{INSTEAD_OF}{endpoint_option}."))
    }

    /// Makes something else of a value that is there.
    pub(super) fn then<U: 'static>(
        self,
        make: impl Fn(&Members<'_>, &str, T) -> Result<U, Error> + 'static,
    ) -> Setting<Option<U>> {
        self.map(move |members, name, value| value.map(|value| make(members, name, value)).transpose())
    }

    fn map<U: 'static>(
        self,
        make: impl Fn(&Members<'_>, &str, Option<T>) -> Result<U, Error> + 'static,
    ) -> Setting<U> {
        let Self { schema, remark, asked, take } = self;
        let take =
            Box::new(move |members: &Members<'_>, name: &str| make(members, name, take(members, name)?));
        Setting { schema, remark, asked, take }
    }

    fn instead(self, default: Value) -> Setting<T> {
        let Self { schema, remark, asked, take } = self;
        let take = Box::new(move |members: &Members<'_>, name: &str| match take(members, name)? {
            Some(value) => Ok(value),
            None => {
                // Read as if it stood there, so that a default needs no second form.
                let document = json!({ name: default });
                let value = take(&members.instead(&document)?, name)?;
                value.ok_or_else(|| members.missing(name, "its default is no value"))
            }
        });
        Setting { schema, remark, asked, take }
    }
}

/// One option on the form, without its place.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) schema: Map<String, Value>,
    pub(super) asked: bool,
}

/// An object of options.
pub(super) trait Group: Sized {
    /// Its schema, without title and description: those are of the option whose value the group is.
    fn schema() -> Map<String, Value>;

    /// Reads and checks it.
    fn read(members: &Members<'_>) -> Result<Self, Error>;
}

/// A group whose options can stand among others in one object.
pub(super) trait Listed: Group {
    /// The type's doc comment.
    const DOC: &'static str;

    /// The options, in the form's order.
    fn properties() -> Vec<Property>;
}

/// A type of which each value has a name in the configuration.
pub(super) trait Choice: Copy + 'static {
    /// Names and values.
    const ALL: &'static [(&'static str, Self)];
    /// What each value means, in the same order.
    const MEANINGS: &'static [&'static str];
}

/// Before the name of the endpoint's option, in the description of one that wins over it.
pub(super) const INSTEAD_OF: &str = "In place of the endpoint's ";

/// A group of options: `pub name: Type = "Title", setting;` each, below its doc comment.
///
/// * `pub struct Name, checked by check { ... }`: `fn check(Self, &Members<'_>) -> Result<Self, Error>` is called
///   with what was read, to refuse contradictions.
/// * `flat { pub name: Group; }` behind it: the options of other groups, in the same JSON object.
/// * `pub enum Name by tag = "Title" { Variant = "value", "Title" { options } }`: groups of which the member `tag`
///   chooses one.
macro_rules! options {
    (
        $(#[doc = $doc:literal])+
        #[derive($($derive:ident),+)]
        pub struct $name:ident $(, checked by $check:path)? {
            $(
                $(#[doc = $field_doc:literal])+
                pub $field:ident: $type:ty = $title:literal, $setting:expr;
            )*
        }
        $(flat {
            $(
                $(#[doc = $flat_doc:literal])+
                pub $flat:ident: $flat_type:ty;
            )+
        })?
    ) => {
        $(#[doc = $doc])+
        #[derive($($derive),+)]
        #[allow(rustdoc::bare_urls, reason = "the doc comments are plain text for users")]
        pub struct $name {
            $( $(#[doc = $field_doc])+ pub $field: $type, )*
            $($( $(#[doc = $flat_doc])+ pub $flat: $flat_type, )+)?
        }

        impl $crate::config::option::Group for $name {
            fn schema() -> serde_json::Map<String, serde_json::Value> {
                $crate::config::form::object(<Self as $crate::config::option::Listed>::properties())
            }

            fn read(members: &$crate::config::members::Members<'_>) -> Result<Self, $crate::config::Error> {
                let read = Self {
                    $(
                        $field: {
                            let setting: $crate::config::option::Setting<$type> = $setting;
                            setting.read(members, stringify!($field))?
                        },
                    )*
                    $($( $flat: <$flat_type as $crate::config::option::Group>::read(members)?, )+)?
                };
                $( let read = $check(read, members)?; )?
                Ok(read)
            }
        }

        impl $crate::config::option::Listed for $name {
            const DOC: &'static str = concat!($($doc),+);

            fn properties() -> Vec<$crate::config::option::Property> {
                let own = vec![
                    $({
                        let setting: $crate::config::option::Setting<$type> = $setting;
                        setting.property(stringify!($field), $title, concat!($($field_doc),+))
                    },)*
                ];
                $($(
                    let flat = <$flat_type as $crate::config::option::Listed>::properties();
                    let own: Vec<_> = own.into_iter().chain(flat).collect();
                )+)?
                own
            }
        }
    };
    (
        $(#[doc = $doc:literal])+
        #[derive($($derive:ident),+)]
        pub enum $name:ident by $tag:ident = $tag_title:literal $(, checked by $check:path)? {
            $(
                $(#[doc = $variant_doc:literal])+
                $variant:ident = $value:literal, $variant_title:literal {
                    $(
                        $(#[doc = $field_doc:literal])+
                        $field:ident: $type:ty = $title:literal, $setting:expr;
                    )*
                }
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive($($derive),+)]
        #[allow(rustdoc::bare_urls, reason = "the doc comments are plain text for users")]
        pub enum $name {
            $(
                $(#[doc = $variant_doc])+
                $variant { $( $(#[doc = $field_doc])+ $field: $type, )* },
            )+
        }

        impl $crate::config::option::Group for $name {
            fn schema() -> serde_json::Map<String, serde_json::Value> {
                $crate::config::form::one_of(stringify!($tag), $tag_title, vec![
                    $((
                        $value,
                        $variant_title,
                        concat!($($variant_doc),+),
                        vec![
                            $({
                                let setting: $crate::config::option::Setting<$type> = $setting;
                                setting.property(stringify!($field), $title, concat!($($field_doc),+))
                            },)*
                        ],
                    ),)+
                ])
            }

            fn read(members: &$crate::config::members::Members<'_>) -> Result<Self, $crate::config::Error> {
                let read = match members.tag(stringify!($tag), &[$($value),+])? {
                    $(
                        $value => Self::$variant {
                            $(
                                $field: {
                                    let setting: $crate::config::option::Setting<$type> = $setting;
                                    setting.read(members, stringify!($field))?
                                },
                            )*
                        },
                    )+
                    _ => unreachable!("members.tag gives one of the values above"),
                };
                $( let read = $check(read, members)?; )?
                Ok(read)
            }
        }
    };
}

/// The enum of an option that takes one of a few texts: `Variant = "text",` each, below its doc comment, which
/// the form shows as the text's meaning.
macro_rules! choices {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $(
                $(#[doc = $variant_doc:literal])+
                $variant:ident = $value:literal,
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[doc = $variant_doc])+ $variant, )+
        }

        impl $name {
            /// Its name in the configuration; Kafka's, where Kafka has one.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $value, )+
                }
            }
        }

        impl $crate::config::option::Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($value, Self::$variant)),+];
            const MEANINGS: &'static [&'static str] = &[$(concat!($($variant_doc),+)),+];
        }
    };
}

pub(super) use {choices, options};
