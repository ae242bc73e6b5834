//! Any text as a collection's JSON Schema: it becomes a shape or an error; the Avro schemas of all its locations at once
//! parse in apache-avro, whose canonical form is ours once wrapped types are unwrapped and names are in full; and a
//! plan can be compiled of them.
//!
//! The input is the schema's text.

use apache_avro::Schema as Parsed;
use materialize_kafka::encode::{AvroPlan, Layout};
// Where the oracle of the connector's own tests, which `avro_plan` includes, looks for it.
pub(crate) use materialize_kafka::schema::avro;
use materialize_kafka::schema::{BindingSchemas, Projection, Selection, Shape, binding_schemas, subject};
use serde_json::Value;

use crate::Seeds;

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Ok(bundle) = serde_json::from_slice(data) else { return };
    let shape = match Shape::infer(&bundle) {
        Ok(shape) => shape,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let fields = fields(&shape);
    let types = ["integer".to_owned(), "null".to_owned()];
    let projections: Vec<_> = fields
        .iter()
        .map(|(field, pointer)| Projection {
            field,
            pointer,
            types: &types[..field.len() % 3],
            must_exist: false,
        })
        .collect();
    let values: Vec<String> =
        fields.iter().map(|(field, _)| field.clone()).filter(|f| f != "id" && f != "doc").collect();
    let keys = ["id".to_owned()];
    let selection = Selection { keys: &keys, values: &values, document: Some("doc") };
    // Schemas that are too large are an error.
    let Ok(BindingSchemas { key, value }) = binding_schemas(&shape, &projections, &selection) else { return };

    for schema in [&key, &value] {
        let text = schema.canonical();
        assert_eq!(subject("topic", &text).len(), "topic-".len() + 16);
        if nesting(&text) > MOST_NESTED {
            continue;
        }
        let parsed = Parsed::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(plain(&text), plain(&parsed.canonical_form()), "{text}");
    }
    let layout = Layout { keys: &keys, values: &values, document: Some("doc") };
    // Types that are nested too deeply are an error.
    let _plan = AvroPlan::new(&layout, &key, 1, &value, 2);
}

/// A field for each of the first locations, besides the key and the document.
fn fields(shape: &Shape) -> Vec<(String, String)> {
    let mut fields = vec![("id".to_owned(), "/_id".to_owned()), ("doc".to_owned(), String::new())];
    let locations = shape.locations();
    let named = locations.iter().filter(|location| !location.pattern && !location.pointer.is_empty());
    for location in named.take(40) {
        let field = location.pointer.trim_start_matches('/').to_owned();
        if !fields.iter().any(|(other, _)| *other == field) {
            fields.push((field, location.pointer.clone()));
        }
    }
    fields.push(("all".to_owned(), String::new()));
    fields.dedup_by(|a, b| a.0 == b.0);
    fields
}

/// Levels of arrays and objects. No string of ours holds a bracket.
fn nesting(text: &str) -> usize {
    let mut depth = 0_usize;
    let levels = text.bytes().map(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        depth
    });
    levels.max().unwrap_or(0)
}

/// serde_json, with which apache-avro parses, goes no deeper.
const MOST_NESTED: usize = 120;

/// A canonical text without the wrappers of logical types and with all names in full.
fn plain(text: &str) -> Value {
    let mut schema = serde_json::from_str(text).expect("JSON");
    unwrap(&mut schema, "");
    schema
}

fn unwrap(schema: &mut Value, namespace: &str) {
    if let Some(inner) =
        schema.as_object_mut().filter(|members| members.len() == 1).and_then(|m| m.remove("type"))
    {
        *schema = inner;
        return unwrap(schema, namespace);
    }
    match schema {
        Value::Array(branches) => branches.iter_mut().for_each(|branch| unwrap(branch, namespace)),
        Value::Object(members) => {
            let mut namespace = namespace.to_owned();
            if let Some(Value::String(name)) = members.get_mut("name") {
                if !name.contains('.') && !namespace.is_empty() {
                    *name = format!("{namespace}.{name}");
                }
                namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
            }
            for keyword in ["items", "values"] {
                if let Some(inner) = members.get_mut(keyword) {
                    unwrap(inner, &namespace);
                }
            }
            let fields = members.get_mut("fields").and_then(Value::as_array_mut);
            for field in fields.into_iter().flatten() {
                unwrap(&mut field["type"], &namespace);
            }
        }
        _ => {}
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let texts: [(&str, &str); 8] = [
        (
            "object",
            r#"{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"at":{"type":"string","format":"date-time"},"tags":{"type":"array","items":{"type":["string","null"]}},"geo":{"type":"object","properties":{"lat":{"type":"number"},"lon":{"type":"number"}},"additionalProperties":false}}}"#,
        ),
        (
            "references",
            r##"{"$id":"file:///a.json","$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"v":{"$ref":"#n"}}},"n":{"$anchor":"n","type":"integer"}},"allOf":[{"$ref":"#/$defs/node"},{"properties":{"_id":{"const":1}}}]}"##,
        ),
        (
            "choices",
            r#"{"oneOf":[{"type":"object","properties":{"a":{"enum":[1,"1",null]}}},{"type":"object","properties":{"a":{"type":"string","format":"integer"}},"if":{"required":["b"]},"then":{"properties":{"b":true}},"else":{"properties":{"c":false}}}],"anyOf":[true,{"maxProperties":3}]}"#,
        ),
        (
            "patterns",
            r#"{"type":"object","patternProperties":{"^x-":{"type":"boolean"},"[":{}},"additionalProperties":{"type":"number","minimum":0,"maximum":9.5},"properties":{"x-a":{"default":true},"a/b":{},"1":{"format":"uuid","type":"string"}}}"#,
        ),
        (
            "tuples",
            r#"{"type":["array","object"],"prefixItems":[{"type":"string","format":"date"},{"type":"string","format":"duration"}],"items":{"type":"integer"},"minItems":1,"maxItems":4,"properties":{"t":{"type":"array","items":[{"type":"null"}],"additionalItems":false}}}"#,
        ),
        (
            "durations",
            r#"{"type":"object","properties":{"duration":{"type":"object","properties":{"d":{"type":"string","format":"duration"},"e":{"type":"array","items":{"type":"string","format":"duration"}}}},"d":{"type":"string","format":"duration"},"RawJSON":{"type":"object","properties":{"json":{}}},"_flow_extra":{"type":"string"}}}"#,
        ),
        (
            "redacted",
            r#"{"type":"object","properties":{"p":{"type":"string","secret":true,"title":"P","description":"d","contentEncoding":"base64","minLength":2,"maxLength":9,"reduce":{"strategy":"lastWriteWins"}}},"unevaluatedProperties":false,"dependentRequired":{"p":["q"]},"x-infer-schema":true}"#,
        ),
        ("nothing", "false"),
    ];
    texts.into_iter().map(|(name, text)| (name, text.as_bytes().to_vec())).collect()
}
