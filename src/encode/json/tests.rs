use proptest::prelude::*;
use serde_json::json;

use super::super::Fields;
use super::super::fixtures::pack;
use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A binding and what its plan makes of a Store.
struct Binding {
    plan: JsonPlan,
    scratch: Scratch,
}

impl Binding {
    fn new(keys: &[&str], values: &[&str], document: Option<&str>) -> Self {
        let layout = Layout { keys: &names(keys), values: &names(values), document };
        Self { plan: JsonPlan::new(&layout).expect("distinct names"), scratch: Scratch::default() }
    }

    fn encode(&mut self, doc: &Document<'_>) -> Result<(String, Option<String>), Error> {
        let mut key = Vec::new();
        let mut value = Buffer::default();
        let has_value = self.plan.encode(doc, &mut self.scratch, &mut key, &mut value);
        if has_value.is_err() {
            assert_eq!((key.len(), value.message().len()), (0, 0), "an error leaves nothing behind");
        }
        let has_value = has_value?;
        assert!(has_value || value.message().is_empty());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("messages are UTF-8");
        Ok((text(&key), has_value.then(|| text(value.message()))))
    }

    /// In both forms, which must agree.
    fn encode_both(
        &mut self,
        key: &serde_json::Value,
        values: &serde_json::Value,
        doc: &str,
    ) -> Result<(String, Option<String>), Error> {
        let packed = |values: &serde_json::Value| -> Vec<u8> {
            values.as_array().expect("an array").iter().flat_map(pack).collect()
        };
        let by_tuple = self.encode(&Document {
            key: Fields::Packed(&packed(key)),
            values: Fields::Packed(&packed(values)),
            doc: doc.as_bytes(),
            delete: false,
        });
        let by_array = self.encode(&Document {
            key: Fields::Json(key.to_string().as_bytes()),
            values: Fields::Json(values.to_string().as_bytes()),
            doc: doc.as_bytes(),
            delete: false,
        });
        if by_tuple.is_ok() {
            assert_eq!(by_tuple, by_array);
        }
        by_tuple
    }
}

fn delete(key: &[u8]) -> Document<'_> {
    Document { key: Fields::Packed(key), values: Fields::Packed(b""), doc: b"", delete: true }
}

