//! Avro messages as plain JSON: unions are unwrapped, and names of types left out.

use std::io::{self, Read, Write as _};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

use super::error::Error;

/// Reads the text of a schema that the registry gave.
pub(super) fn parse(id: u32, text: &str) -> Result<Schema, Error> {
    Schema::parse_str(text).map_err(|error| Error::Schema { id, reason: error.to_string() })
}

/// Prepares to decode messages of a schema.
pub(super) fn reader(id: u32, schema: &Schema) -> Result<GenericDatumReader<'_>, Error> {
    let reader = GenericDatumReader::builder(schema).build();
    reader.map_err(|error| Error::Schema { id, reason: error.to_string() })
}

/// Decodes the body of a message to JSON text, or says what is wrong with it.
pub(super) fn decode(reader: &GenericDatumReader<'_>, body: &[u8]) -> Result<String, String> {
    let mut body = Body(body);
    let value = reader.read_value(&mut body).map_err(|error| format!("not of its Avro schema: {error}"))?;
    let Body(body) = body;
    if !body.is_empty() {
        return Err(format!("longer than its Avro schema says, by {} bytes", body.len()));
    }
    let mut out = Vec::new();
    write(&mut out, &value);
    String::from_utf8(out).map_err(|_| "not text".to_owned())
}

/// The bytes of a message. Its end is an error of its own kind: apache-avro takes the usual one for null.
struct Body<'b>(&'b [u8]);

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::Error::other("the message ends early")),
            read => Ok(read),
        }
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(number) | Value::Date(number) | Value::TimeMillis(number) => {
            integer(out, (*number).into());
        }
        Value::Long(number)
        | Value::TimeMicros(number)
        | Value::TimestampMillis(number)
        | Value::TimestampMicros(number)
        | Value::TimestampNanos(number)
        | Value::LocalTimestampMillis(number)
        | Value::LocalTimestampMicros(number)
        | Value::LocalTimestampNanos(number) => integer(out, *number),
        Value::Float(number) => float(out, f64::from(*number)),
        Value::Double(number) => float(out, *number),
        Value::String(text) | Value::Enum(_, text) => string(out, text),
        Value::Uuid(uuid) => string(out, &uuid.to_string()),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => latin(out, bytes),
        Value::Duration(duration) => latin(out, &<[u8; 12]>::from(*duration)),
        Value::Decimal(decimal) => {
            let bytes: Result<Vec<u8>, _> = decimal.try_into();
            latin(out, &bytes.unwrap_or_default());
        }
        Value::BigDecimal(decimal) => string(out, &decimal.to_string()),
        Value::Union(_, value) => write(out, value),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                separate(out, i);
                write(out, item);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            // A map has no order of its own, the same message should print the same.
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            members(out, entries.into_iter());
        }
        Value::Record(fields) => members(out, fields.iter().map(|(name, value)| (name, value))),
    }
}

fn members<'v>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'v String, &'v Value)>) {
    out.push(b'{');
    for (i, (name, value)) in entries.enumerate() {
        separate(out, i);
        string(out, name);
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

fn separate(out: &mut Vec<u8>, position: usize) {
    if position > 0 {
        out.push(b',');
    }
}

fn integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// As in JSON messages; what JSON has no number for is named, as Avro's own JSON encoding does.
fn float(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        out.extend_from_slice(br#""NaN""#);
    } else {
        out.extend_from_slice(if number > 0.0 { br#""Infinity""# } else { br#""-Infinity""# });
    }
}

/// Bytes as a text of the characters with these numbers, as Avro's own JSON encoding has them.
fn latin(out: &mut Vec<u8>, bytes: &[u8]) {
    string(out, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
}

fn string(out: &mut Vec<u8>, text: &str) {
    // A text can be written to memory.
    let _infallible = serde_json::to_writer(out.by_ref(), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(schema: &str, body: &[u8]) -> Result<String, String> {
        let schema = parse(1, schema).unwrap();
        decode(&reader(1, &schema).unwrap(), body)
    }

    #[test]
    fn every_type_becomes_plain_json() {
        let cases: &[(&str, &[u8], &str)] = &[
            (r#""null""#, b"", "null"),
            (r#""boolean""#, b"\x01", "true"),
            (r#""long""#, b"\x03", "-2"),
            (r#"{"type":"int"}"#, b"\x04", "2"),
            (r#"{"type":"int","logicalType":"date"}"#, b"\x04", "2"),
            (r#"{"type":"long","logicalType":"timestamp-micros"}"#, b"\x04", "2"),
            (r#""float""#, &1.5_f32.to_le_bytes(), "1.5"),
            (r#""double""#, &1e16_f64.to_le_bytes(), "1e16"),
            (r#""double""#, &f64::NAN.to_le_bytes(), r#""NaN""#),
            (r#""double""#, &f64::INFINITY.to_le_bytes(), r#""Infinity""#),
            (r#""double""#, &f64::NEG_INFINITY.to_le_bytes(), r#""-Infinity""#),
            (r#""string""#, b"\x06a\"\n", r#""a\"\n""#),
            (r#""bytes""#, b"\x04a\xff", "\"a\u{ff}\""),
            (r#"{"type":"fixed","name":"f","size":2}"#, b"a\x01", "\"a\\u0001\""),
            (r#"{"type":"enum","name":"e","symbols":["A","B"]}"#, b"\x02", r#""B""#),
            (r#"["string","null"]"#, b"\x00\x02x", r#""x""#),
            (r#"["string","null"]"#, b"\x02", "null"),
            (r#"{"type":"array","items":["long","null"]}"#, b"\x04\x00\x02\x02\x00", "[1,null]"),
            (r#"{"type":"map","values":"long"}"#, b"\x04\x02b\x02\x02a\x04\x00", r#"{"a":2,"b":1}"#),
            (
                r#"{"type":"record","name":"r","fields":[{"name":"z","type":"long"},{"name":"a","type":
                   {"type":"record","name":"s","fields":[]}}]}"#,
                b"\x02",
                r#"{"z":1,"a":{}}"#,
            ),
        ];
        for (schema, body, expected) in cases {
            assert_eq!(decoded(schema, body).as_deref(), Ok(*expected), "{schema}");
        }
    }

    #[test]
    fn what_does_not_fit_the_schema_is_told() {
        for (schema, body) in [
            (r#""string""#, &b"\x08a"[..]),
            (r#""boolean""#, b""),
            (r#"["string","null"]"#, b""),
            (r#"["string","null"]"#, b"\x06"),
            (r#""double""#, b"1234567"),
        ] {
            let error = decoded(schema, body).unwrap_err();
            assert!(error.starts_with("not of its Avro schema: "), "{schema} {error}");
        }
        assert_eq!(
            decoded(r#""long""#, b"\x02\x02x").unwrap_err(),
            "longer than its Avro schema says, by 2 bytes"
        );
        let error = parse(7, "{}").unwrap_err().to_string();
        assert!(error.starts_with("schema 7 of the registry is no Avro schema: "), "{error}");
    }
}
