//! A binding as a session keeps it.

use anyhow::{Context, anyhow, bail};

use crate::config::{
    Annotations, Deletions, EndpointConfig, Formats, KeyFormat, Partitioning, Resource, ValueFormat,
};
use crate::encode::{self, AnnotationPlan, Document, Fields, JsonPlan, Layout, Plan, Scratch};
use crate::kafka::Header;
use crate::protocol::messages::flow;
use crate::registry;
use crate::schema::avro::Schema;
use crate::schema::{self, BindingSchemas, Format, JsonSchemas, Projection, Selection, Shape, Types};
use crate::session::annotate;
use crate::session::registration::Registered;
use crate::session::subjects::{Naming, Part};

/// A binding's run-time state: all that a Store of it needs, computed in Open.
#[derive(Debug)]
pub struct BindingInfo {
    /// The topic that its messages go to.
    pub topic: String,
    /// The collection that its documents come from.
    pub collection: String,
    /// Names of the key fields, in the order of a Store's key.
    pub keys: Vec<String>,
    /// Names of the value fields, in the order of a Store's values.
    pub values: Vec<String>,
    /// Name of the field that holds the root document, if it was selected.
    pub document: Option<String>,
    /// The Avro schemas of key and value; none where neither is in Avro.
    pub schemas: Option<BindingSchemas>,
    /// How documents become messages.
    pub plan: Plan,
    /// What becomes of those that are deleted.
    pub deletions: Deletions,
    /// What messages have beside key and value; none where that is nothing.
    pub annotation: Option<AnnotationPlan>,
}

impl BindingInfo {
    /// What an error says of the binding: its collection and topic.
    pub fn describe(&self) -> String {
        describe(&self.collection, &self.topic)
    }

    /// What the Store of a deletion becomes; none where nothing is published.
    pub fn deletion<'a>(&self, document: Document<'a>) -> Option<Document<'a>> {
        let is_empty = |fields| matches!(fields, Fields::Packed([]) | Fields::Json([]));
        match self.deletions {
            Deletions::Tombstone => Some(document),
            Deletions::Ignore => None,
            Deletions::Document => {
                // A runtime may send the key alone. Of such a deletion there is nothing else to tell.
                let has_values = self.values.is_empty() || !is_empty(document.values);
                let has_document = self.document.is_none() || !document.doc.is_empty();
                Some(Document { delete: !(has_values && has_document), ..document })
            }
        }
    }

    /// A document's key as JSON for an error's text, shortened: `key {"id":7}`.
    pub fn describe_key(&self, document: &Document<'_>, scratch: &mut Scratch) -> String {
        let mut key = Vec::new();
        let tombstone = Document { delete: true, ..*document };
        let text = JsonPlan::new(&self.layout())
            .and_then(|plan| plan.encode(&tombstone, scratch, &mut key, &mut Default::default()))
            .map(|_| String::from_utf8_lossy(&key).into_owned());
        match text {
            Ok(text) if text.chars().count() > KEY_SHOWN => {
                "key ".chars().chain(text.chars().take(KEY_SHOWN)).chain("...".chars()).collect()
            }
            Ok(text) => format!("key {text}"),
            Err(_) => "a key that cannot be read".to_owned(),
        }
    }

    fn layout(&self) -> Layout<'_> {
        Layout { keys: &self.keys, values: &self.values, document: self.document.as_deref() }
    }
}

/// Characters of a key that an error shows.
const KEY_SHOWN: usize = 200;

/// A binding whose schemas are known, but not yet their ids.
#[derive(Debug)]
pub(super) struct Draft {
    topic: String,
    collection: String,
    selection: flow::FieldSelection,
    formats: Formats,
    deletions: Deletions,
    schemas: Option<BindingSchemas>,
    annotations: Annotations,
    annotation: Option<AnnotationPlan>,
    /// What is registered, with its subjects: of the key, then of the value, as far as these have a schema.
    subjects: Vec<(String, registry::Schema)>,
    partitioning: Partitioning,
    partition_by: Vec<String>,
}

