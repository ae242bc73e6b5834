//! The JSON schemas that Spec returns, from which a web form is drawn, put together from lists of options.
//!
//! `order` is the order of the options on the form, `secret` marks what is stored encrypted and
//! `nonsensitive` what may be shown. The schemas are for people: what is really accepted is decided by
//! reading, which also takes configurations without credentials.

use serde_json::{Map, Value, json};

use super::option::{Listed, Property};

/// The schema of a whole configuration.
pub(super) fn document<T: Listed>(title: &str) -> Value {
    let mut schema = T::schema();
    schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".to_owned(), title.into());
    schema.insert("description".to_owned(), T::DOC.trim().into());
    schema.into()
}

/// An object of options, in this order.
pub(super) fn object(options: Vec<Property>) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    let required: Vec<&str> =
        options.iter().filter(|option| option.asked).map(|option| option.name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    let properties = options.into_iter().enumerate().map(|(order, mut option)| {
        option.schema.insert("order".to_owned(), order.into());
        (option.name.to_owned(), Value::from(option.schema))
    });
    schema.insert("properties".to_owned(), properties.collect::<Map<_, _>>().into());
    schema
}

/// One of several objects, which `tag` tells apart; each with its value of the tag, title, doc comment and options.
pub(super) fn one_of(
    tag: &'static str,
    tag_title: &str,
    variants: Vec<(&str, &str, &str, Vec<Property>)>,
) -> Map<String, Value> {
    let variants = variants.into_iter().map(|(value, title, doc, options)| {
        let Value::Object(schema) = json!({
            "title": tag_title,
            "description": format!("Chooses: {title}."),
            "type": "string",
            "const": value,
            "default": value,
            "nonsensitive": true
        }) else {
            unreachable!("the literal above is an object");
        };
        let tag = Property { name: tag, schema, asked: true };
        let mut schema = object(std::iter::once(tag).chain(options).collect());
        schema.insert("title".to_owned(), title.into());
        schema.insert("description".to_owned(), doc.trim().into());
        Value::from(schema)
    });
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("discriminator".to_owned(), json!({ "propertyName": tag }));
    schema.insert("oneOf".to_owned(), variants.collect());
    schema
}

/// The texts of a configuration that stand where its schema has `secret: true`, at any depth below it.
pub(super) fn secrets<'a>(schema: &Value, value: &'a Value) -> Vec<&'a str> {
    let mut found = Vec::new();
    if schema["secret"] == true {
        texts(value, &mut found);
        return found;
    }
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        found.extend(secrets(variant, value));
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let property = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                found.extend(secrets(property, member));
            }
        }
        Value::Array(items) => {
            found.extend(items.iter().flat_map(|item| secrets(&schema["items"], item)));
        }
        _ => {}
    }
    found
}

/// Not deeper than serde_json reads: 127 levels.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}
