//! What both clients of other people's HTTP servers need, the schema registry's and the authorization server's: answers
//! that are read up to a limit, authorities to trust, why a request failed, and texts of the other side without our secrets.

use std::error::Error as StdError;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Certificate, ClientBuilder, Response};
use serde_json::Value;
use url::form_urlencoded;

/// The whole body, or nothing when it is longer than `limit` bytes.
pub(crate) async fn body(response: &mut Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > limit - body.len() {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The failure and what has caused it, one after the other.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&cause| {
        // An `io::Error` that wraps another error would skip that one.
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        }
    })
}

/// What the deepest cause says; the outer ones only say that a request failed.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| cause.to_string().chars().take(SHOWN).collect())
}

/// A client that trusts these authorities, PEM text, in place of the system's; or what is wrong with the text.
pub(crate) fn trusting(client: ClientBuilder, authorities: &str) -> Result<ClientBuilder, String> {
    let authorities =
        Certificate::from_pem_bundle(authorities.as_bytes()).map_err(|error| innermost(&error))?;
    if authorities.is_empty() {
        return Err("it has no certificate".to_owned());
    }
    let client = client.tls_built_in_root_certs(false);
    Ok(authorities.into_iter().fold(client, ClientBuilder::add_root_certificate))
}

/// Whether a request to an address of https failed because TLS did: the handshake, or by an alert that came behind it (that
/// the client has no certificate, say).
pub(crate) fn is_about_tls(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| {
        cause.kind() == io::ErrorKind::InvalidData
            || (error.is_connect() && cause.kind() == io::ErrorKind::UnexpectedEof)
    })
}

/// Whether TLS failed because of the server's certificate. rustls has a type for that, which is not ours to see.
pub(crate) fn is_about_the_certificate(error: &reqwest::Error) -> bool {
    is_about_tls(error) && innermost(error).starts_with("invalid peer certificate")
}

/// Whether the host's name could not be resolved: the one cause that has no type of its own, hyper-util only says it.
pub(crate) fn is_about_the_name(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.to_string() == "dns error")
}

/// The beginning of a text of the other side, without these secrets: there are servers and proxies whose errors repeat the
/// request that they are about. Secrets are found as they are, in base64, and as JSON, HTML, forms and URLs spell them.
pub(crate) fn told(text: &[u8], secrets: &[String]) -> String {
    let mut spellings: Vec<String> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
    // What holds another one goes first.
    spellings.sort_unstable_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    let text = spellings
        .iter()
        .filter(|spelling| !spelling.is_empty())
        .fold(String::from_utf8_lossy(text).into_owned(), |text, spelling| text.replace(spelling, "***"));
    text.chars().take(SHOWN).collect()
}

fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = Vec::new();
    for text in [secret, &BASE64.encode(secret)] {
        let json = Value::from(text).to_string();
        let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
        let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        spellings.extend([
            html.replace('"', "&quot;").replace('\'', "&#39;"),
            html.replace('"', "&#34;").replace('\'', "&#x27;"),
            html,
            // There are encoders that write a slash so.
            json.replace('/', "\\/"),
            json.to_owned(),
            form.replace('+', "%20"),
            form.to_ascii_lowercase().replace('+', "%20"),
            form.to_ascii_lowercase(),
            form,
            text.to_owned(),
        ]);
    }
    spellings
}

/// Characters of a text of the other side that an error repeats.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_however_they_are_spelt() {
        let secret = "a+b/ \"c'<&>ü\\";
        let secrets = [secret.to_owned(), format!("me:{secret}")];
        for repeated in [
            secret,
            "YSsvYg==",
            "a+b/ \\\"c'<&>ü\\\\",
            "a+b\\/ \\\"c'<&>ü\\\\",
            "a%2Bb%2F+%22c%27%3C%26%3E%C3%BC%5C",
            "a%2Bb%2F%20%22c%27%3C%26%3E%C3%BC%5C",
            "a%2bb%2f%20%22c%27%3c%26%3e%c3%bc%5c",
            "a+b/ &quot;c&#39;&lt;&amp;&gt;ü\\",
            "a+b/ &#34;c&#x27;&lt;&amp;&gt;ü\\",
        ] {
            let secrets: &[String] = if repeated == "YSsvYg==" { &["a+/b".to_owned()] } else { &secrets };
            assert_eq!(told(format!("see <{repeated}>").as_bytes(), secrets), "see <***>", "{repeated}");
        }
        let pair = BASE64.encode(&secrets[1]);
        assert_eq!(told(format!("Basic {pair}").as_bytes(), &secrets), "Basic ***");
        assert_eq!(told(b"nothing to hide", &[String::new()]), "nothing to hide");
        assert_eq!(told("ü".repeat(300).as_bytes(), &secrets).chars().count(), SHOWN);
    }
}