impl Draft {
    /// Reads a binding of the materialization's specification.
    pub(super) fn new(config: &EndpointConfig, binding: &flow::Binding) -> anyhow::Result<Self> {
        let resource = Resource::parse(&binding.resource_config_json)?;
        let formats = config.formats(&resource)?;
        let deletions = config.deletions(&resource);
        let partitioning = config.partitioning(&resource)?;
        let annotations = config.annotations(&resource)?;
        let topic = config.topic(&resource)?.name.to_string();
        let collection =
            binding.collection.as_ref().ok_or_else(|| anyhow!("the specification names no collection"))?;
        let selection = binding
            .field_selection
            .clone()
            .ok_or_else(|| anyhow!("the specification has no field selection"))?;
        check_key(formats, collection)?;
        let (mut schemas, mut subjects) = (None, Vec::new());
        if formats.has_schema() {
            let naming = Naming::new(config, &resource, &topic);
            let mapped = Schemas::of(formats, &naming, collection, &selection)?;
            subjects = mapped.subjects(formats, &naming);
            schemas = mapped.avro;
        }
        let layout = Layout { keys: &selection.keys, values: &selection.values, document: None };
        let annotation = annotate::plan(&annotations, collection, &layout)?;
        Ok(Self {
            topic,
            collection: collection.name.clone(),
            selection,
            formats,
            deletions,
            schemas,
            annotations,
            annotation,
            subjects,
            partitioning,
            partition_by: resource.partition_by,
        })
    }

    /// The topic that its messages go to.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The collection that its documents come from.
    pub(super) fn collection(&self) -> &str {
        &self.collection
    }

    /// How the partitions of its messages are computed.
    pub(super) fn partitioning(&self) -> Partitioning {
        self.partitioning
    }

    /// The headers that its messages have.
    pub(super) fn headers(&self) -> anyhow::Result<Vec<Header>> {
        annotate::headers(&self.annotations, &self.collection)
    }

    /// Whether its messages have anything beside key and value.
    pub(super) fn is_annotated(&self) -> bool {
        self.annotation.is_some()
    }

    /// Subject and schema of the key and of the value, as far as these have one, to be registered.
    pub(super) fn subjects(&self) -> &[(String, registry::Schema)] {
        &self.subjects
    }

    /// What an error says of the binding: its collection and topic.
    pub(super) fn describe(&self) -> String {
        describe(&self.collection, &self.topic)
    }

