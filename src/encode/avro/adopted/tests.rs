//! Documents written by a schema that somebody else registered, and read with that schema by another implementation.

use apache_avro::Schema as Parsed;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Datum;
use serde_json::{Value, json};

use super::super::*;
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
        {"name":"tag","type":["null","string"]},
        {"name":"y","type":["null","string"],"default":null},
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

/// One field `v` of the type `own`, after a key field, as consumers of the type `theirs` see it.
fn read_one(own: Schema, theirs: &str, value: &str) -> Result<Datum, String> {
    let field = |name: &str, schema| Field { name: name.to_owned(), schema, default: None };
    let fields = vec![field("a", Schema::Long), field("v", own)];
    let own = Schema::Record(Record { name: "root".to_owned(), fields, extra: None });
    let registered = format!(
        r#"{{"type":"record","name":"T","fields":[{{"name":"v","type":{theirs}}},{{"name":"a","type":"long"}}]}}"#
    );
    let schema = adopt(&own, &registered).map_err(|error| error.to_string())?;
    let (keys, fields) = (["a".to_owned()], ["v".to_owned()]);
    let layout = Layout { keys: &keys, values: &fields, document: None };
    let plan = AvroPlan::new(&layout, &key(), 1, &schema, 2).map_err(|error| error.to_string())?;
    let values = format!("[{value}]");
    let document = Document {
        key: Fields::Json(b"[7]"),
        values: Fields::Json(values.as_bytes()),
        doc: b"",
        delete: false,
    };
    let mut message = Buffer::default();
    plan.encode(&document, &mut Scratch::default(), &mut Vec::new(), &mut message)
        .map_err(|error| error.to_string())?;
    let parsed = Parsed::parse_str(&registered).unwrap();
    let mut body = &message.message()[5..];
    let read = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut body).unwrap();
    assert!(body.is_empty(), "{} bytes too many", body.len());
    let Datum::Record(fields) = read else { unreachable!("a record") };
    assert_eq!(fields.get(1), Some(&("a".to_owned(), Datum::Long(7))));
    Ok(fields.into_iter().next().unwrap().1)
}

