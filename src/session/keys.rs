//! The fields that are a binding's key: which they are, and what its formats and its partitions ask of them.
//!
//! They need not be those of the collection's key: a binding may group by others (`groupBy`), and a location may have a
//! field of another name.

use std::cmp::Reverse;

use anyhow::{anyhow, bail};

use crate::config::{EndpointConfig, Formats, KeyFormat, Resource};
use crate::protocol::messages::{flow, request};
use crate::schema::{Format, Types};
use crate::session::schemas::{projection, shape};

/// The key fields that a binding will have, in order, as the runtime tells them. One that does not tell takes for each
/// location of the collection's key a field that is required, else one that is named by hand, else the first by name.
pub(super) fn foreseen(binding: &request::ValidateBinding, collection: &flow::CollectionSpec) -> Vec<String> {
    if !binding.group_by.is_empty() {
        return binding.group_by.clone();
    }
    let is_required = |field: &str| binding.field_config_json_map.contains_key(field);
    let of_location = |pointer: &String| {
        let fields = collection.projections.iter().filter(|projection| projection.ptr == *pointer);
        fields.max_by_key(|p| (is_required(&p.field), p.explicit, Reverse(&p.field)))
    };
    collection.key.iter().filter_map(of_location).map(|projection| projection.field.clone()).collect()
}

/// Refuses key fields that the format of keys cannot write, and partitions by fields that are none of them.
pub(super) fn check(
    config: &EndpointConfig,
    resource: &Resource,
    collection: &flow::CollectionSpec,
    keys: &[String],
) -> anyhow::Result<()> {
    choose_partitions(&resource.partition_by, collection, keys)?;
    fit_format(config.formats(resource)?, collection, keys)
}

/// Refuses to choose partitions by a field that is not in the key.
fn choose_partitions(
    fields: &[String],
    collection: &flow::CollectionSpec,
    keys: &[String],
) -> anyhow::Result<()> {
    let Some(unknown) = fields.iter().find(|field| !keys.contains(field)) else { return Ok(()) };
    Err(anyhow!(
        "partition_by names {unknown:?}, which is no key field that is selected of collection {}; expected some of {}",
        collection.name,
        keys.join(", ")
    ))
}

