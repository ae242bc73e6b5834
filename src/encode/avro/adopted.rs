//! Documents written by a schema that somebody else registered, and read with that schema by another implementation.

use apache_avro::Schema as Parsed;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::{Value, json};

use super::*;
use crate::encode::Fields;
use crate::schema::avro::Field;
use crate::schema::{self, adopt};

fn own() -> Schema {
    let raw =
        |name: &str| Some(Box::new(Schema::Nullable(Box::new(Schema::RawJson { name: name.to_owned() }))));
    let field = |name: &str, schema| Field { name: name.to_owned(), schema, default: None };
    let record = |name: &str, fields, extra| Schema::Record(Record { name: name.to_owned(), fields, extra });
    let text = || Schema::Nullable(Box::new(Schema::String));
    let nested = record(
        "root.c",
        vec![field("x", Schema::Long), field("y", text())],
        raw("root.c._flow_extra.RawJSON"),
    );
    record(
        "root",
        vec![field("a", Schema::Long), field("b", text()), field("c", nested)],
        raw("root._flow_extra.RawJSON"),
    )
}

/// Another order, names, docs and aliases, a field that takes null as well, and fields of its own with defaults.
const THEIRS: &str = r#"{"type":"record","name":"Order","namespace":"com.acme","doc":"of ours","fields":[
    {"name":"c","type":{"type":"record","name":"C","fields":[
        {"name":"tag","type":["null","string"],"default":null},
        {"name":"y","type":["string","null"],"default":"none"},
        {"name":"x","type":"long","aliases":["z"]},
        {"name":"_flow_extra","type":{"type":"map","values":[
            {"type":"record","name":"Raw","fields":[{"name":"json","type":"string"}]},"null"]}}]}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["P","Q"]},"default":"Q"},
    {"name":"b","type":["string","null"]},
    {"name":"other","type":["null","Kind"],"default":null},
    {"name":"a","type":["long","null"]},
    {"name":"list","type":{"type":"array","items":"string"},"default":["u","v"]}]}"#;

/// A key that no test looks at.
fn key() -> Schema {
    let field = |name: &str, schema| vec![Field { name: name.to_owned(), schema, default: None }];
    let parts = Record { name: "K.P".to_owned(), fields: field("p1", Schema::Long), extra: None };
    let fields = field("_flow_key", Schema::Record(parts));
    Schema::Record(Record { name: "K".to_owned(), fields, extra: None })
}

/// What consumers of `registered` see of a document with these values of b and c.
fn read(registered: &str, values: &str) -> Value {
    let (keys, fields) = (["a".to_owned()], ["b".to_owned(), "c".to_owned()]);
    let layout = Layout { keys: &keys, values: &fields, document: None };
    let schema = adopt(&own(), registered).unwrap();
    let plan = AvroPlan::new(&layout, &key(), 1, &schema, 2).unwrap();
    let document = Document {
        key: Fields::Json(b"[7]"),
        values: Fields::Json(values.as_bytes()),
        doc: b"",
        delete: false,
    };
    let mut value = Buffer::default();
    assert!(plan.encode(&document, &mut Scratch::default(), &mut Vec::new(), &mut value).unwrap());
    let parsed = Parsed::parse_str(registered).unwrap();
    let mut body = &value.message()[5..];
    let read = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut body).unwrap();
    assert!(body.is_empty(), "{} bytes too many", body.len());
    Value::try_from(read).unwrap()
}

#[test]
fn documents_are_read_by_the_registered_schema() {
    let expected =
        |b: Value, c: Value| json!({"a": 7, "b": b, "c": c, "kind": "Q", "other": null, "list": ["u", "v"]});
    // Members in ascending order, and not; a member named like a field of theirs is none of ours, and is kept.
    for values in [r#"["t",{"tag":"mine","x":5,"y":"w"}]"#, r#"["t",{"y":"w","x":5,"tag":"mine"}]"#] {
        let c = json!({"tag": null, "x": 5, "y": "w", "_flow_extra": {"tag": {"json": "\"mine\""}}});
        assert_eq!(read(THEIRS, values), expected("t".into(), c), "{values}");
    }
    for values in [r#"[null,{"x":5}]"#, r#"[null, {"x": 5}]"#, r#"[null,{"x":5,"y":null}]"#] {
        let c = json!({"tag": null, "x": 5, "y": null, "_flow_extra": {}});
        assert_eq!(read(THEIRS, values), expected(Value::Null, c), "{values}");
    }
    let same = own().canonical();
    assert_eq!(adopt(&own(), &same).unwrap(), own());
}

/// What cannot be written across is told with its place.
#[test]
fn other_differences_are_refused() {
    let told = |from: &str, to: &str| {
        assert!(THEIRS.contains(from), "{from}");
        let message = adopt(&own(), &THEIRS.replace(from, to)).unwrap_err().to_string();
        message.replace("comparing the registered schema with that of the documents, at ", "")
    };
    for (from, to, expected) in [
        (
            r#""name":"b","type":["string","null"]"#,
            r#""name":"b","type":["null","string"]"#,
            "/b: null is the first branch of its union, and has to be the second",
        ),
        (
            r#""name":"b","type":["string","null"]"#,
            r#""name":"b","type":"string""#,
            "/b: it takes no null, which documents may have there",
        ),
        (
            r#""name":"b","type":["string","null"]"#,
            r#""name":"b","type":["string","null","long"]"#,
            "/b: its union is not that of one type and null",
        ),
        (
            r#""name":"x","type":"long""#,
            r#""name":"x","type":"int""#,
            r#"/c/x: it has "int", and documents have "long""#,
        ),
        (
            r#""name":"x","type":"long""#,
            r#""name":"x","type":{"type":"long","logicalType":"timestamp-millis"}"#,
            r#"/c/x: it has {"type":"long","logicalType":"timestamp-millis"}, and documents have "long""#,
        ),
        (r#""name":"b""#, r#""name":"bb","default":"x""#, "/b: it is not in the registered schema"),
        (r#"["u","v"]"#, "[1]", "the whole: it is no Avro schema: "),
        (r#"},"default":["u","v"]"#, "}", "/list: it is in the registered schema alone, and has no default"),
        (
            r#"{"type":"array","items":"string"},"default":["u","v"]"#,
            r#""bytes","default":"x""#,
            "/list: it is in the registered schema alone, with a default of bytes, which is not supported",
        ),
        (
            r#""name":"_flow_extra""#,
            r#""name":"_extra","default":{}"#,
            "/c/_flow_extra: it is not in the registered schema",
        ),
        (
            r#""type":"record","name":"Order""#,
            r#""type":"rec","name":"Order""#,
            "the whole: it is no Avro schema: ",
        ),
    ] {
        let message = told(from, to);
        assert!(message.starts_with(expected), "{from}: {message}");
    }
    // Of a key the parts stand in its order, and nothing else.
    let key = key();
    let theirs =
        key.canonical().replace(r#"{"name":"p1""#, r#"{"name":"p0","type":"long","default":0},{"name":"p1""#);
    assert!(schema::adopt_key(&key, &key.canonical()).is_ok());
    assert_eq!(
        schema::adopt_key(&key, &theirs).unwrap_err().to_string(),
        "comparing the registered schema with that of the documents, at /_flow_key: it has the parts of the key in another order, or others among them"
    );
}
