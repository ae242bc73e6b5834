//! Why there is no token.

/// No token came from the authorization server. The message names its address and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No client for HTTP could be made.
    #[error("preparing requests for tokens to {endpoint}: {reason}; see SSL_CERT_FILE and SSL_CERT_DIR")]
    Client {
        /// The configured address.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The authorities that are configured for the server's certificate are none.
    #[error(
        "preparing requests for tokens to {endpoint}: credentials.token_endpoint_ca_certificate cannot be used: {reason}; \
         give PEM text of certificates"
    )]
    Authorities {
        /// The configured address.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The server's certificate is not to be trusted.
    #[error(
        "asking {endpoint} for a token: {reason}; its certificate has expired, names another host, or is of an authority that \
         is not known here: for the last, give the authority's certificate in credentials.token_endpoint_ca_certificate, or \
         name its file in SSL_CERT_FILE"
    )]
    Certificate {
        /// The configured address.
        endpoint: String,
        /// What was found wrong with it.
        reason: String,
    },
    /// There is no TLS with the server.
    #[error(
        "asking {endpoint} for a token: {reason}; check that the port of credentials.token_endpoint speaks https, and asks \
         for no client certificate"
    )]
    Tls {
        /// The configured address.
        endpoint: String,
        /// What came in place of a handshake.
        reason: String,
    },
    /// No answer came.
    #[error(
        "asking {endpoint} for a token: {reason}; check credentials.token_endpoint, and that it can be reached from here"
    )]
    Unreachable {
        /// The configured address.
        endpoint: String,
        /// What came instead of an answer.
        reason: String,
    },
    /// The answer was a refusal.
    #[error("asking {endpoint} for a token: it answered {status}{}; {remedy}", said(.words))]
    Refused {
        /// The configured address.
        endpoint: String,
        /// Status of the answer.
        status: u16,
        /// `error` and `error_description` of RFC 6749, or the beginning of another answer; may be empty.
        words: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The answer has a token whose end is past.
    #[error(
        "asking {endpoint} for a token: the one that came has expired already, by this machine's clock; check that clock, and \
         for how long the server's tokens are good (expires_in of its answer, exp of the token)"
    )]
    Expired {
        /// The configured address.
        endpoint: String,
    },
    /// The answer has no token that could be used.
    #[error(
        "asking {endpoint} for a token: its answer {problem}; check that credentials.token_endpoint is the token endpoint \
         of an OAuth 2.0 authorization server"
    )]
    Unreadable {
        /// The configured address.
        endpoint: String,
        /// What is wrong with it, as a verb and its object.
        problem: String,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}
