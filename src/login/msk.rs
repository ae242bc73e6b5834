//! Tokens of Amazon MSK's IAM access control: the address of a signed request, which MSK makes in the client's name.
//!
//! As AWS's own signers make them (`aws-msk-iam-sasl-signer-go` and its siblings): a GET of `kafka-cluster:Connect` that
//! is good for 900 s, the signer's name added after the signature, all of it in base64url without padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use super::signature::{Signer, percent_encoded, signed_query};
use super::{AwsKeys, Token};
use crate::config::Secret;

/// A token that is good from `now` on.
pub(super) fn token(keys: &AwsKeys, now: Timestamp) -> Token {
    let signer = Signer {
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose(),
        session_token: keys.session_token.as_ref().map(Secret::expose),
        region: &keys.region,
        service: "kafka-cluster",
    };
    let host = format!("kafka.{}.amazonaws.com", keys.region);
    let query = signed_query(&signer, &host, &[("Action", "kafka-cluster:Connect")], now, GOOD_FOR);
    let agent = percent_encoded(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
    let address = format!("https://{host}/?{query}&User-Agent={agent}");
    Token {
        value: Secret::new(URL_SAFE_NO_PAD.encode(address)),
        expires: now.saturating_add(SignedDuration::from_secs(i64::from(GOOD_FOR))).unwrap_or(Timestamp::MAX),
        extensions: Vec::new(),
    }
}

/// Seconds. MSK takes no more.
const GOOD_FOR: u32 = 900;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_address_of_a_signed_request() {
        let keys = AwsKeys {
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: Some(Secret::new("IQoJb3//token+with/odd=chars==")),
        };
        let now = "2015-08-30T12:36:00.25Z".parse().unwrap();
        let token = token(&keys, now);
        assert_eq!(token.expires, "2015-08-30T12:51:00.25Z".parse().unwrap());
        assert!(token.extensions.is_empty());

        let address = URL_SAFE_NO_PAD.decode(token.value.expose()).unwrap();
        let address = url::Url::parse(std::str::from_utf8(&address).unwrap()).unwrap();
        assert_eq!(address.origin().ascii_serialization(), "https://kafka.eu-central-1.amazonaws.com");
        assert_eq!(address.path(), "/");
        let parameters: Vec<(String, String)> =
            address.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let expected = [
            ("Action", "kafka-cluster:Connect"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "AKIDEXAMPLE/20150830/eu-central-1/kafka-cluster/aws4_request"),
            ("X-Amz-Date", "20150830T123600Z"),
            ("X-Amz-Expires", "900"),
            ("X-Amz-Security-Token", "IQoJb3//token+with/odd=chars=="),
            ("X-Amz-SignedHeaders", "host"),
            // Of botocore, for the same request.
            ("X-Amz-Signature", "7dfada049c9079ec0e356b9498f73dcc51f120a0c9d1e7e243f30dd2c2513959"),
            ("User-Agent", concat!("materialize-kafka/", env!("CARGO_PKG_VERSION"))),
        ];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
