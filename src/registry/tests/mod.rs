//! The client against the registry in memory, and against servers that misbehave.

mod client;
mod faults;
mod memory;
mod places;

use std::time::Duration;

use url::Url;

use super::client::Client;
use super::error::Error;
use super::exchange::Limits;
use super::memory::{Options, Registry};
use super::schema::Schema;
use crate::config::{SchemaRegistry, Secret};

/// Limits for tests that must not run into them, however busy the machine is.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(60),
    whole: Duration::from_secs(60),
    attempts: 3,
    pause: Duration::from_millis(1),
};

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

async fn registry() -> Registry {
    Registry::start(Options::default()).await.unwrap()
}

fn client(registry: &Registry) -> Client {
    Client::with_limits(&registry.config(), PATIENT).unwrap()
}

/// A client of an address that is no registry in memory.
fn client_of(address: &str, limits: Limits) -> Client {
    let config = SchemaRegistry {
        username: Some("user".to_owned()),
        password: Some(Secret::new("hunter2")),
        ..SchemaRegistry::at(Url::parse(address).unwrap())
    };
    Client::with_limits(&config, limits).unwrap()
}

fn pair(subject: &str, schema: &str) -> (String, Schema) {
    (subject.to_owned(), Schema::avro(schema))
}

/// The error's text, with the part of the address that changes from run to run replaced.
fn text(error: &Error, address: &str) -> String {
    error.to_string().replace(address, "ADDRESS")
}
