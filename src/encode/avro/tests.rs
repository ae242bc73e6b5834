//! Every row of the reference's table, byte checks, errors and their texts, and random schemas with
//! random values against [`oracle`](super::oracle).

use proptest::prelude::*;
use serde_json::json;

use super::oracle::{Json, decode, expected};
use super::*;
use crate::encode::Fields;
use crate::schema::avro::{Branch, Field};

const RAW: &str = "root.x.RawJSON";

fn raw() -> Schema {
    Schema::RawJson { name: RAW.to_owned() }
}

fn nullable(schema: Schema) -> Schema {
    Schema::Nullable(Box::new(schema))
}

fn branch_of(index: usize, schema: Schema, null: Option<usize>) -> Schema {
    Schema::Branch(Branch { index, schema: Box::new(schema), null })
}

fn array(items: Schema) -> Schema {
    Schema::Array(Box::new(items))
}

fn map(values: Schema) -> Schema {
    Schema::Map(Box::new(values))
}

fn field(name: &str, schema: Schema) -> Field {
    Field { name: name.to_owned(), schema, default: None }
}

fn with_default(name: &str, schema: Schema, default: serde_json::Value) -> Field {
    Field { default: Some(default), ..field(name, schema) }
}

fn record(fields: Vec<Field>, extra: Option<Schema>) -> Schema {
    let (name, extra) = ("root.x".to_owned(), extra.map(Box::new));
    Schema::Record(Record { name, fields, extra })
}

fn root(fields: Vec<Field>) -> Schema {
    let extra = nullable(Schema::RawJson { name: "root._flow_extra.RawJSON".to_owned() });
    Schema::Record(Record { name: "root".to_owned(), fields, extra: Some(Box::new(extra)) })
}

