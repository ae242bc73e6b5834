use serde_json::json;

use super::super::fixtures::pack;
use super::super::{AvroPlan, Fields, Plan};
use super::*;
use crate::schema::avro::{Field, Record};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn record(name: &str, fields: &[(&str, Schema)]) -> Schema {
    let field = |(name, schema): &(&str, Schema)| Field {
        name: (*name).to_owned(),
        schema: schema.clone(),
        default: None,
    };
    Schema::Record(Record { name: name.to_owned(), fields: fields.iter().map(field).collect(), extra: None })
}

fn key_schema(parts: &[Schema]) -> Schema {
    let parts: Vec<_> = parts.iter().zip(["p1", "p2"]).map(|(schema, name)| (name, schema.clone())).collect();
    record("root.Key", &[("_flow_key", record("root.Key.Parts", &parts))])
}

fn encode(plan: &Plan, key: &[serde_json::Value], values: &[serde_json::Value]) -> [Vec<u8>; 3] {
    let packed = |values: &[serde_json::Value]| values.iter().flat_map(pack).collect::<Vec<u8>>();
    let mut scratch = Scratch::default();
    let (mut key_bytes, mut value) = (Vec::new(), Buffer::default());
    let document = Document {
        key: Fields::Packed(&packed(key)),
        values: Fields::Packed(&packed(values)),
        doc: br#"{"z":1, "a":[2]}"#,
        delete: false,
    };
    // Twice, so that what the first leaves in the scratch would show.
    for _ in 0..2 {
        key_bytes.clear();
        value.abandon();
        assert_eq!(plan.encode(&document, &mut scratch, &mut key_bytes, &mut value), Ok(true));
    }
    let partition = plan.partition_key(&scratch).map_or_else(|| key_bytes.clone(), <[u8]>::to_vec);
    [key_bytes, value.message().to_vec(), partition]
}

/// Key fields `b` (a string) and `a` (an integer), a value `v`, and the root document.
struct Case {
    keys: Vec<String>,
    values: Vec<String>,
    key: Schema,
    value: Schema,
}

impl Case {
    fn new() -> Self {
        let fields =
            [("a", Schema::Long), ("b", Schema::String), ("doc", Schema::String), ("v", Schema::Boolean)];
        Self {
            keys: names(&["b", "a"]),
            values: names(&["v"]),
            key: key_schema(&[Schema::String, Schema::Long]),
            value: record("root", &fields),
        }
    }

