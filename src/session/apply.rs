//! Apply: makes the topics that are missing.

use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::runtime::Handle;

use crate::config::{EndpointConfig, Resource};
use crate::kafka;
use crate::protocol::messages::{request, response};

/// Answers Apply, having created what was missing.
pub(super) fn apply(request: &request::Apply, runtime: &Handle) -> anyhow::Result<response::Applied> {
    let spec = request.materialization.as_ref().ok_or_else(|| anyhow!("Apply carries no materialization"))?;
    let config = EndpointConfig::parse(&spec.config_json)?;
    let mut topics = Vec::with_capacity(spec.bindings.len());
    for (index, binding) in spec.bindings.iter().enumerate() {
        let resource =
            Resource::parse(&binding.resource_config_json).with_context(|| format!("binding {index}"))?;
        config.check_topic(&resource.topic).with_context(|| format!("binding {index}"))?;
        topics.push(resource.topic.to_string());
    }
    topics.sort_unstable();
    topics.dedup();
    let created = runtime.block_on(kafka::create_missing(
        &config,
        &topics,
        config.topic_partitions,
        config.topic_replication_factor,
        TIME_LIMIT,
    ))?;
    let actions: Vec<_> = created.iter().map(|topic| format!("create topic {topic}")).collect();
    Ok(response::Applied { action_description: actions.join("\n"), ..Default::default() })
}

/// How long the brokers may take for the metadata, and again for the creations.
const TIME_LIMIT: Duration = Duration::from_secs(30);
