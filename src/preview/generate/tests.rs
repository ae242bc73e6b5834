use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::preview::task::Selection;

fn order(documents: u64) -> Order {
    Order { documents, transaction: 100, seed: 1, updates: 0, codec: Codec::Proto }
}

fn collection(schema: &Value, key: &[&str]) -> Result<Collection, Error> {
    let spec = flow::CollectionSpec {
        name: "acme/c".to_owned(),
        key: key.iter().map(|pointer| (*pointer).to_owned()).collect(),
        write_schema_json: schema.to_string().into(),
        ..Default::default()
    };
    Collection::new(&spec, 0, &order(1_000_000))
}

fn documents(schema: &Value, key: &[&str], count: u64) -> Vec<Value> {
    let collection = collection(schema, key).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let checker = Schema::new(Bundle::new(&collection.schema).unwrap());
    let made = (0..count).map(|number| {
        collection.document(&checker, &mut Random::of(&[5, number]), 5, number, false).unwrap()
    });
    let made: Vec<_> = made.collect();
    for document in &made {
        assert_eq!(checker.check(&checker.root(), document), Ok(()), "{schema}: {document}");
    }
    made
}

/// Schemas as people write them, each with what some document must show.
#[test]
fn documents_of_usual_schemas_are_valid_and_varied() {
    let properties =
        |properties: Value| json!({"type": "object", "properties": properties, "required": ["id"]});
    type Shown = fn(&Value) -> bool;
    let rows: Vec<(Value, Shown)> = vec![
        (properties(json!({"id": {"type": "integer", "minimum": 5, "maximum": 9}})), |d| d["id"] == 5),
        (
            properties(json!({"id": {"type": "integer"}, "a": {"type": ["string", "null"], "maxLength": 3}})),
            |d| d["a"].is_null() && d.get("a").is_some(),
        ),
        (properties(json!({"id": {"type": "integer"}, "a": {"enum": ["x", "y", 3]}})), |d| d["a"] == 3),
        (properties(json!({"id": {"type": "integer"}, "a": {"const": {"b": [1]}}})), |d| d["a"]["b"][0] == 1),
        (
            properties(
                json!({"id": {"type": "integer"}, "a": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}),
            ),
            |d| d["a"].as_f64().is_some_and(|a| a > 0.5),
        ),
        (properties(json!({"id": {"type": "integer"}, "a": {"type": "number", "multipleOf": 0.25}})), |d| {
            d["a"].as_f64().is_some_and(|a| a.fract() != 0.0)
        }),
        (properties(json!({"id": {"type": "integer", "multipleOf": 7, "exclusiveMinimum": 7}})), |d| {
            d["id"] == 14
        }),
        (
            properties(
                json!({"id": {"type": "integer"}, "a": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"}}),
            ),
            |d| d["a"].as_str().is_some_and(|a| a.len() == 6),
        ),
        (
            properties(
                json!({"id": {"type": "integer"}, "a": {"type": "array", "items": {"type": "boolean"}, "minItems": 2}}),
            ),
            |d| d["a"][1].is_boolean(),
        ),
        (
            properties(json!({"id": {"type": "integer"}, "a": {"enum": [1, 2, 3], "type": "integer"},
                "b": {"type": "array", "uniqueItems": true, "minItems": 3, "items": {"enum": [1, 2, 3]}}})),
            |d| d["b"][2].is_u64(),
        ),
        (
            properties(
                json!({"id": {"type": "integer"}, "a": {"type": "object", "additionalProperties": {"type": "null"}}}),
            ),
            |d| d["a"]["key1"].is_null() && d["a"].get("key1").is_some(),
        ),
        (
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}, "oneOf": [
                {"required": ["a"], "properties": {"a": {"type": "string"}, "b": false}},
                {"required": ["b"], "properties": {"b": {"type": "integer"}, "a": false}},
            ]}),
            |d| d["b"].is_i64() && d.get("a").is_none(),
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/base"}, {"properties": {"n": {"maximum": 10}}}],
                "$defs": {"base": {"type": "object", "required": ["id", "n"], "properties": {"id": {"type": "integer"}, "n": {"type": "integer", "minimum": 3}}}}}),
            |d| d["n"].as_i64().is_some_and(|n| (3..=10).contains(&n)),
        ),
        (
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "child": {"$ref": "#"}}}),
            |d| d["child"]["id"].is_i64(),
        ),
        (
            json!({"type": "object", "required": ["id", "kind"],
                "properties": {"id": {"type": "integer"}, "kind": {"enum": ["a", "b"]}, "v": {"type": "string"}},
                "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["v"]}}),
            |d| d["kind"] == "a" && d["v"].is_string(),
        ),
        (
            properties(
                json!({"id": {"type": "integer"}, "n": {"type": "integer", "not": {"enum": [0, 1]}, "maximum": 3}}),
            ),
            |d| d["n"] == 3,
        ),
        (
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "c": {"type": "string"}, "d": {"type": "string"}},
                "dependentRequired": {"c": ["d"]}}),
            |d| d["c"].is_string() && d["d"].is_string(),
        ),
    ];
    for (schema, shown) in rows {
        let documents = documents(&schema, &["/id"], 300);
        assert!(documents.iter().any(shown), "{schema}: {}", documents[0]);
    }
}