/// What is taken in place of each type, as consumers read it.
#[test]
fn types_of_others_are_written_where_they_hold_the_value() {
    let union = |index, value| Datum::Union(index, Box::new(value));
    let nullable = |schema| Schema::Nullable(Box::new(schema));
    let raw = || Schema::RawJson { name: "root.v.RawJSON".to_owned() };
    let raw_type = r#"{"type":"record","name":"J","fields":[{"name":"json","type":"string"}]}"#;
    let texts = |text: &str| Datum::Record(vec![("json".to_owned(), Datum::String(text.to_owned()))]);
    let items = || Schema::Array(Box::new(nullable(Schema::Long)));
    let logical = |of: &str, name: &str| format!(r#"{{"type":"{of}","logicalType":"{name}"}}"#);
    let time = r#""1969-12-31T23:59:59.9999Z""#;
    let text = |text: &str| Datum::String(text.trim_matches('"').to_owned());
    for (own, theirs, value, expected) in [
        // Null anywhere in a union, and a union of more.
        (nullable(Schema::Double), r#"["null","double"]"#.to_owned(), "1.5", union(1, Datum::Double(1.5))),
        (nullable(Schema::Double), r#"["null","double"]"#.to_owned(), "null", union(0, Datum::Null)),
        (Schema::Long, r#"["null","long"]"#.to_owned(), "1", union(1, Datum::Long(1))),
        (Schema::Long, r#"["long"]"#.to_owned(), "1", union(0, Datum::Long(1))),
        (Schema::Long, r#"["string","null","long","bytes"]"#.to_owned(), "1", union(2, Datum::Long(1))),
        (nullable(Schema::Long), r#"["string","null","long"]"#.to_owned(), "null", union(1, Datum::Null)),
        (
            nullable(items()),
            r#"["null",{"type":"array","items":["null","long"]}]"#.to_owned(),
            "[2,null]",
            union(1, Datum::Array(vec![union(1, Datum::Long(2)), union(0, Datum::Null)])),
        ),
        (nullable(raw()), format!(r#"["null",{raw_type}]"#), r#"{"x":[1]}"#, union(1, texts(r#"{"x":[1]}"#))),
        // As where null is second: JSON text says what it is.
        (nullable(raw()), format!(r#"["null",{raw_type}]"#), "null", union(1, texts("null"))),
        (Schema::Long, r#""int""#.to_owned(), "-2147483648", Datum::Int(i32::MIN)),
        (Schema::Long, r#"["null","int"]"#.to_owned(), "2147483647", union(1, Datum::Int(i32::MAX))),
        (Schema::Long, r#"["int","null"]"#.to_owned(), "5.0", union(0, Datum::Int(5))),
        (Schema::Long, logical("int", "date"), "19000", Datum::Date(19000)),
        (
            Schema::Long,
            logical("long", "timestamp-millis"),
            "1700000000000",
            Datum::TimestampMillis(1_700_000_000_000),
        ),
        (Schema::Long, logical("long", "local-timestamp-micros"), "17", Datum::LocalTimestampMicros(17)),
        (Schema::Double, r#""float""#.to_owned(), "0.1", Datum::Float(0.1)),
        (Schema::Double, r#""float""#.to_owned(), "16777217", Datum::Float(16_777_216.0)),
        (Schema::Double, r#""float""#.to_owned(), r#""-inf""#, Datum::Float(f32::NEG_INFINITY)),
        (Schema::TimestampMicros, logical("long", "timestamp-millis"), time, Datum::TimestampMillis(-1)),
        (
            nullable(Schema::TimestampMicros),
            format!(r#"["null",{}]"#, logical("long", "timestamp-millis")),
            r#""2026-01-31T00:00:00.123456Z""#,
            union(1, Datum::TimestampMillis(1_769_817_600_123)),
        ),
        (Schema::TimestampMicros, logical("long", "timestamp-micros"), time, Datum::TimestampMicros(-100)),
        (Schema::TimestampMicros, r#""string""#.to_owned(), time, text(time)),
        (Schema::Date, r#""string""#.to_owned(), r#""2026-01-31""#, text("2026-01-31")),
        (Schema::Duration, r#"["null","string"]"#.to_owned(), r#""P1D""#, union(1, text("P1D"))),
        (
            nullable(Schema::String),
            r#"["null",{"type":"enum","name":"E","symbols":["NEW","DONE"],"default":"NEW"}]"#.to_owned(),
            r#""DONE""#,
            union(1, Datum::Enum(1, "DONE".to_owned())),
        ),
    ] {
        assert_eq!(read_one(own, &theirs, value), Ok(expected), "{value} as {theirs}");
    }
}

/// A value that the collection's schema allows, and theirs does not, is told with the type and the remedies.
#[test]
fn values_that_types_of_others_do_not_hold_are_refused() {
    let letters = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    for (own, theirs, value, shown, ty) in [
        (Schema::Long, r#""int""#, "2147483648", "2147483648", r#""int""#),
        (Schema::Long, r#""int""#, "-2147483649", "-2147483649", r#""int""#),
        (Schema::Long, r#"["null","int"]"#, "3e9", "3000000000.0", r#""int""#),
        (Schema::Double, r#""float""#, "3.5e38", "3.5e38", r#""float""#),
        (Schema::Double, r#""float""#, r#""x""#, r#""x""#, r#""float""#),
        (Schema::String, letters, r#""C""#, r#""C""#, r#"{"type":"enum","symbols":["A","B"]}"#),
        (Schema::String, letters, "1", "1", r#"{"type":"enum","symbols":["A","B"]}"#),
        (
            Schema::TimestampMicros,
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
            r#""yesterday""#,
            r#""yesterday""#,
            r#"{"type":"long","logicalType":"timestamp-millis"}"#,
        ),
    ] {
        let message = read_one(own, theirs, value).unwrap_err();
        assert_eq!(
            message,
            format!(
                "/v: the value {shown} does not fit the Avro type {ty}, which the registered schema has there \
                 (schema_registry.use_latest_version); correct the document, register a version whose type takes the value, \
                 or exclude the field"
            )
        );
    }
    // What is wrong for both types is told as ever.
    let message = read_one(Schema::Long, r#"["null","long"]"#, r#""x""#).unwrap_err();
    let expected =
        r#"/v: the value "x" does not fit the Avro type "long", which the collection's schema gives it"#;
    assert!(message.starts_with(expected), "{message}");
}

/// What cannot be written across is told with its place.
#[test]
fn other_differences_are_refused() {
    let told = |theirs: &str, from: &str, to: &str| {
        assert!(theirs.contains(from), "{from}");
        let message = adopt(&own(), &theirs.replace(from, to)).unwrap_err().to_string();
        message.replace("comparing the registered schema with that of the documents, at ", "")
    };
    let b = r#""name":"b","type":["string","null"]"#;
    let x = r#""name":"x","type":"long""#;
    for (from, to, expected) in [
        (
            b,
            r#""name":"b","type":"string""#,
            r#"/b: it takes no null, which documents may have there; exclude the field "b" from the binding (no key can be), or register a version that takes null, or require the value in the collection's schema, and no null for it"#,
        ),
        (b, r#""name":"b","type":["string"]"#, "/b: it takes no null, "),
        (
            b,
            r#""name":"b","type":["null","long","double"]"#,
            r#"/b: none of the types of its union can be meant where documents have strings: expected one that is "string" or an enum; exclude the field "b" from the binding (no key can be), or register a version with one such type"#,
        ),
        (
            r#""name":"other","type":["null","Kind"]"#,
            r#""name":"b","type":["null","string",{"type":"enum","name":"E","symbols":["S"]}]"#,
            "/b: more than one of the types of its union can be meant where documents have strings: ",
        ),
        (b, r#""name":"b","type":["null"]"#, "/b: none of the types of its union can be meant "),
        (
            x,
            r#""name":"x","type":"double""#,
            r#"/c/x: it has "double", and documents have integers: expected "long" or "int", a date's or timestamp's too; exclude the field "c" from the binding (no key can be), or register a version of that type"#,
        ),
        (
            x,
            r#""name":"x","type":["null","string"]"#,
            r#"/c/x: it has "string", and documents have integers: "#,
        ),
        (
            r#""name":"b""#,
            r#""name":"bb","default":"x""#,
            r#"/b: it is not in the registered schema; exclude the field "b" from the binding (no key can be), or register a version that has it"#,
        ),
        (r#"["u","v"]"#, "[1]", "the whole: it is no Avro schema: "),
        (
            r#"},"default":["u","v"]"#,
            "}",
            "/list: it is in the registered schema alone, has no default and takes no null; select a field of that name, or register a version where it has a default",
        ),
        (
            r#"{"type":"array","items":"string"},"default":["u","v"]"#,
            r#""bytes","default":"x""#,
            "/list: it is in the registered schema alone, with a default of bytes, which is not supported; select a field of that name, or register a version where it takes null by default",
        ),
        (
            r#""name":"_flow_extra""#,
            r#""name":"_extra","default":{}"#,
            r#"/c/_flow_extra: it is not in the registered schema, and documents may have properties there that are no fields of it; exclude the field "c" from the binding (no key can be), or register a version that has it, or say additionalProperties: false of the object in the collection's schema"#,
        ),
        (
            r#""type":"record","name":"Order""#,
            r#""type":"rec","name":"Order""#,
            "the whole: it is no Avro schema: ",
        ),
    ] {
        // A field of that name twice is no schema.
        let theirs = if expected.contains("more than one") {
            THEIRS.replace(b, r#""name":"o","type":["null","Kind"]"#)
        } else {
            THEIRS.to_owned()
        };
        let message = told(&theirs, from, to);
        assert!(message.starts_with(expected), "{from}: {message}");
    }
    let whole =
        adopt(&own(), r#"["null",{"type":"record","name":"R","fields":[]}]"#).unwrap_err().to_string();
    let expected = r#"at the whole: it has ["null",{"type":"record","name":"R","fields":[]}], and documents have objects: expected a record; register a version of that type"#;
    assert!(whole.ends_with(expected), "{whole}");
    // Of a key the parts stand in its order, and nothing else.
    let key = key();
    let theirs =
        key.canonical().replace(r#"{"name":"p1""#, r#"{"name":"p0","type":"long","default":0},{"name":"p1""#);
    assert!(schema::adopt_key(&key, &key.canonical()).is_ok());
    assert_eq!(
        schema::adopt_key(&key, &theirs).unwrap_err().to_string(),
        "comparing the registered schema with that of the documents, at /_flow_key: it has the parts of the key in another order, or others among them; register a record of the one field _flow_key, a record of the parts p1, p2, ... of the key in its order, or choose a key_format that has no schema, string or json"
    );
}
