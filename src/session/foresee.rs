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
use crate::session::lookup::{LookedUp, look_up, missing};
use crate::session::registration::{self, Registered};
use crate::session::schemas::{Schemas, unfit};
use crate::session::subjects::{Claim, check_distinct};

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
    /// In Validate, where nothing may be registered: that of the value as well, if those fields are selected that are likely to be.
    likely: Vec<(String, Schema)>,
}

impl Foreseen {
    /// In Validate. `before` has the fields that were selected of the binding in the last specification, `likely` those that will
    /// probably be.
    pub(super) fn new(
        index: usize,
        config: &EndpointConfig,
        resource: &Resource,
        binding: &request::ValidateBinding,
        collection: &flow::CollectionSpec,
        before: &HashSet<&str>,
        likely: &HashSet<&str>,
    ) -> anyhow::Result<Self> {
        // Where each schema has a subject of its own, nothing is asked of one that is not certain.
        let key_alone = before.is_empty() || config.subject_strategy() == SubjectStrategy::TopicHash;
        let of = |fields| Schemas::of(config, resource, collection, &selection(binding, collection, fields));
        let none = HashSet::new();
        let schemas = if key_alone { of(&none)?.of_key() } else { of(before)? };
        let may_register = config.schema_registry.as_ref().is_none_or(|registry| registry.auto_register);
        // What is likely is only told beside what is certain, so that it is no error if it cannot be.
        let likely = if may_register { None } else { of(likely).ok() };
        let likely = likely.map_or_else(Vec::new, |schemas| schemas.subjects().to_vec());
        let name = binding::describe(&collection.name, config.topic(resource)?.name.as_str());
        Ok(Self { index, name, schemas, is_exact: key_alone, likely })
    }

    /// In Apply.
    pub(super) fn of(index: usize, draft: &Draft) -> Self {
        let schemas = draft.schemas().clone();
        Self { index, name: draft.describe(), schemas, is_exact: true, likely: Vec::new() }
    }

