//! Which changes of a collection a registry takes as a new version of a subject, by level and format: measured at a real one, and
//! what README.md says of it.

use materialize_kafka::schema::{Projection, RecordNames, Selection, Shape, binding_schemas, json_schemas};
use serde_json::{Value, json};

use crate::broker::unique;
use crate::common::services::{self, Registry};
use crate::subjects::ask;

#[test]
fn the_readme_tells_which_changes_are_taken() {
    let Some(registry) = services::registry() else { return };
    let taken: Vec<Vec<Vec<&str>>> = FORMATS.iter().map(|(_, format)| taken(&registry, *format)).collect();
    let mut table = String::from("| change |");
    FORMATS.iter().for_each(|(name, _)| table.push_str(&format!(" {name} |")));
    table.push_str("\n|---|---|---|---|\n");
    for (index, (change, _)) in changes().into_iter().enumerate() {
        table.push_str(&format!("| {change} |"));
        for format in &taken {
            let cell = match &format[index][..] {
                [] => "none of these".to_owned(),
                levels if levels.len() == LEVELS.len() => "all".to_owned(),
                levels => levels.iter().map(|level| format!("`{level}`")).collect::<Vec<_>>().join(", "),
            };
            table.push_str(&format!(" {cell} |"));
        }
        table.push('\n');
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&table), "README.md should have this table:\n{table}");
}

/// The title that JSON schemas have where subjects are named by records is no change, in either direction.
#[test]
fn a_title_is_a_compatible_change() {
    let Some(registry) = services::registry() else { return };
    let plain = Format::JsonSchema { embeds: false }.schema(&collection(), None);
    let titled = Format::JsonSchema { embeds: false }.schema(&collection(), Some("com.example.Order"));
    assert_ne!(plain, titled);
    for (before, after) in [(&plain, &titled), (&titled, &plain)] {
        let subject = registered(&registry, "FULL", before);
        assert!(is_taken(&registry, &subject, after));
    }
}

/// For each change the levels that take it.
fn taken(registry: &Registry, format: Format) -> Vec<Vec<&'static str>> {
    let before = format.schema(&collection(), None);
    let mut taken = vec![Vec::new(); changes().len()];
    for level in LEVELS.into_iter().chain(["NONE"]) {
        let subject = registered(registry, level, &before);
        for ((change, make), levels) in changes().into_iter().zip(&mut taken) {
            let mut collection = collection();
            make(&mut collection);
            let after = format.schema(&collection, None);
            assert_ne!(after, before, "{change}");
            let is_taken = is_taken(registry, &subject, &after);
            if level == "NONE" {
                assert!(is_taken, "{change}");
            } else if is_taken {
                levels.push(level);
            }
        }
    }
    taken
}

/// A new subject with this level and this one version.
fn registered(registry: &Registry, level: &str, schema: &Value) -> String {
    let subject = unique("compatibility");
    ask(registry, "PUT", &format!("config/{subject}"), &json!({"compatibility": level}));
    ask(registry, "POST", &format!("subjects/{subject}/versions"), schema);
    subject
}

fn is_taken(registry: &Registry, subject: &str, schema: &Value) -> bool {
    let answer = ask(registry, "POST", &format!("compatibility/subjects/{subject}/versions/latest"), schema);
    answer["is_compatible"].as_bool().unwrap()
}

/// How values are written.
#[derive(Clone, Copy)]
enum Format {
    Avro,
    JsonSchema { embeds: bool },
}

impl Format {
    /// What is sent to the registry for the value of a binding that selects all fields of a collection.
    fn schema(self, collection: &Value, title: Option<&str>) -> Value {
        let shape = Shape::infer(collection).unwrap();
        let fields: Vec<String> = collection["properties"].as_object().unwrap().keys().cloned().collect();
        let pointers: Vec<String> = fields.iter().map(|field| format!("/{field}")).collect();

        let document = Projection { field: "flow_document", pointer: "", types: &[], must_exist: true };
        let mut projections = vec![document];
        projections.extend(fields.iter().zip(&pointers).map(|(field, pointer)| Projection {
            field,
            pointer,
            types: &[],
            must_exist: false,
        }));
        let keys = ["id".to_owned()];
        let values: Vec<String> = fields.iter().filter(|field| *field != "id").cloned().collect();
        let selection = Selection { keys: &keys, values: &values, document: Some("flow_document") };
        match self {
            Self::Avro => {
                let schemas = binding_schemas(&shape, &projections, &selection).unwrap();
                json!({"schema": schemas.value.canonical()})
            }
            Self::JsonSchema { embeds } => {
                let names = title.map(RecordNames::named);
                let schemas = json_schemas(&shape, &projections, &selection, embeds, names.as_ref()).unwrap();
                json!({"schema": schemas.value, "schemaType": "JSON"})
            }
        }
    }
}

fn collection() -> Value {
    json!({
        "type": "object",
        "required": ["id", "region", "total"],
        "properties": {
            "id": {"type": "integer"},
            "region": {"type": "string"},
            "total": {"type": "integer"},
            "note": {"type": "string"},
            "customer": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    })
}

type Change = (&'static str, fn(&mut Value));

fn changes() -> [Change; 8] {
    fn require(collection: &mut Value, name: &str) {
        collection["required"].as_array_mut().unwrap().push(name.into());
    }
    fn free(collection: &mut Value, name: &str) {
        collection["required"].as_array_mut().unwrap().retain(|one| one != name);
    }
    fn remove(collection: &mut Value, name: &str) {
        free(collection, name);
        collection["properties"].as_object_mut().unwrap().remove(name);
    }
    [
        ("an optional field comes", |collection| {
            collection["properties"]["extra"] = json!({"type": "string"});
        }),
        ("a required field comes", |collection| {
            collection["properties"]["extra"] = json!({"type": "string"});
            require(collection, "extra");
        }),
        ("an optional field goes", |collection| remove(collection, "note")),
        ("a required field goes", |collection| remove(collection, "region")),
        ("a required field becomes optional", |collection| free(collection, "region")),
        ("an optional field becomes required", |collection| require(collection, "note")),
        ("an integer becomes a number", |collection| {
            collection["properties"]["total"] = json!({"type": "number"});
        }),
        ("an optional member of a nested object comes", |collection| {
            collection["properties"]["customer"]["properties"]["extra"] = json!({"type": "string"});
        }),
    ]
}

/// Beside `NONE`, which takes all.
const LEVELS: [&str; 3] = ["BACKWARD", "FORWARD", "FULL"];

const FORMATS: [(&str, Format); 3] = [
    ("Avro", Format::Avro),
    ("`json_schema`", Format::JsonSchema { embeds: false }),
    ("`json_schema`, `root_document: json`", Format::JsonSchema { embeds: true }),
];
