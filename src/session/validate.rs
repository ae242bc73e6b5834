//! Validate: what may be selected of each collection, and whether the servers answer.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::runtime::Handle;

use crate::config::{Deletions, EndpointConfig, NewTopic, Resource, SchemaRegistry, SubjectStrategy};
use crate::kafka;
use crate::protocol::messages::response::{
    Constraint, ConstraintType, ProjectionConstraint, Validated, ValidatedBinding,
};
use crate::protocol::messages::{flow, request};
use crate::registry;
use crate::session::foresee::Foreseen;
use crate::session::subjects::check_claims;
use crate::session::topics::topics;
use crate::session::{annotate, foresee, keys};

/// Answers Validate, having asked the brokers and the registry.
pub(super) fn validate(request: &request::Validate, runtime: &Handle) -> anyhow::Result<Validated> {
    let config = EndpointConfig::parse(&request.config_json)?;
    let last = request.last_materialization.as_ref();
    let mut bindings = Vec::with_capacity(request.bindings.len());
    let mut foreseen = Vec::with_capacity(request.bindings.len());
    for (index, binding) in request.bindings.iter().enumerate() {
        let (validated, of_binding) =
            validate_binding(&config, index, binding, last).with_context(|| format!("binding {index}"))?;
        bindings.push(validated);
        foreseen.push(of_binding);
    }
    check_claims(&config, foreseen.iter().map(Foreseen::claim))?;
    let topics = topics(&config, resources(request))?;
    servers_answer(config, topics, &foreseen, runtime)?;
    Ok(Validated { bindings })
}

/// Checks the bindings of a new task alone, without asking any server: each one's fault, or what it will have in the registry.
pub(crate) fn check_bindings(
    config: &EndpointConfig,
    request: &request::Validate,
) -> Vec<anyhow::Result<Foreseen>> {
    let bindings = request.bindings.iter().enumerate();
    bindings
        .map(|(index, binding)| validate_binding(config, index, binding, None).map(|(_, foreseen)| foreseen))
        .collect()
}

/// Checks the bindings of a new task against each other, without asking any server.
pub(crate) fn check_together(
    config: &EndpointConfig,
    request: &request::Validate,
    foreseen: &[Foreseen],
) -> anyhow::Result<()> {
    check_claims(config, foreseen.iter().map(Foreseen::claim))?;
    topics(config, resources(request)).map(drop)
}

/// Checks what bindings will have in the registry, as [`check_bindings`] tells it. Says what was checked.
pub(crate) async fn check_schemas(
    registry: &SchemaRegistry,
    client: &registry::Client,
    foreseen: &[Foreseen],
) -> anyhow::Result<String> {
    let asked = foresee::ask(registry, client, foreseen, TIME_LIMIT).await?.len();
    let values = "those of values are checked by Apply, which knows their fields";
    Ok(match (asked, registry.subject_strategy) {
        (0, _) => format!("keys have none; {values}"),
        (_, SubjectStrategy::TopicHash) if registry.adds_versions() => {
            "each has a subject of its own, with no other to be compatible with".to_owned()
        }
        _ => format!("the registry takes or has those of keys ({asked}); {values}"),
    })
}

fn resources(request: &request::Validate) -> impl Iterator<Item = &[u8]> {
    request.bindings.iter().map(|binding| &binding.resource_config_json[..])
}

fn validate_binding(
    config: &EndpointConfig,
    index: usize,
    binding: &request::ValidateBinding,
    last: Option<&flow::MaterializationSpec>,
) -> anyhow::Result<(ValidatedBinding, Foreseen)> {
    let resource = Resource::parse(&binding.resource_config_json)?;
    config.topic(&resource)?;
    config.partitioning(&resource)?;
    let collection = binding.collection.as_ref().ok_or_else(|| anyhow!("the request names no collection"))?;
    keys::check(config, &resource, collection, &keys::foreseen(binding, collection))?;
    let selected = last.map_or_else(HashSet::new, |last| selected_before(last, resource.topic.as_str()));
    let is_likely = |projection: &&flow::Projection| {
        let constraint = constraint(projection, &selected);
        if selected.is_empty() {
            constraint.r#type() == ConstraintType::LocationRecommended
        } else {
            selected.contains(projection.field.as_str())
        }
    };
    let likely =
        collection.projections.iter().filter(is_likely).map(|projection| &projection.field[..]).collect();
    // A schema that cannot be mapped is better told now than when the task starts.
    let foreseen = Foreseen::new(index, config, &resource, binding, collection, &selected, &likely)?;
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

/// Asks the brokers and, where one is configured, the registry, both at once; and the registry for what bindings will have there.
fn servers_answer(
    config: EndpointConfig,
    topics: Vec<NewTopic>,
    foreseen: &[Foreseen],
    runtime: &Handle,
) -> anyhow::Result<()> {
    runtime.block_on(async {
        let registry = config.schema_registry.clone();
        let client = registry.as_ref().map(registry::Client::new).transpose()?;
        let brokers = tokio::task::spawn_blocking(move || {
            kafka::probe(&config, TIME_LIMIT)?;
            kafka::check_topics(&config, &topics, TIME_LIMIT)
        });
        let registry = async {
            match registry.as_ref().zip(client) {
                Some((registry, client)) => {
                    client.check(TIME_LIMIT).await?;
                    foresee::ask(registry, &client, foreseen, TIME_LIMIT).await.map(drop)
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
