//! A binding as a session keeps it.

use anyhow::{Context, anyhow};

use crate::config::{Annotations, EndpointConfig, MessageFormat, Resource};
use crate::encode::{AnnotationPlan, AvroPlan, Document, JsonPlan, Layout, Plan, Scratch};
use crate::kafka::Header;
use crate::protocol::messages::flow;
use crate::registry;
use crate::schema::avro::Schema;
use crate::schema::{self, BindingSchemas, Projection, Selection, Shape};
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
    /// The Avro schemas of key and value; none where messages are JSON.
    pub schemas: Option<BindingSchemas>,
    /// How documents become messages.
    pub plan: Plan,
    /// What messages have beside key and value; none where that is nothing.
    pub annotation: Option<AnnotationPlan>,
}

impl BindingInfo {
    /// What an error says of the binding: its collection and topic.
    pub fn describe(&self) -> String {
        describe(&self.collection, &self.topic)
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
    schemas: Option<BindingSchemas>,
    annotations: Annotations,
    annotation: Option<AnnotationPlan>,
    /// What is registered, with its subjects: of the key, then of the value.
    subjects: Vec<(String, registry::Schema)>,
}

impl Draft {
    /// Reads a binding of the materialization's specification.
    pub(super) fn new(config: &EndpointConfig, binding: &flow::Binding) -> anyhow::Result<Self> {
        let resource = Resource::parse(&binding.resource_config_json)?;
        let annotations = config.annotations(&resource)?;
        let topic = config.topic(&resource)?.name.to_string();
        let collection =
            binding.collection.as_ref().ok_or_else(|| anyhow!("the specification names no collection"))?;
        let selection = binding
            .field_selection
            .clone()
            .ok_or_else(|| anyhow!("the specification has no field selection"))?;
        let (mut schemas, mut subjects) = (None, Vec::new());
        if config.message_format == MessageFormat::Avro {
            let naming = Naming::new(config, &resource, &topic);
            let avro = avro_schemas(&naming, collection, &selection)?;
            subjects = avro_subjects(&naming, &avro);
            schemas = Some(avro);
        }
        let layout = Layout { keys: &selection.keys, values: &selection.values, document: None };
        let annotation = annotate::plan(&annotations, collection, &layout)?;
        let collection = collection.name.clone();
        Ok(Self { topic, collection, selection, schemas, annotations, annotation, subjects })
    }

    /// The topic that its messages go to.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The collection that its documents come from.
    pub(super) fn collection(&self) -> &str {
        &self.collection
    }

    /// The headers that its messages have.
    pub(super) fn headers(&self) -> anyhow::Result<Vec<Header>> {
        annotate::headers(&self.annotations, &self.collection)
    }

    /// Whether its messages have anything beside key and value.
    pub(super) fn is_annotated(&self) -> bool {
        self.annotation.is_some()
    }

    /// Subject and schema of the key and of the value, to be registered.
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
        if let Some(own) = self.schemas.take() {
            self.schemas = Some(adopted(own, &self.subjects, &taken)?);
        }
        let mut ids = taken.into_iter().map(|registered| registered.id);
        let flow::FieldSelection { keys, values, document, .. } = self.selection;
        let document = Some(document).filter(|field| !field.is_empty());
        let layout = Layout { keys: &keys, values: &values, document: document.as_deref() };
        let plan = match &self.schemas {
            None => Plan::Json(JsonPlan::new(&layout)?),
            Some(BindingSchemas { key, value }) => {
                let mut id = || ids.next().context("the registry gave fewer ids than schemas");
                Plan::Avro(AvroPlan::new(&layout, key, id()?, value, id()?)?)
            }
        };
        Ok(BindingInfo {
            topic: self.topic,
            collection: self.collection,
            keys,
            values,
            document,
            schemas: self.schemas,
            plan,
            annotation: self.annotation,
        })
    }
}

/// The schemas that messages are written by: the own, or the latest of their subjects.
fn adopted(
    own: BindingSchemas,
    subjects: &[(String, registry::Schema)],
    registered: &[Registered],
) -> anyhow::Result<BindingSchemas> {
    let BindingSchemas { mut key, mut value } = own;
    let fits = [
        (&mut key, schema::adopt_key as fn(&Schema, &str) -> Result<Schema, schema::Error>),
        (&mut value, schema::adopt),
    ];
    for ((schema, adopt), ((subject, own), registered)) in
        fits.into_iter().zip(subjects.iter().zip(registered))
    {
        let Some(latest) = registered.latest.as_ref().filter(|latest| latest.schema != *own) else {
            continue;
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
    }
    Ok(BindingSchemas { key, value })
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

/// The subjects and texts under which a binding's Avro schemas are registered: of the key, then of the value.
pub(super) fn avro_subjects(naming: &Naming, schemas: &BindingSchemas) -> Vec<(String, registry::Schema)> {
    let both = [(Part::Key, &schemas.key), (Part::Value, &schemas.value)];
    both.map(|(part, schema)| {
        let text = schema.canonical();
        (naming.subject(part, &text), registry::Schema::avro(text))
    })
    .into()
}

/// The Avro schemas of the fields that a binding selects.
pub(super) fn avro_schemas(
    naming: &Naming,
    collection: &flow::CollectionSpec,
    selection: &flow::FieldSelection,
) -> anyhow::Result<BindingSchemas> {
    let projections: Vec<_> = collection.projections.iter().map(projection).collect();
    let selection = Selection {
        keys: &selection.keys,
        values: &selection.values,
        document: Some(&selection.document[..]).filter(|field| !field.is_empty()),
    };
    schema::named_binding_schemas(naming.record(), &shape(collection)?, &projections, &selection)
        .with_context(|| format!("mapping collection {} to Avro", collection.name))
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
