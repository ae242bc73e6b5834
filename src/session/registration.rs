//! From subjects and schemas to ids, as `schema_registry` has it: registered, or only looked up; and whether the registry will
//! take what is to be registered.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::SchemaRegistry;
use crate::registry::{self, Client, Schema, SchemaType, Verdict, Version, each};
use crate::schema;

/// What messages of a schema carry, and are written by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) id: u32,
    /// The version that messages are written by, where it is not that of the schema itself.
    pub(super) latest: Option<Version>,
}

/// What schemas are registered as, in the order given.
pub(super) async fn registered(
    registry: SchemaRegistry,
    subjects: Vec<(String, Schema)>,
) -> anyhow::Result<Vec<Registered>> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    if registry.use_latest_version {
        let client = Client::new(&registry)?;
        let names: Vec<String> = subjects.iter().map(|(subject, _)| subject.clone()).collect();
        found = each(names, |subject| {
            let client = client.clone();
            async move { client.latest(&subject).await }
        })
        .await?;
        let unknown = subjects.into_iter().zip(&found).filter(|(_, latest)| latest.is_none());
        others.extend(unknown.map(|(pair, _)| pair));
    } else {
        found.resize(subjects.len(), None);
        others = subjects;
    }
    let mut ids = ids(registry, others).await?.into_iter();
    let registered = found.into_iter().map(|latest| {
        let id = latest.as_ref().map(|latest| latest.id).or_else(|| ids.next());
        Ok(Registered { id: id.context("the registry gave fewer ids than schemas")?, latest })
    });
    registered.collect()
}

/// The ids of schemas, in the order given.
async fn ids(registry: SchemaRegistry, subjects: Vec<(String, Schema)>) -> anyhow::Result<Vec<u32>> {
    let client = Client::new(&registry)?;
    if !registry.auto_register {
        let found = each(subjects.clone(), |(subject, schema)| {
            let client = client.clone();
            async move { client.look_up(&subject, &schema).await }
        })
        .await?;
        // The first that is missing, whichever answer came first.
        let ids = subjects.iter().zip(found).map(|((subject, schema), id)| {
            id.with_context(|| {
                format!(
                    "looking up the schema of subject {subject:?}: the registry does not have it, and \
                     schema_registry.auto_register is false; register it there, or set auto_register to true: {}",
                    schema.text
                )
            })
        });
        return ids.collect();
    }
    if let Some(level) = registry.compatibility {
        let mut seen = HashSet::new();
        let firsts = subjects.iter().map(|(subject, _)| subject).filter(|&subject| seen.insert(subject));
        let firsts: Vec<String> = firsts.cloned().collect();
        each(firsts, |subject| {
            let client = client.clone();
            async move {
                if client.latest(&subject).await?.is_none() {
                    client.set_compatibility(&subject, level.as_str()).await?;
                }
                anyhow::Ok(())
            }
        })
        .await?;
    }
    Ok(client.register(&subjects).await?)
}

/// Asks whether the registry takes schemas as new versions of their subjects, several at a time.
///
/// This may take as long as schemas are answered for, but no longer than `patience` without one: with a thousand bindings a registry
/// that is far away, or that takes so many requests a second, needs its time.
///
/// # Errors
///
/// It does not take some; the error names the fields. Or it did not answer.
pub(super) async fn check(
    client: &Client,
    subjects: &[(String, Schema)],
    patience: Duration,
) -> anyhow::Result<()> {
    // Bindings may share a subject.
    let mut seen = HashSet::new();
    let subjects: Vec<_> = subjects.iter().filter(|pair| seen.insert(*pair)).cloned().collect();
    let count = subjects.len();
    let answers = Arc::new(Answers::default());
    let asked = each(subjects, |(subject, schema)| {
        let (client, answers) = (client.clone(), Arc::clone(&answers));
        async move {
            let refusal = check_one(&client, &subject, &schema, &answers).await;
            answers.all.fetch_add(1, Ordering::Relaxed);
            refusal
        }
    });
    let mut asked = pin!(asked);
    let mut before = 0;
    let refusals = loop {
        if let Ok(refusals) = tokio::time::timeout(patience, &mut asked).await {
            break refusals?;
        }
        let now = answers.all.load(Ordering::Relaxed);
        if now == before {
            bail!(
                "checking the compatibility of {count} schemas at the schema registry {}: {now} were checked, and none \
                 within the last {patience:?}; check that the registry is healthy and lets so many requests through, then try \
                 again",
                client.addresses()
            );
        }
        before = now;
    };
    let refusals: Vec<_> = refusals.into_iter().flatten().collect();
    if refusals.is_empty() {
        return Ok(());
    }
    let mut text = refusals[..refusals.len().min(TOLD)].join("; and ");
    if refusals.len() > TOLD {
        text.push_str(&format!("; and {} more schemas are not compatible", refusals.len() - TOLD));
    }
    bail!("{text}; {REMEDY}");
}

