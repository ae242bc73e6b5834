use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A folder with these files; the first is the specification.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(files: &[(&str, &str)], name: Option<&str>) -> Result<Materialization, String> {
    let folder = folder(files);
    let path = folder.path().join(files[0].0);
    let shown = |error: Error| error.to_string().replace(&format!("{}/", folder.path().display()), "");
    Source::read(&path).map_err(shown)?.materialization(name).map_err(shown)
}

fn read(text: &str) -> Result<Materialization, String> {
    load(&[("flow.yaml", text)], None)
}

fn message(text: &str) -> String {
    read(text).unwrap_err()
}

const COLLECTION: &str = "
collections:
  acme/thing:
    schema: {type: object, properties: {id: {type: integer}}, required: [id]}
    key: [/id]
    derive: {using: {}}
";

/// One collection, and one materialization of it with these bindings.
fn with_bindings(bindings: &str) -> String {
    format!(
        "{COLLECTION}
materializations:
  acme/m:
    endpoint: {{local: {{command: [./connector], config: {{bootstrap_servers: 'a:1'}}}}}}
    bindings: {bindings}
"
    )
}

#[test]
fn yaml_of_every_part() {
    let read = read(
        "
collections:
  acme/thing:
    writeSchema: {type: object}
    readSchema:
      allOf: [{$ref: 'flow://write-schema'}, {$ref: 'flow://inferred-schema'}]
    key: [/id, value/nested]
    projections:
      short: /a/b
      part: {location: /c, partition: true}
      plain: {location: /d}
materializations:
  acme/m:
    shards: {logLevel: debug}
    endpoint:
      local:
        command: [./connector]
        protobuf: true
        env: {A: text, B: 1, C: true}
        config:
          bootstrap_servers: a:9092
          switch: no
          octal: 007
          number: 1.0
    onIncompatibleSchemaChange: backfill
    bindings:
      - source: {name: acme/thing, notBefore: 2020-01-01T00:00:00Z}
        resource: {topic: one}
        backfill: 3
        onIncompatibleSchemaChange: backfill
        fields:
          recommended: 2
          include: {short: {}}
          require: {part: {x: 1}}
          exclude: [plain]
          groupBy: [short]
      - {source: acme/absent, disable: true}
      - {source: acme/thing, resource: {topic: two}, fields: {recommended: false}}
      - {source: acme/thing, resource: {topic: three}, disable: false, fields: null}
",
    )
    .unwrap();
    assert_eq!(read.name, "acme/m");
    let env = [("A", "text"), ("B", "1"), ("C", "true")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(read.endpoint, Endpoint::Local { protobuf: true, env: env.into() });
    let config = json!({"bootstrap_servers": "a:9092", "switch": "no", "octal": "007", "number": 1.0});
    assert_eq!(read.config, config);

    let [one, two, three] = &read.bindings[..] else { panic!("{:?}", read.bindings) };
    assert!(one.place.ends_with("flow.yaml: materialization \"acme/m\", bindings 0 (source \"acme/thing\")"));
    assert_eq!((one.backfill, &one.resource), (3, &json!({"topic": "one"})));
    assert_eq!(
        one.fields,
        Fields {
            recommended: Recommended::Depth(2),
            require: [("short".to_owned(), json!({})), ("part".to_owned(), json!({"x": 1}))].into(),
            exclude: ["plain".to_owned()].into(),
            group_by: vec!["short".to_owned()],
        }
    );
    let user = |pointer: &str, partition| UserProjection { pointer: pointer.to_owned(), partition };
    assert_eq!(
        one.collection.projections,
        [("part", user("/c", true)), ("plain", user("/d", false)), ("short", user("/a/b", false))]
            .map(|(name, projection)| (name.to_owned(), projection))
            .into()
    );
    assert_eq!(one.collection.key, ["/id", "/value/nested"]);
    assert_eq!(one.collection.write_schema, json!({"type": "object"}));
    assert_eq!(
        one.collection.read_schema,
        Some(json!({
            "allOf": [{"$ref": "flow://write-schema"}, {"$ref": "flow://inferred-schema"}],
            "$defs": {
                "flow://write-schema": {"$id": "flow://write-schema", "type": "object"},
                "flow://inferred-schema": {"$id": "flow://inferred-schema", "allOf": [true]},
            },
        }))
    );
    assert_eq!(two.fields, Fields { recommended: Recommended::Off, ..Fields::default() });
    assert_eq!((two.backfill, &two.resource), (0, &json!({"topic": "two"})));
    assert_eq!(three.fields, Fields::default());
    assert_eq!(Fields::default().recommended, Recommended::All);
}

#[test]
fn a_bundle_that_is_complete_stays_as_it_is() {
    let write = json!({"type": "object"});
    let complete = json!({
        "$defs": {"w": {"$id": "flow://write-schema", "type": "object", "x": 1}},
        "$ref": "flow://write-schema",
    });
    assert_eq!(bundle(complete.clone(), &write), complete);
    let independent = json!({"type": "object"});
    assert_eq!(bundle(independent.clone(), &write), independent);
    assert_eq!(bundle(json!(true), &write), json!(true));
    let relaxed = bundle(json!({"$ref": "flow://relaxed-write-schema"}), &write);
    let expected = json!({"$id": "flow://relaxed-write-schema", "type": "object"});
    assert_eq!(relaxed["$defs"]["flow://relaxed-write-schema"], expected);
}

#[test]
fn json_and_connector_images() {
    let text = r#"{
        "collections": {"c": {"schema": {"type": "object", "x": 1e2, "y": 18446744073709551615}, "key": ["/id"]}},
        "materializations": {"m": {
            "endpoint": {"connector": {"image": "ghcr.io/x:v1", "config": {"a": 1}}},
            "bindings": [{"source": "c", "resource": {}}]}}}"#;
    let read = load(&[("flow.json", text)], Some("m")).unwrap();
    assert_eq!(read.endpoint, Endpoint::Connector { image: "ghcr.io/x:v1".to_owned() });
    assert_eq!(read.bindings[0].collection.write_schema["x"], json!(100.0));
    assert_eq!(read.bindings[0].collection.write_schema["y"], json!(u64::MAX));
}

