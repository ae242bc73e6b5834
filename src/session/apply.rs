//! Apply: makes the topics that are missing.

use std::time::Duration;

use anyhow::anyhow;
use tokio::runtime::Handle;

use crate::config::{Delivery, EndpointConfig};
use crate::kafka;
use crate::protocol::messages::{request, response};
use crate::session::open;
use crate::session::progress::{self, State, new_token};
use crate::session::topics::topics;

/// Answers Apply, having created what was missing.
pub(super) fn apply(request: &request::Apply, runtime: &Handle) -> anyhow::Result<response::Applied> {
    let spec = request.materialization.as_ref().ok_or_else(|| anyhow!("Apply carries no materialization"))?;
    let config = EndpointConfig::parse(&spec.config_json)?;
    let resources = spec.bindings.iter().map(|binding| &binding.resource_config_json[..]);
    let mut topics = topics(&config, resources)?;
    // What Validate could only foresee is known now, and nothing has been made yet.
    open::rehearse(&config, spec, TIME_LIMIT, runtime)?;
    topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let created = runtime.block_on(kafka::create_missing(&config, &topics, TIME_LIMIT))?;
    let mut actions: Vec<_> = created.iter().map(|topic| format!("create topic {topic}")).collect();
    let mut state = None;
    if config.advanced.delivery == Delivery::ExactlyOnce {
        if kafka::prepare_progress_topic(&config, TIME_LIMIT)? {
            actions.push(format!("create topic {}", config.advanced.progress_topic));
        }
        state = token(request)?;
    }
    Ok(response::Applied { action_description: actions.join("\n"), state })
}

/// A token for a task that has none. A runtime that tells no state to Apply gets one for a new task only: of another it may
/// have kept the first.
fn token(request: &request::Apply) -> Result<Option<response::ConnectorState>, progress::Error> {
    let told = !request.state_json.is_empty();
    let has_token = State::read(&request.state_json)?.is_some_and(|state| state.token().is_some());
    let is_new = !has_token && (told || request.last_materialization.is_none());
    Ok(is_new.then(|| State::with_token(&new_token())))
}

/// How long the brokers may take for the metadata, and again for the creations; and the registry for its verdict.
const TIME_LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::flow::MaterializationSpec;

    #[test]
    fn a_task_gets_its_token_once() {
        let made = |state: &str, is_first: bool| {
            let last_materialization = (!is_first).then(MaterializationSpec::default);
            let state_json = state.to_owned().into();
            token(&request::Apply { state_json, last_materialization, ..Default::default() })
                .unwrap()
                .is_some()
        };
        assert!(made("{}", true) && made("{}", false), "the runtime tells its state, and there is none");
        assert!(made("", true), "a new task, of whose state nothing is told");
        assert!(!made("", false), "a task that may have one");
        for state in [
            r#"{"exactly_once":{"token":"t"}}"#,
            r#"{"exactly_once":{"shards":{"a":{"sequence":1,"token":"t"}}}}"#,
        ] {
            assert!(!made(state, true) && !made(state, false), "{state}");
        }
    }
}