/// How the registry has answered so far.
#[derive(Default)]
struct Answers {
    all: AtomicUsize,
    /// That it takes a schema, or does not.
    verdicts: AtomicUsize,
    /// That it has no such check.
    unknown: AtomicUsize,
}

impl Answers {
    /// Whether the registry plainly has no check: one such answer may come from what stands before it.
    fn lacks_check(&self) -> bool {
        self.verdicts.load(Ordering::Relaxed) == 0 && self.unknown.load(Ordering::Relaxed) > 1
    }
}

/// What is wrong with a schema, if something is. A registry that has no check is asked no more.
async fn check_one(
    client: &Client,
    subject: &str,
    schema: &Schema,
    answers: &Answers,
) -> Result<Option<String>, registry::Error> {
    if answers.lacks_check() {
        return Ok(None);
    }
    let verdict = client.compatibility(subject, schema).await?;
    let count = if let Verdict::Unknown = verdict { &answers.unknown } else { &answers.verdicts };
    let before = count.fetch_add(1, Ordering::Relaxed);
    let messages = match verdict {
        Verdict::Incompatible { messages } => messages,
        Verdict::Compatible | Verdict::NoVersions => return Ok(None),
        Verdict::Unknown => {
            if before == 0 {
                tracing::info!(subject, "the schema registry has no check of compatibility: it is skipped");
            }
            return Ok(None);
        }
    };
    // Who may register need not be let read; what the registry said is told all the same.
    let latest = client.latest(subject).await.unwrap_or_else(|error| {
        tracing::debug!(subject, %error, "the version that a schema is not compatible with cannot be read");
        None
    });
    Ok(Some(refusal(subject, schema, latest.as_ref(), &messages)))
}

fn refusal(subject: &str, schema: &Schema, latest: Option<&Version>, messages: &[String]) -> String {
    let mut text = format!("checking the schema of subject {subject:?}: it is not compatible with ");
    match latest {
        None => text.push_str("an earlier version"),
        Some(latest) => {
            text.push_str(&format!("version {}", latest.version));
            let differences = differences(&latest.schema, schema);
            if !differences.is_empty() {
                text.push_str(": ");
                text.push_str(&differences.join(", "));
            }
        }
    }
    if !messages.is_empty() {
        let messages: String = messages.join(" ").chars().take(SHOWN).collect();
        text.push_str(&format!(" (the registry says {messages:?})"));
    }
    text
}

/// How the fields differ from those that the registry has.
fn differences(registered: &Schema, new: &Schema) -> Vec<String> {
    match (registered.schema_type, new.schema_type) {
        (SchemaType::Avro, SchemaType::Avro) => schema::avro_differences(&registered.text, &new.text),
        (SchemaType::Json, SchemaType::Json) => schema::json_differences(&registered.text, &new.text),
        (theirs, ours) => {
            vec![format!("it is of the type {} there and {} here", theirs.as_str(), ours.as_str())]
        }
    }
}

