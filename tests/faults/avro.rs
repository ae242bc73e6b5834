//! Avro messages as a consumer reads them: schemas from the registry, values by the apache-avro crate.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use materialize_kafka::config::SchemaRegistry;
use materialize_kafka::registry::Client;
use serde_json::Value;

/// The schemas of a registry that messages name.
pub struct Schemas {
    client: Client,
    runtime: tokio::runtime::Runtime,
    known: HashMap<u32, Schema>,
}

impl Schemas {
    pub fn of(endpoint: &str) -> Self {
        let endpoint = endpoint.parse().expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(&SchemaRegistry::at(endpoint)).unwrap();
        Self { client, runtime, known: HashMap::new() }
    }

    /// The JSON of a message's key or value: the byte 0, the schema's id, and Avro to the last byte.
    pub fn decode(&mut self, message: &[u8]) -> Value {
        let (head, mut rest) = message.split_at(5);
        assert_eq!(head[0], 0, "the first byte");
        let id = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let schema = self.known.entry(id).or_insert_with(|| {
            Schema::parse_str(&self.runtime.block_on(self.client.schema(id)).unwrap().text).unwrap()
        });
        let reader = GenericDatumReader::builder(schema).build().unwrap();
        let value = reader.read_value(&mut rest).unwrap();
        assert!(rest.is_empty(), "bytes behind the value");
        value.try_into().unwrap()
    }
}
