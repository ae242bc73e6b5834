//! What one row measures: a task, its Stores, and the messages that they become.

use std::time::Duration;

use materialize_kafka::config::EndpointConfig;
use materialize_kafka::encode::{AvroPlan, Buffer, Document, Fields, JsonPlan, Layout, Plan, Scratch};
use materialize_kafka::preview::task::source::Source;
use materialize_kafka::preview::task::{BuiltTask, StoreDoc, Task};
use materialize_kafka::protocol::messages::flow;
use materialize_kafka::protocol::{Codec, RequestWriter};
use materialize_kafka::registry::{self, memory::Registry};
use materialize_kafka::schema::{self, BindingSchemas, Shape};
use serde_json::{Value, json};

use crate::args::{Files, Format};
use crate::runtime::{self, Connector};
use crate::scenario::Scenario;

/// Where documents come from.
#[derive(Debug, Clone)]
pub enum Documents {
    Scenario(Scenario),
    Files(Files),
}

/// A row of the table, as it was asked for.
#[derive(Debug, Clone)]
pub struct Row {
    /// What the table calls it beside scenario and format: what is unusual about it.
    pub note: String,
    pub documents_from: Documents,
    pub format: Format,
    pub codec: Codec,
    /// Documents of each transaction.
    pub documents: u64,
    pub transactions: u64,
    pub bindings: u32,
    pub partitions: i32,
    pub key_bytes: Option<u64>,
    pub compression: String,
    pub round_trip: Duration,
    pub advanced: Value,
    /// Brokers that are no mock.
    pub bootstrap: Option<String>,
    pub runs: u32,
    /// Client instances of the roof; none where it is not measured.
    pub roof_producers: Option<u32>,
}

