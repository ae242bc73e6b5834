//! What the tests compare with: the reference's rules once more, slow and obvious, on values of the
//! apache-avro crate, which decodes what was encoded.

use std::collections::{BTreeMap, HashMap};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

use crate::schema::avro::{Branch, Field, Record, Schema};

/// A JSON value that remembers the order of its members and repeats them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// As text, members as they are.
    pub fn text(&self) -> String {
        let join = |parts: Vec<String>| parts.join(",");
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Negative(value) => value.to_string(),
            Self::Float(value) => ryu::Buffer::new().format_finite(*value).to_owned(),
            Self::String(text) => quoted(text),
            Self::Array(items) => format!("[{}]", join(items.iter().map(Self::text).collect())),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| format!("{}:{}", quoted(name), value.text());
                format!("{{{}}}", join(members.iter().map(member).collect()))
            }
        }
    }

    /// Members sorted at every level, the last of repeated ones kept.
    pub fn normal(&self) -> Self {
        match self {
            Self::Array(items) => Self::Array(items.iter().map(Self::normal).collect()),
            Self::Object(members) => Self::Object(
                last_members(members)
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.normal()))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}

fn last_members(members: &[(String, Json)]) -> BTreeMap<&str, &Json> {
    members.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("any text is JSON once quoted")
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as V;
        match value {
            V::Null => Self::Null,
            V::Bool(value) => Self::Bool(*value),
            V::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => Self::Unsigned(value),
                (_, Some(value), _) => Self::Negative(value),
                (_, _, value) => Self::Float(value.expect("all numbers are floats")),
            },
            V::String(text) => Self::String(text.clone()),
            V::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            V::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.clone(), Self::from(value))).collect())
            }
        }
    }
}

/// What `json` is as `schema`, if it is accepted.
pub(super) fn expected(schema: &Schema, json: &Json) -> Option<Value> {
    Some(match (schema, json) {
        (Schema::Nullable(inner), _) => match expected(inner, json) {
            Some(value) => Value::Union(0, Box::new(value)),
            None if *json == Json::Null => Value::Union(1, Box::new(Value::Null)),
            None => return None,
        },
        (Schema::Branch(Branch { index, schema, null }), _) => match (expected(schema, json), null) {
            (Some(value), _) => Value::Union(u32::try_from(*index).ok()?, Box::new(value)),
            (None, Some(null)) if *json == Json::Null => {
                Value::Union(u32::try_from(*null).ok()?, Box::new(Value::Null))
            }
            _ => return None,
        },
        (Schema::Int, _) => match expected(&Schema::Long, json)? {
            Value::Long(value) => Value::Int(value.try_into().ok()?),
            _ => return None,
        },
        (Schema::Float, Json::Unsigned(value)) => Value::Float(value.to_string().parse().ok()?),
        (Schema::Float, Json::Negative(value)) => Value::Float(value.to_string().parse().ok()?),
        (Schema::Float, _) => match expected(&Schema::Double, json)? {
            Value::Double(value) => {
                #[expect(clippy::cast_possible_truncation, reason = "rounding is the rule")]
                let float = value as f32;
                (float.is_finite() || !value.is_finite()).then_some(Value::Float(float))?
            }
            _ => return None,
        },
        (Schema::TimestampMillis, Json::String(text)) => {
            let stamp: jiff::Timestamp = text.parse().ok()?;
            Value::Long(i64::try_from(stamp.as_nanosecond().div_euclid(1_000_000)).ok()?)
        }
        (Schema::Enum(symbols), Json::String(text)) => {
            let index = symbols.iter().position(|symbol| symbol == text)?;
            Value::Enum(u32::try_from(index).ok()?, text.clone())
        }
        (Schema::Boolean, Json::Bool(value)) => Value::Boolean(*value),
        (Schema::Long, Json::Unsigned(value)) => Value::Long(i64::try_from(*value).ok()?),
        (Schema::Long, Json::Negative(value)) => Value::Long(*value),
        (Schema::Long, Json::Float(value)) if value.fract() == 0.0 => {
            // All digits of what it is, and not the fewest that tell it from others with zeros behind them.
            Value::Long(format!("{value:.0}").parse().ok()?)
        }
        (Schema::Double, Json::Unsigned(value)) => Value::Double(value.to_string().parse().ok()?),
        (Schema::Double, Json::Negative(value)) => Value::Double(value.to_string().parse().ok()?),
        (Schema::Double, Json::Float(value)) => Value::Double(*value),
        (Schema::Double, Json::String(text)) => Value::Double(text.parse().ok()?),
        (Schema::String | Schema::Uuid, Json::String(text)) => Value::String(text.clone()),
        (Schema::String, Json::Unsigned(value)) => Value::String(value.to_string()),
        (Schema::String, Json::Negative(value)) => Value::String(value.to_string()),
        (Schema::String, Json::Float(value)) if value.trunc() == *value => Value::String(value.to_string()),
        (Schema::Date, Json::String(text)) => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            // `jiff` reads the date of a date-time as well.
            let date: jiff::civil::Date = digits.parse().ok().filter(|_| digits.len() == 10)?;
            let sign = if text.starts_with('-') { -1 } else { 1 };
            let date = jiff::civil::Date::new(sign * date.year(), date.month(), date.day()).ok()?;
            Value::Int((date - jiff::civil::date(1970, 1, 1)).get_days())
        }
        (Schema::TimestampMicros, Json::String(text)) => {
            let stamp: jiff::Timestamp = text.parse().ok()?;
            Value::Long(i64::try_from(stamp.as_nanosecond().div_euclid(1000)).ok()?)
        }
        (Schema::Duration, Json::String(text)) => {
            let numbers: Vec<u32> = text
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?;
            let [y, mo, d, h, mi, s, ms] = *numbers.as_slice() else { return None };
            let parts = [y * 12 + mo, d, ((h * 60 + mi) * 60 + s) * 1000 + ms];
            Value::Fixed(12, parts.iter().flat_map(|part| part.to_le_bytes()).collect())
        }
        (Schema::RawJson { .. }, json) => {
            Value::Record(vec![("json".to_owned(), Value::String(json.normal().text()))])
        }
        (Schema::Array(items), Json::Array(values)) => {
            Value::Array(values.iter().map(|value| expected(items, value)).collect::<Option<_>>()?)
        }
        (Schema::Map(values), Json::Object(members)) => Value::Map(entries(values, last_members(members))?),
        (Schema::Record(record), Json::Object(members)) => {
            let mut members = last_members(members);
            let mut fields = Vec::new();
            for field in &record.fields {
                let value = match members.remove(field.name.as_str()) {
                    Some(value) => expected(&field.schema, value)?,
                    None => field
                        .default
                        .as_ref()
                        .and_then(|default| expected(&field.schema, &default.into()))
                        .or_else(|| expected(&field.schema, &Json::Null))?,
                };
                fields.push((field.name.clone(), value));
            }
            if let Some(extra) = &record.extra {
                fields.push(("_flow_extra".to_owned(), Value::Map(entries(extra, members)?)));
            }
            Value::Record(fields)
        }
        _ => return None,
    })
}

