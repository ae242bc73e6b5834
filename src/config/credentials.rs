//! How the connector logs in to the brokers.

use super::kinds::{choice, filled};
use super::option::{choices, options};
use super::secret::Secret;

options! {
    /// How the connector proves to the brokers who it is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Credentials by auth_type = "Kind of login" {
        /// A user name and a password that the brokers know.
        UserPassword = "user_password", "SASL user and password" {
            /// How the password is proved to the brokers.
            mechanism: SaslMechanism = "SASL mechanism", choice()
                .required("choose the one that the brokers offer: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
                .with("default", "PLAIN");
            /// Name of the SASL user.
            username: String = "User name", filled().required("give the SASL user name");
            /// Password of the SASL user.
            password: Secret = "Password", filled().secret().required("give the SASL user's password");
        }
    }
}

choices! {
    /// SASL mechanisms, all with a user name and a password.
    pub enum SaslMechanism {
        /// The password itself is sent, so use it with TLS.
        Plain = "PLAIN",
        /// Salted challenge and response with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// Salted challenge and response with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}
