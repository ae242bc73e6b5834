//! What the registry has already of schemas: the latest versions of their subjects, by which messages are to be written, or
//! the schemas themselves, where nothing may be registered.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use anyhow::anyhow;

use crate::config::SchemaRegistry;
use crate::registry::{Client, Schema, each};
use crate::session::patience::{Answered, patiently};
use crate::session::registration::Registered;

/// What came of a look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LookedUp {
    /// What schemas are registered as, in the order given; none for one that is not.
    pub(super) found: Vec<Option<Registered>>,
    /// Those that are not, and may not be registered either: each once.
    pub(super) lacking: Vec<(String, Schema)>,
}

/// Finds out what schemas are registered as; changes nothing. No answer may take longer than `patience`.
///
/// # Errors
///
/// The registry did not answer.
pub(super) async fn look_up(
    registry: &SchemaRegistry,
    client: &Client,
    subjects: &[(String, Schema)],
    patience: Duration,
) -> anyhow::Result<LookedUp> {
    let mut found = vec![None; subjects.len()];
    if registry.use_latest_version {
        let (names, places) = distinct(subjects.iter().map(|(subject, _)| subject));
        let doing = format!("looking up the latest versions of {} subjects", names.len());
        let answered = Answered::default();
        let asked = each(names, |subject| {
            let (client, answered) = (client.clone(), answered.clone());
            async move {
                let latest = client.latest(&subject).await?;
                answered.add();
                Ok(latest)
            }
        });
        let latest = patiently(asked, &answered, patience, client, (&doing, "looked up")).await?;
        let of_place = places.into_iter().map(|place| latest[place].clone());
        found = of_place
            .map(|latest| latest.map(|latest| Registered { id: latest.id, latest: Some(latest) }))
            .collect();
    }
    if registry.auto_register {
        return Ok(LookedUp { found, lacking: Vec::new() });
    }
    let without = subjects.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(pair, _)| pair);
    let (pairs, places) = distinct(without);
    let doing = format!("looking up {} schemas", pairs.len());
    let answered = Answered::default();
    let asked = each(pairs.clone(), |(subject, schema)| {
        let (client, answered) = (client.clone(), answered.clone());
        async move {
            let id = client.look_up(&subject, &schema).await?;
            answered.add();
            Ok(id)
        }
    });
    let ids = patiently(asked, &answered, patience, client, (&doing, "looked up")).await?;
    let lacking = pairs.into_iter().zip(&ids).filter(|(_, id)| id.is_none()).map(|(pair, _)| pair).collect();
    let mut places = places.into_iter();
    for found in found.iter_mut().filter(|found| found.is_none()) {
        *found = places.next().and_then(|place| ids[place]).map(|id| Registered { id, latest: None });
    }
    Ok(LookedUp { found, lacking })
}

/// Each item once, and for each of those given its place among them.
fn distinct<'i, T: Clone + Eq + Hash + 'i>(items: impl IntoIterator<Item = &'i T>) -> (Vec<T>, Vec<usize>) {
    let (mut distinct, mut seen) = (Vec::new(), HashMap::new());
    let places = items.into_iter().map(|item| {
        *seen.entry(item).or_insert_with(|| {
            distinct.push(item.clone());
            distinct.len() - 1
        })
    });
    let places = places.collect();
    (distinct, places)
}

/// Tells of schemas that the registry does not have, with what is needed to register them there; and of those of which it is only
/// likely that they will be needed as well.
pub(super) fn missing(lacking: &[(String, Schema)], likely: &[(String, Schema)]) -> anyhow::Error {
    let mut left = TEXTS;
    let mut tell = |schemas: &[(String, Schema)]| {
        let mut told: Vec<String> = Vec::new();
        for (subject, schema) in schemas.iter().take(TOLD) {
            let shown: String = schema.text.chars().take(left).collect();
            left -= shown.chars().count();
            let cut = match schema.text.len() - shown.len() {
                0 => String::new(),
                cut => format!("... ({cut} bytes more)"),
            };
            told.push(format!("subject {subject:?}, of type {}: {shown}{cut}", schema.schema_type.as_str()));
        }
        if schemas.len() > TOLD {
            told.push(format!("{} more", schemas.len() - TOLD));
        }
        told.join(", and that of ")
    };
    let mut told = tell(lacking);
    if !likely.is_empty() {
        told.push_str(", nor, if those fields are selected that are likely to be, that of ");
        told.push_str(&tell(likely));
    }
    let (what, them) = match lacking.len() + likely.len() {
        1 => ("the schema".to_owned(), "it"),
        count => (format!("{count} schemas"), "them"),
    };
    anyhow!(
        "looking up {what}: the registry does not have that of {told}; as schema_registry.auto_register is false, register {them} \
         there, or set auto_register to true"
    )
}

/// Missing schemas that an error tells.
const TOLD: usize = 20;

