//! Avro messages as a consumer reads them: schemas from the real registry, values by the apache-avro crate.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use serde_json::Value;

use crate::common::services::Registry;

/// The registry, as a consumer uses it.
pub struct Schemas {
    registry: Registry,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    known: RefCell<BTreeMap<u32, Schema>>,
}

impl Schemas {
    pub fn of(registry: &Registry) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            registry: registry.clone(),
            client: reqwest::Client::new(),
            runtime,
            known: RefCell::default(),
        }
    }

    /// The id and the value of a message's key or value: the byte 0, the id, and Avro to the last byte.
    pub fn decode(&self, message: &[u8]) -> (u32, Avro) {
        let (head, mut rest) = message.split_at(5);
        assert_eq!(head[0], 0, "the first byte");
        let id = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut known = self.known.borrow_mut();
        let schema = known.entry(id).or_insert_with(|| {
            let text = self.text(id);
            Schema::parse_str(&text).unwrap_or_else(|error| panic!("schema {id}: {error}: {text}"))
        });
        let value = GenericDatumReader::builder(schema)
            .build()
            .and_then(|reader| reader.read_value(&mut rest))
            .unwrap_or_else(|error| panic!("by schema {id}: {error}"));
        assert_eq!(rest.len(), 0, "bytes behind the value");
        (id, value)
    }

    /// The schemas registered under subjects that begin with a topic's name and a dash: subject, id, text.
    pub fn of_topic(&self, topic: &str) -> Vec<(String, u32, String)> {
        let subjects = self.answer("subjects");
        let of_topic = |subject: &&str| subject.strip_prefix(topic).is_some_and(|rest| rest.starts_with('-'));
        let subjects = subjects.as_array().unwrap().iter().filter_map(Value::as_str).filter(of_topic);
        subjects
            .map(|subject| {
                let versions = self.answer(&format!("subjects/{subject}/versions"));
                assert_eq!(versions.as_array().map(Vec::len), Some(1), "versions of {subject}");
                let latest = self.answer(&format!("subjects/{subject}/versions/latest"));
                let id = u32::try_from(latest["id"].as_u64().unwrap()).unwrap();
                (subject.to_owned(), id, self.text(id))
            })
            .collect()
    }

    fn text(&self, id: u32) -> String {
        self.answer(&format!("schemas/ids/{id}"))["schema"].as_str().unwrap().to_owned()
    }

    fn answer(&self, path: &str) -> Value {
        let Registry { url, login } = &self.registry;
        let request = self.client.get(format!("{url}/{path}")).basic_auth(&login.user, Some(&login.password));
        let text = self.runtime.block_on(async {
            request.send().await.and_then(reqwest::Response::error_for_status).unwrap().text().await.unwrap()
        });
        serde_json::from_str(&text).unwrap()
    }
}

/// Whether an Avro value holds what a place of a document does; `None` is a place that is missing.
///
/// Nothing may be missing in either: what a record has no field for must be in its map of extras.
pub fn holds(avro: &Avro, json: Option<&Value>) -> bool {
    match (avro, json) {
        (Avro::Union(_, branch), _) => holds(branch, json),
        (Avro::Null, None | Some(Value::Null)) => true,
        (Avro::Boolean(value), Some(json)) => json == value,
        (Avro::Long(value), Some(Value::Number(number))) => {
            number.as_i64() == Some(*value)
                || number.as_f64().map(|f| format!("{f}")) == Some(value.to_string())
        }
        (Avro::Long(micros), Some(Value::String(text))) => {
            text.parse().is_ok_and(|time: jiff::Timestamp| time.as_microsecond() == *micros)
        }
        (Avro::Double(value), Some(Value::Number(number))) => number.as_f64() == Some(*value),
        (Avro::String(value), Some(Value::String(text))) => value == text,
        (Avro::String(value), Some(Value::Number(number))) => *value == number.to_string(),
        (Avro::Array(items), Some(Value::Array(values))) => {
            items.len() == values.len()
                && items.iter().zip(values).all(|(item, value)| holds(item, Some(value)))
        }
        (Avro::Map(entries), Some(Value::Object(members))) => {
            entries.len() == members.len()
                && members
                    .iter()
                    .all(|(name, value)| entries.get(name).is_some_and(|e| holds(e, Some(value))))
        }
        (Avro::Record(fields), _) if let Some(text) = raw_json(fields) => {
            serde_json::from_str::<Value>(text).is_ok_and(|raw| raw == *json.unwrap_or(&Value::Null))
        }
        (Avro::Record(fields), Some(Value::Object(members))) => {
            let none = HashMap::new();
            let (extra, fields): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| name == EXTRA);
            let extra = match extra[..] {
                [(_, Avro::Map(entries))] => entries,
                _ => &none,
            };
            fields.iter().all(|(name, value)| holds(value, members.get(name)))
                && extra.iter().all(|(name, value)| members.get(name).is_some_and(|m| holds(value, Some(m))))
                && members
                    .keys()
                    .all(|name| extra.contains_key(name) || fields.iter().any(|(f, _)| f == name))
        }
        _ => false,
    }
}

/// The text of a value that is kept as JSON.
fn raw_json(fields: &[(String, Avro)]) -> Option<&str> {
    match fields {
        [(name, Avro::String(text))] if name == "json" => Some(text),
        _ => None,
    }
}

/// The fields of a value, those in the map of extras among the others.
pub fn fields(value: Avro) -> BTreeMap<String, Avro> {
    let Avro::Record(fields) = value else { panic!("not a record: {value:?}") };
    let mut all = BTreeMap::new();
    for (name, value) in fields {
        match value {
            Avro::Map(entries) if name == EXTRA => all.extend(entries),
            value => assert!(all.insert(name, value).is_none()),
        }
    }
    all
}

/// The parts of a key, in order.
pub fn key(value: Avro) -> Vec<Avro> {
    let mut key = fields(value);
    let Some(Avro::Record(parts)) = key.remove("_flow_key") else { panic!("no _flow_key in {key:?}") };
    assert!(key.is_empty(), "{key:?}");
    assert!(parts.iter().zip(1..).all(|((name, _), number)| *name == format!("p{number}")), "{parts:?}");
    parts.into_iter().map(|(_, part)| part).collect()
}

const EXTRA: &str = "_flow_extra";

/// The differential check above must be able to fail.
#[test]
fn a_value_that_differs_is_told() {
    let record = |fields: &[(&str, Avro)]| {
        Avro::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let raw = |text: &str| record(&[("json", Avro::String(text.to_owned()))]);
    let null = || Avro::Union(1, Box::new(Avro::Null));
    let value = record(&[
        ("a", Avro::Long(1)),
        ("b", null()),
        (EXTRA, Avro::Map(HashMap::from([("c-d".to_owned(), raw(r#"[1,{"e":2.5}]"#))]))),
    ]);
    let holds = |json: &str| holds(&value, serde_json::from_str(json).ok().as_ref());
    assert!(holds(r#"{"a":1,"c-d":[1,{"e":2.5}]}"#) && holds(r#"{"a":1,"b":null,"c-d":[1,{"e":2.5}]}"#));
    for other in [
        r#"{"a":2,"c-d":[1,{"e":2.5}]}"#,
        r#"{"a":1,"b":0,"c-d":[1,{"e":2.5}]}"#,
        r#"{"a":1,"c-d":[1,{"e":2}]}"#,
        r#"{"a":1}"#,
        r#"{"c-d":[1,{"e":2.5}]}"#,
        r#"{"a":1,"c-d":[1,{"e":2.5}],"f":null}"#,
    ] {
        assert!(!holds(other), "{other}");
    }
}