    /// The finished binding; `registered` gives what its [`Self::subjects`] are registered as, in order.
    pub(super) fn finish(
        mut self,
        mut registered: impl Iterator<Item = Registered>,
    ) -> anyhow::Result<BindingInfo> {
        let taken: Vec<Registered> = registered.by_ref().take(self.subjects.len()).collect();
        let mut pairs = self.subjects.iter().zip(&taken);
        let mut id = |own: Option<(&mut Schema, Adopt)>| {
            let (subject, registered) = pairs.next().context("the registry gave fewer ids than schemas")?;
            if let Some((schema, adopt)) = own {
                adopted(schema, adopt, subject, registered)?;
            }
            anyhow::Ok(registered.id)
        };
        let key_id = match (self.formats.key, &mut self.schemas) {
            (KeyFormat::Avro, Some(schemas)) => Some(id(Some((&mut schemas.key, schema::adopt_key)))?),
            (KeyFormat::JsonSchema, _) => Some(id(None)?),
            _ => None,
        };
        let value_id = match (self.formats.value, &mut self.schemas) {
            (ValueFormat::Avro, Some(schemas)) => Some(id(Some((&mut schemas.value, schema::adopt)))?),
            (ValueFormat::JsonSchema, _) => Some(id(None)?),
            _ => None,
        };

        let flow::FieldSelection { keys, values, document, .. } = self.selection;
        let document = Some(document).filter(|field| !field.is_empty());
        let layout = Layout { keys: &keys, values: &values, document: document.as_deref() };
        let schemas = self.schemas.as_ref();
        let key = match (self.formats.key, key_id, schemas) {
            (KeyFormat::Avro, Some(id), Some(schemas)) => encode::KeyFormat::Avro(&schemas.key, id),
            (KeyFormat::JsonSchema, Some(id), _) => encode::KeyFormat::JsonSchema(id),
            (KeyFormat::String, ..) => encode::KeyFormat::Text,
            // A format with a schema has its id.
            _ => encode::KeyFormat::Json,
        };
        let value = match (self.formats.value, value_id, schemas) {
            (ValueFormat::Avro, Some(id), Some(schemas)) => encode::ValueFormat::Avro(&schemas.value, id),
            (ValueFormat::JsonSchema, Some(id), _) => encode::ValueFormat::JsonSchema(id),
            _ => encode::ValueFormat::Json,
        };
        let embeds_document = self.formats.embeds_document;
        let partition_by = &self.partition_by;
        let plan = Plan::new(&layout, &encode::Formats { key, value, embeds_document, partition_by })?;
        Ok(BindingInfo {
            topic: self.topic,
            collection: self.collection,
            keys,
            values,
            document,
            schemas: self.schemas,
            plan,
            deletions: self.deletions,
            annotation: self.annotation,
        })
    }
}

/// Makes of the own schema and the text of another one the schema that messages are written by.
type Adopt = fn(&Schema, &str) -> Result<Schema, schema::Error>;

/// Takes the latest schema of a subject in place of the own, where messages are written by it.
fn adopted(
    schema: &mut Schema,
    adopt: Adopt,
    (subject, own): &(String, registry::Schema),
    registered: &Registered,
) -> anyhow::Result<()> {
    let Some(latest) = registered.latest.as_ref().filter(|latest| latest.schema != *own) else {
        return Ok(());
    };
    let context = || {
        format!(
            "writing by version {} of subject {subject:?} (schema_registry.use_latest_version): register a version \
             that fits, or set use_latest_version to false",
            latest.version
        )
    };
    if latest.schema.schema_type != own.schema_type {
        return Err(anyhow!("it is no schema of the type {}", own.schema_type.as_str()))
            .with_context(context);
    }
    *schema = adopt(schema, &latest.schema.text).with_context(context)?;
    Ok(())
}

/// What an error says of a binding.
pub(super) fn describe(collection: &str, topic: &str) -> String {
    format!("collection {collection}, topic {topic:?}")
}

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

/// Refuses keys that their format cannot write: one of text must be a single scalar, of a type that tells `1` and `"1"`
/// apart.
pub(super) fn check_key(formats: Formats, collection: &flow::CollectionSpec) -> anyhow::Result<()> {
    if formats.key != KeyFormat::String {
        return Ok(());
    }
    let [pointer] = &collection.key[..] else {
        bail!(
            "key_format string writes a single key field, and collection {} has {} ({}); choose json, json_schema or avro",
            collection.name,
            collection.key.len(),
            collection.key.join(", ")
        );
    };
    let shape = shape(collection)?;
    let (part, _) = shape.locate(pointer);
    let is_scalar = [Types::STRING, Types::INTEGER, Types::FRACTIONAL, Types::NUMBER, Types::BOOLEAN]
        .contains(&part.types);
    // Such a text stands for the number.
    let is_number = matches!(part.string.format, Some(Format::Integer | Format::Number))
        && (Types::STRING | Types::NUMBER).contains(part.types);
    if is_scalar || is_number {
        return Ok(());
    }
    let types: Vec<_> = part.types.iter().collect();
    bail!(
        "key_format string writes a key of one type, string, integer, number or boolean, and {pointer} of collection {} \
         may be {}; choose json, json_schema or avro",
        collection.name,
        types.join(", ")
    )
}

