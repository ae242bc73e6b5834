//! The schemas of a binding's messages, the subjects that they are under, and the versions of others that messages are
//! written by in their place.

use anyhow::{Context, anyhow};

use crate::config::{EndpointConfig, Formats, KeyFormat, Resource, ValueFormat};
use crate::protocol::messages::flow;
use crate::registry::{self, Version};
use crate::schema::avro::Schema;
use crate::schema::{self, BindingSchemas, Projection, Selection, Shape};
use crate::session::subjects::{Naming, Part};

/// The schemas of a binding's messages, those that its formats need; none where these need none.
#[derive(Clone, Debug)]
pub(super) struct Schemas {
    formats: Formats,
    avro: Option<BindingSchemas>,
    /// What is registered, with its subjects: of the key, then of the value, as far as these have a schema.
    subjects: Vec<(String, registry::Schema)>,
}

impl Schemas {
    /// Makes them of the fields that a binding selects.
    pub(super) fn of(
        config: &EndpointConfig,
        resource: &Resource,
        collection: &flow::CollectionSpec,
        selection: &flow::FieldSelection,
    ) -> anyhow::Result<Self> {
        let formats = config.formats(resource)?;
        if !formats.has_schema() {
            return Ok(Self { formats, avro: None, subjects: Vec::new() });
        }
        let naming = Naming::new(config, resource, config.topic(resource)?.name.as_str());
        let projections: Vec<_> = collection.projections.iter().map(projection).collect();
        let selection = Selection {
            keys: &selection.keys,
            values: &selection.values,
            document: Some(&selection.document[..]).filter(|field| !field.is_empty()),
        };
        let shape = shape(collection)?;
        let avro = || {
            schema::named_binding_schemas(naming.record(), &shape, &projections, &selection)
                .with_context(|| format!("mapping collection {} to Avro", collection.name))
        };
        let json = || {
            schema::json_schemas(&shape, &projections, &selection, formats.embeds_document, naming.titles())
                .with_context(|| format!("describing collection {} by JSON schemas", collection.name))
        };
        let avro = formats.has_avro().then(avro).transpose()?;
        let json = formats.has_json_schema().then(json).transpose()?;

        let canonical = |schema: &Schema| registry::Schema::avro(schema.canonical());
        let key = match formats.key {
            KeyFormat::Avro => avro.as_ref().map(|schemas| canonical(&schemas.key)),
            KeyFormat::JsonSchema => json.as_ref().map(|schemas| registry::Schema::json(&schemas.key)),
            KeyFormat::Json | KeyFormat::String => None,
        };
        let value = match formats.value {
            ValueFormat::Avro => avro.as_ref().map(|schemas| canonical(&schemas.value)),
            ValueFormat::JsonSchema => json.as_ref().map(|schemas| registry::Schema::json(&schemas.value)),
            ValueFormat::Json => None,
        };
        let subjects = [(Part::Key, key), (Part::Value, value)]
            .into_iter()
            .filter_map(|(part, schema)| schema.map(|schema| (naming.subject(part, &schema.text), schema)))
            .collect();
        Ok(Self { formats, avro, subjects })
    }

    /// That of the key alone, if it has one.
    pub(super) fn of_key(mut self) -> Self {
        self.subjects.truncate(usize::from(self.formats.key_has_schema()));
        self
    }

    /// Subject and schema of the key and of the value, as far as these have one, to be registered.
    pub(super) fn subjects(&self) -> &[(String, registry::Schema)] {
        &self.subjects
    }

    /// Takes the latest versions of the subjects in place of the own schemas, where there are such; one for each of
    /// [`Self::subjects`], in order. Gives the differences that no document could be written across.
    #[must_use]
    pub(super) fn adopt<'v>(&mut self, latest: impl IntoIterator<Item = Option<&'v Version>>) -> Vec<String> {
        let Some(avro) = &mut self.avro else { return Vec::new() };
        let key: (_, Adopt) = (&mut avro.key, schema::adopt_key);
        let value: (_, Adopt) = (&mut avro.value, schema::adopt);
        // A part without a schema has no subject either.
        let key =
            self.formats.key_has_schema().then(|| Some(key).filter(|_| self.formats.key == KeyFormat::Avro));
        let value = Some(value).filter(|_| self.formats.value == ValueFormat::Avro);
        let mut differences = Vec::new();
        for ((own, pair), latest) in key.into_iter().chain([value]).zip(&self.subjects).zip(latest) {
            if let (Some((schema, adopt)), Some(latest)) = (own, latest)
                && let Err(difference) = adopt_one(schema, adopt, pair, latest)
            {
                differences.push(difference);
            }
        }
        differences
    }

    /// Those in Avro, as messages are written by them.
    pub(super) fn into_avro(self) -> Option<BindingSchemas> {
        self.avro
    }
}

/// Makes of the own schema and the text of another one the schema that messages are written by.
type Adopt = fn(&Schema, &str) -> Result<Schema, schema::Error>;

/// Takes the latest schema of a subject in place of the own; the error tells the difference.
fn adopt_one(
    schema: &mut Schema,
    adopt: Adopt,
    (subject, own): &(String, registry::Schema),
    latest: &Version,
) -> Result<(), String> {
    if latest.schema == *own {
        return Ok(());
    }
    let adopted = if latest.schema.schema_type == own.schema_type {
        adopt(schema, &latest.schema.text).map_err(|error| error.to_string())
    } else {
        Err(format!("it is no schema of the type {}; register one", own.schema_type.as_str()))
    };
    let tell = |difference| {
        let version = latest.version;
        format!(
            "writing by version {version} of subject {subject:?} (schema_registry.use_latest_version): {difference}"
        )
    };
    *schema = adopted.map_err(tell)?;
    Ok(())
}

/// What [`Schemas::adopt`] found, as one error.
pub(super) fn unfit(differences: &[String]) -> anyhow::Error {
    let mut text = differences[..differences.len().min(TOLD)].join("; and ");
    if differences.len() > TOLD {
        text.push_str(&format!("; and {} more versions do not fit", differences.len() - TOLD));
    }
    anyhow!("{text}; where no version fits, set schema_registry.use_latest_version to false")
}

/// Differences that an error tells.
const TOLD: usize = 5;

/// The shape that a collection's schema allows.
pub(super) fn shape(collection: &flow::CollectionSpec) -> anyhow::Result<Shape> {
    let text = match &collection.read_schema_json {
        read if read.is_empty() => &collection.write_schema_json,
        read => read,
    };
    let schema = serde_json::from_slice(text)
        .with_context(|| format!("the schema of collection {} is not JSON", collection.name))?;
    Shape::infer(&schema).with_context(|| format!("the schema of collection {}", collection.name))
}

/// What a collection says of one of its fields.
pub(super) fn projection(projection: &flow::Projection) -> Projection<'_> {
    let inference = projection.inference.as_ref();
    Projection {
        field: &projection.field,
        pointer: &projection.ptr,
        types: inference.map_or(&[], |inference| &inference.types[..]),
        must_exist: inference.is_some_and(|inference| inference.exists() == flow::Exists::Must),
    }
}
