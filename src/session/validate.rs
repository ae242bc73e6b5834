//! Validate: what may be selected of each collection, and whether the servers answer.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::runtime::Handle;

use crate::config::{Deletions, EndpointConfig, NewTopic, Resource, SubjectStrategy};
use crate::kafka;
use crate::protocol::messages::response::{
    Constraint, ConstraintType, ProjectionConstraint, Validated, ValidatedBinding,
};
use crate::protocol::messages::{flow, request};
use crate::registry;
use crate::session::foresee::Foreseen;
use crate::session::topics::topics;
use crate::session::{annotate, binding, registration, subjects};

/// Answers Validate, having asked the brokers and the registry.
pub(super) fn validate(request: &request::Validate, runtime: &Handle) -> anyhow::Result<Validated> {
    let config = EndpointConfig::parse(&request.config_json)?;
    let last = request.last_materialization.as_ref();
    let mut bindings = Vec::with_capacity(request.bindings.len());
    let mut foreseen = Vec::new();
    for (index, binding) in request.bindings.iter().enumerate() {
        let (validated, schemas) =
            validate_binding(&config, binding, last).with_context(|| format!("binding {index}"))?;
        bindings.push(validated);
        foreseen.extend(schemas);
    }
    let claims = foreseen.iter().map(|binding| (binding.name.as_str(), binding.subjects.as_slice()));
    subjects::check_claims(config.subject_strategy(), claims)?;
    let subjects = match &config.schema_registry {
        Some(registry) if registry.adds_versions() => {
            foreseen.iter().flat_map(Foreseen::certain).cloned().collect()
        }
        _ => Vec::new(),
    };
    let resources = request.bindings.iter().map(|binding| &binding.resource_config_json[..]);
    let topics = topics(&config, resources)?;
    servers_answer(config, topics, &subjects, runtime)?;
    Ok(Validated { bindings })
}

/// Checks the bindings of a request alone, without asking any server: each one's fault, if it has one.
pub(crate) fn check_bindings(
    config: &EndpointConfig,
    request: &request::Validate,
) -> Vec<anyhow::Result<()>> {
    request.bindings.iter().map(|binding| validate_binding(config, binding, None).map(drop)).collect()
}

fn validate_binding(
    config: &EndpointConfig,
    binding: &request::ValidateBinding,
    last: Option<&flow::MaterializationSpec>,
) -> anyhow::Result<(ValidatedBinding, Option<Foreseen>)> {
    let resource = Resource::parse(&binding.resource_config_json)?;
    config.topic(&resource)?;
    let formats = config.formats(&resource)?;
    config.partitioning(&resource)?;
    let collection = binding.collection.as_ref().ok_or_else(|| anyhow!("the request names no collection"))?;
    partition_by_key(&resource.partition_by, collection)?;
    binding::check_key(formats, collection)?;
    let selected = last.map_or_else(HashSet::new, |last| selected_before(last, resource.topic.as_str()));
    let mut foreseen = None;
    if formats.has_schema() {
        // A schema that cannot be mapped is better told now than when the task starts.
        binding::shape(collection)?;
        if config.subject_strategy() != SubjectStrategy::TopicHash {
            let is_likely = |projection: &flow::Projection| {
                let recommended =
                    constraint(projection, &selected).r#type() == ConstraintType::LocationRecommended;
                if selected.is_empty() { recommended } else { selected.contains(projection.field.as_str()) }
            };
            let mut likely = Foreseen::new(config, &resource, binding, collection, is_likely)?;
            likely.is_known = !selected.is_empty();
            foreseen = Some(likely);
        }
    }
    let shows_deletions = config.deletions(&resource) == Deletions::Document;
    if shows_deletions && !collection.projections.iter().any(|projection| projection.ptr == OPERATION) {
        bail!(
            "deletions are published as documents, and collection {} has no field of {OPERATION} that would show them: add it to \
             the collection's schema, or choose tombstone or ignore for deletions",
            collection.name
        );
    }
    let annotations = config.annotations(&resource)?;
    let required = annotate::required(&annotations, collection)?;
    let constraints: Vec<_> = collection
        .projections
        .iter()
        .map(|projection| {
            let needed = required.iter().find(|(field, _)| *field == projection.field);
            let constraint = match needed {
                Some((_, reason)) => Constraint {
                    r#type: ConstraintType::FieldRequired.into(),
                    reason: reason.clone(),
                    ..Default::default()
                },
                None if shows_deletions && projection.ptr == OPERATION => Constraint {
                    r#type: ConstraintType::LocationRequired.into(),
                    reason: "Deletions are published as documents, which this location tells from others"
                        .to_owned(),
                    ..Default::default()
                },
                None => constraint(projection, &selected),
            };
            (projection.field.clone(), constraint)
        })
        .collect();
    let validated = ValidatedBinding {
        constraints: constraints.iter().cloned().collect(),
        projection_constraints: constraints
            .into_iter()
            .map(|(field, constraint)| ProjectionConstraint { field, constraint: Some(constraint) })
            .collect(),
        resource_path: vec![resource.topic.to_string()],
        delta_updates: true,
        ser_policy: Some(SER_POLICY),
        ..Default::default()
    };
    Ok((validated, foreseen))
}

/// Where documents say that they are deleted.
const OPERATION: &str = "/_meta/op";

/// Refuses to choose partitions by a field that is not in the key.
fn partition_by_key(fields: &[String], collection: &flow::CollectionSpec) -> anyhow::Result<()> {
    let of_key = || collection.projections.iter().filter(|projection| projection.is_primary_key);
    let Some(unknown) = fields.iter().find(|field| of_key().all(|projection| projection.field != **field))
    else {
        return Ok(());
    };
    let names: Vec<_> = of_key().map(|projection| projection.field.as_str()).collect();
    Err(anyhow!(
        "partition_by names {unknown:?}, which is no key field of collection {}; expected some of {}",
        collection.name,
        names.join(", ")
    ))
}

