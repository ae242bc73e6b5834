//! How messages are written.

use super::option::choices;

choices! {
    /// How keys and values are written.
    pub enum MessageFormat {
        /// Records in Confluent's wire format, with schemas in a registry.
        Avro = "Avro",
        /// Objects.
        Json = "JSON",
    }
}

choices! {
    /// How batches of messages are compressed.
    pub enum Compression {
        /// As they are.
        None = "none",
        /// Small and slow.
        Gzip = "gzip",
        /// Fast.
        Lz4 = "lz4",
        /// Fast.
        Snappy = "snappy",
        /// Small, and faster than gzip.
        Zstd = "zstd",
    }
}
