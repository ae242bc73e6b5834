//! The topics that are created: their numbers of partitions and replicas.

use serde_json::json;

use super::option::Setting;

/// Partitions of a topic that the connector creates; 1 or more.
pub(super) fn partitions() -> Setting<Option<i32>> {
    Setting::new(json!({"type": "integer", "minimum": 1}), |members, name| {
        let Some(number) = members.integer(name)? else { return Ok(None) };
        match i32::try_from(number) {
            Ok(partitions @ 1..=MAX_PARTITIONS) => Ok(Some(partitions)),
            _ => {
                let reason = format!("expected 1 to {MAX_PARTITIONS} partitions");
                Err(members.invalid(name, &number.to_string(), reason))
            }
        }
    })
}

/// Replicas of a topic that the connector creates: 1 or more, or -1 for the brokers' default.
///
/// Zero and other negative numbers are refused. -1 is not: it is how Kafka itself spells "the brokers'
/// default" (KIP-464), librdkafka passes it on, and so the original connector accepted it.
pub(super) fn replication_factor() -> Setting<Option<i32>> {
    Setting::new(json!({"type": "integer", "minimum": -1}), |members, name| {
        let Some(number) = members.integer(name)? else { return Ok(None) };
        match i32::try_from(number) {
            Ok(factor @ (-1 | 1..=MAX_REPLICATION_FACTOR)) => Ok(Some(factor)),
            _ => {
                let reason = format!(
                    "expected 1 to {MAX_REPLICATION_FACTOR} replicas, or -1 for the brokers' default"
                );
                Err(members.invalid(name, &number.to_string(), reason))
            }
        }
    })
}

/// librdkafka's own limits for a topic to be created.
const MAX_PARTITIONS: i32 = 100_000;
const MAX_REPLICATION_FACTOR: i32 = 10_000;