/// Refuses keys that their format cannot write: one of text must be a single scalar, of a type that tells `1` and `"1"`
/// apart.
fn fit_format(formats: Formats, collection: &flow::CollectionSpec, keys: &[String]) -> anyhow::Result<()> {
    if formats.key != KeyFormat::String {
        return Ok(());
    }
    let [field] = keys else {
        bail!(
            "key_format string writes a single key field, and of collection {} {} are selected ({}); choose json, \
             json_schema or avro",
            collection.name,
            keys.len(),
            keys.join(", ")
        );
    };
    let Some(found) = collection.projections.iter().find(|projection| projection.field == *field) else {
        bail!("key field {field:?} is no field of collection {}; publish the task again", collection.name);
    };
    let (part, must_exist) = projection(found).shape(&shape(collection)?)?;
    let is_scalar = [Types::STRING, Types::INTEGER, Types::FRACTIONAL, Types::NUMBER, Types::BOOLEAN]
        .contains(&part.types);
    // Such a text stands for the number.
    let is_number = matches!(part.string.format, Some(Format::Integer | Format::Number))
        && (Types::STRING | Types::NUMBER).contains(part.types);
    // No document is without the key of its collection.
    let is_always_there = must_exist
        || collection.key.contains(&found.ptr)
        || part.default.as_ref().is_some_and(|default| !default.is_null())
        || found
            .inference
            .as_ref()
            .is_some_and(|inference| !matches!(&inference.default_json[..], b"" | b"null"));
    if (is_scalar || is_number) && is_always_there {
        return Ok(());
    }
    let missing = Some("missing").filter(|_| !is_always_there);
    let may_be: Vec<_> = missing.into_iter().chain(part.types.iter()).collect();
    bail!(
        "key_format string writes a key of one type, string, integer, number or boolean, and field {field:?} of collection \
         {} may be {}; choose json, json_schema or avro",
        collection.name,
        may_be.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A collection of this key, with a field for each property, `mine` for `/id`, and what is said of it.
    fn collection(key: &[&str], schema: &serde_json::Value) -> flow::CollectionSpec {
        let field = |field: &str, ptr: &str, explicit: bool| flow::Projection {
            field: field.to_owned(),
            ptr: ptr.to_owned(),
            explicit,
            ..Default::default()
        };
        let named = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
        let mut projections: Vec<_> = named.map(|name| field(name, &format!("/{name}"), false)).collect();
        projections.push(field("mine", "/id", true));
        flow::CollectionSpec {
            name: "acme/c".to_owned(),
            key: key.iter().map(|key| (*key).to_owned()).collect(),
            projections,
            write_schema_json: schema.to_string().into(),
            ..Default::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn keys_are_those_that_the_runtime_tells_or_else_those_of_the_collection() {
        let properties = json!({"properties": {"a": {}, "b": {}, "c": {}, "id": {}}});
        let collection = collection(&["/b", "/id"], &properties);
        let keys = |group_by: &[&str], required: &[&str]| {
            let binding = request::ValidateBinding {
                group_by: names(group_by),
                field_config_json_map: required.iter().map(|&field| (field.to_owned(), vec![])).collect(),
                ..Default::default()
            };
            foreseen(&binding, &collection)
        };
        assert_eq!(keys(&[], &[]), ["b", "mine"]);
        assert_eq!(keys(&[], &["id"]), ["b", "id"]);
        assert_eq!(keys(&["c", "id"], &["mine"]), ["c", "id"]);
    }

    fn check(
        partition_by: &[&str],
        format: &str,
        keys: &[&str],
        schema: &serde_json::Value,
    ) -> Result<(), String> {
        let config = EndpointConfig::parse(
            br#"{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{"endpoint":"http://r"}}"#,
        )
        .unwrap();
        let resource = json!({"topic": "t", "partition_by": partition_by, "key_format": format}).to_string();
        let resource = Resource::parse(resource.as_bytes()).unwrap();
        super::check(&config, &resource, &collection(&["/id"], schema), &names(keys))
            .map_err(|error| error.to_string())
    }

    /// A text key of one field, which is in the collection's key or not.
    fn as_text(field: &str, value: &serde_json::Value, required: &[&str]) -> Result<(), String> {
        let schema = json!({"type": "object", "required": required, "properties": {field: value}});
        for other in ["json", "json_schema", "avro"] {
            assert_eq!(check(&[], other, &[field], &schema), Ok(()));
        }
        check(&[], "string", &[field], &schema)
    }

    fn refused(field: &str, types: &str) -> Result<(), String> {
        Err(format!(
            "key_format string writes a key of one type, string, integer, number or boolean, and field \"{field}\" of \
             collection acme/c may be {types}; choose json, json_schema or avro"
        ))
    }

    #[test]
    fn a_key_of_text_is_one_scalar_of_one_type() {
        for field in ["id", "other"] {
            let of = |types: serde_json::Value, format: &str| {
                as_text(field, &json!({"type": types, "format": format}), &[field])
            };
            for types in ["string", "integer", "number", "boolean"] {
                assert_eq!(of(json!(types), "date"), Ok(()));
            }
            assert_eq!(of(json!(["string", "integer"]), "integer"), Ok(()));
            assert_eq!(of(json!(["string", "integer"]), "date"), refused(field, "integer, string"));
            assert_eq!(of(json!(["string", "null"]), "date"), refused(field, "null, string"));
            assert_eq!(of(json!("object"), "date"), refused(field, "object"));
        }
        assert_eq!(
            check(&[], "string", &["id", "other"], &json!({})).unwrap_err(),
            "key_format string writes a single key field, and of collection acme/c 2 are selected (id, other); choose json, \
             json_schema or avro"
        );
        assert_eq!(
            check(&[], "string", &["gone"], &json!({})).unwrap_err(),
            "key field \"gone\" is no field of collection acme/c; publish the task again"
        );
    }

    /// A value that is missing is null in a Store.
    #[test]
    fn a_key_of_text_is_in_every_document() {
        let (text, with_default) = (json!({"type": "string"}), json!({"type": "string", "default": "x"}));
        assert_eq!(as_text("other", &text, &["other"]), Ok(()));
        assert_eq!(as_text("other", &text, &[]), refused("other", "missing, string"));
        assert_eq!(as_text("other", &with_default, &[]), Ok(()));
        // The collection's own key is there, whether or not the schema says so; by whatever name.
        assert_eq!(as_text("id", &text, &[]), Ok(()));
        let schema = json!({"type": "object", "properties": {"id": {"type": "string"}}});
        assert_eq!(check(&[], "string", &["mine"], &schema), Ok(()));
    }

    #[test]
    fn partitions_are_chosen_by_key_fields_as_they_are_selected() {
        let none = json!({});
        assert_eq!(check(&["a"], "json", &["b", "a"], &none), Ok(()));
        assert_eq!(check(&["mine"], "json", &["mine"], &none), Ok(()));
        assert_eq!(
            check(&["b", "id"], "json", &["mine", "b"], &none).unwrap_err(),
            "partition_by names \"id\", which is no key field that is selected of collection acme/c; expected some of mine, b"
        );
    }
}
