//! What the connector asks of a registry.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{Doing, Error};
use super::exchange::{Call, Exchange, Limits};
use super::parallel::each;
use super::schema::{Schema, SchemaType};
use crate::config::SchemaRegistry;

/// A client of one schema registry. Cheap to clone: clones share their connections.
///
/// Every call is bounded: 5 s for a connection, 30 s for the whole call with its retries. Connection
/// errors, 429 and 5xx are tried again a few times with growing pauses; other answers are final.
/// Proxies named by the environment (`HTTPS_PROXY`, `NO_PROXY`) are used, except for a registry on this
/// machine. Certificates are checked by the authorities that are configured, else by the system's or those of `SSL_CERT_FILE`.
/// Of several addresses each attempt takes the one that answered last, and goes on to the next where that cannot be reached or
/// fails.
#[derive(Clone, Debug)]
pub struct Client {
    exchange: Arc<Exchange>,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A certificate or key that is configured is none, or the system's certificates are there but none of them can be read.
    pub fn new(registry: &SchemaRegistry) -> Result<Self, Error> {
        Self::with_limits(registry, Limits::default())
    }

    /// The registry's addresses, as errors name them.
    #[must_use]
    pub fn addresses(&self) -> String {
        self.exchange.addresses()
    }

    pub(super) fn with_limits(registry: &SchemaRegistry, limits: Limits) -> Result<Self, Error> {
        Ok(Self { exchange: Arc::new(Exchange::new(registry, limits)?) })
    }

    /// Asks for the registry's configuration, to prove that it is there and accepts the login; three
    /// times at most, because somebody waits for the verdict.
    ///
    /// # Errors
    ///
    /// No good answer came within `limit`.
    pub async fn check(&self, limit: Duration) -> Result<(), Error> {
        let call = self.exchange.get(Doing::Check, &["config"], ANSWER_LIMIT);
        let answer = self.exchange.send(&call, limit).await?;
        if answer.is_object() {
            Ok(())
        } else {
            Err(self.exchange.unreadable(&call, "is JSON but not an object"))
        }
    }

    /// Counts the registry's subjects, to show that they can be listed.
    ///
    /// # Errors
    ///
    /// No good answer came within `limit`.
    pub async fn count_subjects(&self, limit: Duration) -> Result<usize, Error> {
        let call = self.exchange.get(Doing::List, &["subjects"], SCHEMA_LIMIT);
        let answer = self.exchange.send(&call, limit).await?;
        let subjects = answer.as_array().filter(|subjects| subjects.iter().all(Value::is_string));
        subjects.map(Vec::len).ok_or_else(|| self.exchange.unreadable(&call, "is no list of subjects"))
    }

    /// Registers schemas, each under a subject, and returns their numbers in the order given.
    ///
    /// Each distinct pair is sent once, at most ten at a time. A schema that is registered already
    /// keeps its number. A subject is not empty, `.` or `..`: an address cannot carry those.
    ///
    /// # Errors
    ///
    /// The first refusal or failure; others that were still under way are given up.
    pub async fn register(&self, subjects: &[(String, Schema)]) -> Result<Vec<u32>, Error> {
        let mut distinct = Vec::new();
        let mut seen = HashMap::new();
        let places: Vec<usize> = subjects
            .iter()
            .map(|pair| {
                *seen.entry(pair).or_insert_with(|| {
                    distinct.push(pair);
                    distinct.len() - 1
                })
            })
            .collect();

        let calls: Vec<Call> = distinct
            .into_iter()
            .map(|(subject, schema)| self.exchange.registration(subject, schema))
            .collect();
        let ids = each(calls, |call| {
            let exchange = Arc::clone(&self.exchange);
            async move { exchange.register(&call).await }
        })
        .await?;
        Ok(places.into_iter().map(|place| ids[place]).collect())
    }

