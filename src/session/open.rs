//! Open: registers schemas, makes the producer, compiles one plan per binding.

use anyhow::{Context, anyhow};

use crate::config::{EndpointConfig, SchemaRegistry};
use crate::kafka::{Outbox, Topic};
use crate::protocol::messages::{flow, request};
use crate::registry;
use crate::session::binding::{BindingInfo, Draft};
use crate::session::serve::Surroundings;

/// What a session has once it is open.
pub(super) struct Opened {
    /// In the order of the materialization's bindings.
    pub(super) bindings: Vec<BindingInfo>,
    pub(super) outbox: Outbox,
}

/// Prepares everything that the first Store needs.
pub(super) fn open(request: &request::Open, surroundings: &mut Surroundings) -> anyhow::Result<Opened> {
    let spec = request.materialization.as_ref().ok_or_else(|| anyhow!("Open carries no materialization"))?;
    let config = EndpointConfig::parse(&spec.config_json)?;
    let drafts = drafts(&config, spec)?;

    // The registry answers while the brokers are asked for the topics.
    let subjects: Vec<_> = drafts.iter().flat_map(Draft::subjects).collect();
    let registration = config
        .schema_registry
        .clone()
        .filter(|_| !subjects.is_empty())
        .map(|registry| surroundings.runtime.spawn(register(registry, subjects)));

    let topics = Topics::of(&drafts);
    // A process opens at most once.
    let on_failure = surroundings.on_failure.take().unwrap_or_else(|| Box::new(drop));
    let outbox = Outbox::open(&config, topics.list, on_failure)?;
    let ids = match registration {
        None => Vec::new(),
        Some(task) => surroundings.runtime.block_on(task).context("registering schemas")??,
    };

    let mut ids = ids.into_iter();
    let bindings = drafts
        .into_iter()
        .zip(topics.of_binding)
        .enumerate()
        .map(|(index, (draft, topic))| {
            draft.finish(topic, &mut ids).with_context(|| format!("binding {index}"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    tracing::info!(
        bindings = bindings.len(),
        format = ?config.message_format,
        brokers = config.bootstrap_servers,
        "opened"
    );
    Ok(Opened { bindings, outbox })
}

/// Subject and text of the schemas that Open registers, in the order of the bindings; of each its key's, then
/// its value's. There are none where messages are JSON.
pub(crate) fn subjects(spec: &flow::MaterializationSpec) -> anyhow::Result<Vec<(String, String)>> {
    let config = EndpointConfig::parse(&spec.config_json)?;
    Ok(drafts(&config, spec)?.iter().flat_map(Draft::subjects).collect())
}

fn drafts(config: &EndpointConfig, spec: &flow::MaterializationSpec) -> anyhow::Result<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(spec.bindings.len());
    for (index, binding) in spec.bindings.iter().enumerate() {
        drafts.push(Draft::new(config, binding).with_context(|| format!("binding {index}"))?);
    }
    Ok(drafts)
}

async fn register(
    registry: SchemaRegistry,
    subjects: Vec<(String, String)>,
) -> Result<Vec<u32>, registry::Error> {
    registry::Client::new(&registry)?.register(&subjects).await
}

/// The distinct topics of a session, in the order of their first bindings.
struct Topics {
    list: Vec<Topic>,
    /// For each binding, the position of its topic.
    of_binding: Vec<usize>,
}

impl Topics {
    fn of(drafts: &[Draft]) -> Self {
        let mut list: Vec<Topic> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let mut of_binding = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let owner = format!("binding {index}, collection {}", draft.collection());
            let position = *known.entry(draft.topic()).or_insert(list.len());
            match list.get_mut(position) {
                None => list.push(Topic { name: draft.topic().to_owned(), owner }),
                Some(topic) => {
                    tracing::info!(
                        topic = topic.name,
                        first = topic.owner,
                        second = owner,
                        "bindings share a topic: their messages are told apart by their keys alone"
                    );
                    topic.owner = format!("{}; {owner}", topic.owner);
                }
            }
            of_binding.push(position);
        }
        Self { list, of_binding }
    }
}
