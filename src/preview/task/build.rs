//! Puts a task together the way the runtime's build does: what the connector is asked in Validate,
//! and the specification that comes of its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use bytes::Bytes;
use serde_json::Value;

use super::collection::{UUID, projections};
use super::combine::Transactions;
use super::error::Error;
use super::extract::Extractor;
use super::fixture::Fixture;
use super::json::Policy;
use super::projection::{Inference, Projection};
use super::selection::{Constraint, Constraints, Demand, Selection, group_by, select};
use super::source::{self, Endpoint, Fields, Materialization};
use crate::protocol::messages::response::{ConstraintType, ValidatedBinding};
use crate::protocol::messages::{flow, request, response};
use crate::schema;

/// A task whose fields have yet to be selected.
pub struct Task {
    /// Its name.
    pub name: String,
    /// How its specification would run the connector.
    pub endpoint: Endpoint,
    /// The endpoint's configuration. May be changed before [`validate`](Self::validate), to use
    /// other servers.
    pub config: Value,
    /// Its bindings, without those that are disabled.
    pub bindings: Vec<TaskBinding>,
}

/// A binding whose fields have yet to be selected.
#[derive(Debug)]
pub struct TaskBinding {
    /// Where its source is, for messages.
    pub place: String,
    /// The resource's configuration.
    pub resource: Value,
    /// The collection that it reads.
    pub collection: flow::CollectionSpec,
    /// The fields that its documents are grouped by.
    pub group_by: Vec<String>,
    /// Its backfill counter.
    pub backfill: u32,
    projections: Vec<Projection>,
    fields: Fields,
}

/// A task as Apply and Open have it.
#[derive(Debug)]
pub struct BuiltTask {
    /// Its specification.
    pub spec: flow::MaterializationSpec,
    bindings: Vec<BuiltBinding>,
}

#[derive(Debug)]
struct BuiltBinding {
    collection: String,
    projections: Vec<Projection>,
    selection: Selection,
    policy: Policy,
}

/// Without the configuration, which has credentials.
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

impl Task {
    /// Derives the fields of the collections that a materialization reads.
    ///
    /// # Errors
    /// If a collection's schema, key or projections, or a binding's `groupBy`, are not usable.
    pub fn new(source: Materialization) -> Result<Self, Error> {
        let bindings = source.bindings.into_iter().map(TaskBinding::new).collect::<Result<_, _>>()?;
        Ok(Self { name: source.name, endpoint: source.endpoint, config: source.config, bindings })
    }

    /// The request that asks the connector about the task, as one that has never been applied.
    pub fn validate(&self) -> request::Validate {
        request::Validate {
            name: self.name.clone(),
            connector_type: self.connector_type().into(),
            config_json: text(&self.config),
            bindings: self.bindings.iter().map(TaskBinding::validate).collect(),
            ..request::Validate::default()
        }
    }

    /// Selects fields, from what the connector answers to [`validate`](Self::validate).
    ///
    /// # Errors
    /// If the answer does not fit the request or does not permit a field that is needed.
    pub fn build(self, validated: &response::Validated) -> Result<BuiltTask, Error> {
        if validated.bindings.len() != self.bindings.len() {
            let (asked, answered) = (self.bindings.len(), validated.bindings.len());
            let reason = format!("it has {answered} bindings, the task has {asked}");
            return Err(Error::Validated { reason });
        }
        let connector_type = self.connector_type().into();
        let built: Vec<_> = self
            .bindings
            .into_iter()
            .zip(&validated.bindings)
            .map(|(binding, validated)| binding.build(validated))
            .collect::<Result<_, _>>()?;
        let (specs, bindings) = built.into_iter().unzip();
        let spec = flow::MaterializationSpec {
            name: self.name,
            connector_type,
            config_json: text(&self.config),
            bindings: specs,
            ..flow::MaterializationSpec::default()
        };
        Ok(BuiltTask { spec, bindings })
    }

    fn connector_type(&self) -> flow::ConnectorType {
        match self.endpoint {
            Endpoint::Local { .. } => flow::ConnectorType::Local,
            Endpoint::Connector { .. } => flow::ConnectorType::Image,
        }
    }
}

impl BuiltTask {
    /// The documents of a fixture as transactions of this task.
    pub fn transactions<R: BufRead>(&self, fixture: Fixture<R>) -> Transactions<R> {
        let collections = self.bindings.iter().map(|binding| binding.collection.clone());
        Transactions::new(fixture, collections.zip(self.extractors()))
    }

    /// What takes the fields of each binding out of documents.
    pub fn extractors(&self) -> Vec<Extractor> {
        let extractor =
            |binding: &BuiltBinding| Extractor::new(&binding.projections, &binding.selection, binding.policy);
        self.bindings.iter().map(extractor).collect()
    }
}

impl TaskBinding {
    fn new(source: source::Binding) -> Result<Self, Error> {
        let source::Binding { place, collection, resource, fields, backfill } = source;
        let projections = projections(&collection)?;
        let group_by = group_by(&place, &projections, &collection.key, &fields)?;
        let collection = collection_spec(collection, &projections);
        Ok(Self { place, resource, collection, group_by, backfill, projections, fields })
    }

    fn validate(&self) -> request::ValidateBinding {
        request::ValidateBinding {
            resource_config_json: text(&self.resource),
            collection: Some(self.collection.clone()),
            field_config_json_map: config_map(&self.fields.require),
            backfill: self.backfill,
            group_by: self.group_by.clone(),
        }
    }

