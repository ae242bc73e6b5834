//! How connections to the brokers are encrypted.

use super::option::choices;

choices! {
    /// How connections to the brokers are encrypted.
    pub enum Tls {
        /// TLS, with the certificate authorities that the system trusts, or those of SSL_CERT_FILE and SSL_CERT_DIR.
        SystemCertificates = "system_certificates",
    }
}