#[test]
fn files_beside_the_specification() {
    let read = load(
        &[
            (
                "flow.yaml",
                "
import: [sub/flow.yaml, {url: sub/flow.yaml}]
materializations:
  m:
    endpoint: {local: {command: [x], config: config.yaml}}
    bindings: [{source: c, resource: {}}]
",
            ),
            ("config.yaml", "a: {b: 1}"),
            (
                "sub/flow.yaml",
                "
import: [../flow.yaml]
collections: {c: {schema: thing.schema.json, key: [/id]}}
",
            ),
            ("sub/thing.schema.json", r#"{"type": "object"}"#),
        ],
        None,
    )
    .unwrap();
    assert_eq!(read.endpoint, Endpoint::Local { protobuf: false, env: BTreeMap::new() });
    assert_eq!(read.config, json!({"a": {"b": 1}}));
    assert_eq!(read.bindings[0].collection.write_schema, json!({"type": "object"}));
    assert!(read.bindings[0].collection.place.ends_with("sub/flow.yaml: collection \"c\""));
}

#[test]
fn anchors_and_merges() {
    let read = read(&with_bindings(
        "\n      - &one {source: acme/thing, resource: {topic: a}}\n      - {<<: *one, backfill: 2}",
    ))
    .unwrap();
    assert_eq!(read.bindings[1].resource, json!({"topic": "a"}));
    assert_eq!(read.bindings[1].backfill, 2);
}

#[test]
fn deep_schemas_are_read() {
    let deep = format!("{}{{type: string}}{}", "{properties: {a: ".repeat(50), "}}".repeat(50));
    let text = with_bindings("[{source: acme/thing, resource: {}}]")
        .replace("{type: object, properties: {id: {type: integer}}, required: [id]}", &deep);
    assert!(read(&text).is_ok());
    let deeper = text.replace(&deep, &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)));
    assert!(message(&deeper).contains("flow.yaml is neither YAML nor JSON"), "{}", message(&deeper));
}

#[test]
fn which_task() {
    let two = format!(
        "{COLLECTION}
materializations:
  acme/a: {{endpoint: {{local: {{command: [x], config: {{}}}}}}, bindings: []}}
  acme/b: {{endpoint: {{local: {{command: [x], config: {{}}}}}}, bindings: []}}
"
    );
    let load = |name| load(&[("flow.yaml", &two)], name).map(|read| read.name);
    assert_eq!(load(Some("acme/b")).as_deref(), Ok("acme/b"));
    assert_eq!(
        load(None).unwrap_err(),
        "flow.yaml has 2 materializations; choose one with --name: acme/a, acme/b"
    );
    assert_eq!(
        load(Some("acme/c")).unwrap_err(),
        "flow.yaml has no materialization \"acme/c\", it has acme/a, acme/b"
    );
    assert_eq!(
        message(COLLECTION),
        "flow.yaml has no materializations; add one, or import the file that has it"
    );
}

