//! A message as it is printed: key and value as JSON, whatever they are on the wire.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::avro;
use super::error::Error;
use super::landed::{Landed, split_schema_id};
use crate::config::{Formats, KeyFormat, ValueFormat};
use crate::kafka::Record;
use crate::registry::{self, Client, SchemaType};

/// A message with its key and value as JSON. Serializes to a line of `--output jsonl`.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    timestamp: Option<i64>,
    pub(super) key: Option<Box<RawValue>>,
    /// None is a tombstone.
    pub(super) value: Option<Box<RawValue>>,
    headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_schema: Option<SchemaName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_schema: Option<SchemaName>,
}

/// What the registry calls a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SchemaName {
    /// None if the registry does not tell.
    pub(super) subject: Option<String>,
    pub(super) id: u32,
}

/// Headers as an object of texts.
#[derive(Debug)]
struct Headers(Vec<(String, Option<Vec<u8>>)>);

/// What is needed to decode messages.
pub(super) enum Decoder<'s> {
    /// Messages are JSON.
    Json,
    /// Messages are of the schemas that the registry has: Avro, or JSON behind the schema's id.
    Registered {
        readers: BTreeMap<u32, GenericDatumReader<'s>>,
        /// The ids of JSON schemas.
        json: &'s BTreeSet<u32>,
        subjects: &'s BTreeMap<(String, u32), Option<String>>,
    },
    /// Keys and values have formats of their own.
    Apart {
        /// By topic: those of the bindings that write to it.
        formats: BTreeMap<String, Vec<Formats>>,
        /// Decodes those that have schemas.
        registered: Box<Decoder<'s>>,
    },
}

/// The schemas of Avro messages, as the registry has them.
#[derive(Default)]
pub(super) struct Schemas {
    by_id: BTreeMap<u32, Schema>,
    /// The ids of those that are JSON schemas.
    json: BTreeSet<u32>,
    /// By topic and id.
    subjects: BTreeMap<(String, u32), Option<String>>,
}

impl Schemas {
    /// Asks a registry for all schemas that messages name.
    pub(super) async fn of(landed: &Landed, registry: &Client) -> Result<Self, Error> {
        let mut schemas = Self::default();
        let mut known: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (topic, id) in landed.schemas() {
            if !known.contains_key(id) {
                match registry.schema(*id).await {
                    Ok(registry::Schema { schema_type: SchemaType::Avro, text }) => {
                        schemas.by_id.insert(*id, avro::parse(*id, &text)?);
                    }
                    Ok(registry::Schema { schema_type: SchemaType::Json, .. }) => {
                        schemas.json.insert(*id);
                    }
                    // Foreign messages may begin with anything. Whoever needs the schema says so.
                    Err(registry::Error::Refused { status: 404, .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
                // Not every registry can tell; then messages have ids alone.
                let subjects = registry.subjects(*id).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, id, "the subjects of a schema remain unknown");
                    Vec::new()
                });
                known.insert(*id, subjects);
            }
            let subjects = known.get(id).map(Vec::as_slice).unwrap_or_default();
            schemas.subjects.insert((topic.clone(), *id), subject_of(topic, subjects));
        }
        Ok(schemas)
    }

    /// A decoder of messages with these schemas.
    pub(super) fn decoder(&self) -> Result<Decoder<'_>, Error> {
        let readers = self.by_id.iter().map(|(id, schema)| Ok((*id, avro::reader(*id, schema)?)));
        Ok(Decoder::Registered {
            readers: readers.collect::<Result<_, Error>>()?,
            json: &self.json,
            subjects: &self.subjects,
        })
    }
}

/// The subject that messages of a topic have a schema by: `TOPIC-` and sixteen hex digits.
fn subject_of(topic: &str, subjects: &[String]) -> Option<String> {
    let behind = |subject: &str| subject.strip_prefix(topic)?.strip_prefix('-').map(str::to_owned);
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ours = subjects.iter().find(|subject| behind(subject).is_some_and(|rest| is_hash(&rest)));
    // Schemas of others have other subjects, usually beginning with the topic as well.
    let other = || subjects.iter().find(|subject| behind(subject).is_some());
    ours.or_else(other).or(subjects.first()).cloned()
}

