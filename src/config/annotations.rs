//! What messages have beside key and value: headers and times.

use std::collections::BTreeMap;

use serde_json::json;

use super::error::{Error, Part};
use super::kinds::{filled, list, map};
use super::option::{Choice, Setting, choices, options};
use super::{EndpointConfig, Resource};

options! {
    /// Headers and times of messages. A message that has any costs more than one that has none.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Annotations {
        /// Headers that every message has, by name.
        pub headers: Option<BTreeMap<String, String>> = "Headers", headers();
        /// Headers with a value of each message's own.
        pub header_fields: Option<Vec<HeaderField>> = "Header fields", header_fields();
        /// Field that the messages' timestamps are taken of, such as flow_published_at: a date-time, or whole milliseconds
        /// since 1970. Where it is null or before 1970, and without this option, it is the time of sending.
        pub timestamp: Option<String> = "Timestamp", timestamp();
    }
}

choices! {
    /// A header with a value of each message's own.
    pub enum HeaderField {
        /// Header flow_operation, which is c, u or d, of the field at /_meta/op.
        Operation = "operation",
        /// Header flow_collection, the name of the collection.
        Collection = "collection",
        /// Header flow_published_at, as the field of that name.
        PublishedAt = "published_at",
    }
}

impl HeaderField {
    /// The name of the header.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Operation => "flow_operation",
            Self::Collection => "flow_collection",
            Self::PublishedAt => "flow_published_at",
        }
    }
}

pub(super) fn headers() -> Setting<Option<BTreeMap<String, String>>> {
    map()
}

pub(super) fn header_fields() -> Setting<Option<Vec<HeaderField>>> {
    let names: Vec<&str> = HeaderField::ALL.iter().map(|(name, _)| *name).collect();
    let meanings = names.iter().zip(HeaderField::MEANINGS);
    let meanings: Vec<_> = meanings.map(|(name, meaning)| format!("{name}: {}", meaning.trim())).collect();
    let items = json!({"type": "string", "enum": names});
    let setting = list().then(move |members, name, texts| {
        let mut fields = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let place = format!("{name}/{index}");
            let Some((_, field)) = HeaderField::ALL.iter().find(|(known, _)| known == text) else {
                return Err(members.invalid(&place, text, format!("expected one of {}", names.join(", "))));
            };
            if fields.contains(field) {
                return Err(members.invalid(
                    &place,
                    text,
                    "it is named twice: remove one of them".to_owned(),
                ));
            }
            fields.push(*field);
        }
        Ok(fields)
    });
    setting.with("items", items).remark(meanings.join(" "))
}

pub(super) fn timestamp() -> Setting<Option<String>> {
    filled()
}

/// What stands in the place of a field's name where a binding is to be without it.
const TIME_OF_SENDING: &str = "none";

impl EndpointConfig {
    /// What the messages of a binding have beside key and value.
    ///
    /// # Errors
    ///
    /// A constant header has the name of one that each message has a value of its own for.
    pub fn annotations(&self, resource: &Resource) -> Result<Annotations, Error> {
        let of_endpoint = self.advanced.annotations.clone();
        let (part, place) = match resource.headers {
            Some(_) => (Part::Resource, "/headers"),
            None => (Part::Endpoint, "/advanced/headers"),
        };
        let all = Annotations {
            headers: resource.headers.clone().or(of_endpoint.headers),
            header_fields: resource.header_fields.clone().or(of_endpoint.header_fields),
            timestamp: resource
                .timestamp
                .clone()
                .or(of_endpoint.timestamp)
                .filter(|field| field != TIME_OF_SENDING),
        };
        let constant = |field: &&HeaderField| {
            all.headers.as_ref().is_some_and(|headers| headers.contains_key(field.header()))
        };
        match all.header_fields.iter().flatten().find(constant) {
            None => Ok(all),
            Some(field) => Err(Error::Refused {
                part,
                pointer: format!("{place}/{}", field.header()),
                reason: format!(
                    "header_fields has {}, which makes a header of this name: remove one of them",
                    field.as_str()
                ),
            }),
        }
    }
}
