use serde_json::json;

use super::*;
use crate::preview::task::{Inference, StringInference};
use crate::schema::Exists;

fn projection(field: &str, pointer: &str) -> Projection {
    Projection {
        field: field.to_owned(),
        pointer: pointer.to_owned(),
        explicit: false,
        is_partition_key: false,
        is_primary_key: false,
        inference: Inference {
            types: vec!["string".to_owned()],
            exists: Exists::May,
            title: String::new(),
            description: String::new(),
            default: None,
            secret: false,
            string: None,
        },
    }
}

fn projections() -> Vec<Projection> {
    let mut published = projection("flow_published_at", "/_meta/uuid");
    published.inference.string = Some(StringInference {
        format: "date-time".to_owned(),
        content_encoding: "uuid".to_owned(),
        ..StringInference::default()
    });
    let mut with_default = projection("d", "/d");
    with_default.inference.default = Some(json!({"x": [1.0]}));
    vec![
        published,
        with_default,
        projection("a", "/a"),
        projection("id", "/id"),
        projection("whole", ""),
        projection("_meta/uuid", "/_meta/uuid"),
        projection("_meta/flow_truncated", "/_meta/flow_truncated"),
        projection("cut_too", "/_meta/flow_truncated"),
    ]
}

fn extractor(keys: &[&str], values: &[&str], document: bool, policy: Policy) -> Extractor {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let document = document.then(|| "whole".to_owned());
    let selection = Selection { keys: names(keys), values: names(values), document, ..Selection::default() };
    Extractor::new(&projections(), &selection, policy)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const POLICY: Policy = Policy { string: 4, nested_object: 2, array: 3 };

#[test]
fn both_forms_of_key_values_and_document() {
    let extractor =
        extractor(&["id", "a"], &["d", "flow_published_at", "_meta/uuid"], true, Policy::default());
    let document = json!({
        "id": 7, "a": "x\u{0}", "d": {"z": 1, "b": 1e16},
        "_meta": {"uuid": "7545a800-1dda-11b2-8000-071353030311"},
    });
    let store = extractor.store(3, &document);
    assert_eq!(store.binding, 3);
    assert_eq!(store.key_packed, b"\x15\x07\x02x\0\xff\0");
    assert_eq!(extractor.key(&document), store.key_packed);
    assert_eq!(text(&store.key_json), r#"[7,"x\u0000"]"#);
    let mut packed = b"\x01{\"b\":1e16,\"z\":1}\0".to_vec();
    packed.extend_from_slice(b"\x021970-01-01T01:00:00.000000000Z\0");
    packed.extend_from_slice(b"\x027545a800-1dda-11b2-8000-071353030311\0");
    assert_eq!(store.values_packed, packed);
    assert_eq!(
        text(&store.values_json),
        r#"[{"b":1e16,"z":1},"1970-01-01T01:00:00.000000000Z","7545a800-1dda-11b2-8000-071353030311"]"#
    );
    assert_eq!(
        text(&store.doc_json),
        r#"{"_meta":{"uuid":"7545a800-1dda-11b2-8000-071353030311"},"a":"x\u0000","d":{"b":1e16,"z":1},"id":7}"#
    );
    assert!(!store.delete);
}

#[test]
fn absent_values_are_the_default_or_null_and_present_nulls_stay() {
    let extractor = extractor(&["id"], &["a", "d"], false, Policy::default());
    let absent = extractor.store(0, &json!({}));
    assert_eq!(text(&absent.key_json), "[null]");
    assert_eq!(absent.key_packed, b"\0");
    assert_eq!(text(&absent.values_json), r#"[null,{"x":[1.0]}]"#);
    assert_eq!(absent.values_packed, b"\0\x01{\"x\":[1.0]}\0");
    assert_eq!(absent.doc_json, b"");
    let null = extractor.store(0, &json!({"id": 1, "d": null}));
    assert_eq!(text(&null.values_json), "[null,null]");
}

#[test]
fn fields_without_projection_are_null() {
    let store = extractor(&["id"], &["unheard of"], false, Policy::default()).store(0, &json!({"id": 1}));
    assert_eq!(text(&store.values_json), "[null]");
}

#[test]
fn nothing_selected_is_an_empty_tuple() {
    let store = extractor(&["id"], &[], false, Policy::default()).store(0, &json!({"id": 1}));
    assert_eq!((&store.values_packed[..], text(&store.values_json)), (&b""[..], "[]"));
}

#[test]
fn a_text_that_tells_no_time_passes() {
    let extractor = extractor(&["id"], &["flow_published_at"], false, Policy::default());
    let values = |document: &Value| extractor.store(0, document).values_json;
    assert_eq!(text(&values(&json!({"_meta": {"uuid": "no UUID"}}))), r#"["no UUID"]"#);
    assert_eq!(text(&values(&json!({"_meta": {"uuid": 5}}))), "[5]");
    assert_eq!(text(&values(&json!({}))), "[null]");
}

#[test]
fn deletes() {
    let extractor = extractor(&["id"], &[], false, Policy::default());
    for (operation, delete) in
        [(json!("d"), true), (json!("u"), false), (json!(["d"]), false), (json!(null), false)]
    {
        assert_eq!(extractor.store(0, &json!({"_meta": {"op": operation}})).delete, delete);
    }
}

#[test]
fn values_and_documents_are_cut_and_keys_are_not() {
    let extractor = extractor(&["id"], &["a", "d"], true, POLICY);
    let document = json!({
        "id": "long key", "a": "long text", "d": {"1": 1, "2": [1, 2, 3, 4], "3": {"x": 1, "y": 2, "z": 3}},
    });
    let store = extractor.store(0, &document);
    assert_eq!(store.key_packed, b"\x02long key\0");
    assert_eq!(text(&store.key_json), r#"["long key"]"#);
    // The value is the outermost object of its own, and nested in the document.
    assert_eq!(text(&store.values_json), r#"["long",{"1":1,"2":[1,2,3],"3":{"x":1,"y":2}}]"#);
    assert_eq!(store.values_packed, b"\x02long\0\x01{\"1\":1,\"2\":[1,2,3],\"3\":{\"x\":1,\"y\":2}}\0");
    assert_eq!(text(&store.doc_json), r#"{"a":"long","d":{"1":1,"2":[1,2,3]},"id":"long"}"#);
}

#[test]
fn the_truncation_flag_is_set_whatever_was_cut() {
    let fields = ["_meta/flow_truncated", "a", "cut_too", "d"];
    let flags = |extractor: Extractor, document: Value| {
        let store = extractor.store(0, &document);
        let values: Vec<Value> = serde_json::from_slice(&store.values_json).unwrap();
        let flag = values[0].as_bool().unwrap();
        assert_eq!(values[2], json!(flag));
        assert_eq!(store.values_packed[0], if flag { 0x27 } else { 0x26 });
        let mut expected = Vec::new();
        for value in &values {
            tuple::pack(&mut expected, value, &Policy::default());
        }
        assert_eq!(store.values_packed, expected);
        flag
    };
    let with_document = || extractor(&["id"], &fields, true, POLICY);
    let without = || extractor(&["id"], &fields, false, POLICY);
    let short = json!({"id": 1, "a": "abcd", "d": [1, 2, 3]});
    assert!(!flags(with_document(), short.clone()));
    assert!(!flags(without(), short));
    assert!(flags(without(), json!({"a": "abcde"})));
    assert!(flags(without(), json!({"d": [1, 2, 3, 4]})));
    // A field that is not selected is cut only in the document.
    let other = json!({"id": 1, "other": "abcde"});
    assert!(flags(with_document(), other.clone()));
    assert!(!flags(without(), other));
    // What the document says itself does not count.
    assert!(!flags(without(), json!({"_meta": {"flow_truncated": true}})));
}

#[test]
fn a_codecs_form_is_the_same_alone() {
    let policy = Policy { string: 3, ..Policy::default() };
    let extractor = extractor(&["id"], &["s", "flow_truncated", "nested"], true, policy);
    let store_for = |document: &Value, codec| {
        // What another Store left does not show.
        let mut store = extractor.store(1, &json!({"id": 7, "s": "another", "_meta": {"op": "d"}}));
        extractor.store_for(2, document, codec, &mut store);
        store
    };
    for document in
        [json!({"id": 1, "s": "long"}), json!({"id": "x", "nested": {"a": ["longer"]}}), json!({})]
    {
        let both = extractor.store(2, &document);
        let packed = store_for(&document, Codec::Proto);
        assert_eq!(packed, StoreDoc { key_json: Vec::new(), values_json: Vec::new(), ..both.clone() });
        let json = store_for(&document, Codec::Json);
        assert_eq!(json, StoreDoc { key_packed: Vec::new(), values_packed: Vec::new(), ..both });
    }
}