    /// What it lays claim to.
    pub(super) fn claim(&self) -> Claim<'_> {
        Claim { binding: self.index, name: &self.name, subjects: self.schemas.subjects() }
    }

    /// What it is sure to have.
    fn exact(&self) -> Schemas {
        let schemas = self.schemas.clone();
        if self.is_exact { schemas } else { schemas.of_key() }
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
    let LookedUp { found, lacking } = look_up(registry, client, &subjects, patience).await?;
    if !lacking.is_empty() {
        // Whoever registers these had better register all that will be asked for.
        let likely: Vec<_> = foreseen.iter().flat_map(|binding| &binding.likely).cloned().collect();
        let likely = look_up(registry, client, &likely, patience).await?.lacking;
        let likely: Vec<_> = likely.into_iter().filter(|pair| !subjects.contains(pair)).collect();
        return Err(missing(&lacking, &likely));
    }

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
    check_distinct(registry.subject_strategy, claims)?;

    let mut places = found.iter();
    let mut differences = Vec::new();
    for (Foreseen { index, name, .. }, schemas) in foreseen.iter().zip(&mut exact) {
        let of_binding = places.by_ref().take(schemas.subjects().len());
        let latest: Vec<_> = of_binding.map(|found| found.as_ref()?.latest.as_ref()).collect();
        let unfit = schemas.adopt(latest).into_iter();
        differences.extend(unfit.map(|difference| format!("binding {index} ({name}): {difference}")));
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
    use crate::registry::memory::{Options, Registry};

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

    /// The collection `acme/c` of `/id` and `/v`, by the specification of a task whose subjects are those of records.
    fn draft(resource: &str, of_value: &str, options: &str) -> Draft {
        let config = format!(
            r#"{{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{{"endpoint":"http://r","subject_strategy":"record_name"{options}}}}}"#
        );
        let config = EndpointConfig::parse(config.as_bytes()).unwrap();
        let field = |field: &str| flow::Projection {
            field: field.into(),
            ptr: format!("/{field}"),
            ..Default::default()
        };
        let schema = format!(
            r#"{{"type":"object","required":["id"],"properties":{{"id":{{"type":"integer"}},"v":{{"type":"{of_value}"}}}}}}"#
        );
        let binding = flow::Binding {
            resource_config_json: format!(r#"{{"topic":"t"{resource}}}"#).into(),
            collection: Some(flow::CollectionSpec {
                name: "acme/c".into(),
                key: vec!["/id".into()],
                projections: vec![field("id"), field("v")],
                write_schema_json: schema.into(),
                ..Default::default()
            }),
            field_selection: Some(flow::FieldSelection {
                keys: vec!["id".into()],
                values: vec!["v".into()],
                ..Default::default()
            }),
            ..Default::default()
        };
        Draft::new(&config, &binding).unwrap()
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    /// Two bindings of the record `R` with values of different types, and `key_format` of the first.
    async fn asked(config: &SchemaRegistry, key_format: &str) -> Result<Vec<Option<Registered>>, String> {
        let options = r#","use_latest_version":true"#;
        let first = draft(&format!(r#","record_name":"R","key_format":"{key_format}""#), "string", options);
        let second = draft(r#","record_name":"R""#, "integer", options);
        let foreseen = [Foreseen::of(0, &first), Foreseen::of(1, &second)];
        let client = Client::new(config).unwrap();
        ask(config, &client, &foreseen, Duration::from_secs(10)).await.map_err(|error| error.to_string())
    }

    #[test]
    fn where_others_register_only_what_is_new_is_claimed() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let config = SchemaRegistry {
                subject_strategy: SubjectStrategy::RecordName,
                use_latest_version: true,
                ..registry.config()
            };
            assert_eq!(
                asked(&config, "avro").await.unwrap_err(),
                "naming the subjects of schemas: binding 0 (collection acme/c, topic \"t\") and binding 1 (collection \
                 acme/c, topic \"t\") would both have subject \"R\", with schemas that differ; set another record_name in \
                 the resource of one of them"
            );
            // Whether a version fits is told of each binding by itself.
            let client = Client::new(&config).unwrap();
            let text = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"v","type":["string","null"]}]}"#;
            client.register(&[("R".to_owned(), Schema::avro(text))]).await.unwrap();
            for key_format in ["avro", "json"] {
                let error = asked(&config, key_format).await.unwrap_err();
                let begin =
                    "binding 1 (collection acme/c, topic \"t\"): writing by version 1 of subject \"R\" (";
                assert!(error.starts_with(begin), "{error}");
                assert!(
                    error.contains("at /v: ") && error.contains("string") && error.contains("long"),
                    "{error}"
                );
                assert_eq!(error.matches("writing by version").count(), 1, "{error}");
            }
        });
    }

    #[test]
    fn a_version_is_taken_for_the_part_that_it_is_of() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let config = SchemaRegistry {
                subject_strategy: SubjectStrategy::RecordName,
                use_latest_version: true,
                ..registry.config()
            };
            let client = Client::new(&config).unwrap();
            for subject in ["RKey", "R"] {
                client.register(&[(subject.to_owned(), Schema::avro(r#""long""#))]).await.unwrap();
            }
            let told = |key_format: &str, value_format: &str| {
                let resource = format!(
                    r#","record_name":"R","key_format":"{key_format}","value_format":"{value_format}""#
                );
                let foreseen = [Foreseen::of(0, &draft(&resource, "string", ""))];
                let (config, client) = (&config, &client);
                async move {
                    let error = ask(config, client, &foreseen, Duration::from_secs(10))
                        .await
                        .unwrap_err()
                        .to_string();
                    error
                        .contains("subject \"RKey\"")
                        .then_some("key")
                        .into_iter()
                        .chain(error.contains("subject \"R\"").then_some("value"))
                        .collect::<Vec<_>>()
                }
            };
            assert_eq!(told("avro", "avro").await, ["key", "value"]);
            assert_eq!(told("avro", "json").await, ["key"]);
            assert_eq!(told("string", "avro").await, ["value"]);
        });
    }
}
