//! A binding as a session keeps it.

use anyhow::{Context, anyhow};

use crate::config::{
    Annotations, Deletions, EndpointConfig, Formats, KeyFormat, Partitioning, Resource, ValueFormat,
};
use crate::encode::{self, AnnotationPlan, Document, Fields, JsonPlan, Layout, Plan, Scratch};
use crate::kafka::Header;
use crate::protocol::messages::flow;
use crate::registry;
use crate::schema::BindingSchemas;
use crate::session::registration::Registered;
use crate::session::schemas::{Schemas, unfit};
use crate::session::{annotate, keys};

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
    schemas: Schemas,
    annotations: Annotations,
    annotation: Option<AnnotationPlan>,
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
        keys::check(config, &resource, collection, &selection.keys)?;
        let schemas = Schemas::of(config, &resource, collection, &selection)?;
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
        self.schemas.subjects()
    }

    /// Its schemas.
    pub(super) fn schemas(&self) -> &Schemas {
        &self.schemas
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
        let taken: Vec<Registered> = registered.by_ref().take(self.subjects().len()).collect();
        let differences = self.schemas.adopt(taken.iter().map(|registered| registered.latest.as_ref()));
        if !differences.is_empty() {
            return Err(unfit(&differences));
        }
        let mut ids = taken.iter().map(|registered| registered.id);
        let mut id = || ids.next().context("the registry gave fewer ids than schemas");
        let key_id = if self.formats.key_has_schema() { Some(id()?) } else { None };
        let value_id = if self.formats.value_has_schema() { Some(id()?) } else { None };
        let avro = self.schemas.into_avro();

        let flow::FieldSelection { keys, values, document, .. } = self.selection;
        let document = Some(document).filter(|field| !field.is_empty());
        let layout = Layout { keys: &keys, values: &values, document: document.as_deref() };
        let key = match (self.formats.key, key_id, &avro) {
            (KeyFormat::Avro, Some(id), Some(schemas)) => encode::KeyFormat::Avro(&schemas.key, id),
            (KeyFormat::JsonSchema, Some(id), _) => encode::KeyFormat::JsonSchema(id),
            (KeyFormat::String, ..) => encode::KeyFormat::Text,
            // A format with a schema has its id.
            _ => encode::KeyFormat::Json,
        };
        let value = match (self.formats.value, value_id, &avro) {
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
            schemas: avro,
            plan,
            deletions: self.deletions,
            annotation: self.annotation,
        })
    }
}

/// What an error says of a binding.
pub(super) fn describe(collection: &str, topic: &str) -> String {
    format!("collection {collection}, topic {topic:?}")
}
