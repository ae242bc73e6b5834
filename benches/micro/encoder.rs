//! Our own encoder with the memory that a session has around it.

use std::hint::black_box;

use materialize_kafka::encode::{Buffer, Document, Fields, JsonPlan, Layout, Plan, Scratch};

use super::documents::{Packed, Scenario};
use super::schemas;

/// A plan, and memory that messages are written to, one behind the other, before it is used again.
pub struct Encoder {
    plan: Plan,
    scratch: Scratch,
    key: Vec<u8>,
    buffer: Buffer,
}

impl Encoder {
    /// An encoder of the plan.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            scratch: Scratch::default(),
            key: Vec::new(),
            buffer: Buffer::from_vec(Vec::with_capacity(CHUNK)),
        }
    }

    /// An encoder of the scenario to JSON.
    pub fn json(scenario: &Scenario) -> Self {
        Self::new(Plan::Json(JsonPlan::new(&layout(scenario)).expect("distinct names")))
    }

    /// An encoder of the scenario to Avro.
    pub fn avro(scenario: &Scenario) -> Self {
        Self::new(Plan::Avro(schemas::plan(scenario).0))
    }

    /// Encodes a document as a session does.
    #[inline]
    pub fn encode(&mut self, document: &Document<'_>) {
        if self.buffer.len() + CHUNK / 4 > CHUNK {
            let mut chunk = std::mem::take(&mut self.buffer).into_vec();
            chunk.clear();
            self.buffer = Buffer::from_vec(chunk);
        }
        self.key.clear();
        self.plan
            .encode(document, &mut self.scratch, &mut self.key, &mut self.buffer)
            .expect("a whole Store");
        black_box((&self.key, self.buffer.message()));
        self.buffer.finish();
    }

    /// Key and value of a document.
    pub fn message(&mut self, document: &Document<'_>) -> (Vec<u8>, Vec<u8>) {
        let before = self.buffer.len();
        let mut key = Vec::new();
        self.plan.encode(document, &mut self.scratch, &mut key, &mut self.buffer).expect("a whole Store");
        let message = (key, self.buffer.message().to_vec());
        self.buffer.abandon();
        assert_eq!(before, self.buffer.len(), "a chunk has room for any document of the benches");
        message
    }
}

/// The fields of a scenario.
pub fn layout(scenario: &Scenario) -> Layout<'_> {
    Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() }
}

/// A Store as the plan takes it.
pub fn document(store: &Packed) -> Document<'_> {
    Document {
        key: Fields::Packed(&store.key),
        values: Fields::Packed(&store.values),
        doc: &store.doc,
        delete: false,
    }
}

/// Bytes of a Store's contents.
pub fn size(stores: &[Packed]) -> usize {
    stores.iter().map(|store| store.key.len() + store.values.len() + store.doc.len()).sum::<usize>()
        / stores.len()
}

/// Bytes of a chunk.
const CHUNK: usize = 1 << 20;
