//! The topics of a task's bindings: several bindings may write to one, if they agree on how it is made.

use anyhow::{Context, bail};

use crate::config::{EndpointConfig, NewTopic, Resource};

/// The topics of these resource configurations, in the order of the bindings, each once.
pub(super) fn topics<'a>(
    config: &EndpointConfig,
    resources: impl IntoIterator<Item = &'a [u8]>,
) -> anyhow::Result<Vec<NewTopic>> {
    let mut topics: Vec<(usize, NewTopic)> = Vec::new();
    for (index, resource) in resources.into_iter().enumerate() {
        let topic = Resource::parse(resource)
            .and_then(|resource| config.topic(&resource))
            .with_context(|| format!("binding {index}"))?;
        match topics.iter().find(|(_, other)| other.name == topic.name) {
            Some((first, other)) if *other != topic => bail!(
                "bindings {first} and {index} write to topic \"{}\", and differ in how it is made; give both the same \
                 partitions, replication_factor and topic_config",
                topic.name
            ),
            Some(_) => {}
            None => topics.push((index, topic)),
        }
    }
    Ok(topics.into_iter().map(|(_, topic)| topic).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(advanced: &str, resources: &[&str]) -> Result<Vec<String>, String> {
        let config = format!(
            r#"{{"bootstrap_servers":"b","message_format":"JSON","topic_replication_factor":2,"advanced":{advanced}}}"#
        );
        let config = EndpointConfig::parse(config.as_bytes()).unwrap();
        topics(&config, resources.iter().map(|resource| resource.as_bytes()))
            .map(|topics| {
                let shown = |topic: &NewTopic| {
                    format!(
                        "{} {} {} {:?}",
                        topic.name, topic.partitions, topic.replication_factor, topic.config
                    )
                };
                topics.iter().map(shown).collect()
            })
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn endpoint_and_resource_say_together_how_a_topic_is_made() {
        let advanced =
            r#"{"topic_prefix":"prod.","topic_config":{"retention.ms":1000,"cleanup.policy":"delete"}}"#;
        assert_eq!(
            names(
                advanced,
                &[
                    r#"{"topic":"a"}"#,
                    r#"{"topic":"b","partitions":1,"replication_factor":-1,"topic_config":{"cleanup.policy":"compact"}}"#,
                    r#"{"topic":"a"}"#,
                ],
            ),
            Ok(vec![
                r#"prod.a 6 2 {"cleanup.policy": "delete", "retention.ms": "1000"}"#.to_owned(),
                r#"prod.b 1 -1 {"cleanup.policy": "compact", "retention.ms": "1000"}"#.to_owned(),
            ])
        );
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(
            names("{}", &[r#"{"topic":"a"}"#, r#"{"topic":"b"}"#, r#"{"topic":"a","partitions":3}"#])
                .unwrap_err(),
            "bindings 0 and 2 write to topic \"a\", and differ in how it is made; give both the same partitions, \
             replication_factor and topic_config"
        );
        assert_eq!(
            names("{}", &[r#"{"topic":"a","topic_config":{"min.insync.replicas":3}}"#]).unwrap_err(),
            "binding 0: reading the resource configuration: /topic_config/min.insync.replicas is \"3\": min.insync.replicas is more than the 2 \
             replicas of the topic, so that nothing could be written: lower it, or raise the replication factor"
        );
        assert_eq!(
            names(r#"{"topic_config":{"min.insync.replicas":3}}"#, &[r#"{"topic":"a"}"#]).unwrap_err(),
            "binding 0: reading the endpoint configuration: /advanced/topic_config/min.insync.replicas is \"3\": \
             min.insync.replicas is more than the 2 replicas of the topic, so that nothing could be written: lower it, or \
             raise the replication factor"
        );
        let long = format!(r#"{{"topic":"{}"}}"#, "x".repeat(249));
        let error = names(r#"{"topic_prefix":"p."}"#, &[&long]).unwrap_err();
        assert!(
            error.ends_with("may have 249 characters, this one has 251, with advanced.topic_prefix"),
            "{error}"
        );
    }
}