#[test]
fn keys_are_told_apart_as_far_as_their_types_allow() {
    let formats = ["uuid", "date-time", "email", "integer", "number", "uri", "ipv4", "sha256", "unheard of"];
    let mut keys: Vec<Value> =
        formats.iter().map(|format| json!({"type": "string", "format": format})).collect();
    keys.extend([
        json!({"type": "integer"}),
        json!({"type": "integer", "minimum": -5000, "maximum": 5000}),
        json!({"type": "string"}),
        json!({"type": "string", "minLength": 20, "maxLength": 30}),
        json!({"type": ["string", "null"]}),
        json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ]);
    for key in keys {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "object", "required": ["id", "kind"], "properties": {"id": key, "kind": {"enum": ["x", "y"]}}},
        }});
        let documents = documents(&schema, &["/a/kind", "/a/id"], 5000);
        let distinct: BTreeSet<String> =
            documents.iter().map(|d| format!("{}{}", d["a"]["kind"], d["a"]["id"])).collect();
        assert_eq!(distinct.len(), 5000, "{key}");
    }
}

#[test]
fn what_keeps_documents_from_being_made_is_told_with_its_place_and_keyword() {
    let deep = (0..60)
        .fold(json!({"type": "integer"}), |items, _| json!({"type": "array", "minItems": 1, "items": items}));
    let deep_place = format!("/x{}...", "/0".repeat(39));
    let rows = [
        (
            json!({"type": "string", "pattern": "^(?=a)b$"}),
            "pattern of /x: texts cannot be made by it: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            json!({"type": "string", "minLength": 100_000_000}),
            "minLength of /x: 100000000 is more than the 16777216 that are made",
        ),
        (
            json!({"type": "string", "minLength": 2, "maxLength": 1}),
            "minLength of /x: 2 is more than maxLength, 1",
        ),
        (
            json!({"type": "array", "minItems": 100_000_000}),
            "minItems of /x: 100000000 is more than the 100000 that are made",
        ),
        (
            json!({"type": "array", "minItems": 2, "maxItems": 1}),
            "minItems of /x: 2 is more than maxItems, 1",
        ),
        (
            json!({"type": "array", "minItems": 1, "items": {"type": "object", "required": ["a/b"], "properties": {
                "a/b": {"type": "integer", "minimum": 2, "maximum": 1},
            }}}),
            "minimum of /x/0/a~1b: with the bounds beside it, it allows no number",
        ),
        (
            json!({"type": "object", "minProperties": 100_001}),
            "minProperties of /x: 100001 is more than the 100000 that are made",
        ),
        (
            json!({"allOf": [{"type": "integer"}, {"type": "string"}]}),
            "type of /x: there are several, and no value is of all these types",
        ),
        (
            json!({"enum": ["a"], "minLength": 2}),
            "minLength of /x: of const or enum beside it, it allows no value",
        ),
        (json!(false), "false of /x: it allows no value"),
        (
            json!({"$ref": "#/properties/x"}),
            "$ref of /x: it refers to itself without an end, or what it refers to allows no value",
        ),
        (deep, &format!("items of {deep_place}: it lies below 60 levels of others, and no more are made")),
    ];
    for (member, expected) in rows {
        let schema = json!({"type": "object", "required": ["id", "x"], "properties": {
            "id": {"type": "integer"}, "x": member,
            // What may be left out is no obstacle.
            "y": {"type": "string", "minLength": 100_000_000},
        }});
        let error = collection(&schema, &["/id"]).unwrap_err().to_string();
        let expected = format!(
            "collection \"acme/c\": generating documents: no document that is valid by its schema can be made: the keyword \
             {expected}; give documents with --fixture instead"
        );
        assert_eq!(error, expected);
        let optional = json!({"type": "object", "required": ["id"], "properties": schema["properties"]});
        collection(&optional, &["/id"]).unwrap();
    }
}

