//! How messages are dealt out to the partitions of their topics.

use super::error::{Error, Part};
use super::kinds::{choice, flag};
use super::option::{Setting, choices, options};
use super::{EndpointConfig, Resource};

options! {
    /// How messages are dealt out to the partitions of their topics.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PartitionOptions {
        /// How a message's partition is computed from its key. A change moves keys to other partitions.
        pub partitioner: Partitioner = "Partitioner", partitioner().or("consistent");
        /// Compute the partition without the first five bytes of the key, which hold the id of its schema, so that keys stay
        /// where they are when the schema changes. For keys that a schema registry has a schema of.
        pub partition_without_prefix: bool = "Partition without prefix", flag().or(false);
    }
}

choices! {
    /// How a message's partition is computed from its key.
    pub enum Partitioner {
        /// CRC-32 of the key, modulo the number of partitions, as librdkafka has it under this name.
        Consistent = "consistent",
        /// Murmur2 of the key, as Java's clients do, and what is built on them (Kafka Streams, ksqlDB, Connect).
        Murmur2 = "murmur2",
    }
}

/// How the partitions of a binding's messages are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitioning {
    /// By which function.
    pub partitioner: Partitioner,
    /// Whether the first five bytes of the key, a registry's framing, are left out.
    pub without_prefix: bool,
}

impl Default for Partitioning {
    /// That of a configuration which says nothing of it.
    fn default() -> Self {
        Self { partitioner: Partitioner::Consistent, without_prefix: false }
    }
}

impl EndpointConfig {
    /// How the partitions of a binding's messages are computed, as endpoint and resource say together.
    ///
    /// # Errors
    ///
    /// A prefix should be left out that the keys do not have; what [`formats`](Self::formats) refuses.
    pub fn partitioning(&self, resource: &Resource) -> Result<Partitioning, Error> {
        let options = &self.advanced.partitioning;
        let without_prefix = resource.partition_without_prefix.unwrap_or(options.partition_without_prefix);
        if without_prefix && !self.formats(resource)?.key_has_schema() {
            let (part, pointer, cure) = match resource.partition_without_prefix {
                Some(_) => (Part::Resource, "/partition_without_prefix", "set it to false"),
                None => (
                    Part::Endpoint,
                    "/advanced/partition_without_prefix",
                    "set partition_without_prefix to false in this binding's resource, or leave it out here",
                ),
            };
            return Err(Error::Flag {
                part,
                pointer: pointer.to_owned(),
                value: true,
                reason: format!(
                    "the binding's keys have no schema id in front, as their format is neither avro nor json_schema: {cure}"
                ),
            });
        }
        Ok(Partitioning { partitioner: resource.partitioner.unwrap_or(options.partitioner), without_prefix })
    }
}

/// The function that computes partitions.
pub(super) fn partitioner() -> Setting<Option<Partitioner>> {
    choice()
}
