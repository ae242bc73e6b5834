//! JSON messages the obvious way: a map of values that `serde_json` writes.

use serde_json::{Map, Value};

use super::documents::Scenario;
use super::tuple::elements;

/// A Store's key and value.
pub fn message(scenario: &Scenario, key: &[u8], values: &[u8], doc: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (key, object) = objects(scenario, key, values, doc);
    let write = |object: &Map<String, Value>| serde_json::to_vec(object).expect("maps can be written");
    (write(&key), write(&object))
}

/// A Store's key and value before they are written.
pub fn objects(
    scenario: &Scenario,
    key: &[u8],
    values: &[u8],
    doc: &[u8],
) -> (Map<String, Value>, Map<String, Value>) {
    let mut object = Map::new();
    let mut key_object = Map::new();
    let names = scenario.keys.iter().chain(&scenario.values);
    for (i, (name, element)) in names.zip(elements(scenario, key, values)).enumerate() {
        let value = element.to_value();
        if i < scenario.keys.len() {
            key_object.insert(name.clone(), value.clone());
        }
        object.insert(name.clone(), value);
    }
    if let Some(field) = &scenario.document {
        let text = std::str::from_utf8(doc).expect("documents are text");
        object.insert(field.clone(), text.into());
    }
    (key_object, object)
}