    /// The number of a schema under a subject; `None` if the subject does not have it.
    ///
    /// # Errors
    ///
    /// No good answer came.
    pub async fn look_up(&self, subject: &str, schema: &Schema) -> Result<Option<u32>, Error> {
        let doing = Doing::LookUp { subject: subject.to_owned() };
        let body = body(schema);
        let limit = ANSWER_LIMIT + 2 * body.len();
        let mut call = self.exchange.post(doing, &["subjects", subject], body, limit);
        call.query = Some("normalize=true");
        match self.exchange.send(&call, self.exchange.whole()).await {
            Ok(answer) => self.exchange.id(&call, &answer).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest version of a subject; `None` if there is none.
    ///
    /// # Errors
    ///
    /// No good answer came.
    pub async fn latest(&self, subject: &str) -> Result<Option<Version>, Error> {
        let doing = Doing::Latest { subject: subject.to_owned() };
        let call = self.exchange.get(doing, &["subjects", subject, "versions", "latest"], SCHEMA_LIMIT);
        let mut answer = match self.exchange.send(&call, self.exchange.whole()).await {
            Ok(answer) => answer,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let version =
            answer.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
        let Some((Value::String(text), version)) = answer.get_mut("schema").map(Value::take).zip(version)
        else {
            return Err(self.exchange.unreadable(&call, "has no schema and version"));
        };
        let id = self.exchange.id(&call, &answer)?;
        let schema = Schema { schema_type: self.exchange.schema_type(&call, &answer)?, text };
        Ok(Some(Version { id, version, schema }))
    }

    /// Whether a schema could become the next version of a subject.
    ///
    /// # Errors
    ///
    /// No good answer came.
    pub async fn compatibility(&self, subject: &str, schema: &Schema) -> Result<Verdict, Error> {
        let doing = Doing::Compatibility { subject: subject.to_owned() };
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        let mut call = self.exchange.post(doing, &path, body(schema), ANSWER_LIMIT);
        call.query = Some("verbose=true");
        let answer = match self.exchange.send(&call, self.exchange.whole()).await {
            Ok(answer) => answer,
            Err(error) if error.is_missing() => return Ok(Verdict::NoVersions),
            Err(Error::Refused { status: 404 | 405, .. }) => return Ok(Verdict::Unknown),
            Err(error) => return Err(error),
        };
        match answer.get("is_compatible").and_then(Value::as_bool) {
            Some(true) => Ok(Verdict::Compatible),
            Some(false) => {
                let messages = answer.get("messages").and_then(Value::as_array);
                let messages = messages.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                Ok(Verdict::Incompatible { messages: messages.collect() })
            }
            None => Err(self.exchange.unreadable(&call, "does not say is_compatible")),
        }
    }

    /// Sets what new versions of a subject must be compatible with, by the registry's name.
    ///
    /// # Errors
    ///
    /// The registry does not take it, or no good answer came.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), Error> {
        let doing = Doing::Level { subject: subject.to_owned() };
        let body = json!({"compatibility": level}).to_string();
        let call = self.exchange.put(doing, &["config", subject], body, ANSWER_LIMIT);
        self.exchange.send(&call, self.exchange.whole()).await.map(drop)
    }

    /// Reads the schema that has this number.
    ///
    /// # Errors
    ///
    /// There is no such schema, or no good answer came.
    pub async fn schema(&self, id: u32) -> Result<Schema, Error> {
        let call = self.exchange.get(Doing::Fetch { id }, &["schemas", "ids", &id.to_string()], SCHEMA_LIMIT);
        let mut answer = self.exchange.send(&call, self.exchange.whole()).await?;
        match answer.get_mut("schema").map(Value::take) {
            Some(Value::String(text)) => {
                Ok(Schema { schema_type: self.exchange.schema_type(&call, &answer)?, text })
            }
            _ => Err(self.exchange.unreadable(&call, "has no text named schema")),
        }
    }

    /// The subjects that have the schema of this number.
    ///
    /// # Errors
    ///
    /// There is no such schema, or no good answer came.
    pub async fn subjects(&self, id: u32) -> Result<Vec<String>, Error> {
        let path = ["schemas", "ids", &id.to_string(), "versions"];
        let call = self.exchange.get(Doing::Fetch { id }, &path, ANSWER_LIMIT);
        let answer = self.exchange.send(&call, self.exchange.whole()).await?;
        let versions = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let subjects: Option<Vec<String>> = versions
            .iter()
            .map(|version| version.get("subject").and_then(Value::as_str).map(str::to_owned))
            .collect();
        subjects
            .filter(|subjects| !subjects.is_empty())
            .ok_or_else(|| self.exchange.unreadable(&call, "is no list of subjects and versions"))
    }
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The id of its schema.
    pub id: u32,
    /// Its number within the subject.
    pub version: u32,
    /// Its schema.
    pub schema: Schema,
}

/// Whether a schema could become the next version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It could.
    Compatible,
    /// It could not.
    Incompatible {
        /// What the registry says of it; often nothing.
        messages: Vec<String>,
    },
    /// The subject has no versions that it would have to be compatible with.
    NoVersions,
    /// The registry does not answer such questions.
    Unknown,
}

impl Exchange {
    fn registration(&self, subject: &str, schema: &Schema) -> Call {
        let body = body(schema);
        // Newer registries repeat the schema in their answer.
        let limit = ANSWER_LIMIT + 2 * body.len();
        let doing = Doing::Register { subject: subject.to_owned() };
        let mut call = self.post(doing, &["subjects", subject, "versions"], body, limit);
        call.query = Some("normalize=true");
        call
    }

    /// The type that an answer says its schema has; Avro's is mostly left out.
    fn schema_type(&self, call: &Call, answer: &Value) -> Result<SchemaType, Error> {
        match answer.get("schemaType").and_then(Value::as_str) {
            None => Ok(SchemaType::Avro),
            Some(name) => SchemaType::named(name).ok_or_else(|| {
                self.unreadable(call, &format!("has a schema of the type {name:?}, not AVRO or JSON"))
            }),
        }
    }

    async fn register(&self, call: &Call) -> Result<u32, Error> {
        let answer = self.send(call, self.whole()).await?;
        self.id(call, &answer)
    }

    fn id(&self, call: &Call, answer: &Value) -> Result<u32, Error> {
        answer
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| self.unreadable(call, "has no id of 32 bits"))
    }
}

/// A schema as requests carry it.
fn body(schema: &Schema) -> String {
    let Schema { schema_type, text } = schema;
    json!({"schema": text, "schemaType": schema_type.as_str()}).to_string()
}

/// Bytes of an answer that is no schema; registries send some hundred.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Bytes of an answer that carries a schema, or all subjects.
const SCHEMA_LIMIT: usize = 16 * 1024 * 1024;
