//! Open: registers schemas, makes the producer, compiles one plan per binding.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::config::{self, EndpointConfig};
use crate::kafka::{Manner, Outbox, Topic};
use crate::protocol::Codec;
use crate::protocol::messages::{flow, request};
use crate::registry;
use crate::session::binding::{BindingInfo, Draft};
use crate::session::delivery::{Delivery, Transactions};
use crate::session::foresee::{self, Foreseen};
use crate::session::registration::{self, Registered};
use crate::session::serve::Surroundings;
use crate::session::subjects::{Claim, check_claims};

/// What a session has once it is open.
pub(super) struct Opened {
    /// In the order of the materialization's bindings.
    pub(super) bindings: Vec<BindingInfo>,
    pub(super) outbox: Outbox,
    pub(super) delivery: Delivery,
    /// Whether the session ends with a line of what it has sent.
    pub(super) measured: bool,
    /// The checkpoint to go on from, as Opened carries it; empty for the runtime's own.
    pub(super) checkpoint: Bytes,
}

/// Prepares everything that the first Store needs.
pub(super) fn open(
    request: &request::Open,
    codec: Codec,
    surroundings: &mut Surroundings,
) -> anyhow::Result<Opened> {
    let spec = request.materialization.as_ref().ok_or_else(|| anyhow!("Open carries no materialization"))?;
    let config = EndpointConfig::parse(&spec.config_json)?;
    let drafts = drafts(&config, spec)?;

    // The registry answers while the brokers are asked for the topics.
    let subjects = subjects(&drafts);
    let registration = config
        .schema_registry
        .clone()
        .filter(|_| !subjects.is_empty())
        .map(|registry| surroundings.runtime.spawn(registration::registered(registry, subjects)));

    // One for each binding: the outbox counts as the session does, and shares what is one topic.
    let topics = drafts
        .iter()
        .enumerate()
        .map(|(index, draft)| Topic {
            name: draft.topic().to_owned(),
            owner: format!("binding {index}, collection {}", draft.collection()),
            partitioning: draft.partitioning(),
        })
        .collect();
    // A process opens at most once.
    let on_failure = surroundings.on_failure.take().unwrap_or_else(|| Box::new(drop));
    let headers = match drafts.iter().any(Draft::is_annotated) {
        true => Some(drafts.iter().map(Draft::headers).collect::<anyhow::Result<Vec<_>>>()?),
        false => None,
    };
    let measured = surroundings.measured;
    let (delivery, mut outbox, checkpoint) = match config.advanced.delivery {
        config::Delivery::AtLeastOnce => {
            let manner = Manner { measured, ..Manner::default() };
            let outbox = Outbox::open_in(&config, topics, manner, on_failure)?;
            (Delivery::at_least_once(request), outbox, Bytes::new())
        }
        config::Delivery::ExactlyOnce => {
            let (transactions, outbox, checkpoint) =
                Transactions::open(&config, request, codec, topics, measured, on_failure)?;
            (Delivery::ExactlyOnce(transactions), outbox, checkpoint)
        }
    };
    if let Some(headers) = headers {
        outbox.set_headers(headers);
    }
    let registered = match registration {
        None => Vec::new(),
        Some(task) => surroundings.runtime.block_on(task).context("registering schemas")??,
    };

    let mut registered = registered.into_iter();
    let bindings = drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| draft.finish(&mut registered).with_context(|| format!("binding {index}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    tracing::info!(
        bindings = bindings.len(),
        format = ?config.message_format,
        delivery = ?config.advanced.delivery,
        brokers = config.bootstrap_servers,
        "opened"
    );
    Ok(Opened { bindings, outbox, delivery, measured, checkpoint })
}

/// Subjects and schemas that Open registers, in the order of the bindings; of each its key's, then
/// its value's, each if it has a schema.
pub(crate) fn schemas(spec: &flow::MaterializationSpec) -> anyhow::Result<Vec<(String, registry::Schema)>> {
    let config = EndpointConfig::parse(&spec.config_json)?;
    Ok(subjects(&drafts(&config, spec)?))
}

/// The bindings of a specification, with their schemas.
fn drafts(config: &EndpointConfig, spec: &flow::MaterializationSpec) -> anyhow::Result<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(spec.bindings.len());
    for (index, binding) in spec.bindings.iter().enumerate() {
        drafts.push(Draft::new(config, binding).with_context(|| format!("binding {index}"))?);
    }
    let names: Vec<String> = drafts.iter().map(Draft::describe).collect();
    let claims = drafts.iter().zip(&names).enumerate().map(|(binding, (draft, name))| Claim {
        binding,
        name,
        subjects: draft.subjects(),
    });
    check_claims(config, claims)?;
    Ok(drafts)
}

/// Makes the bindings of a specification as Open will, but registers nothing and sends nothing: what Open could not do is told
/// while nothing has been made. No answer of the registry may take longer than `patience`.
pub(super) fn rehearse(
    config: &EndpointConfig,
    spec: &flow::MaterializationSpec,
    patience: Duration,
    runtime: &Handle,
) -> anyhow::Result<()> {
    let drafts = drafts(config, spec)?;
    let mut registered = Vec::new();
    if let Some(registry) = config.schema_registry.as_ref().filter(|_| !subjects(&drafts).is_empty()) {
        let client = registry::Client::new(registry)?;
        let foreseen: Vec<_> =
            drafts.iter().enumerate().map(|(index, draft)| Foreseen::of(index, draft)).collect();
        registered = runtime.block_on(foresee::ask(registry, &client, &foreseen, patience))?;
    }
    // Nothing is written by these plans, so one id is as good as another.
    let mut registered =
        registered.into_iter().map(|found| found.unwrap_or(Registered { id: 0, latest: None }));
    for (index, draft) in drafts.into_iter().enumerate() {
        draft.finish(&mut registered).with_context(|| format!("binding {index}"))?;
    }
    Ok(())
}

/// What all of them have in the registry, in order.
fn subjects(drafts: &[Draft]) -> Vec<(String, registry::Schema)> {
    drafts.iter().flat_map(Draft::subjects).cloned().collect()
}
