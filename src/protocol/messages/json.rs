//! How the JSON codec writes what serde would write otherwise.
//!
//! The rules are those of protobuf's JSON mapping: null is absent, defaults are left out, bytes are
//! base64, enumerations are names (numbers are read as well), integers may be texts, timestamps are
//! RFC 3339. Embedded documents are inlined.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::flow;

/// Reads null as the default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a field is left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The text of a JSON document, which is inlined.
pub(super) mod text {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(text: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        raw(text).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        Ok(Option::<Box<RawValue>>::deserialize(deserializer)?.map(own).unwrap_or_default().into())
    }
}

/// Texts of JSON documents. A null among them is a document.
pub(super) mod texts {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        texts: &[Bytes],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(texts.len()))?;
        for text in texts {
            sequence.serialize_element(raw(text).map_err(S::Error::custom)?)?;
        }
        sequence.end()
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Bytes>, D::Error> {
        let texts = Option::<Vec<Box<RawValue>>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(texts.into_iter().map(|text| own(text).into()).collect())
    }
}

/// Texts of JSON documents by name. A null among them is a document.
pub(super) mod text_map {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        texts: &BTreeMap<String, Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(texts.len()))?;
        for (name, text) in texts {
            map.serialize_entry(name, raw(text).map_err(S::Error::custom)?)?;
        }
        map.end()
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let texts = Option::<BTreeMap<String, Box<RawValue>>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(texts.into_iter().map(|(name, text)| (name, own(text))).collect())
    }
}

fn raw(text: &[u8]) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(text)
}

fn own(text: Box<RawValue>) -> Vec<u8> {
    String::from(Box::<str>::from(text)).into_bytes()
}

/// Bytes, in base64.
pub(super) mod base64 {
    use super::*;
    use crate::protocol::base64;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(Bytes::new()) };
        let mut bytes = Vec::new();
        base64::decode(text.as_bytes(), &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes.into())
    }
}

/// Bytes by name, in base64.
pub(super) mod base64_map {
    use super::*;
    use crate::protocol::base64;

    pub(in super::super) fn serialize<S: Serializer>(
        all: &BTreeMap<String, Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(all.iter().map(|(name, bytes)| (name, base64::encode(bytes))))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let all = Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
        let decode = |text: String| {
            let mut bytes = Vec::new();
            base64::decode(text.as_bytes(), &mut bytes).map_err(D::Error::custom)?;
            Ok(bytes)
        };
        all.into_iter().map(|(name, text)| Ok((name, decode(text)?))).collect()
    }
}

/// An integer: a number, or a number in a text. Written as a number: all of ours have 32 bits.
pub(super) mod integer {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*value)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        struct Integer;

        impl Visitor<'_> for Integer {
            type Value = u32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer of 0 to 4294967295")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u32, E> {
                u32::try_from(value)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u32, E> {
                text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_unit<E>(self) -> Result<u32, E> {
                Ok(0)
            }
        }

        deserializer.deserialize_any(Integer)
    }
}

/// An integer of 64 bits: a number, or a number in a text. Written as a text, as JSON's readers may have floats alone.
pub(super) mod long {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::*;

    pub(in super::super) fn serialize<S: Serializer, T: Display>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: FromStr + Default>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => return Ok(T::default()),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(|_| serde::de::Error::custom(format_args!("{text} is no integer of 64 bits")))
    }
}

/// A number, which JSON has no notation for when it is not finite.
pub(super) mod double {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Double {
            Number(f64),
            Text(String),
        }

        match Option::<Double>::deserialize(deserializer)? {
            None => Ok(0.0),
            Some(Double::Number(value)) => Ok(value),
            Some(Double::Text(text)) => f64::from_str(&text).map_err(D::Error::custom),
        }
    }
}

/// An enumeration with the names of its values.
pub(super) trait Named {
    /// Names and numbers, the first name of a number being the one that is written.
    const NAMES: &'static [(&'static str, i32)];
}

/// An enumeration by name. Numbers are read as well; a name that is unknown is absent, as it would be
/// for any reader that is older than the writer.
pub(super) struct Name<E>(PhantomData<E>);

impl<E: Named> Name<E> {
    pub(super) fn serialize<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        match E::NAMES.iter().find(|(_, number)| number == value) {
            Some((name, _)) => serializer.serialize_str(name),
            None => serializer.serialize_i32(*value),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        struct Either<E>(PhantomData<E>);

        impl<E: Named> Visitor<'_> for Either<E> {
            type Value = i32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or the number of an enumeration's value")
            }

            fn visit_str<R: serde::de::Error>(self, text: &str) -> Result<i32, R> {
                Ok(E::NAMES.iter().find(|(name, _)| *name == text).map_or(0, |(_, number)| *number))
            }

            fn visit_u64<R: serde::de::Error>(self, value: u64) -> Result<i32, R> {
                i32::try_from(value)
                    .map_err(|_| R::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<R: serde::de::Error>(self, value: i64) -> Result<i32, R> {
                i32::try_from(value)
                    .map_err(|_| R::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }

            fn visit_unit<R>(self) -> Result<i32, R> {
                Ok(0)
            }
        }

        deserializer.deserialize_any(Either::<E>(PhantomData))
    }
}

impl Serialize for flow::Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timestamp = jiff::Timestamp::new(self.seconds, self.nanos).map_err(S::Error::custom)?;
        serializer.collect_str(&timestamp)
    }
}

impl<'de> Deserialize<'de> for flow::Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp = text.parse::<jiff::Timestamp>().map_err(D::Error::custom)?;
        // A protobuf timestamp counts its nanoseconds upwards, also before 1970.
        let nanos = timestamp.as_nanosecond();
        let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        Ok(Self {
            seconds: i64::try_from(seconds).map_err(D::Error::custom)?,
            nanos: i32::try_from(nanos).map_err(D::Error::custom)?,
        })
    }
}
