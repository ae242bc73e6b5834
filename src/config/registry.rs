//! The schema registry: where it is and how to log in to it.

use url::Url;

use super::error::Error;
use super::kinds::{filled, text};
use super::members::Members;
use super::option::options;
use super::secret::Secret;

options! {
    /// A Confluent-compatible schema registry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SchemaRegistry, checked by whole_login {
        /// Base address of a Confluent-compatible registry, such as https://registry.example.com; a path in it is kept.
        pub endpoint: Url = "Endpoint", filled()
            .then(|members, name, text| read_address(members, name, &text))
            .required("give the registry's address, such as https://registry.example.com");
        /// User name for basic authentication; for hosted registries often an API key.
        pub username: Option<String> = "User name", text();
        /// Password for basic authentication; for hosted registries often an API secret.
        pub password: Option<Secret> = "Password", text().secret();
    }
}

fn whole_login(mut registry: SchemaRegistry, members: &Members<'_>) -> Result<SchemaRegistry, Error> {
    // A form that was left blank sends two empty texts: no login.
    let blank = registry.username.as_deref().unwrap_or("").is_empty()
        && registry.password.as_ref().is_none_or(|password| password.expose().is_empty());
    if blank {
        (registry.username, registry.password) = (None, None);
    }
    if registry.username.is_none() && registry.password.is_some() {
        return Err(members.missing("username", "a password is there, so give the user that it belongs to"));
    }
    Ok(registry)
}

/// Reads http or https, with a path if the registry has one; without login, query and fragment.
fn read_address(members: &Members<'_>, name: &str, text: &str) -> Result<Url, Error> {
    // A login inside the address would be shown wherever the address is, so such a text is never repeated.
    let shown = if text.contains('@') { "***" } else { text };
    let invalid = |why: &str| members.invalid(name, shown, why.to_owned());

    let url = Url::parse(text).map_err(|error| {
        invalid(&format!("not a URL ({error}); expected one such as https://registry.example.com"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("expected an address that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "a login inside the address would not be kept secret; give it as username and password beside it",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("expected a base address, without a query (?) or fragment (#)"));
    }
    Ok(url)
}