#[test]
fn messages_name_the_place() {
    let binding = "flow.yaml: materialization \"acme/m\", bindings 0";
    let cases = [
        ("[]".to_owned(), "flow.yaml: expected a mapping, found a list".to_owned()),
        ("collections: 1".to_owned(), "flow.yaml, collections: expected a mapping, found a number".to_owned()),
        ("import: ['https://x.example/f.yaml']".to_owned(),
            "flow.yaml, import 0: \"https://x.example/f.yaml\" is not a local file; download it and name the file instead".to_owned()),
        (with_bindings("{}"),
            "flow.yaml: materialization \"acme/m\", bindings: expected a list, found a mapping".to_owned()),
        (with_bindings("[{resource: {}}]"), format!("{binding}: member \"source\" is missing")),
        (with_bindings("[5]"), format!("{binding}: expected a mapping, found a number")),
        (with_bindings("[{source: acme/thing}]"), format!("{binding}: member \"resource\" is missing")),
        (with_bindings("[{source: {nam: x}, resource: {}}]"), format!("{binding}, source: member \"name\" is missing")),
        (with_bindings("[{source: 5, resource: {}}]"), format!("{binding}, source: expected a text, found a number")),
        (with_bindings("[{source: acme/other, resource: {}}]"),
            format!("{binding} (source \"acme/other\"): there is no collection \"acme/other\"; add it, or import the file that has it")),
        (with_bindings("[{source: acme/thing, resource: topic}]"),
            format!("{binding}, resource: expected a mapping, found a text")),
        (with_bindings("[{source: acme/thing, resource: {}, backfill: -1}]"),
            format!("{binding}, backfill: expected a number from 0 to 4294967295, found a number")),
        (with_bindings("[{source: acme/thing, resource: {}, disable: 1}]"),
            format!("{binding}, disable: expected true or false, found a number")),
        (with_bindings("[{source: acme/thing, resource: {}, fields: {recommended: 1.5}}]"),
            format!("{binding}, fields, recommended: expected true, false or a depth, found a number")),
        (with_bindings("[{source: acme/thing, resource: {}, fields: {include: [a]}}]"),
            format!("{binding}, fields, include: expected a mapping, found a list")),
        (with_bindings("[{source: acme/thing, resource: {}, fields: {exclude: [1]}}]"),
            format!("{binding}, fields, exclude 0: expected a text, found a number")),
        (with_bindings("[{source: acme/thing, resource: {}, fields: {include: {a: {}}, require: {a: {}}}}]"),
            format!("{binding}, fields, require: expected other fields than those of include, found one of those")),
        (with_bindings("[{source: acme/thing, resource: {}}]").replace("key: [/id]", "key: []"),
            "flow.yaml: collection \"acme/thing\", key: expected at least one JSON pointer, found an empty list".to_owned()),
        (with_bindings("[{source: acme/thing, resource: {}}]").replace("schema: ", "readSchema: "),
            "flow.yaml: collection \"acme/thing\": expected either \"schema\" or \"writeSchema\" with an optional \"readSchema\", found other members".to_owned()),
        (with_bindings("[]").replace("local:", "dekaf:"),
            "flow.yaml: materialization \"acme/m\", endpoint: expected a member \"local\" or \"connector\", found neither".to_owned()),
        (with_bindings("[]").replace("config: {bootstrap_servers: 'a:1'}", "config: [hunter2]"),
            "flow.yaml: materialization \"acme/m\", config: expected a mapping, found a list".to_owned()),
        (with_bindings("[]").replace("config:", "env: {A: [1]}, config:"),
            "flow.yaml: materialization \"acme/m\", endpoint, local, env, A: expected a text, found a list".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(message(&text), expected, "{text}");
    }
}

#[test]
fn names_that_yaml_takes_for_numbers() {
    let text = with_bindings("[{source: acme/thing, resource: {}}]")
        .replace("{id: {type: integer}}", "{1: {type: string}, true: {}, 1.5: {}}");
    let schema = read(&text).unwrap().bindings.remove(0).collection.write_schema;
    assert_eq!(schema["properties"], json!({"1": {"type": "string"}, "true": {}, "1.5": {}}));
}

#[test]
fn debug_shows_no_configuration() {
    let text =
        with_bindings("[]").replace("config:", "env: {TOKEN: hunter2}, config:").replace("a:1", "hunter3");
    let read = read(&text).unwrap();
    assert!(read.config.to_string().contains("hunter3"));
    let shown = format!("{read:?}");
    assert!(shown.contains("acme/m") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn a_json_file_is_told_in_terms_of_json() {
    let error = load(&[("flow.json", "{\"a\":\n}")], None).unwrap_err();
    assert_eq!(error, "flow.json is neither YAML nor JSON: expected value at line 2 column 1");
}

#[test]
fn unreadable_files() {
    let missing = with_bindings("[]").replace("config: {bootstrap_servers: 'a:1'}", "config: absent.yaml");
    assert_eq!(
        message(&missing),
        "cannot read the specification absent.yaml: No such file or directory (os error 2)"
    );
    // The line is told, its text is not.
    let broken = message("a: 1\npassword: hunter2: [\n");
    assert!(broken.starts_with("flow.yaml is neither YAML nor JSON: "), "{broken}");
    assert!(broken.contains("line 2") && !broken.contains("hunter2"), "{broken}");
    let twice = message("a: 1\na: 2\n");
    assert!(twice.contains("duplicate"), "{twice}");

    let files =
        [("flow.yaml", "import: [other.yaml]\ncollections: {c: {}}"), ("other.yaml", "collections: {c: {}}")];
    assert_eq!(
        load(&files, None).unwrap_err(),
        "collection \"c\" is defined twice: in flow.yaml and in other.yaml"
    );
}