    fn layout(&self) -> Layout<'_> {
        Layout { keys: &self.keys, values: &self.values, document: Some("doc") }
    }

    fn compose(
        &self,
        key: KeyFormat<'_>,
        value: ValueFormat<'_>,
        embeds_document: bool,
        by: &[&str],
    ) -> [Vec<u8>; 3] {
        let partition_by = &names(by);
        let formats = Formats { key, value, embeds_document, partition_by };
        let plan = ComposedPlan::new(&self.layout(), &formats).unwrap();
        encode(&Plan::Composed(Box::new(plan)), &[json!("x\""), json!(-7)], &[json!(true)])
    }

    fn plain(&self, plan: &Plan) -> [Vec<u8>; 3] {
        encode(plan, &[json!("x\""), json!(-7)], &[json!(true)])
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn each_side_is_as_in_messages_of_its_format_alone() {
    let case = Case::new();
    let json = case.plain(&Plan::Json(JsonPlan::new(&case.layout()).unwrap()));
    let avro = case.plain(&Plan::Avro(AvroPlan::new(&case.layout(), &case.key, 1, &case.value, 2).unwrap()));
    assert_eq!(text(&json[0]), r#"{"a":-7,"b":"x\""}"#);
    let framed = |id: u8, body: &[u8]| [&[0, 0, 0, 0, id], body].concat();
    let keys = [
        (KeyFormat::Json, json[0].clone()),
        (KeyFormat::JsonSchema(1), framed(1, &json[0])),
        (KeyFormat::Avro(&case.key, 1), avro[0].clone()),
    ];
    let values = [
        (ValueFormat::Json, json[1].clone()),
        (ValueFormat::JsonSchema(2), framed(2, &json[1])),
        (ValueFormat::Avro(&case.value, 2), avro[1].clone()),
    ];
    for (key, key_bytes) in &keys {
        for (value, value_bytes) in &values {
            let whole = [key_bytes.clone(), value_bytes.clone(), key_bytes.clone()];
            assert_eq!(case.compose(*key, *value, false, &[]), whole, "{key:?} {value:?}");
            assert_eq!(case.compose(*key, *value, false, &["a", "b"])[2], *key_bytes, "all of the key");
        }
    }
}

#[test]
fn the_shortest_plan_is_chosen() {
    let case = Case::new();
    let plan = |key, value, embeds_document, partition_by: &[String]| {
        Plan::new(&case.layout(), &Formats { key, value, embeds_document, partition_by }).unwrap()
    };
    let (avro_key, avro_value) = (KeyFormat::Avro(&case.key, 1), ValueFormat::Avro(&case.value, 2));
    assert!(matches!(plan(KeyFormat::Json, ValueFormat::Json, false, &[]), Plan::Json(_)));
    assert!(matches!(plan(avro_key, avro_value, false, &[]), Plan::Avro(_)));
    assert!(matches!(plan(avro_key, ValueFormat::Json, false, &[]), Plan::Composed(_)));
    assert!(matches!(plan(KeyFormat::Json, ValueFormat::Json, true, &[]), Plan::Composed(_)));
    assert!(matches!(plan(avro_key, avro_value, false, &names(&["a"])), Plan::Composed(_)));
}

#[test]
fn the_partition_is_that_of_a_key_of_the_chosen_fields() {
    let case = Case::new();
    let by = |key: KeyFormat<'_>, by: &[&str]| case.compose(key, ValueFormat::Json, false, by)[2].clone();
    assert_eq!(text(&by(KeyFormat::Json, &["a"])), r#"{"a":-7}"#);
    assert_eq!(text(&by(KeyFormat::Json, &["b"])), r#"{"b":"x\""}"#);
    assert_eq!(by(KeyFormat::JsonSchema(258), &["a"]), b"\0\0\0\x01\x02{\"a\":-7}");
    assert_eq!(by(KeyFormat::Avro(&case.key, 1), &["a"]), b"\0\0\0\0\x01\x0d");
    assert_eq!(by(KeyFormat::Avro(&case.key, 1), &["b"]), b"\0\0\0\0\x01\x04x\"");
    assert_eq!(by(KeyFormat::Avro(&case.key, 1), &["a", "b"]), b"\0\0\0\0\x01\x04x\"\x0d", "in key order");
}

#[test]
fn the_root_document_can_be_a_value() {
    let case = Case::new();
    let value = |embeds| case.compose(KeyFormat::Json, ValueFormat::Json, embeds, &[])[1].clone();
    assert_eq!(
        text(&value(false)),
        r#"{"a":-7,"b":"x\"","doc":"{\"z\":1, \"a\":[2]}","v":true}"#,
        "its text as it came"
    );
    assert_eq!(text(&value(true)), r#"{"a":-7,"b":"x\"","doc":{"a":[2],"z":1},"v":true}"#);
}

#[test]
fn keys_of_text() {
    let keys = names(&["k"]);
    let layout = Layout { keys: &keys, values: &[], document: None };
    let formats =
        Formats { key: KeyFormat::Text, value: ValueFormat::Json, embeds_document: false, partition_by: &[] };
    let plan = ComposedPlan::new(&layout, &formats).unwrap();
    let encode = |fields: Fields<'_>| {
        let mut key = b"before".to_vec();
        let document = Document { key: fields, values: Fields::Json(b""), doc: b"", delete: true };
        let result = plan.encode(&document, &mut Scratch::default(), &mut key, &mut Buffer::default());
        assert!(result.is_ok() || key == b"before", "an error leaves nothing behind");
        result.map(|_| String::from_utf8(key.split_off(6)).unwrap())
    };
    for (value, expected) in [
        (json!("plain"), "plain"),
        (json!("a \"b\"\n\0é"), "a \"b\"\n\0é"),
        (json!(""), ""),
        (json!(0), "0"),
        (json!(-42), "-42"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(true), "true"),
        (json!(false), "false"),
        (json!(1.5), "1.5"),
    ] {
        assert_eq!(encode(Fields::Packed(&pack(&value))).as_deref(), Ok(expected));
        assert_eq!(encode(Fields::Json(format!("[{value}]").as_bytes())).as_deref(), Ok(expected));
    }
    // The tuple's JSON may hold any value.
    assert_eq!(encode(Fields::Packed(b"\x01\"a\\u00e9\"\0")).as_deref(), Ok("aé"));
    assert_eq!(encode(Fields::Packed(b"\x01 12 \0")).as_deref(), Ok("12"));
    for value in [&b"\0"[..], b"\x01null\0", b"\x01[1]\0", b"\x01{}\0", b"\x01nul\0"] {
        assert_eq!(
            encode(Fields::Packed(value)).unwrap_err().to_string(),
            "field \"k\": null, an array or an object cannot be a key of format string; choose json, json_schema or \
             avro as the key_format"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::new();
    let refusal = |key, by: &[&str]| {
        let partition_by = &names(by);
        let formats = Formats { key, value: ValueFormat::Json, embeds_document: false, partition_by };
        ComposedPlan::new(&case.layout(), &formats).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(KeyFormat::Text, &[]),
        "a key of format string is that of a single field, found b, a; choose json, json_schema or avro as the key_format"
    );
    assert_eq!(
        refusal(KeyFormat::Json, &["a", "v"]),
        "partition_by names \"v\", which is no key field; expected some of b, a"
    );
}
