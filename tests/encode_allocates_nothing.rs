//! Encoding messages of either format allocates nothing once it has seen documents of the size.

use materialize_kafka::encode::{
    Buffer, Document, Fields, Formats, JsonPlan, KeyFormat, Layout, Plan, Scratch, ValueFormat,
};

#[path = "common/counting.rs"]
#[allow(dead_code, reason = "a suite counts in its own way")]
mod counting;
#[path = "../benches/documents/mod.rs"]
mod documents;
#[path = "../benches/documents/avro.rs"]
mod schemas;

use documents::{Packed, Scenario};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn json(scenario: &Scenario) -> Plan {
    let layout =
        Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() };
    Plan::Json(JsonPlan::new(&layout).expect("distinct names"))
}

fn avro(scenario: &Scenario) -> Plan {
    Plan::Avro(schemas::plan(scenario).0)
}

/// Allocations of 1,000 documents, after as many to warm up.
fn allocations(
    plan: &Plan,
    scenario: &Scenario,
    doc: impl for<'a> Fn(&'a Packed, usize) -> Document<'a>,
) -> u64 {
    let mut scratch = Scratch::default();
    let mut key = Vec::new();
    let mut value = Buffer::default();
    let mut thousand = || {
        for i in 0..1000 {
            let store = &scenario.stores[i % scenario.stores.len()];
            key.clear();
            plan.encode(&doc(store, i), &mut scratch, &mut key, &mut value).expect("a whole Store");
            value.abandon();
        }
    };
    thousand();
    let before = counting::of_this_thread();
    thousand();
    counting::of_this_thread() - before
}

fn packed(store: &Packed) -> Document<'_> {
    Document {
        key: Fields::Packed(&store.key),
        values: Fields::Packed(&store.values),
        doc: &store.doc,
        delete: false,
    }
}

#[test]
fn the_counter_counts() {
    let before = counting::of_this_thread();
    drop(std::hint::black_box(vec![1u8]));
    assert_eq!(counting::of_this_thread() - before, 1);
}

#[test]
fn flat_and_nested_documents() {
    for scenario in [documents::flat128(), documents::nested2k(), documents::estuary("estuary64k", 65_536)] {
        for plan in [json(&scenario), avro(&scenario)] {
            assert_eq!(allocations(&plan, &scenario, |store, _| packed(store)), 0, "{}", scenario.name);
        }
    }
}

#[test]
fn deletes() {
    let scenario = documents::flat128();
    for plan in [json(&scenario), avro(&scenario)] {
        let count =
            allocations(&plan, &scenario, |store, i| Document { delete: i % 2 == 0, ..packed(store) });
        assert_eq!(count, 0);
    }
}

/// Formats apart, framing, embedded documents, keys of text, partitions by some fields.
#[test]
fn composed_messages() {
    let scenarios = [documents::flat128(), documents::nested2k(), documents::estuary("estuary64k", 65_536)];
    for scenario in scenarios {
        let layout =
            Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() };
        let (key, value) = (&schemas::key(), &schemas::plan(&scenario).1);
        for key in [KeyFormat::Json, KeyFormat::JsonSchema(1), KeyFormat::Avro(key, 1), KeyFormat::Text] {
            for value in [ValueFormat::Json, ValueFormat::JsonSchema(1), ValueFormat::Avro(value, 2)] {
                let formats = Formats { key, value, embeds_document: true, partition_by: &scenario.keys };
                let plan = Plan::new(&layout, &formats).expect("schemas and layout agree");
                let count = allocations(&plan, &scenario, |store, i| Document {
                    delete: i % 7 == 0,
                    ..packed(store)
                });
                assert_eq!(count, 0, "{} {formats:?}", scenario.name);
            }
        }
    }
}

/// Strings with zeros in them, and nested values that must be parsed, sorted and written anew.
#[test]
fn json_values_that_need_scratch() {
    let mut scenario = documents::nested2k();
    scenario.document = None;
    scenario.values = vec!["a".into(), "b".into(), "c".into()];
    for store in &mut scenario.stores {
        store.doc.clear();
        store.values = [
            &b"\x02a\0\xffb\"\n\0"[..],
            b"\x01 {\"z\": {\"y\":[1e2,{\"b\":1,\"a\":2}], \"x\":\"\\u00e9\"}, \"a\":1, \"a\":2}\0",
            b"\x01[-0]\0",
        ]
        .concat();
    }
    assert_eq!(allocations(&json(&scenario), &scenario, |store, _| packed(store)), 0);
}

/// The array form.
#[test]
fn arrays() {
    let mut scenario = documents::flat128();
    scenario.values = vec!["a".into(), "b".into(), "c".into()];
    fn doc(_: &Packed, _: usize) -> Document<'_> {
        Document {
            key: Fields::Json(b"[ 1 ]"),
            values: Fields::Json(b"[1.5, \"a\\n\\u00e9\", {\"b\":1, \"a\":[]}]"),
            doc: b"",
            delete: false,
        }
    }
    assert_eq!(allocations(&json(&scenario), &scenario, doc), 0);
}

/// Members out of order, properties that are no fields, raw JSON that must be written anew, strings with
/// escapes, whole floats as strings: all that leaves the shortest path.
#[test]
fn avro_values_that_need_scratch() {
    let mut scenario = documents::nested2k();
    scenario.values = ["items", "a/raw", "b/raw", "tags", "user", "whole"].map(str::to_owned).to_vec();
    for store in &mut scenario.stores {
        store.values = [
            &b"\x01[{\"sku\":\"a\\u00e9\\n\",\"qty\":1.0, \"price\":\"1e2\",\"z\":[{\"b\":1,\"a\":-0}],\"more\":{}}]\0"[..],
            b"\x01{\"z\": {\"y\":[1e2,{\"b\":1,\"a\":2}], \"x\":\"\\u00e9\"}, \"a\":1, \"a\":2}\0",
            b"\x02a\0\xffb\"\n\0",
            b"\x01[\"a\\\"b\",1e20]\0",
            b"\x01{\"vip\":null,\"vip\":true,\"age\":7,\"address\":{\"geo\":{}}}\0",
            b"\x21\xc0\x10\0\0\0\0\0\0",
        ]
        .concat();
    }
    assert_eq!(allocations(&avro(&scenario), &scenario, |store, _| packed(store)), 0);
}