/// What to do about schemas that are not compatible. Validate does not get to know which fields a publication excludes, and a field that
/// it called incompatible some runtimes would leave out without a word; so leaving one out takes a publication of its own.
const REMEDY: &str = "make the fields what they were, or exclude those that are no key in a publication of their own, before the one that \
                      changes them; or lower the compatibility of the subject at the registry (schema_registry.compatibility is set for new \
                      subjects only), or choose another topic or record_name, by which the subject is named";

/// Refusals that an error tells.
const TOLD: usize = 5;

/// Characters of a type, or of what the registry says, that an error repeats.
const SHOWN: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compatibility;
    use crate::registry::memory::{Fault, Options, Registry};

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    fn record(fields: &str) -> Schema {
        Schema::avro(format!(r#"{{"name":"r","type":"record","fields":[{fields}]}}"#))
    }

    fn asked(registry: &Registry, method: &str) -> Vec<String> {
        let seen = registry.requests().into_iter();
        seen.filter(|seen| seen.method == method).map(|seen| seen.path).collect()
    }

    #[test]
    fn without_registration_a_schema_must_be_there() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let subjects = vec![("s".to_owned(), record("")), ("t".to_owned(), record(""))];
            let known = Client::new(&registry.config()).unwrap().register(&subjects[..1]).await.unwrap();
            let config = SchemaRegistry { auto_register: false, ..registry.config() };
            assert_eq!(ids(config.clone(), subjects[..1].to_vec()).await.unwrap(), known);
            assert_eq!(
                ids(config.clone(), subjects.clone()).await.unwrap_err().to_string(),
                "looking up the schema of subject \"t\": the registry does not have it, and schema_registry.auto_register is false; register it there, or set auto_register to true: {\"name\":\"r\",\"type\":\"record\",\"fields\":[]}"
            );
            // Of several the first is told, whichever answer comes first.
            for _ in 0..5 {
                let missing = vec![("t".to_owned(), record("")), ("u".to_owned(), record(""))];
                registry.inject(Fault::Delay(Duration::from_millis(20)));
                let error = ids(config.clone(), missing).await.unwrap_err().to_string();
                assert!(error.starts_with("looking up the schema of subject \"t\""), "{error}");
            }
            // A subject that has others only.
            let other = vec![("s".to_owned(), Schema::avro(r#""long""#))];
            assert!(ids(config, other).await.unwrap_err().to_string().contains("does not have it"));
            assert_eq!(asked(&registry, "POST").iter().filter(|path| path.contains("versions")).count(), 1);
        });
    }

    #[test]
    fn the_latest_version_is_taken_where_there_is_one() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            let theirs = record(r#"{"name":"a","type":"long","default":0}"#);
            for schema in [record(""), theirs.clone()] {
                client.register(&[("s".to_owned(), schema)]).await.unwrap();
            }
            let config = SchemaRegistry { use_latest_version: true, ..registry.config() };
            let subjects = vec![("t".to_owned(), Schema::avro(r#""long""#)), ("s".to_owned(), record(""))];
            let found = registered(config.clone(), subjects.clone()).await.unwrap();
            let latest = Version { id: 2, version: 2, schema: theirs };
            assert_eq!(
                found,
                [Registered { id: 3, latest: None }, Registered { id: 2, latest: Some(latest) }]
            );
            let config = SchemaRegistry { auto_register: false, ..config };
            let none = vec![("u".to_owned(), record(""))];
            assert!(registered(config, none).await.unwrap_err().to_string().contains("does not have it"));
        });
    }

    #[test]
    fn compatibility_is_set_for_new_subjects_only() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            client.register(&[("old".to_owned(), record(""))]).await.unwrap();
            let config =
                SchemaRegistry { compatibility: Some(Compatibility::ForwardTransitive), ..registry.config() };
            let subjects = ["old", "new", "new"].map(|subject| (subject.to_owned(), record("")));
            assert_eq!(ids(config.clone(), subjects.to_vec()).await.unwrap(), [1, 1, 1]);
            assert_eq!(ids(config, subjects.to_vec()).await.unwrap(), [1, 1, 1]);
            assert_eq!(asked(&registry, "PUT"), ["/config/new"]);
            // In force: a field may come, and may not go.
            let longer = record(r#"{"name":"a","type":"long"}"#);
            client.register(&[("new".to_owned(), longer)]).await.unwrap();
            assert!(check(&client, &[("new".to_owned(), record(""))], LONG).await.is_err());
        });
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn several_schemas_are_checked_at_a_time_and_told_together() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            let of = |count: usize, fields: &str| -> Vec<_> {
                (0..count).map(|number| (format!("s{number}"), record(fields))).collect()
            };
            client.register(&of(7, r#"{"name":"a","type":"long"}"#)).await.unwrap();
            // Twice the same is one question.
            let subjects = [of(40, ""), of(40, "")].concat();
            for _ in 0..40 {
                registry.inject(Fault::Delay(Duration::from_millis(20)));
            }
            check(&client, &subjects, LONG).await.unwrap();
            assert_eq!(
                asked(&registry, "POST").iter().filter(|path| path.contains("compatibility")).count(),
                40
            );
            assert!((2..=10).contains(&registry.most_at_once()), "{}", registry.most_at_once());

            let changed = of(7, r#"{"name":"a","type":"string"}"#);
            let error = check(&client, &changed, LONG).await.unwrap_err().to_string();
            for number in 0..5 {
                assert!(
                    error.contains(&format!("checking the schema of subject \"s{number}\": it is not")),
                    "{error}"
                );
            }
            assert!(error.contains("; and 2 more schemas are not compatible; make the fields"), "{error}");
            assert_eq!(error.matches(REMEDY).count(), 1, "{error}");
        });
    }

    #[test]
    fn a_registry_without_a_check_is_not_asked_for_each_schema() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            let subjects: Vec<_> = (0..40).map(|number| (format!("s{number}"), record(""))).collect();
            for _ in &subjects {
                registry.inject(Fault::answer(404, "{}"));
            }
            check(&client, &subjects, LONG).await.unwrap();
            let asked = asked(&registry, "POST").len();
            assert!((1..=10).contains(&asked), "{asked}");
        });
    }

    #[test]
    fn a_registry_that_does_not_get_through_in_time_is_told() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            client.check(LONG).await.unwrap();
            registry.inject(Fault::Silence);
            let subjects = ["s", "t"].map(|subject| (subject.to_owned(), record("")));
            assert_eq!(
                check(&client, &subjects, Duration::from_millis(1500)).await.unwrap_err().to_string(),
                format!(
                    "checking the compatibility of 2 schemas at the schema registry {}: 1 were checked, and none within the last 1.5s; check that the registry is healthy and lets so many requests through, then try again",
                    registry.url()
                )
            );
        });
    }

    #[test]
    fn a_registry_is_asked_for_several_schemas_at_a_time_in_open() {
        run(async {
            for more in [
                SchemaRegistry {
                    use_latest_version: true,
                    ..SchemaRegistry::at("http://r".parse().unwrap())
                },
                SchemaRegistry { auto_register: false, ..SchemaRegistry::at("http://r".parse().unwrap()) },
                SchemaRegistry {
                    compatibility: Some(Compatibility::None),
                    ..SchemaRegistry::at("http://r".parse().unwrap())
                },
            ] {
                let registry = Registry::start(Options::default()).await.unwrap();
                let subjects: Vec<_> = (0..30)
                    .map(|number| {
                        (format!("s{number}"), record(&format!(r#"{{"name":"a{number}","type":"long"}}"#)))
                    })
                    .collect();
                let client = Client::new(&registry.config()).unwrap();
                let mut ids = Vec::new();
                for subject in &subjects {
                    ids.extend(client.register(std::slice::from_ref(subject)).await.unwrap());
                }
                let config = SchemaRegistry { endpoint: registry.config().endpoint, ..more };
                assert_eq!(registry.most_at_once(), 1);
                for _ in 0..30 {
                    registry.inject(Fault::Delay(Duration::from_millis(20)));
                }
                let registered = registered(config, subjects).await.unwrap();
                assert_eq!(registered.iter().map(|registered| registered.id).collect::<Vec<_>>(), ids);
                assert!((2..=10).contains(&registry.most_at_once()), "{}", registry.most_at_once());
            }
        });
    }

    #[test]
    fn what_is_not_compatible_is_told_by_its_fields() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            let nested = |kind: &str| {
                format!(
                    r#"{{"name":"b","type":{{"name":"r.b","type":"record","fields":[{{"name":"c","type":{kind}}}]}}}}"#
                )
            };
            let old = record(&format!(r#"{{"name":"a","type":"string"}},{}"#, nested(r#""string""#)));
            let new = record(&format!(r#"{{"name":"d","type":"long"}},{}"#, nested(r#"["long","null"]"#)));
            client.register(&[("s".to_owned(), old.clone())]).await.unwrap();
            check(&client, &[("s".to_owned(), old), ("t".to_owned(), new.clone())], LONG).await.unwrap();
            let error = check(&client, &[("s".to_owned(), new.clone())], LONG).await.unwrap_err().to_string();
            assert!(
                error.starts_with(
                    "checking the schema of subject \"s\": it is not compatible with version 1: field \"d\" is new, field \"b.c\" is \"string\" there and [\"long\",\"null\"] here, field \"a\" is gone (the registry says \"the new schema cannot read what the earlier one wrote: "
                ),
                "{error}"
            );
            assert!(
                error.ends_with("\"); make the fields what they were, or exclude those that are no key in a publication of their own, before the one that changes them; or lower the compatibility of the subject at the registry (schema_registry.compatibility is set for new subjects only), or choose another topic or record_name, by which the subject is named"),
                "{error}"
            );
            // A registry without such a check.
            for status in [404, 405] {
                registry.inject(Fault::answer(status, "{}"));
                check(&client, &[("s".to_owned(), new.clone())], LONG).await.unwrap();
            }
            registry.inject(Fault::answer(403, "{}"));
            assert!(
                check(&client, &[("s".to_owned(), new)], LONG).await.unwrap_err().to_string().starts_with(
                    "checking the compatibility of the schema of subject \"s\" at the schema registry "
                )
            );
        });
    }

    #[test]
    fn json_schemas_that_are_not_compatible_are_told_by_their_fields() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            let schema = |kind: &str| {
                Schema::json(format!(r#"{{"type":"object","properties":{{"total":{{"type":"{kind}"}}}}}}"#))
            };
            client.register(&[("s".to_owned(), schema("number"))]).await.unwrap();
            let refusal = |new: Schema| async {
                check(&client, &[("s".to_owned(), new)], LONG).await.unwrap_err().to_string()
            };
            assert!(
                refusal(schema("string")).await.starts_with(
                    "checking the schema of subject \"s\": it is not compatible with version 1: field \"total\" is number there and string here (the registry says "
                )
            );
            let other = refusal(record("")).await;
            assert!(
                other.contains("version 1: it is of the type JSON there and AVRO here (the registry"),
                "{other}"
            );
        });
    }

    /// Who may register a schema need not be let read others.
    #[test]
    fn what_the_registry_says_is_told_where_its_versions_cannot_be_read() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let client = Client::new(&registry.config()).unwrap();
            client.register(&[("s".to_owned(), record(""))]).await.unwrap();
            registry.inject(Fault::answer(
                200,
                r#"{"is_compatible":false,"messages":["READER_FIELD_MISSING at /fields/1"]}"#,
            ));
            registry.inject(Fault::answer(403, r#"{"error_code":40301,"message":"denied"}"#));
            let error = check(&client, &[("s".to_owned(), record(""))], LONG).await.unwrap_err().to_string();
            assert!(
                error.starts_with(
                    "checking the schema of subject \"s\": it is not compatible with an earlier version (the registry says \"READER_FIELD_MISSING at /fields/1\"); make the fields "
                ),
                "{error}"
            );
        });
    }
}