impl<'s> Decoder<'s> {
    /// Decodes a message.
    pub(super) fn decode(&self, record: Record) -> Result<Message, Error> {
        let Record { topic, partition, offset, timestamp, key, value, headers } = record;
        let [of_key, of_value] = self.parts(&topic);
        let part = |part: &'static str, decode: Part<'_, '_>, bytes: &Option<Vec<u8>>| match bytes {
            None => Ok((None, None)),
            Some(bytes) => {
                let decoded = match decode {
                    Part::Text => text(bytes).map(|json| (json, None)),
                    Part::By(decoder) => decoder.part(&topic, bytes),
                    Part::OneOf(kinds) => kinds.part(&topic, bytes),
                };
                decoded.map(|(json, schema)| (Some(json), schema)).map_err(|reason| Error::Foreign {
                    topic: topic.clone(),
                    partition,
                    offset,
                    part,
                    reason,
                })
            }
        };
        let (key, key_schema) = part("key", of_key, &key)?;
        let (value, value_schema) = part("value", of_value, &value)?;
        let headers = Headers(headers);
        Ok(Message { topic, partition, offset, timestamp, key, value, headers, key_schema, value_schema })
    }

    /// What keys and values of a topic are decoded by.
    fn parts(&self, topic: &str) -> [Part<'_, 's>; 2] {
        let Self::Apart { formats, registered } = self else { return [Part::By(self), Part::By(self)] };
        let Some(formats) = formats.get(topic) else {
            return [Part::By(registered), Part::By(registered)];
        };
        let mut keys = Kinds { registered, framed: false, json: false, text: false };
        let mut values = keys;
        for Formats { key, value, .. } in formats {
            match key {
                KeyFormat::Avro | KeyFormat::JsonSchema => keys.framed = true,
                KeyFormat::Json => keys.json = true,
                KeyFormat::String => keys.text = true,
            }
            match value {
                ValueFormat::Avro | ValueFormat::JsonSchema => values.framed = true,
                ValueFormat::Json => values.json = true,
            }
        }
        [keys.how(), values.how()]
    }

    /// Whether bytes begin as those of a schema that is known.
    fn knows(&self, bytes: &[u8]) -> bool {
        let Self::Registered { readers, json, .. } = self else { return false };
        split_schema_id(bytes).is_some_and(|(id, _)| readers.contains_key(&id) || json.contains(&id))
    }

    fn part(&self, topic: &str, bytes: &[u8]) -> Result<(Box<RawValue>, Option<SchemaName>), String> {
        match self {
            Self::Json => Ok((json(bytes)?, None)),
            Self::Apart { registered, .. } => registered.part(topic, bytes),
            Self::Registered { readers, json: schemas, subjects } => {
                let (id, body) = split_schema_id(bytes)
                    .ok_or("without a schema: it has no magic byte and schema id in front")?;
                let subject = subjects.get(&(topic.to_owned(), id)).cloned().flatten();
                let json = if schemas.contains(&id) {
                    json(body)?
                } else {
                    let reader = readers
                        .get(&id)
                        .ok_or_else(|| format!("not of a known schema: the registry has no schema {id}"))?;
                    let text = avro::decode(reader, body)?;
                    RawValue::from_string(text).map_err(|error| format!("not to be shown: {error}"))?
                };
                Ok((json, Some(SchemaName { subject, id })))
            }
        }
    }
}

/// How a key or a value is decoded.
enum Part<'d, 's> {
    By(&'d Decoder<'s>),
    /// As a text that is shown as a string.
    Text,
    /// By what it looks like: bindings write to the topic in different ways.
    OneOf(Kinds<'d, 's>),
}

/// In which ways the keys, or the values, of a topic are written.
#[derive(Clone, Copy)]
struct Kinds<'d, 's> {
    /// Decodes those that have the id of a schema in front.
    registered: &'d Decoder<'s>,
    framed: bool,
    json: bool,
    text: bool,
}

impl<'d, 's> Kinds<'d, 's> {
    fn how(self) -> Part<'d, 's> {
        match self {
            Self { framed: true, json: false, text: false, registered } => Part::By(registered),
            Self { framed: false, json: true, text: false, .. } => Part::By(&Decoder::Json),
            Self { framed: false, json: false, text: true, .. } => Part::Text,
            several => Part::OneOf(several),
        }
    }

    /// A magic byte and the id of a known schema are no text that anybody writes, and a key in JSON is an object.
    fn part(&self, topic: &str, bytes: &[u8]) -> Result<(Box<RawValue>, Option<SchemaName>), String> {
        let Self { registered, framed, json, text } = *self;
        if framed && registered.knows(bytes) {
            return registered.part(topic, bytes);
        }
        let shown =
            if json && (!text || bytes.starts_with(b"{")) { self::json(bytes) } else { Err(String::new()) };
        match shown {
            Err(_) if text => self::text(bytes),
            Err(_) if framed && bytes.first() == Some(&0) => return registered.part(topic, bytes),
            shown => shown,
        }
        .map(|shown| (shown, None))
    }
}

/// A text as a JSON string.
fn text(bytes: &[u8]) -> Result<Box<RawValue>, String> {
    let text = str::from_utf8(bytes).map_err(|error| format!("not text: {error}"))?;
    serde_json::value::to_raw_value(text).map_err(|error| format!("not to be shown: {error}"))
}