fn entries(values: &Schema, members: BTreeMap<&str, &Json>) -> Option<HashMap<String, Value>> {
    members.into_iter().map(|(name, value)| Some((name.to_owned(), expected(values, value)?))).collect()
}

/// The value that `bytes`, all of them, hold by the registered form of `schema`.
pub(super) fn decode(schema: &Schema, bytes: &[u8]) -> Value {
    let text = registered(schema, &mut Known::default());
    let schema = apache_avro::Schema::parse_str(&text).expect("the schema is legal");
    let mut rest = bytes;
    let value = GenericDatumReader::builder(&schema)
        .build()
        .and_then(|reader| reader.read_value(&mut rest))
        .expect("the bytes are Avro");
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    value
}

/// The types with names that a schema's text has so far.
#[derive(Default)]
struct Known {
    duration: bool,
    others: usize,
}

impl Known {
    fn name(&mut self) -> String {
        self.others += 1;
        format!("Other{}", self.others)
    }
}

/// The schema's text as consumers have it: full names, no logical types, no defaults.
fn registered(schema: &Schema, known: &mut Known) -> String {
    match schema {
        Schema::Boolean => r#""boolean""#.to_owned(),
        Schema::Long => r#""long""#.to_owned(),
        Schema::Double => r#""double""#.to_owned(),
        Schema::String => r#""string""#.to_owned(),
        Schema::Date => r#"{"type":"int"}"#.to_owned(),
        Schema::TimestampMicros => r#"{"type":"long"}"#.to_owned(),
        Schema::Uuid => r#"{"type":"string"}"#.to_owned(),
        Schema::Duration if std::mem::replace(&mut known.duration, true) => r#""root.duration""#.to_owned(),
        Schema::Duration => r#"{"name":"root.duration","type":"fixed","size":12}"#.to_owned(),
        Schema::RawJson { name } => {
            format!(r#"{{"name":"{name}","type":"record","fields":[{{"name":"json","type":"string"}}]}}"#)
        }
        Schema::Array(items) => {
            format!(r#"{{"type":"array","items":{}}}"#, registered(items, known))
        }
        Schema::Map(values) => {
            format!(r#"{{"type":"map","values":{}}}"#, registered(values, known))
        }
        Schema::Nullable(inner) => format!(r#"[{},"null"]"#, registered(inner, known)),
        Schema::Int => r#""int""#.to_owned(),
        Schema::Float => r#""float""#.to_owned(),
        Schema::TimestampMillis => r#"{"type":"long"}"#.to_owned(),
        Schema::Enum(symbols) => {
            let (name, symbols) = (known.name(), symbols.join(r#"",""#));
            format!(r#"{{"type":"enum","name":"{name}","symbols":["{symbols}"]}}"#)
        }
        Schema::Branch(Branch { index, schema, null }) => {
            let branches = (0..=(*index).max(null.unwrap_or(0))).map(|branch| {
                if branch == *index {
                    registered(schema, known)
                } else if Some(branch) == *null {
                    r#""null""#.to_owned()
                } else {
                    format!(r#"{{"type":"fixed","name":"{}","size":1}}"#, known.name())
                }
            });
            format!("[{}]", branches.collect::<Vec<_>>().join(","))
        }
        Schema::Constant(_) => unreachable!("no documents have it"),
        Schema::Record(Record { name, fields, extra }) => {
            let mut types: Vec<String> = fields
                .iter()
                .map(|Field { name, schema, .. }| {
                    format!(r#"{{"name":"{name}","type":{}}}"#, registered(schema, known))
                })
                .collect();
            types.extend(extra.as_ref().map(|values| {
                let values = registered(values, known);
                format!(r#"{{"name":"_flow_extra","type":{{"type":"map","values":{values}}}}}"#)
            }));
            format!(r#"{{"name":"{name}","type":"record","fields":[{}]}}"#, types.join(","))
        }
    }
}