impl Row {
    /// Of the documents.
    pub fn name(&self) -> String {
        match &self.documents_from {
            Documents::Scenario(scenario) => scenario.name().to_owned(),
            Documents::Files(Files { fixture, .. }) => {
                let folder = fixture.parent().and_then(|folder| folder.file_name());
                folder.unwrap_or(fixture.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Documents of the whole run.
    pub fn total(&self) -> u64 {
        self.documents * self.transactions
    }
}

/// A row made ready: what is the same in all of its runs.
pub struct Workload {
    pub task: BuiltTask,
    /// Of each binding.
    pub topics: Vec<String>,
    /// Different documents, which come again and again.
    pub stores: Vec<StoreDoc>,
    config: Value,
}

impl Workload {
    /// Has the connector validate the task. Topics are named `prefix-BINDING`.
    pub fn new(row: &Row, registry: &Registry, prefix: &str) -> Self {
        let mut config = json!({
            // Validate asks brokers; those of a run come later.
            "bootstrap_servers": row.bootstrap.as_deref().unwrap_or_default(),
            "message_format": row.format.name(),
            "compression": row.compression,
            "topic_partitions": row.partitions,
            "topic_replication_factor": 1,
            "advanced": row.advanced,
        });
        if row.format == Format::Avro {
            config["schema_registry"] = json!({ "endpoint": registry.url().to_string() });
        }
        let (task, mut stores) = match &row.documents_from {
            Documents::Scenario(scenario) => {
                let specification = scenario.specification(row.key_bytes.is_some()).to_string();
                let distinct = row.documents.min(scenario.distinct());
                let task = validated(runtime::task(&specification, &config), row.bootstrap.is_none());
                let stores = runtime::stores(&task, &scenario.fixture(distinct, row.key_bytes));
                (task, stores)
            }
            Documents::Files(Files { flow, fixture }) => {
                let source = Source::read(flow).expect("the specification is right");
                let source = source.materialization(None).expect("there is one materialization");
                let mut task = Task::new(source).expect("the task is right");
                task.config = config.clone();
                let task = validated(task, row.bootstrap.is_none());
                let fixture = std::fs::read_to_string(fixture).expect("the fixture can be read");
                let stores = runtime::stores(&task, &fixture);
                (task, stores)
            }
        };
        let mut workload =
            Self { task, topics: Vec::new(), stores: stores.drain(..).flatten().collect(), config };
        assert!(!workload.stores.is_empty(), "there are no documents");
        if row.bindings > 1 {
            workload.spread(row.bindings);
        }
        for (number, binding) in workload.task.spec.bindings.iter_mut().enumerate() {
            let topic = format!("{prefix}-{number}");
            binding.resource_config_json = json!({ "topic": topic }).to_string().into();
            binding.resource_path = vec![topic.clone()];
            workload.topics.push(topic);
        }
        workload
    }

    /// Makes the one binding many, which the documents go to in turns, a few at a time.
    fn spread(&mut self, bindings: u32) {
        const A_FEW: usize = 4;
        let binding = self.task.spec.bindings.swap_remove(0);
        self.task.spec.bindings = (0..bindings).map(|_| binding.clone()).collect();
        for (turn, stores) in self.stores.chunks_mut(A_FEW).enumerate() {
            let binding = u32::try_from(turn % bindings as usize).expect("below the number of bindings");
            stores.iter_mut().for_each(|store| store.binding = binding);
        }
    }

    /// Points the task at brokers.
    pub fn connect(&mut self, bootstrap: &str) {
        self.config["bootstrap_servers"] = bootstrap.into();
        self.task.spec.config_json = self.config.to_string().into();
    }

    /// The configuration as it is now.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The first `count` Stores as the runtime writes them.
    pub fn frames(&self, count: usize, codec: Codec) -> Vec<u8> {
        let mut writer = RequestWriter::new(Vec::new(), codec);
        for store in &self.stores[..count] {
            writer.push(&runtime::store_request(store, codec).into()).expect("a vector takes all");
        }
        writer.into_inner().expect("a vector takes all")
    }

    /// The messages that the Stores become, in their order.
    pub fn messages(&self, requests: &tokio::runtime::Handle, registry: &Registry) -> Vec<Message> {
        let plans: Vec<Plan> = self
            .task
            .spec
            .bindings
            .iter()
            .zip(&self.topics)
            .map(|(binding, topic)| {
                plan(binding, topic, self.config["message_format"] == "Avro", requests, registry)
            })
            .collect();
        let mut scratch = Scratch::default();
        self.stores
            .iter()
            .map(|store| {
                let document = Document {
                    key: Fields::Packed(&store.key_packed),
                    values: Fields::Packed(&store.values_packed),
                    doc: &store.doc_json,
                    delete: store.delete,
                };
                let (mut key, mut value) = (Vec::new(), Buffer::default());
                let has_value = plans[store.binding as usize]
                    .encode(&document, &mut scratch, &mut key, &mut value)
                    .expect("the document can be encoded");
                Message { topic: store.binding, key, value: has_value.then(|| value.into_vec()) }
            })
            .collect()
    }
}

/// A ready-made message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// Number of its topic, which is that of its binding.
    pub topic: u32,
    pub key: Vec<u8>,
    /// None where it deletes.
    pub value: Option<Vec<u8>>,
}

impl Message {
    /// Bytes of key and value.
    pub fn bytes(&self) -> u64 {
        (self.key.len() + self.value.as_ref().map_or(0, Vec::len)) as u64
    }
}

/// The task with its fields selected. Needs brokers for a moment, and `mock` says that they are to be made.
fn validated(mut task: Task, mock: bool) -> BuiltTask {
    let brokers = mock.then(|| crate::brokers::Brokers::start(&[], 1, Duration::ZERO));
    if let Some(brokers) = &brokers {
        task.config["bootstrap_servers"] = brokers.address.as_str().into();
    }
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let validated = connector.ask(task.validate()).validated.expect("Validate is answered by Validated");
    connector.end().assert_clean();
    task.build(&validated).expect("the fields can be selected")
}

/// The plan that a session compiles for a binding.
fn plan(
    binding: &flow::Binding,
    topic: &str,
    avro: bool,
    requests: &tokio::runtime::Handle,
    registry: &Registry,
) -> Plan {
    let selection = binding.field_selection.as_ref().expect("fields were selected");
    let (keys, values) = (&selection.keys[..], &selection.values[..]);
    let document = Some(&selection.document[..]).filter(|field| !field.is_empty());
    let layout = Layout { keys, values, document };
    if !avro {
        return Plan::Json(JsonPlan::new(&layout).expect("the selection is right"));
    }
    let collection = binding.collection.as_ref().expect("a binding has a collection");
    let text = match &collection.read_schema_json {
        read if read.is_empty() => &collection.write_schema_json,
        read => read,
    };
    let text = serde_json::from_slice(text).expect("the schema is JSON");
    let shape = Shape::infer(&text).expect("the schema is right");
    let projections: Vec<_> = collection
        .projections
        .iter()
        .map(|projection| {
            let inference = projection.inference.as_ref().expect("every projection has one");
            schema::Projection {
                field: &projection.field,
                pointer: &projection.ptr,
                types: &inference.types,
                must_exist: inference.exists() == flow::Exists::Must,
            }
        })
        .collect();
    let BindingSchemas { key, value } =
        schema::binding_schemas(&shape, &projections, &schema::Selection { keys, values, document })
            .expect("the collection can be mapped to Avro");
    let subjects = [&key, &value].map(|schema| {
        let text = schema.canonical();
        (schema::subject(topic, &text), registry::Schema::avro(text))
    });
    let client = registry::Client::new(&registry.config()).expect("the registry's address is right");
    let ids = requests.block_on(client.register(&subjects)).expect("the registry takes the schemas");
    Plan::Avro(AvroPlan::new(&layout, &key, ids[0], &value, ids[1]).expect("schemas and layout agree"))
}

/// The configuration as the connector reads it.
pub fn endpoint(config: &Value) -> EndpointConfig {
    EndpointConfig::parse(config.to_string().as_bytes()).expect("the configuration is right")
}