/// JSON text as it is on the wire, on one line.
fn json(bytes: &[u8]) -> Result<Box<RawValue>, String> {
    let text = str::from_utf8(bytes).map_err(|error| format!("not JSON: {error}"))?;
    // Line ends are white space in JSON, as texts cannot have them. Ours have none.
    let text = match text.contains(['\n', '\r']) {
        true => Cow::Owned(text.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(text),
    };
    RawValue::from_string(text.trim().to_owned()).map_err(|error| format!("not JSON: {error}"))
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &value.as_deref().map(String::from_utf8_lossy))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &[u8], value: Option<&[u8]>) -> Record {
        Record {
            topic: "t".to_owned(),
            partition: 1,
            offset: 2,
            timestamp: Some(3),
            key: Some(key.to_vec()),
            value: value.map(<[u8]>::to_vec),
            headers: Vec::new(),
        }
    }

    fn line(decoder: &Decoder<'_>, record: Record) -> String {
        serde_json::to_string(&decoder.decode(record).unwrap()).unwrap()
    }

    #[test]
    fn json_is_printed_as_it_is_on_the_wire() {
        let given = record(br#"{"id":1}"#, Some(br#"{"f":1.50e+02,"u":"\u00e9","z":18446744073709551616}"#));
        let expected = concat!(
            r#"{"topic":"t","partition":1,"offset":2,"timestamp":3,"key":{"id":1},"#,
            r#""value":{"f":1.50e+02,"u":"\u00e9","z":18446744073709551616},"headers":{}}"#
        );
        assert_eq!(line(&Decoder::Json, given), expected);
    }

    #[test]
    fn tombstones_headers_and_missing_parts() {
        let headers = vec![("h".to_owned(), Some(b"a\xff".to_vec())), ("n".to_owned(), None)];
        let given = Record { key: None, timestamp: None, headers, ..record(b"", None) };
        let expected = "{\"topic\":\"t\",\"partition\":1,\"offset\":2,\"timestamp\":null,\"key\":null,\
                        \"value\":null,\"headers\":{\"h\":\"a\u{fffd}\",\"n\":null}}";
        assert_eq!(line(&Decoder::Json, given), expected);
    }

    #[test]
    fn json_of_others_comes_on_one_line() {
        let given = record(b"1", Some(b" {\n \"a\":\r\n[] }\n"));
        assert!(line(&Decoder::Json, given).contains(r#""value":{  "a":  [] },"#));
    }

    #[test]
    fn what_is_not_json_is_told() {
        for (key, reason) in [
            (&b"\xff"[..], "not JSON: invalid utf-8 sequence of 1 bytes from index 0"),
            (b"hello", "not JSON: expected value at line 1 column 1"),
            (b"", "not JSON: EOF while parsing a value at line 1 column 0"),
        ] {
            let error = Decoder::Json.decode(record(key, None)).unwrap_err().to_string();
            let expected = format!(
                "topic \"t\", partition 1, offset 2: the key is {reason}; was it written by something else?"
            );
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn avro_is_decoded_and_named() {
        let schema = avro::parse(258, r#"["string","null"]"#).unwrap();
        let subjects = BTreeMap::from([(("t".to_owned(), 258), Some("t-s".to_owned()))]);
        let readers = BTreeMap::from([(258, avro::reader(258, &schema).unwrap())]);
        let json = BTreeSet::from([7]);
        let decoder = Decoder::Registered { readers, json: &json, subjects: &subjects };
        let framed = line(&decoder, record(b"\x00\x00\x00\x00\x07{\"a\":1}", None));
        assert!(
            framed
                .contains(r#""key":{"a":1},"value":null,"headers":{},"key_schema":{"subject":null,"id":7}"#),
            "{framed}"
        );
        let given = record(b"\x00\x00\x00\x01\x02\x00\x02k", Some(b"\x00\x00\x00\x01\x02\x02"));
        let expected = concat!(
            r#"{"topic":"t","partition":1,"offset":2,"timestamp":3,"key":"k","value":null,"headers":{},"#,
            r#""key_schema":{"subject":"t-s","id":258},"value_schema":{"subject":"t-s","id":258}}"#
        );
        assert_eq!(line(&decoder, given), expected);

        for (value, reason) in [
            (&b"{}"[..], "without a schema: it has no magic byte and schema id in front"),
            (b"\x00\x00\x00\x00\x01", "not of a known schema: the registry has no schema 1"),
            (b"\x00\x00\x00\x01\x02\x02\x00", "longer than its Avro schema says, by 1 bytes"),
        ] {
            let error =
                decoder.decode(record(b"\x00\x00\x00\x01\x02\x02", Some(value))).unwrap_err().to_string();
            assert!(error.contains(&format!("the value is {reason};")), "{error}");
        }
    }

    #[test]
    fn each_part_is_decoded_by_its_own_format() {
        let schema = avro::parse(258, r#""string""#).unwrap();
        let subjects = BTreeMap::new();
        let json = BTreeSet::new();
        let decoder = |key, value| Decoder::Apart {
            formats: BTreeMap::from([("t".to_owned(), vec![Formats { key, value, embeds_document: false }])]),
            registered: Box::new(Decoder::Registered {
                readers: BTreeMap::from([(258, avro::reader(258, &schema).unwrap())]),
                json: &json,
                subjects: &subjects,
            }),
        };
        let framed = b"\x00\x00\x00\x01\x02\x02k";
        let text = line(&decoder(KeyFormat::String, ValueFormat::Avro), record(b"12\"", Some(framed)));
        assert!(text.contains(r#""key":"12\"","value":"k","#), "{text}");
        let text = line(&decoder(KeyFormat::Avro, ValueFormat::Json), record(framed, Some(b"[1]")));
        assert!(text.contains(r#""key":"k","value":[1],"#), "{text}");
        let text = line(&decoder(KeyFormat::Json, ValueFormat::Json), record(b"12", None));
        assert!(text.contains(r#""key":12,"value":null,"#), "{text}");
        for (decoder, part) in [
            (decoder(KeyFormat::String, ValueFormat::Json), "the key is not text: "),
            (decoder(KeyFormat::Json, ValueFormat::Json), "the key is not JSON: "),
        ] {
            let error = decoder.decode(record(b"\xff", None)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn bindings_of_one_topic_may_write_in_different_ways() {
        let schema = avro::parse(258, r#""string""#).unwrap();
        let subjects = BTreeMap::new();
        let schemas = BTreeSet::new();
        let decoder = |all: &[(KeyFormat, ValueFormat)]| {
            let formats =
                all.iter().map(|&(key, value)| Formats { key, value, embeds_document: false }).collect();
            Decoder::Apart {
                formats: BTreeMap::from([("t".to_owned(), formats)]),
                registered: Box::new(Decoder::Registered {
                    readers: BTreeMap::from([(258, avro::reader(258, &schema).unwrap())]),
                    json: &schemas,
                    subjects: &subjects,
                }),
            }
        };
        let avro = (KeyFormat::Avro, ValueFormat::Avro);
        let json = (KeyFormat::Json, ValueFormat::Json);
        let text = (KeyFormat::String, ValueFormat::Json);
        let framed = b"\x00\x00\x00\x01\x02\x02k";
        for several in [vec![avro, json], vec![json, avro], vec![text, avro, json]] {
            let decoder = decoder(&several);
            let line = |key, value| line(&decoder, record(key, value));
            assert!(line(framed, Some(framed)).contains(r#""key":"k","value":"k","#), "{several:?}");
            assert!(
                line(b"{\"id\":7}", Some(b"{}")).contains(r#""key":{"id":7},"value":{},"#),
                "{several:?}"
            );
        }
        let both = decoder(&[text, json]);
        for (key, shown) in [(&b"7"[..], r#""7""#), (b"a{", r#""a{""#), (b"{a", r#""{a""#), (b"{}", "{}")] {
            assert!(line(&both, record(key, None)).contains(&format!(r#""key":{shown},"#)), "{shown}");
        }
        let of_two = decoder(&[avro, json]);
        for (value, reason) in [
            (&b"\x00\x00\x00\x00\x01"[..], "not of a known schema: the registry has no schema 1"),
            (b"\x00", "without a schema: it has no magic byte and schema id in front"),
            (b"hello", "not JSON: expected value at line 1 column 1"),
        ] {
            let error = of_two.decode(record(b"{}", Some(value))).unwrap_err().to_string();
            assert!(error.contains(&format!("the value is {reason};")), "{error}");
        }
    }

    #[test]
    fn the_subject_is_that_of_the_topic() {
        let subjects = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let hash = "0123456789abcdef";
        let both = subjects(&[&format!("t-x-{hash}"), &format!("t-{hash}")]);
        assert_eq!(subject_of("t", &both).as_deref(), Some("t-0123456789abcdef"));
        assert_eq!(subject_of("t-x", &both).as_deref(), Some("t-x-0123456789abcdef"));
        assert_eq!(subject_of("t", &subjects(&["u-value", "t-value"])).as_deref(), Some("t-value"));
        assert_eq!(subject_of("t", &subjects(&["u-value"])).as_deref(), Some("u-value"));
        assert_eq!(subject_of("t", &[]), None);
    }
}
