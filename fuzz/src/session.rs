//! A whole session over any bytes, in this process: librdkafka's mock brokers and the registry in memory take what
//! it writes, on loopback; nothing else is ever connected to.
//!
//! * Whatever comes, the session ends, with a result or an error that has a text.
//! * What it has answered until then are whole responses, in the order that the protocol has: Opened first, and never
//!   more answers than requests that call for one.
//!
//! The input: a byte of choices (codec, format, with or without an Open of ours before the rest), then the
//! stream. Without our Open, a stream in which a request has a configuration that is accepted is left alone,
//! since it would go out and look for the brokers that it names.

use std::sync::LazyLock;

use materialize_kafka::config::EndpointConfig;
use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::protocol::messages::{Request, flow, request};
use materialize_kafka::protocol::{Codec, Error, Incoming, RequestReader, RequestWriter, ResponseReader};
use materialize_kafka::registry::memory::{Options, Registry};
use materialize_kafka::session::{Surroundings, serve};
use serde_json::json;

use crate::Seeds;
use crate::tuple::pack;

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let codec = if choice & JSON_CODEC == 0 { Codec::Proto } else { Codec::Json };
    let mut stream = Vec::new();
    if choice & OPENED != 0 {
        stream = opening(codec, choice & AVRO != 0);
    } else if goes_out(rest, codec) {
        return;
    }
    stream.extend_from_slice(rest);

    let mut output = Vec::new();
    let mut surroundings = Surroundings {
        runtime: WORLD.runtime.handle().clone(),
        on_failure: None,
        input_is_ready: || true,
        measured: false,
    };
    let result = serve(&stream[..], &mut output, Some(codec), &mut surroundings);
    if let Err(error) = &result {
        assert!(!format!("{error:#}").is_empty());
    }
    check(&stream, &output, codec, result.is_ok());
}

const JSON_CODEC: u8 = 1;
const AVRO: u8 = 2;
const OPENED: u8 = 4;

/// The answers are those to the first requests, one each, Stores left out.
fn check(stream: &[u8], output: &[u8], codec: Codec, is_ok: bool) {
    let mut asked = Vec::new();
    let mut requests = RequestReader::new(stream, Some(codec));
    while let Ok(Some(request)) = requests.next() {
        asked.extend(match request {
            Incoming::Spec(_) => Some("spec"),
            Incoming::Validate(_) => Some("validated"),
            Incoming::Apply(_) => Some("applied"),
            Incoming::Open(_) => Some("opened"),
            Incoming::Flush(_) => Some("flushed"),
            Incoming::StartCommit(_) => Some("startedCommit"),
            Incoming::Acknowledge(_) => Some("acknowledged"),
            Incoming::Load(_) | Incoming::Store(_) => None,
        });
    }
    let mut answered = Vec::new();
    let mut responses = ResponseReader::new(output, codec);
    while let Some(response) = responses.next().expect("whole responses") {
        answered.extend(response.names());
    }
    assert!(asked.starts_with(&answered), "asked for {asked:?}, answered {answered:?}");
    if is_ok {
        assert_eq!(asked, answered, "the session ended well");
    }
}

/// Whether a request would go out to servers that it names.
fn goes_out(stream: &[u8], codec: Codec) -> bool {
    let mut requests = RequestReader::new(stream, Some(codec));
    loop {
        let config = match requests.next() {
            Ok(Some(Incoming::Validate(request))) => Some(request.config_json),
            Ok(Some(Incoming::Apply(request))) => request.materialization.map(|spec| spec.config_json),
            Ok(Some(Incoming::Open(request))) => request.materialization.map(|spec| spec.config_json),
            Ok(Some(_)) => None,
            // The session ends at the first one.
            Ok(None) | Err(Error::Malformed { .. } | _) => return false,
        };
        if config.is_some_and(|config| EndpointConfig::parse(&config).is_ok()) {
            return true;
        }
    }
}

/// What sessions of this process share.
struct World {
    runtime: tokio::runtime::Runtime,
    brokers: Cluster,
    registry: Registry,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a thread can be had");
    let brokers = Cluster::new(1).expect("a port can be had");
    for topic in TOPICS {
        brokers.create_topic(topic, 2).expect("a new topic");
    }
    let registry = runtime.block_on(Registry::start(Options::default())).expect("a port can be had");
    World { runtime, brokers, registry }
});

