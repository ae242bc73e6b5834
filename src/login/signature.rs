//! AWS Signature Version 4 in a query: a GET of a host's root that whoever holds the address may make for a while.
//!
//! "Create a signed AWS API request" of the IAM user guide: a canonical request, a string to sign, a key that is derived
//! from the secret by day, region and service. Nothing is asked of AWS for it.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::{digest, hmac};

/// Who signs.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    /// That of temporary credentials.
    pub(super) session_token: Option<&'a str>,
    pub(super) region: &'a str,
    /// The service's name in credential scopes.
    pub(super) service: &'a str,
}

/// The query that makes `GET https://{host}/?{parameters}` one that is signed at `at` and good for `seconds` from then on.
/// `parameters` are not yet encoded.
pub(super) fn signed_query(
    signer: &Signer<'_>,
    host: &str,
    parameters: &[(&str, &str)],
    at: Timestamp,
    seconds: u32,
) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let time = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = at.strftime("%Y%m%d").to_string();
    let Signer { access_key_id, region, service, .. } = signer;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let credential = format!("{access_key_id}/{scope}");
    let expires = seconds.to_string();

    let own = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let token = signer.session_token.map(|token| ("X-Amz-Security-Token", token));
    let mut encoded: Vec<(String, String)> = parameters
        .iter()
        .chain(&own)
        .chain(&token)
        .map(|(name, value)| (percent_encoded(name), percent_encoded(value)))
        .collect();
    encoded.sort_unstable();
    let query = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");

    let canonical = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex(sha256(b"").as_ref()));
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(sha256(canonical.as_bytes()).as_ref()));
    let mut key = hmac_sha256(format!("AWS4{}", signer.secret_access_key).as_bytes(), day.as_bytes());
    for part in [region, service, "aws4_request"] {
        key = hmac_sha256(key.as_ref(), part.as_bytes());
    }
    let signature = hmac_sha256(key.as_ref(), to_sign.as_bytes());
    format!("{query}&X-Amz-Signature={}", hex(signature.as_ref()))
}

/// As RFC 3986 encodes what is not unreserved, with capital digits.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn hmac_sha256(key: &[u8], bytes: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: Signer<'_> = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: "us-east-1",
        service: "service",
    };

    fn at() -> Timestamp {
        "2015-08-30T12:36:00Z".parse().unwrap()
    }

    fn signature(signer: &Signer<'_>, parameters: &[(&str, &str)]) -> String {
        let query = signed_query(signer, "example.amazonaws.com", parameters, at(), 3600);
        query.split_once("&X-Amz-Signature=").unwrap().1.to_owned()
    }

    /// The `query-signed-request.txt` of each case of AWS's Signature Version 4 test suite (aws-c-auth,
    /// `tests/aws-signing-test-suite/v4`) that asks for the root and signs no header but the host.
    #[test]
    fn the_cases_of_the_official_test_suite() {
        const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        type Parameters = &'static [(&'static str, &'static str)];
        let rows: [(&str, Parameters, &str); 5] = [
            (
                "get-vanilla-query-order-key-case",
                &[("Param2", "value2"), ("Param1", "value1")],
                "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
            ),
            (
                "get-vanilla-query-unreserved",
                &[(UNRESERVED, UNRESERVED)],
                "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
            ),
            (
                "get-vanilla-utf8-query",
                &[("\u{1234}", "bar")],
                "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
            ),
            (
                "get-vanilla-query-order-encoded",
                &[("Param-3", "Value3"), ("Param", "Value2"), ("\u{1234}", "Value1")],
                "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
            ),
            (
                "get-vanilla-empty-query-key",
                &[("Param1", "value1")],
                "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de",
            ),
        ];
        for (case, parameters, expected) in rows {
            assert_eq!(signature(&SIGNER, parameters), expected, "{case}");
        }
    }

    /// The case `get-vanilla-with-session-token` of the same suite, which counts the token among what is signed.
    #[test]
    fn temporary_credentials() {
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        assert_eq!(
            signature(&Signer { session_token: Some(token), ..SIGNER }, &[]),
            "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"
        );
    }

    /// What botocore 1.43.11, AWS's own signer, makes of the same requests (`SigV4QueryAuth`).
    #[test]
    fn the_same_as_botocore() {
        let action = [("Action", "kafka-cluster:Connect")];
        let signer = Signer { service: "kafka-cluster", ..SIGNER };
        assert_eq!(
            signed_query(&signer, "kafka.us-east-1.amazonaws.com", &action, at(), 900),
            "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830\
             %2Fus-east-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=900\
             &X-Amz-SignedHeaders=host\
             &X-Amz-Signature=c413a83bc64a339e31a5e5e9ed99d778ff843206b427540cafa5122c01e3e993"
        );
        let odd = Some("IQoJb3//token+with/odd=chars==");
        let signer = Signer { region: "eu-central-1", session_token: odd, ..signer };
        let query = signed_query(&signer, "kafka.eu-central-1.amazonaws.com", &action, at(), 900);
        assert!(
            query.contains("&X-Amz-Security-Token=IQoJb3%2F%2Ftoken%2Bwith%2Fodd%3Dchars%3D%3D&"),
            "{query}"
        );
        assert!(
            query.ends_with("=7dfada049c9079ec0e356b9498f73dcc51f120a0c9d1e7e243f30dd2c2513959"),
            "{query}"
        );
    }
}
