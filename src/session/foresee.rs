//! What bindings will have in the registry, as far as it is known before they are opened; and whether it is to be had there.
//!
//! In Validate the key is certain: the runtime tells its fields. Of the values it does not, but those that the last specification had
//! will most likely be selected again. Apply knows the selection, and Open does what both have looked at.

use std::collections::HashSet;
use std::time::Duration;

use crate::config::{EndpointConfig, Resource, SchemaRegistry, SubjectStrategy};
use crate::protocol::messages::{flow, request};
use crate::registry::{Client, Schema};
use crate::session::binding::{self, Draft};
use crate::session::keys;
use crate::session::lookup::look_up;
use crate::session::registration::{self, Registered};
use crate::session::schemas::{Schemas, unfit};
use crate::session::subjects::{Claim, check_claims};

/// What a binding will have in the registry.
pub(crate) struct Foreseen {
    /// Which binding of the request.
    index: usize,
    /// Collection and topic, for errors.
    name: String,
    /// Those that are known.
    schemas: Schemas,
    /// Whether the value's is the one that will be, not the one of the fields that were selected before.
    is_exact: bool,
}

impl Foreseen {
    /// In Validate. `before` has the fields that were selected of the binding in the last specification.
    pub(super) fn new(
        index: usize,
        config: &EndpointConfig,
        resource: &Resource,
        binding: &request::ValidateBinding,
        collection: &flow::CollectionSpec,
        before: &HashSet<&str>,
    ) -> anyhow::Result<Self> {
        // Where each schema has a subject of its own, nothing is asked of one that is not certain.
        let key_alone = before.is_empty() || config.subject_strategy() == SubjectStrategy::TopicHash;
        let schemas = if key_alone {
            let selection = selection(binding, collection, &HashSet::new());
            Schemas::of(config, resource, collection, &selection)?.of_key()
        } else {
            Schemas::of(config, resource, collection, &selection(binding, collection, before))?
        };
        let name = binding::describe(&collection.name, config.topic(resource)?.name.as_str());
        Ok(Self { index, name, schemas, is_exact: key_alone })
    }

    /// In Apply.
    pub(super) fn of(index: usize, draft: &Draft) -> Self {
        Self { index, name: draft.describe(), schemas: draft.schemas().clone(), is_exact: true }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { binding: self.index, name: &self.name, subjects: self.schemas.subjects() }
    }

    /// What it is sure to have.
    fn exact(&self) -> Schemas {
        let schemas = self.schemas.clone();
        if self.is_exact { schemas } else { schemas.of_key() }
    }
}

/// Refuses bindings of which two would register different schemas under one subject.
pub(super) fn claims(config: &EndpointConfig, foreseen: &[Foreseen]) -> anyhow::Result<()> {
    match &config.schema_registry {
        Some(registry) if registry.adds_versions() => {
            check_claims(registry.subject_strategy, foreseen.iter().map(Foreseen::claim))
        }
        // Under the subjects of others messages of many kinds may go.
        _ => Ok(()),
    }
}

/// Finds out whether the registry takes what will be registered, and has what will only be looked up; changes nothing
/// there. No answer may take longer than `patience`. Gives what each exactly known schema is registered as, as far as it is.
pub(super) async fn ask(
    registry: &SchemaRegistry,
    client: &Client,
    foreseen: &[Foreseen],
    patience: Duration,
) -> anyhow::Result<Vec<Option<Registered>>> {
    if registry.adds_versions() {
        let subjects: Vec<(String, Schema)> = match registry.subject_strategy {
            // A subject has no other schema that one could be incompatible with.
            SubjectStrategy::TopicHash => Vec::new(),
            _ => foreseen.iter().flat_map(|binding| binding.schemas.subjects()).cloned().collect(),
        };
        registration::check(client, &subjects, patience).await?;
        return Ok(foreseen
            .iter()
            .flat_map(|binding| binding.exact().subjects().to_vec())
            .map(|_| None)
            .collect());
    }
    let mut exact: Vec<Schemas> = foreseen.iter().map(Foreseen::exact).collect();
    let subjects: Vec<_> = exact.iter().flat_map(Schemas::subjects).cloned().collect();
    let found = look_up(registry, client, &subjects, patience).await?;

    // What is in no subject yet will be registered.
    let mut places = found.iter();
    let new: Vec<Vec<_>> = exact
        .iter()
        .map(|schemas| {
            let pairs = schemas.subjects().iter().zip(&mut places);
            pairs.filter(|(_, found)| found.is_none()).map(|(pair, _)| pair.clone()).collect()
        })
        .collect();
    let claims = foreseen.iter().zip(&new).map(|(binding, subjects)| Claim { subjects, ..binding.claim() });
    check_claims(registry.subject_strategy, claims)?;

    let mut places = found.iter();
    let mut differences = Vec::new();
    for schemas in &mut exact {
        let of_binding = places.by_ref().take(schemas.subjects().len());
        let latest: Vec<_> = of_binding.map(|found| found.as_ref()?.latest.as_ref()).collect();
        differences.extend(schemas.adopt(latest));
    }
    if differences.is_empty() { Ok(found) } else { Err(unfit(&differences)) }
}

/// The fields that will be selected, if the values are those that were before.
fn selection(
    binding: &request::ValidateBinding,
    collection: &flow::CollectionSpec,
    before: &HashSet<&str>,
) -> flow::FieldSelection {
    let keys = keys::foreseen(binding, collection);
    let is_likely =
        |field: &String| binding.field_config_json_map.contains_key(field) || before.contains(field.as_str());
    let others = collection.projections.iter().filter(|projection| !keys.contains(&projection.field));
    let selected = others.filter(|projection| is_likely(&projection.field));
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
    fn values_are_those_that_were_before_and_those_that_are_required() {
        let projection = |field: &str, ptr: &str| flow::Projection {
            field: field.into(),
            ptr: ptr.into(),
            ..Default::default()
        };
        let collection = flow::CollectionSpec {
            key: vec!["/b".into(), "/a".into()],
            projections: vec![
                projection("a", "/a"),
                projection("b", "/b"),
                projection("c", "/c"),
                projection("d", "/d"),
                projection("flow_document", ""),
                projection("root", ""),
            ],
            ..Default::default()
        };
        let foreseen = |group_by: &[&str], required: &[&str], before: &[&str]| {
            let binding = request::ValidateBinding {
                group_by: group_by.iter().map(|&field| field.to_owned()).collect(),
                field_config_json_map: required.iter().map(|&field| (field.to_owned(), vec![])).collect(),
                ..Default::default()
            };
            let flow::FieldSelection { keys, values, document, .. } =
                selection(&binding, &collection, &before.iter().copied().collect());
            format!("{} | {} | {document}", keys.join(" "), values.join(" "))
        };
        assert_eq!(foreseen(&[], &[], &["d", "a"]), "b a | d | ");
        assert_eq!(foreseen(&["c"], &["d"], &["b", "root", "flow_document"]), "c | b d root | flow_document");
    }
}