/// Characters of their texts together: whole where they are not unusually many or large.
const TEXTS: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Version;
    use crate::registry::memory::{Fault, Options, Registry};

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    fn record(name: &str) -> Schema {
        Schema::avro(format!(r#"{{"name":"{name}","type":"record","fields":[]}}"#))
    }

    fn pair(subject: &str, schema: Schema) -> (String, Schema) {
        (subject.to_owned(), schema)
    }

    fn asked(registry: &Registry) -> Vec<String> {
        registry.requests().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_missing_is_told_at_once_with_types_and_texts() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let config = SchemaRegistry { auto_register: false, ..registry.config() };
            let client = Client::new(&config).unwrap();
            let known = pair("s", record("r"));
            let id = client.register(std::slice::from_ref(&known)).await.unwrap()[0];
            let fails = async |subjects: &[(String, Schema)]| {
                let looked_up = look_up(&config, &client, subjects, LONG).await.unwrap();
                missing(&looked_up.lacking, &[]).to_string()
            };
            let looked_up = look_up(&config, &client, &[known.clone(), known.clone()], LONG).await.unwrap();
            let found = vec![Some(Registered { id, latest: None }); 2];
            assert_eq!(looked_up, LookedUp { found, lacking: vec![] });
            let lacking = pair("t", Schema::json(r#"{"a; b":1}"#));
            let one = "looking up the schema: the registry does not have that of subject \"t\", of type JSON: {\"a; b\":1}; as schema_registry.auto_register is false, register it there, or set auto_register to true";
            assert_eq!(fails(&[known.clone(), lacking.clone()]).await, one);
            assert_eq!(
                fails(&[lacking.clone(), known.clone(), lacking.clone()]).await,
                one,
                "once is enough"
            );
            // A subject that has others only is another one; whichever answer comes first.
            registry.inject(Fault::Delay(Duration::from_millis(20)));
            assert_eq!(
                fails(&[lacking, pair("s", record("other")), known]).await,
                "looking up 2 schemas: the registry does not have that of subject \"t\", of type JSON: {\"a; b\":1}, and that of subject \"s\", of type AVRO: {\"name\":\"other\",\"type\":\"record\",\"fields\":[]}; as schema_registry.auto_register is false, register them there, or set auto_register to true"
            );
            let written = asked(&registry).iter().filter(|call| call.contains("/versions")).count();
            assert_eq!(written, 1, "nothing is registered but by the test");
        });
    }

    #[test]
    fn a_message_about_many_or_large_schemas_is_no_larger_than_needed() {
        let many: Vec<_> = (0..50).map(|number| pair(&format!("s{number}"), record("é"))).collect();
        let text = missing(&many, &[]).to_string();
        assert!(text.starts_with("looking up 50 schemas: "), "{text}");
        assert_eq!(text.matches("subject \"s").count(), TOLD);
        assert!(text.contains(", and that of 30 more; as "), "{text}");
        let large = [pair("a", Schema::avro("é".repeat(TEXTS - 1))), pair("b", Schema::avro("éxy"))];
        let text = missing(&large[..1], &large[1..]).to_string();
        assert!(
            text.contains("subject \"b\", of type AVRO: é... (2 bytes more); as "),
            "{}",
            &text[text.len() - 200..]
        );
        assert!(text.chars().count() < TEXTS + 500);
    }

    #[test]
    fn the_latest_version_is_found_where_there_is_one() {
        run(async {
            let registry = Registry::start(Options::default()).await.unwrap();
            let (theirs, ours) = (pair("s", record("r")), pair("s", Schema::avro(r#""long""#)));
            let config = SchemaRegistry { use_latest_version: true, ..registry.config() };
            let client = Client::new(&config).unwrap();
            let id = client.register(std::slice::from_ref(&theirs)).await.unwrap()[0];
            let latest = Version { id, version: 1, schema: theirs.1 };
            let found = Some(Registered { id, latest: Some(latest) });
            let subjects = [pair("new", record("r")), ours.clone(), ours];
            // What is not there is left to who registers.
            let looked_up = look_up(&config, &client, &subjects, LONG).await.unwrap();
            assert_eq!(
                (looked_up.found, looked_up.lacking),
                (vec![None, found.clone(), found.clone()], vec![])
            );
            let asked = asked(&registry);
            assert_eq!(
                asked.iter().filter(|call| call.starts_with("GET /subjects/")).count(),
                2,
                "{asked:?}"
            );
            let config = SchemaRegistry { auto_register: false, ..config };
            let looked_up = look_up(&config, &client, &subjects, LONG).await.unwrap();
            let lacking = subjects[..1].to_vec();
            assert_eq!((looked_up.found, looked_up.lacking), (vec![None, found.clone(), found], lacking));
        });
    }

    #[test]
    fn a_registry_that_does_not_get_through_in_time_is_told() {
        run(async {
            for (more, doing) in
                [(true, "looking up the latest versions of 1 subjects"), (false, "looking up 1 schemas")]
            {
                let registry = Registry::start(Options::default()).await.unwrap();
                let config =
                    SchemaRegistry { use_latest_version: more, auto_register: false, ..registry.config() };
                let client = Client::new(&config).unwrap();
                client.check(LONG).await.unwrap();
                registry.inject(Fault::Silence);
                let error = look_up(&config, &client, &[pair("s", record("r"))], Duration::from_millis(1500))
                    .await
                    .unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!(
                        "{doing} at the schema registry {}: 0 were looked up, and none within the last 1.5s; check that the registry is healthy and lets so many requests through, then try again",
                        registry.url()
                    )
                );
            }
        });
    }
}
