//! The runtime's checkpoint between a codec and the protobuf form in which it is recorded: a task may be restarted with
//! another codec.

use bytes::Bytes;
use prost::Message;

use super::error::Error;
use crate::protocol::Codec;
use crate::protocol::messages::flow::Checkpoint;

/// The protobuf form of StartCommit's checkpoint.
pub(in crate::session) fn from_wire(checkpoint: &Bytes, codec: Codec) -> Result<Bytes, Error> {
    match codec {
        Codec::Proto => Ok(checkpoint.clone()),
        Codec::Json if checkpoint.is_empty() => Ok(Bytes::new()),
        Codec::Json => {
            let read = serde_json::from_slice::<Checkpoint>(checkpoint)
                .map_err(|error| Error::Checkpoint { reason: error.to_string() })?;
            Ok(read.encode_to_vec().into())
        }
    }
}

/// A recorded checkpoint as Opened carries it. One that says nothing is given as an explicit zero: left out, it would
/// stand for the runtime's own.
pub(in crate::session) fn to_wire(checkpoint: &Bytes, codec: Codec) -> Result<Bytes, Error> {
    match codec {
        Codec::Proto if checkpoint.is_empty() => Ok(Bytes::from_static(EXPLICIT_ZERO)),
        Codec::Proto => Ok(checkpoint.clone()),
        Codec::Json => {
            let reason = |error: &dyn std::error::Error| Error::Checkpoint { reason: error.to_string() };
            let read = Checkpoint::decode(&checkpoint[..]).map_err(|error| reason(&error))?;
            Ok(serde_json::to_vec(&read).map_err(|error| reason(&error))?.into())
        }
    }
}

/// Tag 2^29-1, true.
const EXPLICIT_ZERO: &[u8] = b"\xf8\xff\xff\xff\x0f\x01";

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"sources":{"a/journal;x":{"readThrough":"-5","producers":[{"id":"AQID","state":{"lastAck":"18446744073709551615","begin":"-1"}}]}},"ackIntents":{"j":"/w=="}}"#;

    #[test]
    fn both_codecs_record_the_same() {
        let recorded = from_wire(&Bytes::from_static(JSON.as_bytes()), Codec::Json).unwrap();
        let bytes = b"\x0a\x37\x0a\x0ba/journal;x\x12\x28\x08\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x1b\x0a\x03\x01\x02\x03\x12\x14\x09\xff\xff\xff\xff\xff\xff\xff\xff\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x06\x0a\x01j\x12\x01\xff";
        assert_eq!(recorded, &bytes[..]);
        assert_eq!(to_wire(&recorded, Codec::Json).unwrap(), JSON);
        assert_eq!(from_wire(&recorded, Codec::Proto).unwrap(), recorded);
        assert_eq!(to_wire(&recorded, Codec::Proto).unwrap(), recorded);
    }

    #[test]
    fn numbers_come_as_numbers_too() {
        let json =
            Bytes::from_static(br#"{"sources":{"a":{"readThrough":7,"producers":null}},"ackIntents":null}"#);
        let recorded = from_wire(&json, Codec::Json).unwrap();
        assert_eq!(to_wire(&recorded, Codec::Json).unwrap(), r#"{"sources":{"a":{"readThrough":"7"}}}"#);
    }

    #[test]
    fn an_empty_checkpoint_is_an_explicit_zero() {
        for codec in [Codec::Proto, Codec::Json] {
            assert_eq!(from_wire(&Bytes::new(), codec).unwrap(), "");
        }
        assert_eq!(to_wire(&Bytes::new(), Codec::Proto).unwrap(), &b"\xf8\xff\xff\xff\x0f\x01"[..]);
        assert_eq!(to_wire(&Bytes::new(), Codec::Json).unwrap(), "{}");
        // The runtime's own explicit zero is passed on as it came.
        assert_eq!(from_wire(&Bytes::from_static(EXPLICIT_ZERO), Codec::Proto).unwrap(), EXPLICIT_ZERO);
    }

    #[test]
    fn what_is_no_checkpoint_or_has_more_than_we_know_is_refused() {
        // What could not be recorded would be lost with the next Open.
        for json in [r#"{"more":1}"#, "3", r#"{"sources":[]}"#, r#"{"sources":{"a":{"readThrough":"x"}}}"#] {
            let error = from_wire(&Bytes::from_static(json.as_bytes()), Codec::Json).unwrap_err().to_string();
            assert!(error.starts_with("reading the runtime's checkpoint: "), "{error}");
        }
        assert!(to_wire(&Bytes::from_static(b"\x0a"), Codec::Json).is_err());
    }
}