#[test]
fn members_are_sorted_and_the_document_is_a_string() {
    let mut binding = Binding::new(
        &["id", "slash~1key", "value/nested"],
        &["canary", "flow_published_at", "slash~1root", "value/slash~1nested"],
        Some("flow_document"),
    );
    let (key, value) = binding
        .encode_both(
            &json!([1, "one", "a"]),
            &json!(["amputation's", "1970-01-01T01:00:00.000000000Z", true, 1.0]),
            r#"{"_meta":{"uuid":"x"},"id":1, "s":"a\n\"é"}"#,
        )
        .expect("a whole Store");
    assert_eq!(key, r#"{"id":1,"slash~1key":"one","value/nested":"a"}"#);
    assert_eq!(
        value.expect("no delete"),
        concat!(
            r#"{"canary":"amputation's","flow_document":"{\"_meta\":{\"uuid\":\"x\"},\"id\":1, \"s\":\"a\\n\\\"é\"}","#,
            r#""flow_published_at":"1970-01-01T01:00:00.000000000Z","id":1,"slash~1key":"one","slash~1root":true,"#,
            r#""value/nested":"a","value/slash~1nested":1.0}"#
        )
    );
}

#[test]
fn names_are_escaped_and_sorted_by_their_bytes() {
    let long = "n".repeat(28);
    let longer = "n".repeat(29);
    let mut binding =
        Binding::new(&["é", "a\"\\\n", ""], &["Z", "a", "10", "9", &longer, &long, "日本"], None);
    let (key, value) =
        binding.encode_both(&json!([1, 2, 3]), &json!([4, 5, 6, 7, 8, 9, 10]), "").expect("a whole Store");
    assert_eq!(key, r#"{"":3,"a\"\\\n":2,"é":1}"#);
    assert_eq!(
        value,
        Some(format!(
            r#"{{"":3,"10":6,"9":7,"Z":4,"a":5,"a\"\\\n":2,"{long}":9,"{longer}":8,"é":1,"日本":10}}"#
        ))
    );
}

#[test]
fn every_kind_of_value_is_written() {
    let values = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut binding = Binding::new(&["k"], &values, None);
    let (_, value) = binding
        .encode_both(
            &json!([0]),
            &json!([
                null, true, false, -5, u64::MAX, 1e16, "q\"\\\u{8}\u{0}é", "plain", {"b": [1.0, {}], "a": "\n"}, []
            ]),
            "",
        )
        .expect("a whole Store");
    assert_eq!(
        value.expect("no delete"),
        concat!(
            r#"{"a":null,"b":true,"c":false,"d":-5,"e":18446744073709551615,"f":1e16,"#,
            r#""g":"q\"\\\b\u0000é","h":"plain","i":{"a":"\n","b":[1.0,{}]},"j":[],"k":0}"#
        )
    );
}

#[test]
fn floats_that_are_no_numbers_are_null() {
    let mut binding = Binding::new(&["k"], &["v"], None);
    for bits in ["fff8000000000000", "fff0000000000000", "000fffffffffffff"] {
        let packed = super::super::fixtures::unhex(&format!("21{bits}"));
        let doc = Document {
            key: Fields::Packed(&[0x27]),
            values: Fields::Packed(&packed),
            doc: b"",
            delete: false,
        };
        assert_eq!(binding.encode(&doc), Ok(("{\"k\":true}".into(), Some("{\"k\":true,\"v\":null}".into()))));
    }
}

#[test]
fn nested_texts_are_normalised() {
    let mut binding = Binding::new(&["k"], &["v"], None);
    let doc = Document {
        key: Fields::Packed(&[0x27]),
        values: Fields::Packed(b"\x01 {\"b\": 1e2,\"a\":[\"\\u00e9\"], \"b\":-0}\0"),
        doc: b"",
        delete: false,
    };
    assert_eq!(
        binding.encode(&doc).expect("well-formed").1.as_deref(),
        Some(r#"{"k":true,"v":{"a":["é"],"b":-0.0}}"#)
    );
}

#[test]
fn a_delete_needs_the_key_only() {
    let mut binding = Binding::new(&["id"], &["v"], Some("doc"));
    assert_eq!(binding.encode(&delete(b"\x15\x07")), Ok(("{\"id\":7}".into(), None)));
    let whole = Document {
        key: Fields::Json(b"[7]"),
        values: Fields::Packed(b"not even a tuple"),
        doc: b"\xff",
        delete: true,
    };
    assert_eq!(binding.encode(&whole), Ok(("{\"id\":7}".into(), None)));
}

#[test]
fn a_document_that_did_not_come_is_left_out() {
    for (keys, values, expected) in [
        (&["id"][..], &["v"][..], r#"{"id":1,"v":2}"#),
        // Where it would have been first, last, or alone.
        (&["z"], &["y"], r#"{"y":2,"z":1}"#),
        (&["a"], &["b"], r#"{"a":1,"b":2}"#),
    ] {
        let mut binding = Binding::new(keys, values, Some("document"));
        let (_, value) = binding.encode_both(&json!([1]), &json!([2]), "").expect("a whole Store");
        assert_eq!(value.as_deref(), Some(expected));
    }
    let mut binding = Binding::new(&[], &[], Some("document"));
    assert_eq!(binding.encode_both(&json!([]), &json!([]), ""), Ok(("{}".into(), Some("{}".into()))));
}

#[test]
fn what_does_not_fit_the_layout_is_an_error() {
    let mut binding = Binding::new(&["id"], &["v", "w"], None);
    let id = Fields::Packed(b"\x15\x07");
    let store = |key, values, doc| Document { key, values, doc, delete: false };
    for (doc, error) in [
        (store(id, Fields::Packed(b""), &b""[..]), Error::ValuesMissing { expected: names(&["v", "w"]) }),
        (store(id, Fields::Json(b""), b""), Error::ValuesMissing { expected: names(&["v", "w"]) }),
        (
            store(Fields::Packed(b""), Fields::Packed(b"\x14\x14"), b""),
            Error::TooFewElements { part: Part::Key, expected: names(&["id"]), found: 0 },
        ),
        (
            store(Fields::Packed(b"\x14\x14"), Fields::Packed(b"\x14\x14"), b""),
            Error::TooManyElements { part: Part::Key, expected: names(&["id"]) },
        ),
        (
            store(id, Fields::Packed(b"\x14"), b""),
            Error::TooFewElements { part: Part::Values, expected: names(&["v", "w"]), found: 1 },
        ),
        (
            store(id, Fields::Json(b"[1,2,3]"), b""),
            Error::TooManyElements { part: Part::Values, expected: names(&["v", "w"]) },
        ),
        (store(id, Fields::Packed(b"\x14\x14"), b"{}"), Error::DocumentNotSelected { len: 2 }),
        (
            store(id, Fields::Packed(b"\x14\x01[1,]\0"), b""),
            Error::NestedJson {
                field: "w".into(),
                fault: Fault { offset: 3, what: "expected a value" },
                text: "[1,]".into(),
            },
        ),
    ] {
        assert_eq!(binding.encode(&doc), Err(error));
    }
    // The next document is none the worse.
    let whole = store(id, Fields::Packed(b"\x14\x14"), b"");
    assert_eq!(binding.encode(&whole).map(|(key, _)| key), Ok("{\"id\":7}".into()));
}

#[test]
fn a_document_must_be_text() {
    let mut binding = Binding::new(&["id"], &[], Some("doc"));
    let doc = Document {
        key: Fields::Packed(b"\x14"),
        values: Fields::Packed(b""),
        doc: b"{\"a\":\"\xc3\"}",
        delete: false,
    };
    assert_eq!(binding.encode(&doc), Err(Error::DocumentNotUtf8 { field: "doc".into(), offset: 6 }));
}

#[test]
fn a_fault_in_a_long_text_shows_its_surroundings() {
    let mut binding = Binding::new(&["id"], &["big"], None);
    let text = format!("[{}x{}]", "\"é\",".repeat(1000), ",1".repeat(1000));
    let packed = [&[1][..], text.as_bytes(), &[0]].concat();
    let doc =
        Document { key: Fields::Packed(&[0]), values: Fields::Packed(&packed), doc: b"", delete: false };
    let Err(Error::NestedJson { field, fault, text }) = binding.encode(&doc) else {
        unreachable!("not JSON")
    };
    assert_eq!((&*field, fault.offset, fault.what), ("big", 5001, "expected a value"));
    assert!(text.starts_with("...") && text.ends_with("...") && text.len() <= 106, "{text}");
    assert!(text.contains("\"é\",x,1,1"), "{text}");
}

#[test]
fn deeply_nested_texts_are_refused_quickly() {
    let mut binding = Binding::new(&["id"], &["v"], None);
    let text = "[".repeat(10_000);
    let packed = [&[1][..], text.as_bytes(), &[0]].concat();
    for values in [Fields::Packed(&packed), Fields::Json(text.as_bytes())] {
        let doc = Document { key: Fields::Packed(&[0]), values, doc: b"", delete: false };
        let error = binding.encode(&doc).expect_err("too deep").to_string();
        assert!(error.contains("nesting of more than 127 levels"), "{error}");
    }
}

#[test]
fn two_fields_of_one_name_are_refused() {
    for (keys, values, document) in
        [(&["a", "b"][..], &["c", "a"][..], None), (&["a", "a"], &[], None), (&["a"], &["b"], Some("b"))]
    {
        let layout = Layout { keys: &names(keys), values: &names(values), document };
        assert!(matches!(JsonPlan::new(&layout), Err(Error::DuplicateField { .. })));
    }
}

#[test]
fn messages_are_appended_behind_what_is_there() {
    let mut binding = Binding::new(&["id"], &["v"], None);
    let mut key = b"before".to_vec();
    let mut value = Buffer::with_capacity(8);
    value.put(b"finished");
    value.finish();
    let doc = Document {
        key: Fields::Packed(b"\x14"),
        values: Fields::Packed(b"\x02x\0"),
        doc: b"",
        delete: false,
    };
    assert_eq!(binding.plan.encode(&doc, &mut binding.scratch, &mut key, &mut value), Ok(true));
    assert_eq!(key, b"before{\"id\":0}");
    assert_eq!(value.message(), br#"{"id":0,"v":"x"}"#);
    assert_eq!(value.take_outgrown().as_deref(), Some(&b"finished"[..]));
}

fn field_values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        // Where serde_json prints as ryu does and reads what it prints.
        (-1_000_000i32..1_000_000).prop_map(|n| (f64::from(n) / 128.0).into()),
        "[ -~]{0,40}".prop_map(Into::into),
        "[\0-\u{ff}😀]{0,40}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("[a-c\"é]{0,3}", inner, 0..5)
                .prop_map(|members| { serde_json::Value::Object(members.into_iter().collect()) }),
        ]
    })
}

proptest! {
    #[test]
    fn messages_hold_what_the_store_held(
        fields in prop::collection::btree_map("[a-z\"é~/]{0,40}", field_values(), 1..8),
        split in any::<prop::sample::Index>(),
        turn in any::<prop::sample::Index>(),
        doc in prop::option::of(field_values()),
    ) {
        let mut pairs: Vec<_> = fields.iter().filter(|(name, _)| *name != "flow_document").collect();
        prop_assume!(!pairs.is_empty());
        let middle = turn.index(pairs.len());
        pairs.rotate_left(middle);
        let (keys, values) = pairs.split_at(1 + split.index(pairs.len()).min(pairs.len() - 1));
        let pick = |side: &[(&String, &serde_json::Value)]| -> (Vec<String>, serde_json::Value) {
            side.iter().map(|(name, value)| ((*name).clone(), (*value).clone())).unzip::<_, _, Vec<_>, Vec<_>>().into_json()
        };
        let ((key_names, key), (value_names, value)) = (pick(keys), pick(values));
        let layout = Layout { keys: &key_names, values: &value_names, document: Some("flow_document") };
        let mut binding =
            Binding { plan: JsonPlan::new(&layout).expect("distinct"), scratch: Scratch::default() };
        let text = doc.as_ref().map(ToString::to_string).unwrap_or_default();
        let (key, value) = binding.encode_both(&key, &value, &text).expect("a whole Store");
        let mut expected = serde_json::Map::new();
        expected.extend(keys.iter().map(|(name, value)| ((*name).clone(), (*value).clone())));
        // serde_json sorts members bytewise and prints these values as the rules have it.
        prop_assert_eq!(key, serde_json::Value::Object(expected.clone()).to_string());
        expected.extend(values.iter().map(|(name, value)| ((*name).clone(), (*value).clone())));
        if doc.is_some() {
            expected.insert("flow_document".into(), text.into());
        }
        prop_assert_eq!(value, Some(serde_json::Value::Object(expected).to_string()));
    }

    #[test]
    fn no_bytes_are_a_panic(
        key in prop::collection::vec(any::<u8>(), 0..24),
        values in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]{}\",:0\0\x01\x02\x14".to_vec())], 0..40),
        doc in prop::collection::vec(any::<u8>(), 0..8),
        arrays in any::<bool>(),
    ) {
        let mut binding = Binding::new(&["a"], &["b", "c"], Some("d"));
        let fields = |bytes| if arrays { Fields::Json(bytes) } else { Fields::Packed(bytes) };
        let _ = binding.encode(&Document { key: fields(&key), values: fields(&values), doc: &doc, delete: false });
        // A good key, so that the values are reached.
        let _ = binding.encode(&Document { key: Fields::Packed(&[0]), values: fields(&values), doc: &doc, delete: false });
    }
}

trait IntoJson {
    fn into_json(self) -> (Vec<String>, serde_json::Value);
}

impl IntoJson for (Vec<String>, Vec<serde_json::Value>) {
    fn into_json(self) -> (Vec<String>, serde_json::Value) {
        (self.0, self.1.into())
    }
}