    fn build(self, validated: &ValidatedBinding) -> Result<(flow::Binding, BuiltBinding), Error> {
        let Self { place, resource, collection, group_by, backfill, projections, fields } = self;
        let constraints = constraints(&place, validated)?;
        let selection = select(&place, &projections, &group_by, &fields, &constraints)?;
        let binding = flow::Binding {
            resource_config_json: text(&resource),
            resource_path: validated.resource_path.clone(),
            collection: Some(collection.clone()),
            field_selection: Some(flow::FieldSelection {
                keys: selection.keys.clone(),
                values: selection.values.clone(),
                document: selection.document.clone().unwrap_or_default(),
                field_config_json_map: config_map(&selection.config),
            }),
            delta_updates: validated.delta_updates,
            backfill,
            ser_policy: validated.ser_policy.clone(),
            ..flow::Binding::default()
        };
        let policy = policy(validated.ser_policy.as_ref());
        Ok((binding, BuiltBinding { collection: collection.name, projections, selection, policy }))
    }
}

/// The constraints of an answer: the ordered form alone if it says anything, else the map.
fn constraints(place: &str, validated: &ValidatedBinding) -> Result<Constraints, Error> {
    let fault = |reason: String| Error::Validated { reason: format!("{place}: {reason}") };
    let listed =
        || validated.projection_constraints.iter().map(|entry| (&entry.field, entry.constraint.as_ref()));
    let mapped = || validated.constraints.iter().map(|(field, constraint)| (field, Some(constraint)));
    let given: Vec<_> =
        if validated.projection_constraints.is_empty() { mapped().collect() } else { listed().collect() };

    let mut folded: BTreeMap<&str, &str> = BTreeMap::new();
    let mut constraints = Constraints::new();
    for (field, constraint) in given {
        if field.is_empty() {
            return Err(fault("a constraint has no field".to_owned()));
        }
        let constraint =
            constraint.ok_or_else(|| fault(format!("the constraint of field {field:?} is empty")))?;
        let name = folded.entry(field).or_insert(&constraint.folded_field);
        if *name != constraint.folded_field {
            return Err(fault(format!("the constraints of field {field:?} fold it to different names")));
        }
        let demand = match constraint.r#type() {
            ConstraintType::Invalid => {
                return Err(fault(format!(
                    "the constraint of field {field:?} has the unknown type {}",
                    constraint.r#type
                )));
            }
            ConstraintType::FieldRequired => Demand::FieldRequired,
            ConstraintType::LocationRequired => Demand::LocationRequired,
            ConstraintType::LocationRecommended | ConstraintType::FieldOptional => Demand::Optional,
            ConstraintType::FieldForbidden => Demand::Forbidden,
            ConstraintType::Incompatible | ConstraintType::Unsatisfiable => Demand::Incompatible,
        };
        let constraint = Constraint { demand, reason: constraint.reason.clone() };
        constraints.entry(field.clone()).or_default().push(constraint);
    }
    Ok(constraints)
}

fn policy(policy: Option<&flow::SerPolicy>) -> Policy {
    let limit = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    policy.map_or(Policy::default(), |policy| Policy {
        string: limit(policy.str_truncate_after),
        nested_object: limit(policy.nested_obj_truncate_after),
        array: limit(policy.array_truncate_after),
    })
}

fn collection_spec(collection: source::Collection, projections: &[Projection]) -> flow::CollectionSpec {
    let partitions = projections.iter().filter(|projection| projection.is_partition_key);
    flow::CollectionSpec {
        name: collection.name,
        key: collection.key,
        uuid_ptr: UUID.to_owned(),
        partition_fields: partitions.map(|projection| projection.field.clone()).collect(),
        projections: projections.iter().map(projection).collect(),
        write_schema_json: text(&collection.write_schema),
        read_schema_json: collection.read_schema.as_ref().map(text).unwrap_or_default(),
        ..flow::CollectionSpec::default()
    }
}

fn projection(projection: &Projection) -> flow::Projection {
    flow::Projection {
        ptr: projection.pointer.clone(),
        field: projection.field.clone(),
        explicit: projection.explicit,
        is_partition_key: projection.is_partition_key,
        is_primary_key: projection.is_primary_key,
        inference: Some(inference(&projection.inference)),
    }
}

fn inference(inference: &Inference) -> flow::Inference {
    let exists = match inference.exists {
        schema::Exists::Must => flow::Exists::Must,
        schema::Exists::May => flow::Exists::May,
        schema::Exists::Implicit => flow::Exists::Implicit,
        schema::Exists::Cannot => flow::Exists::Cannot,
    };
    let string = inference.string.as_ref().map(|string| flow::InferenceString {
        content_type: string.content_type.clone(),
        format: string.format.clone(),
        max_length: string.max_length,
        content_encoding: string.content_encoding.clone(),
        ..flow::InferenceString::default()
    });
    flow::Inference {
        types: inference.types.clone(),
        string,
        title: inference.title.clone(),
        description: inference.description.clone(),
        default_json: inference.default.as_ref().map(text).unwrap_or_default(),
        secret: inference.secret,
        exists: exists.into(),
        ..flow::Inference::default()
    }
}

fn config_map(config: &BTreeMap<String, Value>) -> BTreeMap<String, Vec<u8>> {
    let given = config.iter().filter(|(_, config)| !config.is_null());
    given.map(|(field, config)| (field.clone(), config.to_string().into_bytes())).collect()
}

fn text(value: &Value) -> Bytes {
    value.to_string().into_bytes().into()
}

#[cfg(test)]
mod tests;
