//! What a binding will register, as far as Validate can know: the runtime selects fields only afterwards.
//!
//! The key is certain. Of the values those are taken that the last specification had, or, where there was none, those that
//! are recommended. Apply and Open know the selection, and look again.

use std::cmp::Reverse;

use crate::config::{EndpointConfig, Resource};
use crate::protocol::messages::{flow, request};
use crate::registry::Schema;
use crate::session::binding;
use crate::session::subjects::Naming;

/// What a binding will most likely register.
pub(super) struct Foreseen {
    /// Collection and topic, for errors.
    pub(super) name: String,
    /// Subjects and schemas: of the key, then of the value, each if it has one.
    pub(super) subjects: Vec<(String, Schema)>,
    /// Whether the first of them is the key's.
    pub(super) key_has_schema: bool,
    /// Whether the values are those that were selected before.
    pub(super) is_known: bool,
}

impl Foreseen {
    /// What is certain enough to be refused: the key, and values that were selected before.
    pub(super) fn certain(&self) -> &[(String, Schema)] {
        let count = if self.is_known { self.subjects.len() } else { usize::from(self.key_has_schema) };
        self.subjects.get(..count).unwrap_or_default()
    }

    /// `is_likely` tells of a field that is no key whether it will be selected.
    pub(super) fn new(
        config: &EndpointConfig,
        resource: &Resource,
        binding: &request::ValidateBinding,
        collection: &flow::CollectionSpec,
        is_likely: impl Fn(&flow::Projection) -> bool,
    ) -> anyhow::Result<Self> {
        let topic = config.topic(resource)?.name;
        let naming = Naming::new(config, resource, topic.as_str());
        let selection = selection(binding, collection, is_likely);
        let formats = config.formats(resource)?;
        let schemas = binding::Schemas::of(formats, &naming, collection, &selection)?;
        let subjects = schemas.subjects(formats, &naming);
        let name = binding::describe(&collection.name, topic.as_str());
        Ok(Self { name, subjects, key_has_schema: formats.key_has_schema(), is_known: false })
    }
}

fn selection(
    binding: &request::ValidateBinding,
    collection: &flow::CollectionSpec,
    is_likely: impl Fn(&flow::Projection) -> bool,
) -> flow::FieldSelection {
    let is_required = |field: &str| binding.field_config_json_map.contains_key(field);
    let keys = if binding.group_by.is_empty() {
        let of_location = |pointer: &String| {
            let fields = collection.projections.iter().filter(|projection| projection.ptr == *pointer);
            fields.max_by_key(|p| (is_required(&p.field), p.explicit, Reverse(&p.field)))
        };
        collection.key.iter().filter_map(of_location).map(|projection| projection.field.clone()).collect()
    } else {
        binding.group_by.clone()
    };
    let others = collection.projections.iter().filter(|projection| !keys.contains(&projection.field));
    let selected = others.filter(|projection| is_required(&projection.field) || is_likely(projection));
    let (documents, values): (Vec<_>, Vec<_>) = selected.partition(|projection| projection.ptr.is_empty());
    let names = |projections: Vec<&flow::Projection>| -> Vec<String> {
        projections.into_iter().map(|projection| projection.field.clone()).collect()
    };
    let mut documents = names(documents);
    documents.sort_unstable();
    let mut values = names(values);
    let document = if documents.is_empty() { String::new() } else { documents.remove(0) };
    // Of several fields of the root one is the document.
    values.extend(documents);
    values.sort_unstable();
    flow::FieldSelection { keys, values, document, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_certain_and_values_those_that_are_likely() {
        let projection = |field: &str, ptr: &str, explicit: bool| flow::Projection {
            field: field.into(),
            ptr: ptr.into(),
            explicit,
            ..Default::default()
        };
        let collection = flow::CollectionSpec {
            key: vec!["/b".into(), "/a".into()],
            projections: vec![
                projection("a", "/a", false),
                projection("mine", "/a", true),
                projection("b", "/b", false),
                projection("c", "/c", false),
                projection("d", "/d", false),
                projection("flow_document", "", false),
                projection("root", "", true),
            ],
            ..Default::default()
        };
        let foreseen = |group_by: &[&str], required: &[&str], likely: &[&str]| {
            let binding = request::ValidateBinding {
                group_by: group_by.iter().map(|&field| field.to_owned()).collect(),
                field_config_json_map: required.iter().map(|&field| (field.to_owned(), vec![])).collect(),
                ..Default::default()
            };
            let flow::FieldSelection { keys, values, document, .. } =
                selection(&binding, &collection, |projection| likely.contains(&projection.field.as_str()));
            format!("{} | {} | {document}", keys.join(" "), values.join(" "))
        };
        assert_eq!(foreseen(&[], &[], &["d", "a"]), "b mine | a d | ");
        assert_eq!(foreseen(&[], &["a"], &[]), "b a |  | ");
        assert_eq!(foreseen(&["c"], &["d"], &["b", "root", "flow_document"]), "c | b d root | flow_document");
    }
}