const TOPICS: [&str; 2] = ["things", "others"];

/// Open, Acknowledge and Flush: what follows may be a Store.
fn opening(codec: Codec, avro: bool) -> Vec<u8> {
    let mut config =
        json!({"bootstrap_servers": WORLD.brokers.bootstrap_servers(), "message_format": "JSON"});
    if avro {
        config["message_format"] = "Avro".into();
        config["schema_registry"] = json!({"endpoint": WORLD.registry.url().as_str()});
    }
    let spec = flow::MaterializationSpec {
        name: "acme/task".to_owned(),
        config_json: config.to_string().into(),
        bindings: TOPICS.iter().map(|topic| binding(topic)).collect(),
        ..Default::default()
    };
    let open = request::Open { materialization: Some(spec), ..Default::default() };
    written(codec, &[open.into(), request::Acknowledge::default().into(), request::Flush::default().into()])
}

fn binding(topic: &str) -> flow::Binding {
    let schema = json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": ["string", "null"]},
            "nested": {"type": "object", "properties": {"count": {"type": "integer"}}},
        },
        "required": ["id"],
    });
    let field = |field: &str, ptr: &str, types: &[&str]| flow::Projection {
        ptr: ptr.to_owned(),
        field: field.to_owned(),
        inference: Some(flow::Inference {
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let collection = flow::CollectionSpec {
        name: format!("acme/{topic}"),
        key: vec!["/id".to_owned()],
        projections: vec![
            field("flow_document", "", &["object"]),
            field("id", "/id", &["integer"]),
            field("name", "/name", &["null", "string"]),
            field("nested", "/nested", &["object"]),
        ],
        write_schema_json: schema.to_string().into(),
        ..Default::default()
    };
    flow::Binding {
        resource_config_json: json!({"topic": topic}).to_string().into(),
        resource_path: vec![topic.to_owned()],
        collection: Some(collection),
        field_selection: Some(flow::FieldSelection {
            keys: vec!["id".to_owned()],
            values: vec!["name".to_owned(), "nested".to_owned()],
            document: "flow_document".to_owned(),
            ..Default::default()
        }),
        delta_updates: true,
        ..Default::default()
    }
}

fn written(codec: Codec, requests: &[Request]) -> Vec<u8> {
    let mut writer = RequestWriter::new(Vec::new(), codec);
    for request in requests {
        writer.push(request).expect("memory takes everything");
    }
    writer.into_inner().expect("memory takes everything")
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let store = |binding, id: i64| request::Store {
        binding,
        key_packed: pack(&[json!(id)]).into(),
        values_packed: pack(&[json!("seven"), json!({"count": id})]).into(),
        doc_json: format!(r#"{{"id":{id}}}"#).into(),
        ..Default::default()
    };
    let delete = request::Store { key_json: "[7]".into(), delete: true, exists: true, ..Default::default() };
    let commit =
        || Request::from(request::StartCommit { runtime_checkpoint: "{}".into(), ..Default::default() });
    let acknowledge = || Request::from(request::Acknowledge::default());
    let transactions = [
        store(0, 7).into(),
        store(1, -8).into(),
        commit(),
        acknowledge(),
        request::Flush::default().into(),
        delete.into(),
        commit(),
        acknowledge(),
    ];
    let config = request::Spec { config_json: "{}".into(), ..Default::default() };
    let validate = request::Validate {
        config_json: r#"{"bootstrap_servers":""}"#.into(),
        bindings: vec![request::ValidateBinding {
            resource_config_json: r#"{"topic":"things"}"#.into(),
            collection: binding("things").collection,
            ..Default::default()
        }],
        ..Default::default()
    };
    let unopened = [config.into(), validate.into()];
    let seed = |choice: u8, requests: &[Request]| {
        let codec = if choice & JSON_CODEC == 0 { Codec::Proto } else { Codec::Json };
        [vec![choice], written(codec, requests)].concat()
    };
    vec![
        ("json_messages", seed(OPENED, &transactions)),
        ("avro_messages", seed(OPENED | AVRO, &transactions)),
        ("json_codec", seed(OPENED | JSON_CODEC, &transactions)),
        ("unopened", seed(0, &unopened)),
        ("unopened_json", seed(JSON_CODEC, &unopened)),
    ]
}