#[test]
fn schemas_without_documents_and_keywords_that_are_not_known_are_told() {
    let rows = [
        (
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}, "not": {"required": ["id"]}}),
            "none of 200 documents that were made is valid by its schema, the last one by its keyword not",
        ),
        (
            json!({"type": "object", "properties": {"id": {"type": "integer"}, "x": {"$dynamicRef": "#a"}}}),
            "its schema has the keyword $dynamicRef, by which documents cannot be made",
        ),
    ];
    for (schema, expected) in rows {
        let error = collection(&schema, &["/id"]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "collection \"acme/c\": generating documents: {expected}; give documents with --fixture instead"
            )
        );
    }
}

/// What can be said of one location, in the ways that plans combine.
fn schemas() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "string", "format": "date-time"})),
        Just(json!(true)),
        (any::<i16>(), any::<u16>()).prop_map(|(low, span)| {
            json!({"type": "integer", "minimum": low, "maximum": i64::from(low) + i64::from(span)})
        }),
        (any::<i16>(), 1..500_i32)
            .prop_map(|(low, step)| json!({"type": "integer", "exclusiveMinimum": low, "multipleOf": step})),
        (-1e6..1e6_f64, 0.0..1e6_f64)
            .prop_map(|(low, span)| json!({"type": "number", "minimum": low, "maximum": low + span})),
        (0..20_usize, 0..20_usize).prop_map(
            |(least, more)| json!({"type": "string", "minLength": least, "maxLength": least + more})
        ),
        prop::collection::vec("[a-z]{0,4}", 1..4).prop_map(|texts| json!({"enum": texts})),
        Just(json!({"type": "string", "pattern": "^[a-f]{1,3}(-[0-9]+)?$"})),
    ];
    scalar.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            (prop::collection::btree_map("[a-d]", inner.clone(), 0..4), prop::collection::btree_set("[a-d]", 0..3)).prop_map(
                |(properties, required)| json!({"type": "object", "properties": properties, "required": required})
            ),
            (inner.clone(), 0..3_usize, 0..3_usize).prop_map(
                |(items, least, more)| json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})
            ),
            (prop::collection::vec(inner.clone(), 1..3), inner.clone())
                .prop_map(|(prefix, items)| json!({"type": "array", "prefixItems": prefix, "items": items})),
            inner.clone().prop_map(|value| json!({"type": "object", "additionalProperties": value, "minProperties": 1})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"oneOf": all})),
            inner.prop_map(|one| json!({"allOf": [one]})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever can be compiled makes valid documents, or says that it cannot; and plans that are taken to be exact are.
    #[test]
    fn documents_are_valid(inner in schemas(), seed in any::<u64>()) {
        let schema = json!({
            "type": "object",
            "required": ["id", "x"],
            "properties": {"id": {"type": "integer"}, "x": inner},
        });
        let collection = match collection(&schema, &["/id"]) {
            Ok(collection) => collection,
            // A oneOf whose branches all overlap.
            Err(Error::Generate { .. }) if schema.to_string().contains("oneOf") => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let checker = Schema::new(Bundle::new(&collection.schema).unwrap());
        for number in 0..20 {
            let made = collection.document(&checker, &mut Random::of(&[seed, number]), seed, number, false);
            // What is rare may not be met in so many tries.
            let Ok(document) = made else { prop_assume!(schema.to_string().contains("oneOf")); return Ok(()) };
            prop_assert_eq!(checker.check(&checker.root(), &document), Ok(()), "{}", document);
            prop_assert_eq!(&document["id"], &json!(number));
        }
    }
}

fn generator(order: Order, batch: u64) -> Generator {
    let collection = |name: &str, binding| {
        let schema = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer"}, "text": {"type": "string"},
            "_meta": {"type": "object", "required": ["op"], "properties": {"op": {"enum": ["c", "u", "d"]}}},
        }});
        let spec = flow::CollectionSpec {
            name: name.to_owned(),
            key: vec!["/id".to_owned()],
            write_schema_json: schema.to_string().into(),
            ..Default::default()
        };
        Collection::new(&spec, binding, &order).unwrap()
    };
    let extractor = || Extractor::new(&[], &Default::default(), Default::default());
    Generator {
        order,
        batch,
        collections: vec![collection("acme/a", 0), collection("acme/b", 1)],
        extractors: vec![extractor(), extractor()],
    }
}

