//! How connections to the brokers are encrypted, and which certificates both sides show and trust.

use super::error::Error;
use super::kinds::filled;
use super::members::Members;
use super::option::{Setting, choices, options};
use super::pem::pem;
use super::secret::Secret;

choices! {
    /// How connections to the brokers are encrypted.
    pub enum Tls {
        /// TLS, with the certificate authorities that the system trusts, or those of SSL_CERT_FILE and SSL_CERT_DIR.
        SystemCertificates = "system_certificates",
    }
}

options! {
    /// Certificates for TLS connections to the brokers.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TlsCertificates, checked by certificate_and_key {
        /// Certificates of the authorities that the brokers' certificates must be of, as PEM text. They are trusted in
        /// place of the system's, not beside them.
        pub ca_certificate: Option<String> = "CA certificate", certificates();
        /// Certificate that the connector shows to the brokers (mutual TLS), as PEM text; intermediate ones behind it.
        pub client_certificate: Option<String> = "Client certificate", certificates();
        /// Private key of the client certificate, as PEM text.
        pub client_key: Option<Secret> = "Client key", key();
        /// Password of the private key, if it is encrypted.
        pub client_key_password: Option<Secret> = "Client key password", filled().secret();
    }
}

/// Certificates, and no private key, which others would get to see.
pub(super) fn certificates() -> Setting<Option<String>> {
    pem().then(|members, name, text| {
        if text.contains("CERTIFICATE-----") && !text.contains("PRIVATE KEY-----") {
            return Ok(text);
        }
        let reason = "expected a certificate, with a line -----BEGIN CERTIFICATE-----, and no private key";
        Err(members.invalid(name, "***", reason.to_owned()))
    })
}

fn key() -> Setting<Option<Secret>> {
    pem()
        .then(|members, name, text| {
            if text.contains("PRIVATE KEY-----") {
                return Ok(text);
            }
            let reason = "expected a private key, with a line such as -----BEGIN PRIVATE KEY-----";
            Err(members.invalid(name, "***", reason.to_owned()))
        })
        .secret()
}

fn certificate_and_key(read: TlsCertificates, members: &Members<'_>) -> Result<TlsCertificates, Error> {
    match (&read.client_certificate, &read.client_key) {
        (Some(_), None) => {
            return Err(
                members.missing("client_key", "a client certificate is of no use without its private key")
            );
        }
        (None, Some(_)) => {
            return Err(
                members.missing("client_certificate", "a private key is there, so give its certificate")
            );
        }
        _ => {}
    }
    let is_encrypted = read.client_key.as_ref().is_some_and(|key| key.expose().contains("ENCRYPTED"));
    match (is_encrypted, &read.client_key_password) {
        (true, None) => Err(members.missing("client_key_password", "client_key is encrypted")),
        (false, Some(_)) => Err(members.invalid(
            "client_key_password",
            "***",
            "there is no client_key that is encrypted: leave the password out, or give the key".to_owned(),
        )),
        _ => Ok(read),
    }
}

impl TlsCertificates {
    /// Whether nothing is given: a form that was left blank.
    pub(super) fn is_empty(&self) -> bool {
        self.ca_certificate.is_none() && self.client_certificate.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::EndpointConfig;
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nhunter1\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    const ENCRYPTED: &str =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----\n";
    const OLD: &str =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nhunter2\n-----END RSA PRIVATE KEY-----\n";

    fn parse(certificates: &serde_json::Value, tls: bool) -> Result<Option<TlsCertificates>, String> {
        let mut config = json!({
            "bootstrap_servers": "b", "message_format": "JSON", "tls_certificates": certificates,
        });
        if tls {
            config["tls"] = "system_certificates".into();
        }
        match EndpointConfig::parse(config.to_string().as_bytes()) {
            Ok(config) => Ok(config.tls_certificates),
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
                Err(error.to_string().replace("reading the endpoint configuration: /", ""))
            }
        }
    }

