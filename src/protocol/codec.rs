//! The two ways a message becomes bytes, and how one of them is chosen.

use std::env;
use std::ffi::OsStr;

use super::Error;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// A length of four bytes, little-endian, and a protobuf message.
    Proto,
    /// A line with a JSON object.
    Json,
}

impl Codec {
    /// The environment variable that chooses the codec.
    pub const VARIABLE: &'static str = "FLOW_RUNTIME_CODEC";

    /// The codec that the environment asks for; `None` leaves it to the first frame.
    ///
    /// # Errors
    ///
    /// The variable has another value than `proto` or `json`.
    pub fn from_env() -> Result<Option<Self>, Error> {
        Self::from_value(env::var_os(Self::VARIABLE).as_deref())
    }

    /// As [`from_env`](Self::from_env), for a value of the variable. Empty is the same as unset.
    ///
    /// # Errors
    ///
    /// The value is another than `proto` or `json`.
    pub fn from_value(value: Option<&OsStr>) -> Result<Option<Self>, Error> {
        let Some(value) = value else { return Ok(None) };
        match value.to_str() {
            Some("") => Ok(None),
            Some("proto") => Ok(Some(Self::Proto)),
            Some("json") => Ok(Some(Self::Json)),
            _ => Err(Error::UnknownCodec { value: value.to_string_lossy().into_owned() }),
        }
    }

    /// What the variable calls the codec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_a_codec_or_none() {
        let from = |value: &str| Codec::from_value(Some(OsStr::new(value)));
        assert_eq!(from("proto").unwrap(), Some(Codec::Proto));
        assert_eq!(from("json").unwrap(), Some(Codec::Json));
        assert_eq!(from("").unwrap(), None);
        assert_eq!(Codec::from_value(None).unwrap(), None);
        for codec in [Codec::Proto, Codec::Json] {
            assert_eq!(from(codec.name()).unwrap(), Some(codec));
        }
        assert_eq!(
            from("JSON").unwrap_err().to_string(),
            "reading the environment variable FLOW_RUNTIME_CODEC: it is \"JSON\"; expected \"proto\" or \
             \"json\"; unset it to let the first frame decide"
        );
    }
}