#[test]
fn a_key_comes_once_in_a_transaction_and_updates_are_of_earlier_ones() {
    let order = Order { updates: 40, ..order(2000) };
    let generator = generator(order, 7);
    let schemas: Vec<_> =
        generator.collections.iter().map(|c| Schema::new(Bundle::new(&c.schema).unwrap())).collect();
    let mut before: BTreeSet<(String, u64)> = BTreeSet::new();
    let (mut updates, mut deletes) = (0, 0);
    for transaction in 0..20 {
        let mut keys = BTreeSet::new();
        for number in transaction * 100..(transaction + 1) * 100 {
            let (collection, document) = generator.document(&schemas, number).unwrap();
            let key = (collection.name.clone(), document["id"].as_u64().unwrap());
            let operation = document["_meta"]["op"].as_str().unwrap();
            assert_eq!(before.contains(&key), operation != "c", "{document}");
            updates += u32::from(operation == "u");
            deletes += u32::from(operation == "d");
            assert!(document["_meta"]["uuid"].is_string());
            assert!(keys.insert(key), "twice in transaction {transaction}: {document}");
        }
        before.append(&mut keys);
    }
    assert!((500..800).contains(&(updates + deletes)) && (20..120).contains(&deletes), "{updates} {deletes}");
}

#[test]
fn any_number_of_threads_makes_the_same() {
    let all = |threads| {
        let order = Order { updates: 20, ..order(1050) };
        let mut batches = Batches::with_threads(generator(order, 32), threads).unwrap();
        let mut transactions = Vec::new();
        while batches.has_transaction() {
            let (mut frames, mut stores) = (Vec::new(), 0);
            while let Some(batch) = batches.next_batch().unwrap() {
                frames.extend(batch.frames);
                stores += batch.stores;
            }
            transactions.push((stores, frames));
        }
        transactions
    };
    let one = all(1);
    let stores: Vec<_> = one.iter().map(|(stores, _)| *stores).collect();
    assert_eq!(stores, [&[100; 10][..], &[50]].concat());
    assert!(one == all(3));
}

#[test]
fn batches_of_large_documents_have_fewer() {
    let of = |letters: u32| {
        let schema = json!({"type": "object", "required": ["id", "text"], "properties": {
            "id": {"type": "integer"}, "text": {"type": "string", "minLength": letters},
        }});
        let document = Selection { document: Some("flow_document".to_owned()), ..Default::default() };
        let mut generator = generator(order(1_000_000), 512);
        let collection = collection(&schema, &["/id"]).unwrap();
        generator.collections = vec![collection];
        generator.extractors = vec![Extractor::new(&[], &document, Default::default())];
        generator.fitted().unwrap().batch
    };
    assert_eq!(of(1), 512);
    assert!((10..=13).contains(&of(10_000)), "{}", of(10_000));
    assert_eq!(of(1_000_000), 1);
    assert_eq!(generator(order(0), 512).fitted().unwrap().batch, 512);
}

#[test]
fn threads_end_when_nobody_wants_more() {
    let batches = Batches::with_threads(generator(order(u64::MAX / 4), 32), 2).unwrap();
    let generator = Arc::clone(&batches.generator);
    drop(batches);
    let start = Instant::now();
    while Arc::strong_count(&generator) > 1 {
        assert!(start.elapsed().as_secs() < 30, "they go on");
        thread::sleep(Duration::from_millis(5));
    }
}