    #[test]
    fn certificates_are_taken_as_text() {
        let all = json!({
            "ca_certificate": CERTIFICATE, "client_certificate": CERTIFICATE, "client_key": ENCRYPTED,
            "client_key_password": "hunter3",
        });
        let read = parse(&all, true).unwrap().unwrap();
        assert!(!format!("{:?}", (&read.client_key, &read.client_key_password)).contains("hunter"));
        assert_eq!(
            read,
            TlsCertificates {
                ca_certificate: Some(CERTIFICATE.to_owned()),
                client_certificate: Some(CERTIFICATE.to_owned()),
                client_key: Some(Secret::new(ENCRYPTED)),
                client_key_password: Some(Secret::new("hunter3")),
            }
        );
        let without_password = json!({"client_certificate": CERTIFICATE, "client_key": KEY});
        assert!(parse(&without_password, true).unwrap().is_some());
        let blank = json!({"ca_certificate": "", "client_certificate": "", "client_key": "", "client_key_password": ""});
        assert_eq!(parse(&blank, false), Ok(None), "a form that was left blank");
        assert_eq!(parse(&json!({}), false), Ok(None));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (certificates, expected) in [
            (
                json!({"client_certificate": CERTIFICATE}),
                "tls_certificates/client_key is missing; a client certificate is of no use without its private key",
            ),
            (
                json!({"client_key": KEY}),
                "tls_certificates/client_certificate is missing; a private key is there, so give its certificate",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": ENCRYPTED}),
                "tls_certificates/client_key_password is missing; client_key is encrypted",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": OLD}),
                "tls_certificates/client_key_password is missing; client_key is encrypted",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": KEY, "client_key_password": "hunter3"}),
                "tls_certificates/client_key_password is \"***\": there is no client_key that is encrypted: leave the \
                 password out, or give the key",
            ),
            (
                json!({"client_certificate": KEY, "client_key": CERTIFICATE}),
                "tls_certificates/client_certificate is \"***\": expected a certificate, with a line \
                 -----BEGIN CERTIFICATE-----, and no private key",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": CERTIFICATE}),
                "tls_certificates/client_key is \"***\": expected a private key, with a line such as \
                 -----BEGIN PRIVATE KEY-----",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": KEY.replace('\n', "\\n")}),
                "tls_certificates/client_key is \"***\": it has \\n as two characters where a line should end: give it with \
                 real line ends (in YAML as a block with | or in double quotes, in JSON with \\n and not \\\\n)",
            ),
            (
                json!({"client_certificate": CERTIFICATE.replace('\n', " "), "client_key": KEY}),
                "tls_certificates/client_certificate is \"***\": its line ends are lost, so that all of it stands on one line: \
                 give it as the file has it, with -----BEGIN ...----- and -----END ...----- on lines of their own",
            ),
            (
                json!({"ca_certificate": CERTIFICATE.replace("-----B", "  -----B")}),
                "tls_certificates/ca_certificate is \"***\": its lines are indented: they must begin with -----BEGIN and \
                 -----END, without blanks",
            ),
            (
                json!({"client_certificate": CERTIFICATE, "client_key": &KEY[..40]}),
                "tls_certificates/client_key is \"***\": a -----BEGIN line has no -----END line of the same kind behind it: \
                 the text is cut off, give the whole of it",
            ),
            (
                json!({"ca_certificate": "/etc/ssl/hunter.pem"}),
                "tls_certificates/ca_certificate is \"***\": expected PEM text, with a line that starts with \
                 -----BEGIN: give the content of the file, not its name",
            ),
        ] {
            assert_eq!(parse(&certificates, true).unwrap_err(), expected);
        }
        assert_eq!(
            parse(&json!({"ca_certificate": CERTIFICATE}), false).unwrap_err(),
            "tls is missing; tls_certificates are for TLS: set it to \"system_certificates\""
        );
    }
}
