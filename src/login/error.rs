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
