//! The schemas of a binding.

use std::path::PathBuf;

use apache_avro::Schema as Parsed;
use serde_json::{Value, json};

use super::canonical::plain as plain_form;
use super::infer;
use crate::schema::avro::Schema;
use crate::schema::{
    BindingSchemas, Error, Exists, Projection, RecordNames, Selection, Shape, binding_schemas,
    named_binding_schemas, subject,
};

/// A field, its pointer, the types of its inference, and whether it must exist.
type Row<'a> = (&'a str, &'a str, &'a [&'a str], bool);

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn select(
    shape: &Shape,
    rows: &[Row<'_>],
    keys: &[&str],
    values: &[&str],
    document: Option<&str>,
) -> Result<BindingSchemas, Error> {
    let types: Vec<Vec<String>> = rows.iter().map(|(_, _, types, _)| owned(types)).collect();
    let projections: Vec<_> = rows
        .iter()
        .zip(&types)
        .map(|(&(field, pointer, _, must_exist), types)| Projection { field, pointer, types, must_exist })
        .collect();
    binding_schemas(shape, &projections, &Selection { keys: &owned(keys), values: &owned(values), document })
}

fn field(schemas: &BindingSchemas, name: &str) -> Option<String> {
    let Schema::Record(root) = &schemas.value else { unreachable!("a record") };
    root.fields.iter().find(|field| field.name == name).map(|field| field.schema.canonical())
}

const EXTRA: &str = concat!(
    r#"{"name":"_flow_extra","type":{"type":"map","values":[{"name":"root._flow_extra.RawJSON","type":"record","#,
    r#""fields":[{"name":"json","type":"string"}]},"null"]}}]}"#
);

#[test]
fn one_integer() {
    let shape =
        infer(&json!({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}));
    let schemas = select(&shape, &[("id", "/id", &["integer"], true)], &["id"], &[], None).expect("mapped");
    let (key, value) = (schemas.key.canonical(), schemas.value.canonical());
    assert_eq!(
        key,
        r#"{"name":"root.Key","type":"record","fields":[{"name":"_flow_key","type":{"name":"root.Key.Parts","type":"record","fields":[{"name":"p1","type":"long"}]}}]}"#
    );
    assert_eq!(
        value,
        [r#"{"name":"root","type":"record","fields":[{"name":"id","type":"long"},"#, EXTRA].concat()
    );
    assert_eq!(subject("t", &key), "t-0d95d0cce6a735c5");
    assert_eq!(subject("t", &value), "t-32680f7328dd24a1");
}

/// A record with a name of its own has its key's and those within beside it, and nothing else is different.
#[test]
fn records_of_another_name() {
    let shape = infer(&json!({
        "type": "object", "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "a": {"type": "object", "properties": {"t": {"type": "string", "format": "duration"}, "u": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "format": "duration"}}, "additionalProperties": false}}}},
        },
    }));
    let projections = [("id", "/id"), ("a", "/a")].map(|(field, pointer)| Projection {
        field,
        pointer,
        types: &[],
        must_exist: true,
    });
    let (keys, values) = (owned(&["id"]), owned(&["a"]));
    let selection = Selection { keys: &keys, values: &values, document: None };
    let plain = binding_schemas(&shape, &projections, &selection).expect("mapped");
    for (record, namespace) in [("com.acme.Order", "com.acme."), ("Order", "")] {
        let names = RecordNames::named(record);
        let named = named_binding_schemas(&names, &shape, &projections, &selection).expect("mapped");
        for (plain, named) in [(&plain.key, named.key), (&plain.value, named.value)] {
            let text = named.canonical();
            let parsed = Parsed::parse_str(&text).expect("Avro");
            assert_eq!(plain_form(&text), plain_form(&parsed.canonical_form()));
            // No name is the namespace of another, as a class cannot be a package.
            assert!(text.contains(record) && !text.contains(&format!("{record}.")), "{text}");
            // The duration is defined once for all: they have one namespace.
            let duration = format!("\"{namespace}duration\"");
            let is_value = usize::from(text.contains("_items"));
            assert_eq!(text.matches(r#""size":12"#).count(), is_value, "{text}");
            assert_eq!(text.matches(&format!("[{duration},")).count(), is_value, "{text}");
            // Renamed, it is what it is without a name.
            let renamed = text
                .replace(&format!("{record}_a_u_items"), "root.a.u._items")
                .replace(&format!("{record}_a_flow_extra_RawJSON"), "root.a._flow_extra.RawJSON")
                .replace(&format!("{record}_flow_extra_RawJSON"), "root._flow_extra.RawJSON")
                .replace(&format!("{record}_a"), "root.a")
                .replace(&format!("{record}KeyParts"), "root.Key.Parts")
                .replace(&format!("{record}Key"), "root.Key")
                .replace(&format!("\"{record}\""), "\"root\"")
                .replace(
                    &format!("[{duration},"),
                    r#"[{"type":{"name":"duration","type":"fixed","size":12}},"#,
                );
            assert_eq!(renamed, plain.canonical());
        }
    }
}

#[test]
fn fields_by_location_and_by_inference() {
    let shape = infer(&json!({
        "type": "object",
        "required": ["id", "slash/key", "value", "when"],
        "properties": {
            "id": {"type": "integer"},
            "slash/key": {"type": "string"},
            "value": {"type": "object", "properties": {"nested": {"type": "string", "format": "uuid"}}, "required": ["nested"]},
            "when": {"type": "string", "format": "date-time"},
            "maybe": {"type": "string", "format": "date", "default": "2020-01-01"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "1": {"type": "object", "properties": {}},
            "never": false,
            "flow_document": {"type": "integer"},
            "_meta": {"type": "object", "properties": {"uuid": {"type": "string", "format": "uuid"}}, "required": ["uuid"]},
        },
        "patternProperties": {"^p": {"type": "integer"}},
    }));
    let rows: &[Row<'_>] = &[
        ("id", "/id", &["integer"], true),
        ("slash~1key", "/slash~1key", &["string"], true),
        ("value/nested", "/value/nested", &["string"], true),
        ("when", "/when", &["string"], true),
        ("renamed", "/when", &["string"], true),
        ("flow_published_at", "/_meta/uuid", &["string"], true),
        ("optional", "/maybe", &["null", "string"], true),
        ("absent", "/maybe", &["string"], false),
        ("count", "/count", &["number"], true),
        ("whole", "/count", &["fractional", "integer"], true),
        ("maybe", "/maybe", &["string"], false),
        ("tags", "/tags", &["array"], false),
        ("labels", "/tags", &["array"], false),
        ("mixed", "/tags", &["integer", "string"], false),
        ("nothing", "/value/nothing", &[], false),
        ("1", "/1", &["object"], false),
        ("never", "/never", &[], false),
        ("pat", "/pat", &["integer"], false),
        ("flow_document", "", &["object"], true),
        ("again", "", &["object"], true),
    ];
    let values: Vec<&str> =
        rows.iter().map(|row| row.0).filter(|field| *field != "id" && *field != "flow_document").collect();
    let schemas =
        select(&shape, rows, &["id", "value/nested", "maybe", "never"], &values, Some("flow_document"))
            .expect("mapped");
    for (name, expected) in [
        ("id", Some(r#""long""#)),
        ("slash~1key", None),
        ("value/nested", None),
        ("1", None),
        ("never", None),
        ("when", Some(r#"{"type":"long"}"#)),
        ("renamed", Some(r#""string""#)),
        ("flow_published_at", Some(r#""string""#)),
        ("optional", Some(r#"["string","null"]"#)),
        ("absent", Some(r#"["string","null"]"#)),
        ("count", Some(r#""double""#)),
        ("whole", Some(r#""double""#)),
        ("maybe", Some(r#"{"type":"int"}"#)),
        ("tags", Some(r#"[{"type":"array","items":"string"},"null"]"#)),
        ("labels", Some(r#"[{"type":"array","items":"string"},"null"]"#)),
        ("mixed", Some(r#"[{"type":"array","items":"string"},"null"]"#)),
        (
            "nothing",
            Some(
                r#"[{"name":"root.nothing.RawJSON","type":"record","fields":[{"name":"json","type":"string"}]},"null"]"#,
            ),
        ),
        ("pat", Some(r#"["long","null"]"#)),
        ("flow_document", Some(r#""string""#)),
    ] {
        assert_eq!(field(&schemas, name).as_deref(), expected, "{name}");
    }
    // A second copy of the document arrives as an object, and is mapped as one.
    assert!(
        field(&schemas, "again")
            .is_some_and(|text| text.starts_with(r#"{"name":"root.again","type":"record""#))
    );
    assert!(schemas.value.canonical().ends_with(EXTRA));

    let Schema::Record(root) = &schemas.value else { unreachable!("a record") };
    assert!(root.fields.is_sorted_by(|a, b| a.name < b.name));
    let maybe = root.fields.iter().find(|field| field.name == "maybe").expect("a field");
    assert_eq!(maybe.default, Some(json!("2020-01-01")));

    // The key's parts, in key order: never nullable for being optional.
    assert_eq!(
        schemas.key.canonical(),
        concat!(
            r#"{"name":"root.Key","type":"record","fields":[{"name":"_flow_key","type":{"name":"root.Key.Parts","type":"record","fields":["#,
            r#"{"name":"p1","type":"long"},{"name":"p2","type":{"type":"string"}},{"name":"p3","type":{"type":"int"}},"#,
            r#"{"name":"p4","type":{"name":"root.Key.Parts.p4.RawJSON","type":"record","fields":[{"name":"json","type":"string"}]}}]}}]}"#,
        )
    );
}

#[test]
fn a_field_of_a_locations_name_with_another_pointer_is_not_that_location() {
    let shape = infer(&json!({"type": "object", "properties": {"flow_document": {"type": "integer"}}}));
    let rows: &[Row<'_>] = &[("id", "/id", &["integer"], true), ("flow_document", "", &["object"], true)];
    let schemas = select(&shape, rows, &["id"], &["flow_document"], None).expect("mapped");
    assert!(field(&schemas, "flow_document").is_some_and(|text| text.contains(r#""type":"record""#)));
}

#[test]
fn parts_of_the_key() {
    let shape = infer(&json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": {"type": "integer", "default": 3}}}));
    let rows: &[Row<'_>] = &[
        ("a", "/a", &["string"], false),
        ("b", "/b", &["string", "null"], false),
        ("c", "/c", &["integer"], false),
        ("d", "/d", &[], false),
    ];
    let schemas = select(&shape, rows, &["c", "b", "a", "d"], &[], None).expect("mapped");
    assert_eq!(
        schemas.key.canonical(),
        concat!(
            r#"{"name":"root.Key","type":"record","fields":[{"name":"_flow_key","type":{"name":"root.Key.Parts","type":"record","fields":["#,
            r#"{"name":"p1","type":"long"},{"name":"p2","type":["string","null"]},{"name":"p3","type":"string"},"#,
            r#"{"name":"p4","type":[{"name":"root.Key.Parts.p4.RawJSON","type":"record","fields":[{"name":"json","type":"string"}]},"null"]}]}}]}"#,
        )
    );
    let Schema::Record(key) = &schemas.key else { unreachable!("a record") };
    let Schema::Record(parts) = &key.fields[0].schema else { unreachable!("a record") };
    assert_eq!(parts.fields[0].default, Some(json!(3)));
    assert_eq!((key.extra.as_ref(), parts.extra.as_ref()), (None, None));
}

#[test]
fn a_selection_that_does_not_fit() {
    let shape = Shape::anything();
    let rows: &[Row<'_>] = &[("id", "/id", &["integer"], true)];
    assert_eq!(
        select(&shape, rows, &["id"], &["gone"], None),
        Err(Error::UnknownField { field: "gone".into() })
    );
    assert_eq!(
        select(&shape, rows, &["id"], &[], Some("doc")),
        Err(Error::UnknownField { field: "doc".into() })
    );
    assert_eq!(select(&shape, rows, &[], &["id"], None), Err(Error::NoKey));
}

/// All collections of a specification file, each with all its locations selected.
fn check_collections(file: &str, expected: usize) {
    let data = std::env::var_os("SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(data.join(file)) else {
        eprintln!("skipped: no {file} in {}", data.display());
        return;
    };
    let specification: Value = serde_json::from_str(&text).expect("JSON");
    let collections = specification["collections"].as_object().expect("collections");
    assert_eq!(collections.len(), expected);
    for (name, collection) in collections {
        let shape = infer(&collection["schema"]);
        let locations = shape.locations();
        let types: Vec<Vec<String>> = locations
            .iter()
            .map(|location| location.shape.types.iter().map(str::to_owned).collect())
            .collect();
        let mut projections =
            vec![Projection { field: "flow_document", pointer: "", types: &types[0], must_exist: true }];
        for (location, types) in
            locations.iter().zip(&types).filter(|(location, _)| !location.pattern).skip(1)
        {
            let must_exist = location.exists == Exists::Must;
            projections.push(Projection {
                field: &location.pointer[1..],
                pointer: &location.pointer,
                types,
                must_exist,
            });
        }
        let keys: Vec<String> = collection["key"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|key| key.as_str().map(|key| key[1..].to_owned()))
            .collect();
        let mut values: Vec<String> =
            projections[1..].iter().map(|projection| projection.field.to_owned()).collect();
        values.retain(|value| !keys.contains(value));
        let selection = Selection { keys: &keys, values: &values, document: Some("flow_document") };
        let schemas = binding_schemas(&shape, &projections, &selection).expect(name);
        for schema in [&schemas.key, &schemas.value] {
            let text = schema.canonical();
            let parsed = Parsed::parse_str(&text).expect(name);
            assert_eq!(plain_form(&text), plain_form(&parsed.canonical_form()), "{name}");
        }
        assert!(
            keys.iter().all(|key| shape.location(key).is_some_and(|(_, exists)| exists == Exists::Must)),
            "{name}"
        );
    }
}

#[test]
fn github_webhooks() {
    check_collections("github-webhooks/flow.json", 8);
}

#[test]
fn scenarios() {
    check_collections("scenarios/flow.json", 5);
}
