//! `materialize-kafka preview`, the real binary: what it prints, what it refuses, and how it ends.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use common::runtime::shared_data;
use materialize_kafka::kafka::mock::Cluster;
use serde_json::{Value, json};

/// What a preview did.
struct Previewed {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Previewed {
    /// The messages that it printed as JSON lines, all of stdout.
    fn messages(&self) -> Vec<Value> {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it told on stderr but for progress, which comes where a machine is slow.
    fn told(&self) -> String {
        let is_progress = |line: &&str| {
            line.contains(" document") && (line.contains("/s, ") || line.ends_with("; reading messages back"))
        };
        self.stderr.lines().filter(|line| !is_progress(line)).map(|line| format!("{line}\n")).collect()
    }

    /// Its error, having asserted that it failed and printed nothing else on stdout.
    fn error(&self) -> &str {
        assert_eq!((self.status, &self.stdout[..]), (Some(1), ""), "{}", self.stderr);
        self.stderr.lines().last().unwrap().strip_prefix("error: ").unwrap_or(&self.stderr)
    }
}

fn preview(source: &Path, fixture: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--source"]).arg(source).arg("--fixture").arg(fixture).args(more);
    command.env_remove("LOG_LEVEL").env_remove("COLUMNS").env_remove("FLOW_RUNTIME_CODEC");
    command
}

fn run(mut command: Command) -> Previewed {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Previewed {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn orders(more: &[&str]) -> Previewed {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders");
    run(preview(&folder.join("flow.yaml"), &folder.join("fixture.jsonl"), more))
}

/// Specification and fixture in a folder that goes with the value.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(specification: &str, fixture: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("flow.yaml"), specification).unwrap();
        fs::write(folder.path().join("fixture.jsonl"), fixture).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        preview(&self.path("flow.yaml"), &self.path("fixture.jsonl"), more)
    }

    fn run(&self, more: &[&str]) -> Previewed {
        run(self.command(more))
    }
}

/// One collection of lists of texts, by number, with this configuration.
fn things(config: &Value) -> String {
    json!({
        "collections": {"acme/things": {
            "key": ["/id"],
            "schema": {
                "type": "object", "required": ["id"],
                "properties": {"id": {"type": "integer"}, "parts": {"type": "array", "items": {"type": "string"}}},
            },
        }},
        "materializations": {"acme/task": {
            "endpoint": {"local": {"command": ["/does/not/exist"], "protobuf": true, "config": config}},
            "bindings": [{"source": "acme/things", "resource": {"topic": "things"}}],
        }},
    })
    .to_string()
}

/// The lines without what differs from run to run.
fn without_times(jsonl: &str) -> String {
    let mut text = String::new();
    for line in jsonl.lines() {
        let (before, rest) = line.split_once(r#""timestamp":"#).unwrap();
        let (time, after) = rest.split_once(',').unwrap();
        assert!(time.parse::<u64>().unwrap() > 1_700_000_000_000, "{line}");
        writeln!(text, "{before}{after}").unwrap();
    }
    text
}

#[test]
fn the_example_in_json() {
    let proto = orders(&["--name", "shop/json", "--output", "jsonl", "--codec", "proto"]);
    assert_eq!(proto.status, Some(0), "{}", proto.stderr);
    insta::assert_snapshot!("orders_json", without_times(&proto.stdout));
    let json = orders(&["--name", "shop/json", "--output", "jsonl", "--codec", "json"]);
    assert_eq!(without_times(&json.stdout), without_times(&proto.stdout));
    let told = json.told();
    assert!(told.starts_with("8 messages in 2 topics, 2,773 bytes of keys and values, "), "{told}");
    assert_eq!(told.lines().count(), 1);
}

#[test]
fn the_example_in_avro() {
    let proto = orders(&["--name", "shop/avro", "--output", "jsonl", "--codec", "proto"]);
    assert_eq!(proto.status, Some(0), "{}", proto.stderr);
    insta::assert_snapshot!("orders_avro", without_times(&proto.stdout));
    let json = orders(&["--name", "shop/avro", "--output", "jsonl", "--codec", "json"]);
    assert_eq!(without_times(&json.stdout), without_times(&proto.stdout));
}

#[test]
fn the_example_as_tables() {
    for task in ["shop/json", "shop/avro"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders");
        let mut command =
            preview(&folder.join("flow.yaml"), &folder.join("fixture.jsonl"), &["--name", task]);
        command.env("COLUMNS", "100");
        let previewed = run(command);
        assert_eq!(previewed.status, Some(0), "{}", previewed.stderr);
        assert_eq!(previewed.told(), "");
        assert!(previewed.stdout.lines().all(|line| line.chars().count() <= 100), "{}", previewed.stdout);
        let (table, time) = previewed.stdout.trim_end().rsplit_once(", ").unwrap();
        assert!(time.strip_suffix(" s").unwrap().parse::<f64>().unwrap() > 0.0);
        insta::assert_snapshot!(task.replace('/', "_table_"), table);
    }
}

#[test]
fn sessions_have_as_many_transactions_as_they_are_told() {
    let fixture: String =
        (0..6).map(|id| format!("[\"acme/things\",{{\"id\":{id}}}]\n{{\"commit\":true}}\n")).collect();
    let case = Case::new(&things(&json!({"message_format": "JSON"})), &fixture);
    for (sessions, opened, messages) in
        [("1,2", 2, 3), ("-1", 1, 6), ("2,-1", 2, 6), ("0,1", 2, 1), ("9,1", 2, 6)]
    {
        let mut command = case.command(&["--output", "jsonl", "--sessions", sessions]);
        let previewed = run({
            command.env("LOG_LEVEL", "info");
            command
        });
        assert_eq!(previewed.messages().len(), messages, "--sessions {sessions}");
        let logged = previewed.stderr.lines().filter(|line| line.starts_with("connector: INFO opened "));
        assert_eq!(logged.count(), opened, "--sessions {sessions}: {}", previewed.stderr);
    }
}

/// The embedded brokers cannot be asked whether topics can be made, and have but one replica of each.
#[test]
fn what_is_said_of_topics_and_batches_is_no_hindrance_to_a_preview() {
    let config = json!({
        "bootstrap_servers": "unused:9092", "message_format": "JSON",
        "topic_partitions": 2, "topic_replication_factor": 3,
        "advanced": {
            "topic_prefix": "p.",
            "topic_config": {"cleanup.policy": "compact", "min.insync.replicas": 2, "max.message.bytes": 600_000},
            "client_properties": {"batch.size": "500000"},
        },
    });
    let resource = json!({
        "topic": "things", "partitions": 3, "replication_factor": 4,
        "topic_config": {"min.insync.replicas": 3, "retention.ms": 1000},
    });
    let specification = things(&config).replace(r#"{"topic":"things"}"#, &resource.to_string());
    assert!(specification.contains("retention.ms"));
    let previewed = Case::new(&specification, r#"["acme/things",{"id":7}]"#).run(&["--output", "jsonl"]);
    let messages = previewed.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["topic"], "p.things");

    // What contradicts itself is refused here as well.
    let specification = specification.replace("600000", "400000");
    let previewed = Case::new(&specification, "").run(&[]);
    assert!(previewed.error().contains("batches of 500000 bytes"), "{}", previewed.stderr);
}

/// With the embedded brokers, which make no progress topic of their own.
#[test]
fn exactly_once_delivery_is_previewed_too() {
    let config = json!({
        "bootstrap_servers": "unused:9092", "message_format": "JSON", "advanced": {"delivery": "exactly_once"},
    });
    let documents: Vec<_> = (0..6).map(|id| json!(["acme/things", {"id": id}]).to_string()).collect();
    let case = Case::new(&things(&config), &documents.join("\n{\"commit\":true}\n"));
    for codec in ["proto", "json"] {
        let previewed = case.run(&["--output", "jsonl", "--sessions", "2,-1", "--codec", codec]);
        assert_eq!(previewed.messages().len(), 6, "{}", previewed.stderr);
    }
}

#[test]
fn a_fixture_may_come_through_a_pipe() {
    let case = Case::new(&things(&json!({"message_format": "JSON"})), "");
    let mut command = preview(&case.path("flow.yaml"), Path::new("-"), &["--output", "jsonl"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"["acme/things",{"id":7}]"#).unwrap();
    let output = child.wait_with_output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["key"], json!({"id": 7}));
}

#[test]
fn an_empty_fixture_is_an_empty_transaction() {
    let case = Case::new(&things(&json!({"message_format": "JSON"})), "");
    let previewed = case.run(&[]);
    assert_eq!(previewed.status, Some(0), "{}", previewed.stderr);
    assert!(previewed.stdout.starts_with("0 messages in 0 topics, 0 bytes of keys and values, "));
}

/// A partition's log at the embedded brokers holds 5 MiB.
#[test]
fn nothing_of_a_large_fixture_is_lost() {
    const DOCUMENTS: u32 = 20_000;
    let mut fixture = String::new();
    let mut random = 1_u64;
    let mut total = 0;
    for id in 0..DOCUMENTS {
        let mut digits = |texts: u32, words: u32| {
            let mut text = |_| {
                let mut text = String::new();
                for _ in 0..words {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    write!(text, "{random:020}").unwrap();
                }
                total += text.len();
                text
            };
            (0..texts).map(&mut text).collect::<Vec<_>>()
        };
        // Now and then a document that is larger than the whole log may be.
        let parts = if id == 300 || id == 15_000 { digits(120, 2_500) } else { digits(1, 90) };
        writeln!(fixture, "{}", json!(["acme/things", {"id": id, "parts": parts}])).unwrap();
        if id % 7_000 == 6_999 {
            fixture.push_str("{\"commit\":true}\n");
        }
    }
    assert!(total > 40_000_000);
    let config = json!({"message_format": "JSON", "topic_partitions": 1, "compression": "none"});
    let previewed = Case::new(&things(&config), &fixture).run(&["--output", "jsonl"]);
    drop(fixture);

    assert_eq!(previewed.status, Some(0), "{}", previewed.stderr);
    let mut ids = Vec::new();
    for (offset, line) in previewed.stdout.lines().enumerate() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["offset"], offset);
        ids.push(message["key"]["id"].as_u64().unwrap());
    }
    // One partition, and within a transaction documents come in the order of their keys.
    assert!(ids.iter().copied().eq(0..u64::from(DOCUMENTS)), "{} messages", ids.len());
    assert!(previewed.stdout.len() > total);
}

#[test]
fn live_servers_are_read_from_where_they_were() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("things", 2).unwrap();
    let config = json!({"message_format": "JSON", "bootstrap_servers": cluster.bootstrap_servers()});
    let fixture: String = (0..10).map(|id| format!("[\"acme/things\",{{\"id\":{id}}}]\n")).collect();
    let case = Case::new(&things(&config), &fixture);
    let place =
        |message: &Value| (message["partition"].as_i64().unwrap(), message["offset"].as_i64().unwrap());

    let first = case.run(&["--live", "--output", "jsonl"]).messages();
    let second = case.run(&["--live", "--output", "jsonl"]).messages();
    let third = case.run(&["--output", "jsonl"]).messages();
    assert_eq!([first.len(), second.len(), third.len()], [10, 10, 10]);
    let in_partition = |partition| first.iter().filter(|message| place(message).0 == partition).count();
    for (before, after) in first.iter().zip(&second) {
        let (partition, offset) = place(before);
        let moved = i64::try_from(in_partition(partition)).unwrap();
        assert_eq!(place(after), (partition, offset + moved));
        assert_eq!(before["key"], after["key"]);
    }
    assert_eq!(place(&third[0]).1, 0, "the embedded brokers are others");
}

#[test]
fn mistakes_are_explained() {
    let json_config = json!({"message_format": "JSON"});
    let good = things(&json_config);
    let line = r#"["acme/things",{"id":1}]"#;
    let cases = [
        (
            good.clone(),
            format!("{line}\n[\"acme/things\",{{\"id\":]\n"),
            vec![],
            "/fixture.jsonl line 2: expected [\"collection\", {document}] or {\"commit\": true}: expected value (column 22)",
        ),
        (
            good.clone(),
            line.to_owned(),
            vec!["--name", "acme/other"],
            "/flow.yaml has no materialization \"acme/other\", it has acme/task",
        ),
        (
            things(&json!({"message_format": "CSV"})),
            line.to_owned(),
            vec![],
            "the endpoint's configuration: ",
        ),
        (
            good.replace(r#""topic":"things""#, r#""topic":"no/topic""#),
            line.to_owned(),
            vec![],
            "the connector failed while answering Validate (exit status: 1): ",
        ),
        (
            good.replace(r#""source":"#, r#""disable":true,"source":"#),
            line.to_owned(),
            vec![],
            "materialization \"acme/task\" has no bindings, or all are disabled; there is nothing to preview",
        ),
        (
            things(&json!({"message_format": "Avro"})),
            format!("{line}\n[\"acme/things\",{{\"id\":\"two\"}}]\n"),
            vec![],
            "the connector failed while answering StartCommit (exit status: 1): binding 0, collection acme/things, \
             topic \"things\": encoding the document with key",
        ),
    ];
    for (specification, fixture, more, expected) in cases {
        let previewed = Case::new(&specification, &fixture).run(&more);
        let error = previewed.error();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }

    let case = Case::new(&good, line);
    let missing = run(preview(&case.path("flow.yaml"), &case.path("none.jsonl"), &[]));
    assert!(
        missing.error().ends_with(
            "/none.jsonl: No such file or directory (os error 2); name a file, or - for standard input"
        ),
        "{}",
        missing.error()
    );
    let missing = run(preview(&case.path("none.yaml"), &case.path("fixture.jsonl"), &[]));
    assert!(missing.error().starts_with("cannot read the specification "), "{}", missing.error());

    let several = orders(&[]);
    assert!(several.error().ends_with(
        "has 3 materializations; choose one with --name: shop/avro, shop/avro-topic-name, shop/json"
    ));
}

/// The subjects that README.md promises, and records of the names that the resources give.
#[test]
fn the_example_with_subjects_by_topic() {
    let by_hash = orders(&["--name", "shop/avro", "--output", "jsonl"]).messages();
    let by_topic = orders(&["--name", "shop/avro-topic-name", "--output", "jsonl"]).messages();
    assert_eq!(by_topic.len(), by_hash.len());
    for (by_topic, by_hash) in by_topic.iter().zip(&by_hash) {
        let topic = by_topic["topic"].as_str().unwrap();
        assert_eq!(by_topic["key_schema"]["subject"], format!("{topic}-key"));
        if !by_topic["value"].is_null() {
            assert_eq!(by_topic["value_schema"]["subject"], format!("{topic}-value"));
        }
        for part in ["key", "value"] {
            assert_eq!(by_topic[part], by_hash[part]);
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let fixture: String = (0..20_000).map(|id| format!("[\"acme/things\",{{\"id\":{id}}}]\n")).collect();
    let case = Case::new(&things(&json!({"message_format": "JSON"})), &fixture);
    let mut command = case.command(&["--output", "jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut beginning = [0; 10];
    stdout.read_exact(&mut beginning).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let [stdout, stderr] = [Vec::new(), output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let previewed = Previewed { status: output.status.code(), stdout, stderr };
    assert_eq!((previewed.status, &previewed.told()[..]), (Some(0), ""));
}

#[test]
fn real_documents_arrive_whole() {
    let Some(data) = shared_data("real_documents_arrive_whole") else { return };
    let data = data.join("github-webhooks");
    let source: Value = serde_json::from_slice(&fs::read(data.join("flow.json")).unwrap()).unwrap();
    let (name, task) = source["materializations"].as_object().unwrap().iter().next().unwrap();
    // Of each topic the collection and the pointers of its key.
    let topics: BTreeMap<&str, (&str, Vec<&str>)> = task["bindings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|binding| {
            let collection = binding["source"].as_str().unwrap();
            let key = source["collections"][collection]["key"].as_array().unwrap();
            let key = key.iter().map(|pointer| pointer.as_str().unwrap()).collect();
            (binding["resource"]["topic"].as_str().unwrap(), (collection, key))
        })
        .collect();

    // By topic and key: the last document of each transaction, in order.
    let mut expected: BTreeMap<(&str, String), Vec<Value>> = BTreeMap::new();
    let mut transaction: BTreeMap<(&str, String), Value> = BTreeMap::new();
    let mut documents = 0;
    let fixture = fs::read_to_string(data.join("fixture.jsonl")).unwrap();
    for line in fixture.lines().chain(["{\"commit\":true}"]) {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.is_object() {
            for (key, document) in std::mem::take(&mut transaction) {
                expected.entry(key).or_default().push(document);
            }
            continue;
        }
        documents += 1;
        for (topic, (collection, key)) in &topics {
            if line[0] == *collection {
                transaction.insert((topic, key_of(key, &line[1])), line[1].clone());
            }
        }
    }
    assert_eq!(documents, 102);

    let folder = tempfile::tempdir().unwrap();
    let json_source = folder.path().join("flow.json");
    let mut in_json = source.clone();
    in_json["materializations"][name]["endpoint"]["local"]["config"]["message_format"] = json!("JSON");
    fs::write(&json_source, in_json.to_string()).unwrap();

    for (source, codec) in
        [(&data.join("flow.json"), "proto"), (&json_source, "proto"), (&json_source, "json")]
    {
        let more = ["--output", "jsonl", "--codec", codec];
        let mut landed: BTreeMap<(&str, String), Vec<Value>> = BTreeMap::new();
        for message in run(preview(source, &data.join("fixture.jsonl"), &more)).messages() {
            let topic = message["topic"].as_str().unwrap();
            let (topic, (_, key)) = topics.get_key_value(topic).unwrap();
            let document = message["value"]["flow_document"].as_str().unwrap();
            let mut document: Value = serde_json::from_str(document).unwrap();
            let meta = document["_meta"].as_object_mut().unwrap();
            assert!(meta.remove("uuid").unwrap().as_str().unwrap().ends_with("-071353030311"));
            if meta.is_empty() {
                document.as_object_mut().unwrap().remove("_meta");
            }
            assert_eq!(key_of_message(key, &message["key"]), key_of(key, &document));
            landed.entry((topic, key_of(key, &document))).or_default().push(document);
        }
        assert!(landed == expected, "{codec} of {}", source.display());
    }
}

/// The values at the key's pointers, as text.
fn key_of(pointers: &[&str], document: &Value) -> String {
    let values: Vec<_> = pointers.iter().map(|pointer| document.pointer(pointer).unwrap()).collect();
    serde_json::to_string(&values).unwrap()
}

/// The same, of a message's key.
fn key_of_message(pointers: &[&str], key: &Value) -> String {
    let part = |(i, pointer): (usize, &&str)| match key.get("_flow_key") {
        Some(parts) => parts[format!("p{}", i + 1)].clone(),
        None => key[&pointer[1..]].clone(),
    };
    serde_json::to_string(&pointers.iter().enumerate().map(part).collect::<Vec<_>>()).unwrap()
}

/// One collection whose schema says a lot, for documents that are made.
fn generated(config: &Value) -> String {
    json!({
        "collections": {"acme/made": {
            "key": ["/region", "/id"],
            "schema": {
                "type": "object", "required": ["region", "id", "_meta"],
                "properties": {
                    "region": {"enum": ["eu", "us"]},
                    "id": {"type": "string", "format": "uuid"},
                    "count": {"type": "integer", "minimum": 10, "maximum": 12},
                    "at": {"type": "string", "format": "date-time"},
                    "parts": {"type": "array", "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "number"}}}},
                    "_meta": {"type": "object", "required": ["op"], "properties": {"op": {"enum": ["c", "u", "d"]}}},
                },
            },
        }},
        "materializations": {"acme/task": {
            "endpoint": {"local": {"command": ["/does/not/exist"], "protobuf": true, "config": config}},
            "bindings": [{"source": "acme/made", "resource": {"topic": "made"}}],
        }},
    })
    .to_string()
}

fn generate(case: &Case, more: &[&str]) -> Previewed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--source"]).arg(case.path("flow.yaml")).args(more);
    command.env_remove("LOG_LEVEL").env_remove("COLUMNS").env_remove("FLOW_RUNTIME_CODEC");
    run(command)
}

#[test]
fn documents_are_made_where_there_is_no_fixture() {
    for format in ["JSON", "Avro"] {
        let case = Case::new(&generated(&json!({"message_format": format})), "");
        let options = [
            "--generate",
            "500",
            "--transaction-size",
            "100",
            "--updates",
            "40",
            "--read-back",
            "--output",
            "jsonl",
        ];
        let proto = generate(&case, &[&options[..], &["--codec", "proto"]].concat());
        let messages = proto.messages();
        assert_eq!(messages.len(), 500);
        let keys: std::collections::BTreeSet<_> =
            messages.iter().map(|message| message["key"].to_string()).collect();
        assert!((300..400).contains(&keys.len()), "{} keys", keys.len());
        let deleted = messages.iter().filter(|message| message["value"].is_null()).count();
        assert!((5..40).contains(&deleted), "{deleted} tombstones");
        for message in messages.iter().filter(|message| !message["value"].is_null()) {
            let count = &message["value"]["count"];
            assert!(count.is_null() || (10..=12).contains(&count.as_i64().unwrap()), "{message}");
        }
        let load: Value = serde_json::from_str(proto.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&load["documents"], &load["transactions"]), (&json!(500), &json!(5)));

        // The same documents again, by the other codec; others by another seed.
        let json = generate(&case, &[&options[..], &["--codec", "json"]].concat());
        assert_eq!(without_times(&json.stdout), without_times(&proto.stdout));
        let other = generate(&case, &[&options[..], &["--seed", "2"]].concat());
        assert_ne!(without_times(&other.stdout), without_times(&proto.stdout));
    }
}

#[test]
fn a_load_ends_with_its_figures_and_nothing_else() {
    let case = Case::new(&generated(&json!({"message_format": "JSON"})), "");
    let table = generate(&case, &["--generate", "25000", "--sessions", "1,-1"]);
    assert_eq!(table.status, Some(0), "{}", table.stderr);
    let lines: Vec<_> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("25,000 documents in 3 transactions, "), "{}", table.stdout);
    let names: Vec<_> = lines[1..].iter().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names[0], "rate");
    assert!(lines[4].starts_with("messages     ") && !lines[4].contains(" 0 bytes"), "{}", lines[4]);
    assert!(lines[5].starts_with("on the wire  ") && lines[5].contains(" MB, "), "{}", lines[5]);
    assert!(lines[6].starts_with("commits      median ") && lines[6].contains(" ms, p99 "), "{}", lines[6]);
    if cfg!(target_os = "linux") {
        assert!(lines[7].starts_with("peak memory ") && lines[7].ends_with(" MiB, the connector's process"));
    }
    assert_eq!(table.told(), "");

    let limited = generate(&case, &["--generate", "25000", "--limit", "1234", "--output", "jsonl"]);
    let load: Value = serde_json::from_str(&limited.stdout).unwrap();
    assert_eq!((&load["documents"], &load["transactions"]), (&json!(1234), &json!(1)));
    let [messages, sent] = ["message_bytes", "sent_bytes"].map(|name| load[name].as_u64().unwrap());
    // Compressed, it is less, and not by so much.
    assert!(messages > 1234 * 100 && (messages / 10..messages).contains(&sent), "{load}");
    assert_eq!(limited.told(), "");
}

#[test]
fn a_limit_ends_in_the_middle_of_a_transaction_which_is_committed() {
    let lines: Vec<_> = (0..9).map(|id| json!(["acme/things", {"id": id}]).to_string()).collect();
    let fixture =
        lines.chunks(3).map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n{\"commit\":true}\n");
    let case = Case::new(&things(&json!({"message_format": "JSON", "topic_partitions": 1})), &fixture);
    for (limit, expected) in [("0", 0), ("3", 3), ("4", 4), ("100", 9)] {
        let messages = case.run(&["--limit", limit, "--output", "jsonl"]).messages();
        let ids: Vec<_> = messages.iter().map(|message| message["key"]["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (0..expected).collect::<Vec<_>>(), "--limit {limit}");
    }
}

#[test]
fn topics_may_be_chosen() {
    let chosen = orders(&["--name", "shop/json", "--output", "jsonl", "--topic", "orders"]);
    let messages = chosen.messages();
    assert!(
        !messages.is_empty() && messages.iter().all(|message| message["topic"] == "orders"),
        "{}",
        chosen.stdout
    );
    let prefixed = json!({"message_format": "JSON", "advanced": {"topic_prefix": "p."}});
    let case = Case::new(&things(&prefixed), "[\"acme/things\",{\"id\":7}]\n");
    for name in ["things", "p.things"] {
        assert_eq!(case.run(&["--output", "jsonl", "--topic", name]).messages().len(), 1, "{name}");
    }
    assert!(case.run(&["--topic", "p.p.things"]).error().contains("no binding writes to it"));
    let wrong = orders(&["--name", "shop/json", "--topic", "oders"]);
    assert!(
        wrong.error().starts_with("--topic oders: no binding writes to it; the task's topics are "),
        "{}",
        wrong.error()
    );
}

#[test]
fn colours_come_where_they_are_asked_for() {
    let plain = orders(&["--name", "shop/json"]).stdout;
    let colored = orders(&["--name", "shop/json", "--color", "always"]).stdout;
    assert!(!plain.contains('\u{1b}'));
    assert!(colored.starts_with("\u{1b}[1mtopic "), "{colored}");
    let error = orders(&["--name", "shop/none", "--color", "always"]);
    assert!(error.stderr.starts_with("\u{1b}[31merror:\u{1b}[0m "), "{}", error.stderr);
}

/// A slow fixture: one that waits, and ends when told.
#[test]
fn progress_is_told_on_stderr_where_there_is_no_terminal() {
    let case = Case::new(&things(&json!({"message_format": "JSON"})), "");
    let mut command = preview(&case.path("flow.yaml"), Path::new("-"), &["--output", "jsonl"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"[\"acme/things\",{\"id\":7}]\n{\"commit\":true}\n").unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    // On a busy machine the document may not be sent yet when the first line comes.
    while !line.starts_with("1 document, ") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
        assert!(line.starts_with(['0', '1']) && line.contains("/s, "), "{line}");
    }
    assert!(line.ends_with("/s, 35 bytes\n"), "{line}");
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "stdout has messages alone");
}

#[test]
fn keys_and_values_of_different_formats_are_shown() {
    for (formats, schemas) in [
        (json!({"key_format": "string"}), [false, true]),
        (json!({"value_format": "json"}), [true, false]),
        (json!({"key_format": "json"}), [false, true]),
    ] {
        let config = json!({"bootstrap_servers": "b", "message_format": "Avro", "advanced": formats, "schema_registry": {"endpoint": "http://r"}});
        let fixture = r#"["acme/things",{"id":7,"parts":["a"]}]"#;
        let case = Case::new(&things(&config), &format!("{fixture}\n{{\"commit\":true}}\n"));
        let messages = case.run(&["--output", "jsonl"]).messages();
        let [message] = &messages[..] else { unreachable!("{messages:?}") };
        let key = &message["key"];
        match formats["key_format"].as_str() {
            Some("string") => assert_eq!(*key, "7"),
            Some(_) => assert_eq!(*key, json!({"id": 7})),
            None => assert_eq!(*key, json!({"_flow_key": {"p1": 7}})),
        }
        assert_eq!((&message["value"]["id"], &message["value"]["parts"]), (&json!(7), &json!(["a"])));
        let named = ["key_schema", "value_schema"].map(|name| message.get(name).is_some());
        assert_eq!(named, schemas, "{message}");
    }
}

#[test]
fn deletions_that_are_ignored_are_not_waited_for() {
    let config =
        json!({"bootstrap_servers": "b", "message_format": "JSON", "advanced": {"deletions": "ignore"}});
    let specification = things(&config).replace(
        r#""properties":{"#,
        r#""properties":{"_meta":{"type":"object","properties":{"op":{"enum":["c","d"]}},"required":["op"]},"#,
    );
    let specification = specification.replace(r#""required":["id"]"#, r#""required":["id","_meta"]"#);
    let line = |id: u32, op: &str| json!(["acme/things", {"id": id, "_meta": {"op": op}}]).to_string();
    let fixture = [line(1, "c"), line(2, "d"), json!({"commit": true}).to_string()].join("\n");
    let case = Case::new(&specification, &fixture);
    let keys = |messages: &[Value]| messages.iter().map(|m| m["key"].clone()).collect::<Vec<_>>();
    assert_eq!(keys(&case.run(&["--output", "jsonl"]).messages()), [json!({"id": 1})]);

    let source = case.path("flow.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command
        .args([
            "preview",
            "--generate",
            "2000",
            "--transaction-size",
            "200",
            "--updates",
            "50",
            "--read-back",
            "--output",
            "jsonl",
            "--source",
        ])
        .arg(source);
    command.env_remove("LOG_LEVEL").env_remove("FLOW_RUNTIME_CODEC");
    let generated = run(command);
    assert_eq!(generated.status, Some(0), "{}", generated.stderr);
    let messages = generated.stdout.lines().filter(|line| line.contains(r#""topic""#)).count();
    assert!((1500..2000).contains(&messages), "{messages} messages of 2000 documents");
}

/// Each is decoded as its binding has written it, whichever of the bindings comes last.
#[test]
fn bindings_of_one_topic_that_write_in_different_formats_are_all_shown() {
    let collection = json!({
        "key": ["/id"], "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
    });
    let config = json!({
        "bootstrap_servers": "b", "message_format": "Avro", "schema_registry": {"endpoint": "http://r"},
    });
    let as_json =
        json!({"source": "acme/a", "resource": {"topic": "t", "key_format": "json", "value_format": "json"}});
    let as_avro = json!({"source": "acme/b", "resource": {"topic": "t"}});
    for bindings in [[&as_json, &as_avro], [&as_avro, &as_json]] {
        let specification = json!({
            "collections": {"acme/a": collection, "acme/b": collection},
            "materializations": {"acme/task": {
                "endpoint": {"local": {"command": ["unused"], "protobuf": true, "config": config}},
                "bindings": bindings,
            }},
        });
        let fixture = "[\"acme/a\",{\"id\":1}]\n[\"acme/b\",{\"id\":2}]\n";
        let messages = Case::new(&specification.to_string(), fixture).run(&["--output", "jsonl"]).messages();
        let mut shown: Vec<_> =
            messages.iter().map(|m| (m["key"].to_string(), m.get("key_schema").is_some())).collect();
        shown.sort();
        let expected = [(r#"{"_flow_key":{"p1":2}}"#.to_owned(), true), (r#"{"id":1}"#.to_owned(), false)];
        assert_eq!(shown, expected, "{messages:?}");
        assert!(messages.iter().all(|message| message["value"]["id"].is_u64()), "{messages:?}");
    }
}

/// A load in a process group of its own, as a shell starts it; its stderr up to the line that `until` is about.
fn load_until(case: &Case, more: &[&str], until: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--generate", "1000000000", "--output", "jsonl", "--source"]);
    command.arg(case.path("flow.yaml")).args(more);
    command.env_remove("LOG_LEVEL").env_remove("FLOW_RUNTIME_CODEC");
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, until);
    (child, stderr)
}

fn wait_for(stderr: &mut BufReader<ChildStderr>, part: &str) {
    let mut all = String::new();
    loop {
        let start = all.len();
        assert_ne!(stderr.read_line(&mut all).unwrap(), 0, "it ended: {all}");
        if all[start..].contains(part) {
            return;
        }
    }
}

/// As a terminal does it: to the whole group.
fn signal(child: &Child, name: &str) {
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-s", name, "--", &group]).status().unwrap().success());
}

#[test]
fn a_load_that_is_stopped_ends_with_its_figures() {
    let case = Case::new(&generated(&json!({"message_format": "JSON"})), "");
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let (child, mut stderr) = load_until(&case, &["--transaction-size", "5000"], " document");
        signal(&child, name);
        wait_for(&mut stderr, &format!("stopped by SIG{name}: what was sent is being committed"));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status));
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(figures["stopped_by"], format!("SIG{name}"));
        let [documents, transactions, bytes] =
            ["documents", "transactions", "message_bytes"].map(|figure| figures[figure].as_u64().unwrap());
        assert!(documents > 0 && bytes > documents && transactions == documents.div_ceil(5000), "{figures}");
    }
}

#[test]
fn a_load_whose_commit_takes_too_long_is_ended_by_a_second_signal() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("made", 1).unwrap();
    let config = json!({"message_format": "JSON", "bootstrap_servers": cluster.bootstrap_servers()});
    let case = Case::new(&generated(&config), "");
    let (child, mut stderr) = load_until(&case, &["--live"], " document");
    cluster.broker_down(1).unwrap();
    signal(&child, "INT");
    wait_for(&mut stderr, "a second signal ends at once");
    signal(&child, "INT");
    wait_for(&mut stderr, "stopped by SIGINT again; what was not committed is given up");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(130), &b""[..]));
}