/// The fields that were values or documents of this topic's bindings in the last specification.
fn selected_before<'a>(last: &'a flow::MaterializationSpec, topic: &str) -> HashSet<&'a str> {
    let of_topic = |binding: &&flow::Binding| matches!(&binding.resource_path[..], [path] if path == topic);
    let selections =
        last.bindings.iter().filter(of_topic).filter_map(|binding| binding.field_selection.as_ref());
    let fields = selections.flat_map(|selection| selection.values.iter().chain([&selection.document]));
    fields.map(String::as_str).filter(|field| !field.is_empty()).collect()
}

/// The rows of reference `messages.md`, "Validate"; the last one that fits holds.
fn constraint(projection: &flow::Projection, selected: &HashSet<&str>) -> Constraint {
    let field = projection.field.as_str();
    let (r#type, reason) = if selected.contains(field) {
        (ConstraintType::LocationRecommended, "This location is part of the current materialization")
    } else if projection.is_primary_key {
        (ConstraintType::LocationRecommended, "The location is part of the collection's key")
    } else if projection.ptr.is_empty() {
        (ConstraintType::FieldOptional, "The root document is usually not needed beside the selected fields")
    } else if field == "flow_published_at" || is_top_level(&projection.ptr) {
        (ConstraintType::LocationRecommended, "Top-level locations are usually materialized")
    } else {
        (ConstraintType::FieldOptional, "Nested locations can be materialized where they are wanted")
    };
    Constraint { r#type: r#type.into(), reason: reason.to_owned(), ..Default::default() }
}

fn is_top_level(pointer: &str) -> bool {
    pointer.strip_prefix('/').is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// Asks the brokers and, where one is configured, the registry, both at once; and the registry whether it takes schemas under
/// their subjects.
fn servers_answer(
    config: EndpointConfig,
    topics: Vec<NewTopic>,
    subjects: &[(String, registry::Schema)],
    runtime: &Handle,
) -> anyhow::Result<()> {
    runtime.block_on(async {
        let registry = config.schema_registry.as_ref().map(registry::Client::new).transpose()?;
        let brokers = tokio::task::spawn_blocking(move || {
            kafka::probe(&config, TIME_LIMIT)?;
            kafka::check_topics(&config, &topics, TIME_LIMIT)
        });
        let registry = async {
            match registry {
                Some(client) => {
                    client.check(TIME_LIMIT).await?;
                    registration::check(&client, subjects, TIME_LIMIT).await
                }
                None => anyhow::Ok(()),
            }
        };
        let (brokers, registry) = tokio::join!(brokers, registry);
        let brokers = brokers.context("asking the brokers")?;
        match (brokers, registry) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(brokers), Ok(())) => Err(brokers.into()),
            (Ok(()), Err(registry)) => Err(registry),
            (Err(brokers), Err(registry)) => Err(anyhow!("{brokers}; and {registry}")),
        }
    })
}

/// How long either server may take to answer; the registry a little longer for many schemas.
const TIME_LIMIT: Duration = Duration::from_secs(10);

const SER_POLICY: flow::SerPolicy = flow::SerPolicy {
    str_truncate_after: 65_536,
    nested_obj_truncate_after: 1_000,
    array_truncate_after: 1_000,
};

#[cfg(test)]
mod tests {
    use ConstraintType::{FieldOptional, LocationRecommended};

    use super::*;

    fn projection(field: &str, ptr: &str, is_primary_key: bool) -> flow::Projection {
        flow::Projection { field: field.into(), ptr: ptr.into(), is_primary_key, ..Default::default() }
    }

    fn kind(projection: &flow::Projection, selected: &HashSet<&str>) -> ConstraintType {
        let constraint = constraint(projection, selected);
        assert!(!constraint.reason.is_empty());
        constraint.r#type()
    }

    #[test]
    fn each_row_of_the_table() {
        let rows = [
            (projection("a/id", "/a/id", true), LocationRecommended),
            (projection("flow_document", "", false), FieldOptional),
            (projection("flow_published_at", "/_meta/uuid", false), LocationRecommended),
            (projection("x", "/x", false), LocationRecommended),
            (projection("x~1y", "/x~1y", false), LocationRecommended),
            (projection("x/y", "/x/y", false), FieldOptional),
            (projection("mine", "/x/y/z", false), FieldOptional),
        ];
        for (projection, expected) in rows {
            assert_eq!(kind(&projection, &HashSet::new()), expected, "{}", projection.field);
        }
    }

    #[test]
    fn what_was_selected_before_is_recommended() {
        let binding = |value: &str, document: &str| flow::Binding {
            resource_path: vec!["orders".into()],
            field_selection: Some(flow::FieldSelection {
                values: vec![value.into()],
                document: document.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let last = flow::MaterializationSpec {
            bindings: vec![binding("x/y", "flow_document"), binding("y/y", "")],
            ..Default::default()
        };
        let selected = selected_before(&last, "orders");
        assert_eq!(kind(&projection("x/y", "/x/y", false), &selected), LocationRecommended);
        assert_eq!(kind(&projection("flow_document", "", false), &selected), LocationRecommended);
        assert_eq!(
            kind(&projection("y/y", "/y/y", false), &selected),
            LocationRecommended,
            "the second binding's"
        );
        assert_eq!(kind(&projection("x/z", "/x/z", false), &selected), FieldOptional);
        assert!(!selected.contains(""), "no document is no field");
        let payments = selected_before(&last, "payments");
        assert_eq!(kind(&projection("x/y", "/x/y", false), &payments), FieldOptional, "another topic's");
    }
}
