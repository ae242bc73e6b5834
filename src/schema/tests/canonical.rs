//! The text that is registered, its subject, and what another implementation makes of it.

use apache_avro::Schema as Parsed;
use serde_json::{Map, Value, json};

use crate::schema::avro::{Field, Record, Schema};
use crate::schema::subject;

/// A schema's text without the wrappers of logical types and with all names in full, to be compared with the form
/// that another implementation gives.
pub(super) fn plain(text: &str) -> Value {
    unwrapped(serde_json::from_str(text).expect("JSON"), "")
}

fn unwrapped(schema: Value, namespace: &str) -> Value {
    match schema {
        Value::Array(branches) => branches.into_iter().map(|branch| unwrapped(branch, namespace)).collect(),
        Value::Object(mut members) if members.len() == 1 => {
            unwrapped(members.remove("type").expect("a wrapper"), namespace)
        }
        Value::Object(members) => Value::Object(named(members, namespace)),
        other => other,
    }
}

fn named(mut members: Map<String, Value>, namespace: &str) -> Map<String, Value> {
    let kind = members.get("type").and_then(Value::as_str).map(str::to_owned);
    let mut namespace = namespace.to_owned();
    if let Some(Value::String(name)) = members.get_mut("name").filter(|_| kind.is_some()) {
        if !name.contains('.') && !namespace.is_empty() {
            *name = format!("{namespace}.{name}");
        }
        namespace = name.rsplit_once('.').map_or(String::new(), |(namespace, _)| namespace.to_owned());
    }
    for keyword in ["items", "values"] {
        if let Some(inner) = members.remove(keyword) {
            members.insert(keyword.into(), unwrapped(inner, &namespace));
        }
    }
    if let Some(Value::Array(fields)) = members.get_mut("fields") {
        for field in fields {
            field["type"] = unwrapped(field["type"].take(), &namespace);
        }
    }
    members
}

fn record(name: &str, fields: &[(&str, Schema)]) -> Schema {
    let fields = fields
        .iter()
        .map(|(name, schema)| Field {
            name: (*name).to_owned(),
            schema: schema.clone(),
            default: Some(json!(1)),
        })
        .collect();
    Schema::Record(Record { name: name.to_owned(), fields, extra: None })
}

fn parses(schema: &Schema) -> String {
    let text = schema.canonical();
    let parsed = Parsed::parse_str(&text).expect(&text);
    assert_eq!(plain(&text), plain(&parsed.canonical_form()));
    text
}

#[test]
fn every_type() {
    let boxed = Box::new;
    for (schema, text) in [
        (Schema::Boolean, r#""boolean""#),
        (Schema::Long, r#""long""#),
        (Schema::Double, r#""double""#),
        (Schema::String, r#""string""#),
        (Schema::Date, r#"{"type":"int"}"#),
        (Schema::TimestampMicros, r#"{"type":"long"}"#),
        (Schema::Uuid, r#"{"type":"string"}"#),
        (Schema::Duration, r#"{"type":{"name":"duration","type":"fixed","size":12}}"#),
        (
            Schema::RawJson { name: "root.a.RawJSON".into() },
            r#"{"name":"root.a.RawJSON","type":"record","fields":[{"name":"json","type":"string"}]}"#,
        ),
        (Schema::Array(boxed(Schema::Long)), r#"{"type":"array","items":"long"}"#),
        (Schema::Map(boxed(Schema::Date)), r#"{"type":"map","values":{"type":"int"}}"#),
        (Schema::Nullable(boxed(Schema::TimestampMicros)), r#"[{"type":"long"},"null"]"#),
        (record("root", &[]), r#"{"name":"root","type":"record","fields":[]}"#),
    ] {
        assert_eq!(parses(&schema), text);
    }
}

#[test]
fn a_record_has_no_defaults_and_its_extra_map_last() {
    let Schema::Record(mut root) = record(
        "root",
        &[
            ("a", Schema::Date),
            ("b", Schema::Nullable(Box::new(Schema::TimestampMicros))),
            ("c", Schema::Uuid),
            ("e", Schema::Long),
        ],
    ) else {
        unreachable!("a record")
    };
    root.extra = Some(Box::new(Schema::Boolean));
    assert_eq!(
        parses(&Schema::Record(root)),
        concat!(
            r#"{"name":"root","type":"record","fields":["#,
            r#"{"name":"a","type":{"type":"int"}},{"name":"b","type":[{"type":"long"},"null"]},"#,
            r#"{"name":"c","type":{"type":"string"}},{"name":"e","type":"long"},"#,
            r#"{"name":"_flow_extra","type":{"type":"map","values":"boolean"}}]}"#,
        )
    );
}

#[test]
fn a_duration_is_defined_once_in_each_namespace() {
    let nested =
        record("root.n", &[("x", Schema::Duration), ("y", Schema::Nullable(Box::new(Schema::Duration)))]);
    let beside = record("root.o", &[("z", Schema::Array(Box::new(Schema::Duration)))]);
    let root =
        record("root", &[("a", Schema::Duration), ("b", Schema::Duration), ("n", nested), ("o", beside)]);
    assert_eq!(
        parses(&root),
        concat!(
            r#"{"name":"root","type":"record","fields":["#,
            r#"{"name":"a","type":{"type":{"name":"duration","type":"fixed","size":12}}},{"name":"b","type":"duration"},"#,
            r#"{"name":"n","type":{"name":"root.n","type":"record","fields":["#,
            r#"{"name":"x","type":{"type":{"name":"duration","type":"fixed","size":12}}},"#,
            r#"{"name":"y","type":["root.duration","null"]}]}},"#,
            r#"{"name":"o","type":{"name":"root.o","type":"record","fields":["#,
            r#"{"name":"z","type":{"type":"array","items":"root.duration"}}]}}]}"#,
        )
    );
}

#[test]
fn a_duration_stands_back_behind_a_record_of_its_name() {
    let nested = record("root.a", &[("x", Schema::Duration), ("y", Schema::Duration)]);
    let duration = record("root.duration", &[("x", Schema::Long)]);
    let taken = record("root.duration_", &[("x", Schema::Long)]);
    let text = parses(&record("root", &[("a", nested), ("duration", duration), ("duration_", taken)]));
    assert!(text.contains(r#"{"type":{"name":"duration__","type":"fixed","size":12}}},{"name":"y","type":"root.duration__"}"#), "{text}");
}

#[test]
fn subjects() {
    let key = concat!(
        r#"{"name":"root.Key","type":"record","fields":[{"name":"_flow_key","type":"#,
        r#"{"name":"root.Key.Parts","type":"record","fields":[{"name":"p1","type":"long"}]}}]}"#,
    );
    let value = concat!(
        r#"{"name":"root","type":"record","fields":[{"name":"id","type":"long"},{"name":"_flow_extra","type":"#,
        r#"{"type":"map","values":[{"name":"root._flow_extra.RawJSON","type":"record","fields":"#,
        r#"[{"name":"json","type":"string"}]},"null"]}}]}"#,
    );
    assert_eq!(subject("t", key), "t-0d95d0cce6a735c5");
    assert_eq!(subject("a.b", value), "a.b-32680f7328dd24a1");
}