/// The schemas of a binding's messages, those that its formats need.
pub(super) struct Schemas {
    avro: Option<BindingSchemas>,
    json: Option<JsonSchemas>,
}

impl Schemas {
    /// Makes them of the fields that a binding selects.
    pub(super) fn of(
        formats: Formats,
        naming: &Naming,
        collection: &flow::CollectionSpec,
        selection: &flow::FieldSelection,
    ) -> anyhow::Result<Self> {
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
        Ok(Self {
            avro: formats.has_avro().then(avro).transpose()?,
            json: formats.has_json_schema().then(json).transpose()?,
        })
    }

    /// The subjects and texts under which they are registered: of the key, then of the value, each if it has a schema.
    pub(super) fn subjects(&self, formats: Formats, naming: &Naming) -> Vec<(String, registry::Schema)> {
        let avro = |schema: &Schema| registry::Schema::avro(schema.canonical());
        let key = match formats.key {
            KeyFormat::Avro => self.avro.as_ref().map(|schemas| avro(&schemas.key)),
            KeyFormat::JsonSchema => self.json.as_ref().map(|schemas| registry::Schema::json(&schemas.key)),
            KeyFormat::Json | KeyFormat::String => None,
        };
        let value = match formats.value {
            ValueFormat::Avro => self.avro.as_ref().map(|schemas| avro(&schemas.value)),
            ValueFormat::JsonSchema => {
                self.json.as_ref().map(|schemas| registry::Schema::json(&schemas.value))
            }
            ValueFormat::Json => None,
        };
        [(Part::Key, key), (Part::Value, value)]
            .into_iter()
            .filter_map(|(part, schema)| schema.map(|schema| (naming.subject(part, &schema.text), schema)))
            .collect()
    }
}

fn projection(projection: &flow::Projection) -> Projection<'_> {
    let inference = projection.inference.as_ref();
    Projection {
        field: &projection.field,
        pointer: &projection.ptr,
        types: inference.map_or(&[], |inference| &inference.types[..]),
        must_exist: inference.is_some_and(|inference| inference.exists() == flow::Exists::Must),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(keys: &[&str], schema: &serde_json::Value) -> Result<(), String> {
        let collection = flow::CollectionSpec {
            name: "acme/c".to_owned(),
            key: keys.iter().map(|key| (*key).to_owned()).collect(),
            write_schema_json: schema.to_string().into(),
            ..Default::default()
        };
        let of =
            |key| check_key(Formats { key, value: ValueFormat::Json, embeds_document: false }, &collection);
        assert!(of(KeyFormat::Json).is_ok() && of(KeyFormat::Avro).is_ok());
        of(KeyFormat::String).map_err(|error| error.to_string())
    }

    fn of_type(types: &serde_json::Value, format: &str) -> Result<(), String> {
        let id = json!({"type": types, "format": format});
        check(&["/id"], &json!({"type": "object", "required": ["id"], "properties": {"id": id}}))
    }

    #[test]
    fn a_key_of_text_is_one_scalar_of_one_type() {
        for types in ["string", "integer", "number", "boolean"] {
            assert_eq!(of_type(&json!(types), "date"), Ok(()));
        }
        assert_eq!(of_type(&json!(["string", "integer"]), "integer"), Ok(()));
        for (types, named) in [
            (json!(["string", "integer"]), "integer, string"),
            (json!(["string", "null"]), "null, string"),
            (json!("object"), "object"),
        ] {
            assert_eq!(
                of_type(&types, "date"),
                Err(format!(
                    "key_format string writes a key of one type, string, integer, number or boolean, and /id of collection \
                     acme/c may be {named}; choose json, json_schema or avro"
                ))
            );
        }
        assert_eq!(
            check(&["/a", "/b"], &json!({})).unwrap_err(),
            "key_format string writes a single key field, and collection acme/c has 2 (/a, /b); choose json, json_schema or avro"
        );
    }
}
