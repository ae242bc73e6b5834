//! A binding as a session keeps it.

use anyhow::{Context, anyhow, bail};

use crate::config::{Deletions, EndpointConfig, Formats, KeyFormat, Partitioning, Resource, ValueFormat};
use crate::encode::{self, Document, Fields, JsonPlan, Layout, Plan, Scratch};
use crate::protocol::messages::flow;
use crate::registry;
use crate::schema::{self, BindingSchemas, Format, JsonSchemas, Projection, Selection, Shape, Types};

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
}

impl BindingInfo {
    /// What an error says of the binding: its collection and topic.
    pub fn describe(&self) -> String {
        format!("collection {}, topic {:?}", self.collection, self.topic)
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
    json_schemas: Option<JsonSchemas>,
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
        let Resource { topic, partition_by, .. } = resource;
        config.check_topic(&topic)?;
        let collection =
            binding.collection.as_ref().ok_or_else(|| anyhow!("the specification names no collection"))?;
        let selection = binding
            .field_selection
            .clone()
            .ok_or_else(|| anyhow!("the specification has no field selection"))?;
        check_key(formats, collection)?;
        let schemas = match formats.has_avro() {
            true => Some(
                mapped(collection, &selection, schema::binding_schemas)
                    .with_context(|| format!("mapping collection {} to Avro", collection.name))?,
            ),
            false => None,
        };
        let json_schemas = match formats.has_json_schema() {
            true => Some(
                mapped(collection, &selection, |shape, projections, selection| {
                    schema::json_schemas(shape, projections, selection, formats.embeds_document)
                })
                .with_context(|| format!("describing collection {} by JSON schemas", collection.name))?,
            ),
            false => None,
        };
        Ok(Self {
            topic: topic.to_string(),
            collection: collection.name.clone(),
            selection,
            formats,
            deletions,
            schemas,
            json_schemas,
            partitioning,
            partition_by,
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

    /// Subject and schema of the key and of the value, as far as these have one, to be registered.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (String, registry::Schema)> {
        let avro = |schema: &schema::avro::Schema| registry::Schema::avro(schema.canonical());
        let (schemas, json) = (self.schemas.as_ref(), self.json_schemas.as_ref());
        let key = match self.formats.key {
            KeyFormat::Avro => schemas.map(|schemas| avro(&schemas.key)),
            KeyFormat::JsonSchema => json.map(|schemas| registry::Schema::json(&schemas.key)),
            KeyFormat::Json | KeyFormat::String => None,
        };
        let value = match self.formats.value {
            ValueFormat::Avro => schemas.map(|schemas| avro(&schemas.value)),
            ValueFormat::JsonSchema => json.map(|schemas| registry::Schema::json(&schemas.value)),
            ValueFormat::Json => None,
        };
        [key, value].into_iter().flatten().map(|schema| (schema::subject(&self.topic, &schema.text), schema))
    }

    /// The finished binding; `ids` gives the ids of its [`Self::subjects`], in order.
    pub(super) fn finish(self, mut ids: impl Iterator<Item = u32>) -> anyhow::Result<BindingInfo> {
        let flow::FieldSelection { keys, values, document, .. } = &self.selection;
        let document = Some(document.clone()).filter(|field| !field.is_empty());
        let layout = Layout { keys, values, document: document.as_deref() };
        let mut id = || ids.next().context("the registry gave fewer ids than schemas");
        let schemas = self.schemas.as_ref();
        let key = match (self.formats.key, schemas) {
            (KeyFormat::Avro, Some(schemas)) => encode::KeyFormat::Avro(&schemas.key, id()?),
            (KeyFormat::JsonSchema, _) => encode::KeyFormat::JsonSchema(id()?),
            (KeyFormat::String, _) => encode::KeyFormat::Text,
            // Avro's schemas are made for every binding that has it.
            (KeyFormat::Json | KeyFormat::Avro, _) => encode::KeyFormat::Json,
        };
        let value = match (self.formats.value, schemas) {
            (ValueFormat::Avro, Some(schemas)) => encode::ValueFormat::Avro(&schemas.value, id()?),
            (ValueFormat::JsonSchema, _) => encode::ValueFormat::JsonSchema(id()?),
            (ValueFormat::Json | ValueFormat::Avro, _) => encode::ValueFormat::Json,
        };
        let partition_by = &self.partition_by;
        let plan = Plan::new(
            &layout,
            &encode::Formats { key, value, embeds_document: self.formats.embeds_document, partition_by },
        )?;
        let flow::FieldSelection { keys, values, .. } = self.selection;
        Ok(BindingInfo {
            topic: self.topic,
            collection: self.collection,
            keys,
            values,
            document,
            schemas: self.schemas,
            plan,
            deletions: self.deletions,
        })
    }
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

/// What `map` makes of the selected fields of a collection.
fn mapped<T>(
    collection: &flow::CollectionSpec,
    selection: &flow::FieldSelection,
    map: impl FnOnce(&Shape, &[Projection<'_>], &Selection<'_>) -> Result<T, schema::Error>,
) -> anyhow::Result<T> {
    let projections: Vec<_> = collection.projections.iter().map(projection).collect();
    let selection = Selection {
        keys: &selection.keys,
        values: &selection.values,
        document: Some(&selection.document[..]).filter(|field| !field.is_empty()),
    };
    Ok(map(&shape(collection)?, &projections, &selection)?)
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
