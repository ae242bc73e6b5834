//! The base64 of the JSON codec: standard with padding when written; any of the usual forms is read.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// The base64 of `bytes`.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD_FORM.encode(bytes)
}

/// Appends the bytes that `text` stands for.
///
/// # Errors
///
/// The text is in neither alphabet. What has been appended is then unspecified.
pub(super) fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    let before = bytes.len();
    let Err(error) = STANDARD_FORM.decode_vec(text, bytes) else { return Ok(()) };
    bytes.truncate(before);
    URL_FORM.decode_vec(text, bytes).map_err(|_| error)
}

const STANDARD_FORM: GeneralPurpose = form(&STANDARD);
const URL_FORM: GeneralPurpose = form(&URL_SAFE);

const fn form(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_usual_form_is_read() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            let mut bytes = b"before".to_vec();
            decode(text.as_bytes(), &mut bytes).unwrap();
            assert_eq!(bytes, b"before\xfb\xff", "{text}");
        }
        assert_eq!(encode(b"\xfb\xff"), "+/8=");
        for text in ["+_8=", "=", "a", "ab c", "\u{e9}"] {
            assert!(decode(text.as_bytes(), &mut Vec::new()).is_err(), "{text}");
        }
    }
}