fn key(parts: Vec<Schema>) -> Schema {
    let parts = parts.into_iter().enumerate().map(|(i, part)| field(&format!("p{}", i + 1), part)).collect();
    let parts = Record { name: "root.Key.Parts".to_owned(), fields: parts, extra: None };
    let fields = vec![field("_flow_key", Schema::Record(parts))];
    Schema::Record(Record { name: "root.Key".to_owned(), fields, extra: None })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What one document gives: its key, and its value if it has one.
type Message = (Vec<u8>, Option<Vec<u8>>);

fn run(plan: &AvroPlan, doc: &Document<'_>) -> Result<Message, Error> {
    let (mut key, mut value) = (Vec::new(), Buffer::default());
    let has_value = plan.encode(doc, &mut Scratch::default(), &mut key, &mut value)?;
    assert!(has_value || value.is_empty(), "a tombstone wrote a value");
    Ok((key, has_value.then(|| value.message().to_vec())))
}

/// The bytes of field `v` of type `schema`, whose tuple element is `values`.
fn encode_fields(schema: &Schema, values: Fields<'_>) -> Result<Vec<u8>, Error> {
    let layout = Layout { keys: &names(&["k"]), values: &names(&["v"]), document: None };
    let value = root(vec![field("k", Schema::Long), field("v", schema.clone())]);
    let plan = AvroPlan::new(&layout, &key(vec![Schema::Long]), 1, &value, 2)?;
    let doc = Document { key: Fields::Json(b"[1]"), values, doc: b"", delete: false };
    let (_, value) = run(&plan, &doc)?;
    let value = value.expect("not a delete");
    let body = value.strip_prefix(&[0, 0, 0, 0, 2, 2]).expect("the header and k come first");
    Ok(body.strip_suffix(&[0]).expect("an empty extra map comes last").to_vec())
}

/// The bytes of `json` as `schema`, by all three ways: as a field, in an array and in a record.
fn encode(schema: &Schema, json: &str) -> Result<Vec<u8>, Error> {
    let alone = encode_fields(schema, Fields::Json(format!("[{json}]").as_bytes()));
    let inner = encode_fields(&array(schema.clone()), Fields::Json(format!("[[{json}]]").as_bytes()));
    let member = record(vec![field("f", schema.clone())], None);
    let member = encode_fields(&member, Fields::Json(format!("[{{\"f\":{json}}}]").as_bytes()));
    match (&alone, &inner, &member) {
        (Ok(alone), Ok(inner), Ok(member)) => {
            assert_eq!(inner.strip_prefix(&[2]).and_then(|rest| rest.strip_suffix(&[0])), Some(&alone[..]));
            assert_eq!(member, alone);
        }
        (Err(_), Err(_), Err(_)) => {}
        _ => unreachable!("{json} as {schema:?}: {alone:?} alone, {inner:?} inside, {member:?} as member"),
    }
    alone
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_text(text, &mut bytes);
    bytes
}

fn double(value: f64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// Whether the one pass takes the text.
fn straight(schema: &Schema, text: &str) -> bool {
    let node = Node::compile(schema, "root.v", &mut Defaults::default()).expect("legal");
    write_straight(&node, text, &mut String::new(), &mut Vec::new()).is_some()
}

#[test]
fn documents_as_the_runtime_writes_them_need_no_parser() {
    let inner = record(
        vec![field("lat", nullable(Schema::Double)), field("lon", nullable(Schema::Double))],
        Some(raw()),
    );
    let fields = vec![
        with_default("a", Schema::Long, json!(1)),
        field("geo", nullable(inner)),
        field("list", array(nullable(Schema::String))),
        field("map", map(raw())),
    ];
    let schema = record(fields, Some(nullable(raw())));
    for text in [
        r#"{"list":[],"map":{}}"#,
        r#"{"a":-1,"geo":{"lat":51.5,"lon":-0.135},"list":["x","\"é\u00e9\ud83d\ude00",null,7],"map":{"a":{"b":[1]},"c":1.5}}"#,
        r#"{"geo":{"lon":1e300},"list":[],"map":{"a":null}}"#,
        r#"{"geo":null,"list":[],"map":{}}"#,
    ] {
        assert!(straight(&schema, text), "{text}");
    }
    for text in [
        r#"{"list":[],"map":{} }"#,
        r#"{"map":{},"list":[]}"#,
        r#"{"list":[],"map":{},"map":{}}"#,
        r#"{"list":[],"map":{},"other":1}"#,
        r#"{"list":[],"map":{"b":1,"a":2}}"#,
        r#"{"list":[],"map":{"a":1,"a":2}}"#,
        r#"{"list":[],"map":{"a":1.50}}"#,
        r#"{"list":[],"map":{}},"#,
        r#"{"list":[],"map":{},}"#,
        r#"{"list":[],"map":{}"#,
        r#"{"list":[],"map":{},"#,
        r#"{"list":["\ud800"],"map":{}}"#,
        r#"{"a":01,"list":[],"map":{}}"#,
        r#"{"a":1.,"list":[],"map":{}}"#,
        r#"{"a":-,"list":[],"map":{}}"#,
        r#"{"geo":{"lat":1e400},"list":[],"map":{}}"#,
        r#"{"list":[tru],"map":{}}"#,
        "",
    ] {
        assert!(!straight(&schema, text), "{text}");
    }
}

#[test]
fn a_comma_behind_a_record_does_not_pass_for_one_between_records() {
    let item = record(vec![field("a", Schema::Long)], None);
    assert!(straight(&array(item.clone()), r#"[{"a":1},{"a":2}]"#));
    assert!(!straight(&array(item.clone()), r#"[{"a":1,,{"a":2}]"#));
    assert!(!straight(&array(item), r#"[{"a":1,"a":2}]"#));
}

#[test]
fn documents_of_127_levels_pass_and_of_128_are_refused() {
    let typed = |levels| (0..levels).fold(Schema::Long, |inner, _| array(inner));
    let maps = |levels| (0..levels).fold(Schema::Long, |inner, _| map(inner));
    for levels in [127, 128, if cfg!(miri) { 200 } else { 10_000 }] {
        let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let objects = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        for (schema, text) in [
            (typed(130), lists.clone()),
            (maps(levels.min(130)), objects.clone()),
            (raw(), lists.clone()),
            (raw(), objects),
            (raw(), format!(" {lists}")),
        ] {
            let written = encode_fields(&schema, Fields::Packed(&packed_json(&text)));
            assert_eq!(written.is_ok(), levels == 127, "{levels} levels as {schema:.60?}");
        }
    }
}

/// A packed element that holds JSON text.
fn packed_json(text: &str) -> Vec<u8> {
    [&[1], text.as_bytes(), &[0]].concat()
}

#[test]
fn counts_are_right_at_every_size() {
    let counts = [0usize, 1, 63, 64, 65, 8191, 8192, 8193];
    // All of them take minutes in Miri.
    for count in counts.into_iter().filter(|count| !cfg!(miri) || matches!(count, 0 | 1 | 64)) {
        for space in ["", " "] {
            let numbers: Vec<String> = (0..count).map(|_| "1".to_owned()).collect();
            let members: Vec<String> = (0..count).map(|i| format!("\"{i:04}\":1")).collect();
            let mut items = Vec::new();
            let mut entries = Vec::new();
            if count > 0 {
                write_length(count, &mut items);
                entries.clone_from(&items);
            }
            for i in 0..count {
                items.push(2);
                entries.extend(text(&format!("{i:04}")));
                entries.push(2);
            }
            items.push(0);
            entries.push(0);
            let numbers = packed_json(&format!("[{}{space}]", numbers.join(",")));
            assert_eq!(encode_fields(&array(Schema::Long), Fields::Packed(&numbers)).expect("fits"), items);
            let members = packed_json(&format!("{{{}{space}}}", members.join(",")));
            assert_eq!(encode_fields(&map(Schema::Long), Fields::Packed(&members)).expect("fits"), entries);
        }
    }
}

#[test]
fn a_minus_zero_is_a_float() {
    assert_eq!(encode(&Schema::Double, "-0").expect("fits"), double(-0.0));
    assert_eq!(encode(&Schema::String, "-0").expect("fits"), text("-0"));
    assert_eq!(encode(&Schema::Long, "-0").expect("fits"), [0]);
    assert_eq!(encode(&raw(), "-0").expect("fits"), text("-0.0"));
}

#[test]
fn a_document_that_fails_leaves_nothing_behind() {
    let layout = Layout { keys: &names(&["k"]), values: &names(&["v"]), document: None };
    let value_schema = root(vec![field("k", Schema::Long), field("v", map(map(Schema::Long)))]);
    let plan = AvroPlan::new(&layout, &key(vec![Schema::Long]), 1, &value_schema, 2).expect("they agree");
    let (mut scratch, mut key, mut value) = (Scratch::default(), b"before".to_vec(), Buffer::default());
    value.put(b"before");
    value.finish();
    let doc = |values| Document {
        key: Fields::Json(b"[1]"),
        values: Fields::Json(values),
        doc: b"",
        delete: false,
    };
    for wrong in [&br#"[{"b":{"d":"x","c":1},"a":{}}]"#[..], b"[{]", b"[]"] {
        let outcome = plan.encode(&doc(wrong), &mut scratch, &mut key, &mut value);
        assert!(outcome.is_err());
        assert_eq!((&key[..], value.message()), (&b"before"[..], &b""[..]));
    }
    let good = doc(br#"[{"b":{"d":2,"c":1},"a":{}}]"#);
    assert!(plan.encode(&good, &mut scratch, &mut key, &mut value).expect("fits"));
    let inner =
        [vec![4], text("a"), vec![0], text("b"), vec![4], text("c"), vec![2], text("d"), vec![4, 0, 0]];
    assert_eq!(value.message(), [vec![0, 0, 0, 0, 2, 2], inner.concat(), vec![0]].concat());
}

#[test]
fn every_row_of_the_table() {
    let max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01].to_vec();
    let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01].to_vec();
    for (schema, json, bytes) in [
        (Schema::Boolean, "false", vec![0]),
        (Schema::Boolean, "true", vec![1]),
        (Schema::Long, "0", vec![0]),
        (Schema::Long, "-1", vec![1]),
        (Schema::Long, "8675309", vec![0xda, 0xff, 0xa2, 0x08]),
        (Schema::Long, "9223372036854775807", max),
        (Schema::Long, "-9223372036854775808", min.clone()),
        (Schema::Long, "-9.223372036854775808e18", min),
        (Schema::Long, "3.0", vec![6]),
        // The float's own value, which its shortest decimal, ...685100, is not.
        (Schema::Long, "-5.764607179436851e17", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xff, 0x0f]),
        (Schema::Long, "-0.0", vec![0]),
        (Schema::Double, "123.456", vec![0x77, 0xbe, 0x9f, 0x1a, 0x2f, 0xdd, 0x5e, 0x40]),
        (Schema::Double, "18446744073709551615", double(18_446_744_073_709_551_616.0)),
        (Schema::Double, "-7", double(-7.0)),
        (Schema::Double, "-0.0", double(-0.0)),
        (Schema::Double, r#""1.5""#, double(1.5)),
        (Schema::Double, r#""+5""#, double(5.0)),
        (Schema::Double, r#"".5""#, double(0.5)),
        (Schema::Double, r#""5.""#, double(5.0)),
        (Schema::Double, r#""1E3""#, double(1000.0)),
        (Schema::Double, r#""1e999""#, double(f64::INFINITY)),
        (Schema::Double, r#""NaN""#, double(f64::NAN)),
        (Schema::Double, r#""nan""#, double(f64::NAN)),
        (Schema::Double, r#""Infinity""#, double(f64::INFINITY)),
        (Schema::Double, r#""-INF""#, double(f64::NEG_INFINITY)),
        (Schema::String, r#""""#, vec![0]),
        (Schema::String, r#""a\"é\u0000""#, text("a\"é\0")),
        (Schema::String, "-12", text("-12")),
        (Schema::String, "18446744073709551615", text("18446744073709551615")),
        (Schema::String, "4.0", text("4")),
        (Schema::String, "1e21", text("1000000000000000000000")),
        (Schema::String, "-0.0", text("-0")),
        (Schema::String, "1e308", text(&format!("1{}", "0".repeat(308)))),
        (Schema::String, "-1.7976931348623157e308", text(&format!("{}", f64::MIN))),
        (Schema::Date, r#""2022-05-10""#, vec![0xe4, 0xaa, 0x02]),
        (
            Schema::TimestampMicros,
            r#""2019-03-06T00:00:00Z""#,
            vec![0x80, 0x80, 0xf3, 0xbb, 0xb5, 0xd8, 0xc1, 0x05],
        ),
        (Schema::Uuid, r#""not a uuid, and not checked""#, text("not a uuid, and not checked")),
        (
            Schema::Duration,
            r#""P1Y2M3DT4H5M6.789S""#,
            vec![0x0e, 0, 0, 0, 0x03, 0, 0, 0, 0x65, 0x68, 0xe0, 0],
        ),
        (raw(), "null", text("null")),
        (raw(), "true", text("true")),
        (raw(), "false", text("false")),
        (raw(), "1.0", text("1.0")),
        (raw(), "1e16", text("1e16")),
        (raw(), "-12", text("-12")),
        (raw(), "18446744073709551615", text("18446744073709551615")),
        (raw(), r#""a\/\u00e9\n""#, text("\"a/é\\n\"")),
        (raw(), r#" { "b" : [ 1 , 0.10 ] , "a" : 2, "b":[] } "#, text(r#"{"a":2,"b":[]}"#)),
        (raw(), "[]", text("[]")),
        (array(Schema::Long), "[]", vec![0]),
        (array(Schema::Long), "[1,2]", vec![4, 2, 4, 0]),
        (array(array(Schema::Long)), "[[],[1]]", vec![4, 0, 2, 2, 0, 0]),
        (map(Schema::Long), "{}", vec![0]),
        (map(Schema::Long), r#"{"b":2,"a":1}"#, vec![4, 2, b'a', 2, 2, b'b', 4, 0]),
        (map(Schema::Long), r#"{"a":1,"b":2,"a":3}"#, vec![4, 2, b'a', 6, 2, b'b', 4, 0]),
        (nullable(raw()), "null", [vec![0], text("null")].concat()),
        (nullable(raw()), "[]", [vec![0], text("[]")].concat()),
    ] {
        let written = encode(&schema, json).expect(json);
        assert_eq!(written, bytes, "{json} as {schema:?}");
        if schema != nullable(raw()) {
            let written = encode(&nullable(schema.clone()), json).expect(json);
            assert_eq!(written, [vec![0], bytes].concat(), "{json} as nullable {schema:?}");
            let null = encode(&nullable(schema.clone()), "null").expect("null fits");
            assert_eq!(null, if schema == raw() { [vec![0], text("null")].concat() } else { vec![2] });
        }
    }
}

#[test]
fn raw_json_of_a_null_is_its_text_on_branch_0() {
    assert_eq!(encode(&nullable(raw()), "null").expect("fits"), [0x00, 0x08, 0x6e, 0x75, 0x6c, 0x6c]);
}

#[test]
fn lengths_of_raw_json_are_right_at_every_size_of_their_prefix() {
    let lengths = [0, 1, 60, 61, 62, 63, 64, 65, 100, 8187, 8188, 8189, 8190, 20_000];
    for length in lengths.into_iter().filter(|length| !cfg!(miri) || *length < 8187) {
        for json in [format!("\"{}\"", "x".repeat(length)), format!("[\"{}\"]", "x".repeat(length))] {
            assert_eq!(encode(&raw(), &json).expect("fits"), text(&json), "{length}");
        }
        let escaped = format!("\"{}\"", "\\n".repeat(length));
        assert_eq!(encode(&raw(), &escaped).expect("fits"), text(&escaped), "{length}");
    }
}

#[test]
fn what_a_type_does_not_accept_is_not_matched_with_null_as_a_branch_or_without() {
    for (schema, json) in [
        (Schema::Boolean, "1"),
        (Schema::Boolean, r#""true""#),
        (Schema::Long, "1.5"),
        (Schema::Long, "9223372036854775808"),
        (Schema::Long, "18446744073709551615"),
        (Schema::Long, "9223372036854775808.0"),
        (Schema::Long, "1e300"),
        (Schema::Long, "-9223372036854777856.0"),
        (Schema::Long, r#""1""#),
        (Schema::Double, "true"),
        (Schema::Double, "[]"),
        (Schema::String, "1.5"),
        (Schema::String, "true"),
        (Schema::String, "{}"),
        (Schema::Date, r#""2022-5-1""#),
        (Schema::Date, r#""12022-05-01""#),
        (Schema::Date, "1"),
        (Schema::TimestampMicros, r#""2022-05-01""#),
        (Schema::TimestampMicros, "1"),
        (Schema::Uuid, "1"),
        (Schema::Duration, r#""Purple""#),
        (Schema::Duration, r#""PT1194H""#),
        (array(Schema::Long), "{}"),
        (array(Schema::Long), "1"),
        (map(Schema::Long), "[]"),
        (map(Schema::Long), r#""{}""#),
        (record(vec![], None), "[]"),
        (record(vec![], None), "7"),
    ] {
        for schema in [schema.clone(), nullable(schema)] {
            let error = encode(&schema, json).expect_err(json);
            assert!(matches!(error, Error::NotMatched { .. }), "{json} as {schema:?}: {error}");
        }
    }
    for schema in [Schema::Boolean, Schema::Double, Schema::Date, array(raw()), record(vec![], None)] {
        assert!(matches!(encode(&schema, "null"), Err(Error::NotMatched { .. })), "null as {schema:?}");
    }
}

#[test]
fn texts_that_are_no_numbers_are_errors_even_where_null_is_a_branch() {
    for json in [r#""""#, r#"" 1.5""#, r#""1_0""#, r#""0x10""#, r#""abc""#, r#"".""#, r#""1,5""#] {
        for schema in [Schema::Double, nullable(Schema::Double)] {
            assert!(matches!(encode(&schema, json), Err(Error::FloatText { .. })), "{json} as {schema:?}");
        }
    }
}

/// A packed tuple of one float.
fn packed(value: f64) -> Vec<u8> {
    let bits = value.to_bits();
    let ordered = if value.is_sign_negative() { !bits } else { bits ^ (1 << 63) };
    [&[0x21], &ordered.to_be_bytes()[..]].concat()
}

#[test]
fn no_number_takes_the_null_branch_or_is_the_text_null() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let packed = packed(value);
        let encode = |schema: &Schema| encode_fields(schema, Fields::Packed(&packed));
        for schema in [Schema::Double, Schema::Long, Schema::String, array(Schema::Long)] {
            assert!(matches!(encode(&schema), Err(Error::NotMatched { .. })), "{value} as {schema:?}");
            assert_eq!(encode(&nullable(schema)).expect("null fits"), [2]);
        }
        assert_eq!(encode(&raw()).expect("fits"), text("null"));
        assert_eq!(encode(&nullable(raw())).expect("fits"), [vec![0], text("null")].concat());
    }
}

#[test]
fn members_are_found_by_name_in_any_order_and_the_last_of_repeated_ones_counts() {
    let schema = record(
        vec![field("a", Schema::Long), field("b", nullable(Schema::String)), field("c", Schema::Boolean)],
        Some(nullable(raw())),
    );
    let extra = [vec![4], text("B"), vec![0], text("7"), text("z"), vec![0], text("{}"), vec![0]].concat();
    let bytes = [vec![2, 0], text("x"), vec![1], extra].concat();
    for json in [
        r#"{"B":7,"a":1,"b":"x","c":true,"z":{}}"#,
        r#"{"z":{},"c":true,"b":"x","a":1,"B":7}"#,
        r#"{"z":[1,[2],{"a":3}],"a":"wrong","c":true,"b":{"a":9},"B":8,"b":"x","a":1,"B":7,"z":{}}"#,
    ] {
        assert_eq!(encode(&schema, json).expect(json), bytes, "{json}");
    }
    let Schema::Record(Record { fields, .. }) = schema else { unreachable!("made above") };
    let closed = record(fields, None);
    assert_eq!(
        encode(&closed, r#"{"z":1,"c":true,"b":null,"a":1}"#).expect("undeclared properties are dropped"),
        [2, 2, 1]
    );
}

#[test]
fn absent_properties_are_their_default_or_null() {
    let inner = record(vec![with_default("d", Schema::Date, json!("1970-01-02"))], None);
    let fields = vec![
        with_default("a", Schema::Long, json!(5)),
        with_default("b", nullable(Schema::String), json!("x")),
        with_default("c", nullable(Schema::Long), json!("does not fit")),
        field("d", nullable(Schema::Long)),
        field("e", raw()),
        field("f", nullable(raw())),
        with_default("g", inner, json!({})),
    ];
    let schema = record(fields, Some(Schema::Long));
    let raw_null = text("null");
    let bytes =
        [vec![10, 0], text("x"), vec![2, 2], raw_null.clone(), vec![0], raw_null, vec![2, 0]].concat();
    assert_eq!(encode(&schema, "{}").expect("all may be absent"), bytes);
    let error = encode(&schema, r#"{"a":null}"#).expect_err("null is not absent");
    assert!(matches!(error, Error::NotMatched { pointer, .. } if pointer == "/v/a"));
    let error = encode(&record(vec![with_default("a", Schema::Long, json!("x"))], None), "{}");
    assert!(matches!(error, Err(Error::Absent { pointer, .. }) if pointer == "/v/a"));
}

#[test]
fn fields_need_not_be_in_the_order_of_their_names() {
    let schema = record(vec![field("b", Schema::Long), field("a", Schema::Long)], None);
    assert_eq!(encode(&schema, r#"{"a":1,"b":2}"#).expect("fits"), [4, 2]);
    assert_eq!(encode(&schema, r#"{"b":2,"a":1}"#).expect("fits"), [4, 2]);
}

fn webhooks() -> (Vec<String>, Vec<String>, Schema, Schema) {
    let keys = names(&["id", "slash~1key", "value/nested"]);
    let values = names(&["canary", "slash~1root", "value/slash~1nested"]);
    let fields = vec![
        field("canary", nullable(Schema::String)),
        field("flow_document", Schema::String),
        field("id", Schema::Long),
    ];
    (keys, values, key(vec![Schema::Long, Schema::String, nullable(Schema::String)]), root(fields))
}

#[test]
fn messages_have_header_fields_in_schema_order_and_the_rest_as_extras() {
    let (keys, values, key_schema, value_schema) = webhooks();
    let layout = Layout { keys: &keys, values: &values, document: Some("flow_document") };
    let plan = AvroPlan::new(&layout, &key_schema, 0x0102_0304, &value_schema, u32::MAX).expect("they agree");
    let doc = Document {
        key: Fields::Json(br#"[1,"one",null]"#),
        values: Fields::Json(br#"["amputation's",true,{"b":1.0,"a":[]}]"#),
        doc: br#"{"not": parsed}"#,
        delete: false,
    };
    let (key, value) = run(&plan, &doc).expect("fits");
    let value = value.expect("not a delete");
    assert_eq!(key, [vec![0, 1, 2, 3, 4, 2], text("one"), vec![2]].concat());
    let extras = [
        vec![8],
        [text("slash~1key"), vec![0], text(r#""one""#)].concat(),
        [text("slash~1root"), vec![0], text("true")].concat(),
        [text("value/nested"), vec![0], text("null")].concat(),
        [text("value/slash~1nested"), vec![0], text(r#"{"a":[],"b":1.0}"#)].concat(),
        vec![0],
    ];
    let fields =
        [vec![0, 0xff, 0xff, 0xff, 0xff, 0], text("amputation's"), text(r#"{"not": parsed}"#), vec![2]];
    assert_eq!(value, [fields.concat(), extras.concat()].concat());
    decode(&value_schema, &value[5..]);
    decode(&key_schema, &key[5..]);

    let delete = Document { values: Fields::Packed(b""), doc: b"", delete: true, ..doc };
    assert_eq!(run(&plan, &delete).expect("needs only the key"), (key, None));
    let absent = Document { doc: b"", ..doc };
    assert!(matches!(run(&plan, &absent), Err(Error::DocumentMissing { field }) if field == "flow_document"));
    assert!(run(&plan, &Document { doc: b"\xff", ..doc }).is_err(), "not UTF-8");
}

#[test]
fn a_document_field_that_is_no_avro_name_is_a_json_string_among_the_extras() {
    let (keys, values) = (names(&["k"]), names(&[]));
    let layout = Layout { keys: &keys, values: &values, document: Some("the/doc") };
    let value = root(vec![field("k", Schema::Long)]);
    let plan = AvroPlan::new(&layout, &key(vec![Schema::Long]), 1, &value, 1).expect("they agree");
    let doc = Document {
        key: Fields::Json(b"[1]"),
        values: Fields::Json(b"[]"),
        doc: br#"{"k":1}"#,
        delete: false,
    };
    let (_, bytes) = run(&plan, &doc).expect("fits");
    let tail = [vec![2, 2], text("the/doc"), vec![0], text(r#""{\"k\":1}""#), vec![0]].concat();
    assert_eq!(&bytes.expect("not a delete")[5..], tail);
}

#[test]
fn schemas_that_are_not_those_of_the_layout_are_refused() {
    let (keys, values) = (names(&["k"]), names(&["v"]));
    let layout = Layout { keys: &keys, values: &values, document: None };
    let key_schema = key(vec![Schema::Long]);
    let plan = |key: &Schema, value: &Schema| AvroPlan::new(&layout, key, 1, value, 1).map(|_| ());
    let message = |result: Result<(), Error>| result.expect_err("refused").to_string();
    let value = root(vec![field("k", Schema::Long)]);
    plan(&key_schema, &value).expect("v goes to the extras");
    assert_eq!(
        message(plan(&Schema::Long, &value)),
        "the key's Avro schema is malformed: expected a record of one field _flow_key, a record of the key's \
         parts; this is a defect of the mapping, please report it"
    );
    assert!(matches!(plan(&root(vec![]), &value), Err(Error::KeySchema)));
    assert_eq!(
        message(plan(&key(vec![]), &value)),
        "the key's Avro schema has 0 parts, expected 1, one per key field"
    );
    assert_eq!(
        message(plan(&key_schema, &Schema::Long)),
        "the Avro schema at root is not a record; this is a defect of the mapping, please report it"
    );
    assert_eq!(
        message(plan(&key_schema, &root(vec![field("w", Schema::Long)]))),
        "the Avro schema at root.w is not among the selected fields; this is a defect of the mapping, please \
         report it"
    );
    assert_eq!(
        message(plan(&key_schema, &record(vec![field("k", Schema::Long)], None))),
        "field \"v\" is no field of the value's Avro record, and the record has no map _flow_extra for it"
    );
    let twice = record(vec![field("a", Schema::Long), field("a", Schema::Long)], None);
    assert_eq!(
        message(plan(&key_schema, &root(vec![field("v", twice)]))),
        "the Avro schema at root.x is a record with two fields of one name; this is a defect of the mapping, \
         please report it"
    );
    assert_eq!(
        message(plan(&key_schema, &root(vec![field("v", nullable(nullable(Schema::Long)))]))),
        "the Avro schema at root.v has a union directly inside a union; this is a defect of the mapping, please \
         report it"
    );
    let deep = |levels| (0..levels).fold(Schema::Long, |inner, _| array(nullable(inner)));
    plan(&key_schema, &root(vec![field("v", deep(255))])).expect("not too deep");
    assert_eq!(
        message(plan(&key_schema, &root(vec![field("v", deep(256))]))),
        "the Avro schema at root.v nests more than 256 types; this is a defect of the mapping, please report it"
    );
    let again = Layout { values: &names(&["k"]), ..layout };
    assert!(AvroPlan::new(&again, &key_schema, 1, &value, 1).is_err(), "a field selected twice");
}

#[test]
fn messages_name_the_place_the_value_and_the_type() {
    let schema = record(
        vec![field("list", array(map(nullable(Schema::Long)))), field("price", nullable(Schema::Double))],
        None,
    );
    let message = |schema: &Schema, json: &str| {
        encode_fields(schema, Fields::Json(format!("[{json}]").as_bytes())).expect_err("refused").to_string()
    };
    assert_eq!(
        message(&schema, r#"{"list":[{},{"a/b~":"x"}]}"#),
        "/v/list/1/a~1b~0: the value \"x\" does not fit the Avro type [\"long\",\"null\"], which the collection's \
         schema gives it; correct the document or the collection's schema"
    );
    assert_eq!(
        message(&schema, r#"{"list":[],"price":"a lot"}"#),
        "/v/price: the text \"a lot\" is not a number, while the Avro type is \"double\" since the collection's \
         schema gives the string the format of a number; correct the document or that format"
    );
    assert_eq!(
        message(&schema, r#"{"price":1}"#),
        "/v/list: the property is absent, and its Avro type {\"type\":\"array\",\"items\":{\"type\":\"map\",\
         \"values\":[\"long\",\"null\"]}} accepts no null and has no usable default; add the property to the \
         document or a default to the collection's schema, or make it optional there"
    );
    assert!(
        message(&Schema::Long, r#"{"b":[1],"a":{}}"#)
            .starts_with(r#"/v: the value {"a":{},"b":[1]} does not fit the Avro type "long","#)
    );
    assert!(message(&schema, "[]").contains(r#"{"type":"record","name":"root.x"}"#));
    let long = message(&Schema::Long, &format!("\"{}\"", "é".repeat(1000)));
    assert!(long.contains(&format!("the value \"{}... does", "é".repeat(49))), "{long}");
}

#[test]
fn types_are_shown_as_avro_schemas() {
    for (schema, shown) in [
        (Schema::Boolean, r#""boolean""#),
        (Schema::Long, r#""long""#),
        (Schema::Double, r#""double""#),
        (Schema::String, r#""string""#),
        (Schema::Date, r#"{"type":"int","logicalType":"date"}"#),
        (Schema::TimestampMicros, r#"{"type":"long","logicalType":"timestamp-micros"}"#),
        (Schema::Uuid, r#"{"type":"string","logicalType":"uuid"}"#),
        (Schema::Duration, r#"{"type":"fixed","size":12,"logicalType":"duration"}"#),
        (nullable(map(Schema::Long)), r#"[{"type":"map","values":"long"},"null"]"#),
        (array(raw()), r#"{"type":"array","items":"RawJSON"}"#),
    ] {
        let node = Node::compile(&schema, "root", &mut Defaults::default()).expect("legal");
        assert_eq!(node.to_string(), shown);
    }
}

#[test]
fn key_parts_are_named_by_their_numbers() {
    let layout = Layout { keys: &names(&["a", "b"]), values: &[], document: None };
    let key = key(vec![Schema::Long, Schema::Long]);
    let value = root(vec![field("a", Schema::Long), field("b", Schema::Long)]);
    let plan = AvroPlan::new(&layout, &key, 1, &value, 1).expect("they agree");
    let doc = Document {
        key: Fields::Json(br#"[1,18446744073709551615]"#),
        values: Fields::Packed(b""),
        doc: b"",
        delete: true,
    };
    let error = run(&plan, &doc).expect_err("beyond a long");
    assert!(
        error
            .to_string()
            .starts_with("/p2: the value 18446744073709551615 does not fit the Avro type \"long\","),
        "{error}"
    );
}

fn any_json() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<u64>().prop_map(Json::Unsigned),
        (0..100u64).prop_map(Json::Unsigned),
        (i64::MIN..0).prop_map(Json::Negative),
        finite().prop_map(Json::Float),
        any::<String>().prop_map(Json::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((any_name(), inner), 0..5).prop_map(Json::Object),
        ]
    })
    .boxed()
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![prop::num::f64::NORMAL | prop::num::f64::ZERO, (-1000..1000i32).prop_map(f64::from)]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]{1,2}", "[a-c/~é\"\u{1}]{0,3}"]
}

/// A schema without names yet.
fn any_schema() -> BoxedStrategy<Schema> {
    let leaf = prop::sample::select(vec![
        Schema::Boolean,
        Schema::Long,
        Schema::Double,
        Schema::String,
        Schema::Date,
        Schema::TimestampMicros,
        Schema::Uuid,
        Schema::Duration,
        Schema::RawJson { name: String::new() },
        Schema::Int,
        Schema::Float,
        Schema::TimestampMillis,
        Schema::Enum(["b", "a", "d", "c"].map(str::to_owned).to_vec()),
    ]);
    let maybe = |schema: BoxedStrategy<Schema>| {
        // The last branches have numbers of two bytes.
        let branch = prop::sample::select(vec![0, 1, 2, 64, 70]);
        let union = prop_oneof![
            Just(None),
            Just(Some((0, Some(1)))),
            (branch.clone(), prop::option::of(branch))
                .prop_map(|(index, null)| Some((index, null.filter(|null| *null != index)))),
        ];
        (schema, union)
            .prop_map(|(schema, union)| match union {
                None => schema,
                Some((0, Some(1))) => nullable(schema),
                Some((index, null)) => branch_of(index, schema, null),
            })
            .boxed()
    };
    let any = leaf.prop_recursive(4, 24, 4, move |inner| {
        let inner = maybe(inner);
        let default = prop::option::of(prop::sample::select(vec![
            json!(null),
            json!(5),
            json!("1.5"),
            json!([]),
            json!({}),
            json!({"a": 1, "b": [true]}),
        ]));
        let fields = prop::collection::btree_map("[a-e_][a-c0-9]?", (inner.clone(), default), 0..6);
        let extra = prop::option::of(inner.clone());
        let record = (fields, extra).prop_map(|(fields, extra)| {
            let fields =
                fields.into_iter().map(|(name, (schema, default))| Field { name, schema, default }).collect();
            Schema::Record(Record { name: String::new(), fields, extra: extra.map(Box::new) })
        });
        prop_oneof![inner.clone().prop_map(array), inner.prop_map(map), record]
    });
    maybe(any.boxed()).prop_map(|schema| named(schema, "root.v")).boxed()
}

/// Gives records the full names of their places.
fn named(schema: Schema, place: &str) -> Schema {
    match schema {
        Schema::RawJson { .. } => Schema::RawJson { name: format!("{place}.RawJSON") },
        Schema::Array(items) => array(named(*items, &format!("{place}._items"))),
        Schema::Map(values) => map(named(*values, place)),
        Schema::Nullable(inner) => nullable(named(*inner, place)),
        Schema::Branch(Branch { index, schema, null }) => branch_of(index, named(*schema, place), null),
        Schema::Record(Record { fields, extra, .. }) => Schema::Record(Record {
            name: place.to_owned(),
            fields: fields
                .into_iter()
                .map(|field| Field {
                    schema: named(field.schema, &format!("{place}.{}", field.name)),
                    ..field
                })
                .collect(),
            extra: extra.map(|values| Box::new(named(*values, &format!("{place}._flow_extra")))),
        }),
        other => other,
    }
}

/// Values that `schema` accepts, for the most part.
fn matching(schema: &Schema) -> BoxedStrategy<Json> {
    let day = (0..40_000i32).prop_map(|days| jiff::civil::date(1950, 1, 1) + jiff::Span::new().days(days));
    let whole = || {
        prop_oneof![
            (-1_000_000..1_000_000i32).prop_map(f64::from),
            // Beyond 2^53 the shortest decimal, filled with zeros, is another number.
            (-9e18..9e18f64).prop_map(f64::trunc),
        ]
    };
    match schema {
        Schema::Boolean => any::<bool>().prop_map(Json::Bool).boxed(),
        Schema::Long => prop_oneof![
            (0..=i64::MAX.unsigned_abs()).prop_map(Json::Unsigned),
            (i64::MIN..0).prop_map(Json::Negative),
            whole().prop_map(Json::Float),
        ]
        .boxed(),
        Schema::Double => prop_oneof![
            finite().prop_map(Json::Float),
            any::<u64>().prop_map(Json::Unsigned),
            (i64::MIN..0).prop_map(Json::Negative),
            finite().prop_map(|value| Json::String(value.to_string())),
        ]
        .boxed(),
        Schema::String => prop_oneof![
            any::<String>().prop_map(Json::String),
            any::<u64>().prop_map(Json::Unsigned),
            (i64::MIN..0).prop_map(Json::Negative),
            whole().prop_map(Json::Float),
        ]
        .boxed(),
        Schema::Uuid => any::<String>().prop_map(Json::String).boxed(),
        Schema::Date => day.prop_map(|day| Json::String(day.to_string())).boxed(),
        Schema::Int => prop_oneof![
            any::<i32>().prop_map(|value| Json::Float(value.into())),
            (0..=1u64 << 31).prop_map(Json::Unsigned),
            (i64::from(i32::MIN) - 1..0).prop_map(Json::Negative),
        ]
        .boxed(),
        Schema::Float => prop_oneof![
            any::<f32>()
                .prop_filter("JSON", |value| value.is_finite())
                .prop_map(|value| Json::Float(value.into())),
            (-1e39..1e39).prop_map(Json::Float),
            any::<u64>().prop_map(Json::Unsigned),
            (i64::MIN..0).prop_map(Json::Negative),
            finite().prop_map(|value| Json::String(value.to_string())),
        ]
        .boxed(),
        Schema::Enum(symbols) => prop::sample::select(symbols.clone()).prop_map(Json::String).boxed(),
        Schema::TimestampMicros | Schema::TimestampMillis => (day, 0..86_400_000_000_000i64, -23..=23i32)
            .prop_map(|(day, nanos, hours)| {
                let time = jiff::civil::Time::midnight() + jiff::Span::new().nanoseconds(nanos);
                Json::String(format!("{day}T{time:.9}{hours:+03}:30"))
            })
            .boxed(),
        Schema::Duration => (0..99u32, 0..20u32, 0..500u32, 0..90u32, 0..90u32, 0..90u32, 0..1000u32)
            .prop_map(|(y, mo, d, h, mi, s, ms)| {
                Json::String(format!("P{y}Y{mo}M{d}DT{h}H{mi}M{s}.{ms:03}S"))
            })
            .boxed(),
        Schema::RawJson { .. } => any_json(),
        Schema::Array(items) => prop::collection::vec(matching(items), 0..4).prop_map(Json::Array).boxed(),
        Schema::Map(values) => {
            prop::collection::vec((any_name(), matching(values)), 0..5).prop_map(Json::Object).boxed()
        }
        Schema::Constant(_) => unreachable!("no documents have it"),
        Schema::Branch(Branch { schema, null: None, .. }) => matching(schema),
        Schema::Branch(Branch { schema: inner, .. }) | Schema::Nullable(inner) => {
            prop_oneof![3 => matching(inner), 1 => Just(Json::Null)].boxed()
        }
        Schema::Record(record) => {
            let fields = record.fields.iter().map(|field| {
                let value = matching(&field.schema);
                let name = field.name.clone();
                let optional = field.default.is_some()
                    || matches!(
                        field.schema,
                        Schema::Nullable(_)
                            | Schema::RawJson { .. }
                            | Schema::Branch(Branch { null: Some(_), .. })
                    );
                let present = if optional { any::<bool>().boxed() } else { Just(true).boxed() };
                (present, value)
                    .prop_map(move |(present, value)| present.then(|| (name.clone(), value)))
                    .boxed()
            });
            let fields: Vec<_> = fields.collect();
            let extra = record.extra.as_ref().map_or_else(any_json, |extra| matching(extra));
            let extras = prop::collection::vec(("[f-zé]{0,2}", extra), 0..3);
            let repeated = prop::collection::vec((any_name(), any_json()), 0..2);
            (fields, extras, repeated)
                .prop_flat_map(|(fields, extras, repeated)| {
                    let members: Vec<_> = fields.into_iter().flatten().chain(extras).collect();
                    (Just(members).prop_shuffle(), Just(repeated))
                })
                .prop_map(|(members, repeated)| {
                    // What repeats a later member does not count; what does not is an extra.
                    let repeated = repeated.into_iter();
                    let repeated =
                        repeated.filter(|(name, _)| members.iter().any(|member| member.0 == *name));
                    Json::Object(repeated.chain(members.iter().cloned()).collect())
                })
                .boxed()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

    #[test]
    fn what_is_encoded_decodes_to_what_the_rules_say(
        (schema, json) in any_schema().prop_flat_map(|schema| {
            let json = prop_oneof![9 => matching(&schema), 1 => any_json()];
            (Just(schema), json)
        })
    ) {
        let written = encode(&schema, &json.text());
        match (expected(&schema, &json), written) {
            (Some(value), Ok(bytes)) => prop_assert_eq!(decode(&schema, &bytes), value),
            (None, Err(_)) => {}
            (value, written) => prop_assert!(false, "expected {:?}, got {:?}", value, written),
        }
    }

    #[test]
    fn the_one_pass_and_the_parser_agree(
        (schema, json, change) in any_schema().prop_flat_map(|schema| {
            let json = prop_oneof![9 => matching(&schema), 1 => any_json()];
            (Just(schema), json, prop::option::of((any::<prop::sample::Index>(), any::<char>())))
        })
    ) {
        let mut text = json.normal().text();
        if let Some((at, char)) = change {
            // One character of the text is another, mostly one that has a meaning there.
            let at = text.floor_char_boundary(at.index(text.len()));
            let with = ["{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-", ".", "e", " ", "a"];
            let with = with.get(char as usize % 20).map_or(char.to_string(), |with| (*with).to_owned());
            let rest = text.split_off(at);
            text = [&text, with.as_str(), rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or("")].concat();
        }
        let mut defaults = Defaults::default();
        let node = Node::compile(&schema, "root.v", &mut defaults).expect("legal");
        let (mut straight, mut parsed) = (Vec::new(), Vec::new());
        let mut writer = Writer { nested: &mut defaults.nested, memory: &mut defaults.memory };
        let outcome = writer.parse_and_write(&node, &text, &mut parsed);
        if write_straight(&node, &text, &mut String::new(), &mut straight).is_some() {
            prop_assert!(outcome.is_ok(), "only the one pass takes {}", text);
            prop_assert_eq!(straight, parsed, "{}", text);
        }
    }

    #[test]
    fn numbers_are_rounded_correctly(
        text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let value: f64 = text.parse().expect("a number");
        match encode(&Schema::Double, &text) {
            Ok(bytes) => prop_assert_eq!(bytes, double(value), "{}", text),
            Err(_) => prop_assert!(value.is_infinite(), "{}", text),
        }
    }

    #[test]
    fn sorted_documents_give_the_same_bytes_as_shuffled_ones(
        (schema, json) in any_schema().prop_flat_map(|schema| (Just(schema.clone()), matching(&schema)))
    ) {
        let (shuffled, sorted) = (encode(&schema, &json.text()), encode(&schema, &json.normal().text()));
        prop_assert_eq!(shuffled.ok(), sorted.ok());
    }
}
