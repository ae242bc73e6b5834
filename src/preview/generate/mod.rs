//! Makes documents from the schemas of collections, for those who have no fixture or want a load.
//!
//! A document is a function of the seed and its number alone, so a run is the same whatever the number of threads. [`Generator`] compiles
//! each collection's schema once (`plan`); threads named `generator` make batches of Stores, already in the frames that the
//! connector reads, each a few batches ahead; the caller takes them in order. Where a schema has keywords that plans cannot promise to
//! keep (`not`, `oneOf`, `contains`, ...), each document is checked (`accept`) and made again if it is not valid.
//!
//! Keys are told apart by the document's number, in the part of the key that takes most values. An update has the key of a document
//! of an earlier transaction that has the same place in it, so no key comes twice in a transaction, and nothing has to be
//! remembered.

mod accept;
mod plan;
mod random;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use self::accept::Schema;
use self::plan::Node;
use self::random::Random;
use super::error::Error;
use super::task::{BuiltTask, Extractor, StoreDoc, uuid};
use crate::protocol::messages::flow;
use crate::protocol::{Codec, RequestWriter};
use crate::schema::Bundle;

/// How many documents, and of which kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Documents in all.
    pub(super) documents: u64,
    /// Documents of a transaction; 1 or more.
    pub(super) transaction: u64,
    /// What documents are made from, besides the schemas.
    pub(super) seed: u64,
    /// Of a hundred documents so many are updates of earlier ones.
    pub(super) updates: u64,
    /// How the connector is spoken to.
    pub(super) codec: Codec,
}

/// Makes documents. Shared by the threads.
#[derive(Debug)]
pub(super) struct Generator {
    order: Order,
    /// Documents of a batch, at most.
    batch: u64,
    collections: Vec<Collection>,
    extractors: Vec<Extractor>,
}

#[derive(Debug)]
struct Collection {
    name: String,
    schema: Value,
    plan: Node,
    key: Vec<KeyPart>,
    /// Which of `c`, `u` and `d` may stand at `/_meta/op`.
    operations: Vec<&'static str>,
    /// Whether documents are valid without being checked.
    exact: bool,
    /// The bindings that read it.
    bindings: Vec<u32>,
}

#[derive(Debug)]
struct KeyPart {
    path: Vec<String>,
    plan: Node,
    /// Whether this part tells documents apart.
    numbered: bool,
}

/// Stores that follow each other in a transaction.
#[derive(Debug)]
pub(super) struct Batch {
    /// They, as the connector reads them.
    pub(super) frames: Vec<u8>,
    pub(super) stores: u64,
    /// The bindings of those that are deletions.
    pub(super) deletions: Vec<u32>,
}

impl Generator {
    /// Prepares for a task. `batch` is how many documents are made at once.
    pub(super) fn new(task: &BuiltTask, order: Order, batch: u64) -> Result<Self, Error> {
        let mut collections: Vec<Collection> = Vec::new();
        for (index, binding) in (0..).zip(&task.spec.bindings) {
            let Some(spec) = &binding.collection else { continue };
            match collections.iter_mut().find(|collection| collection.name == spec.name) {
                Some(known) => known.bindings.push(index),
                None => collections.push(Collection::new(spec, index, &order)?),
            }
        }
        let batch = batch.clamp(1, order.transaction.max(1));
        Self { order, batch, collections, extractors: task.extractors() }.fitted()
    }

    /// With batches of fewer documents where those are large, so that what threads are ahead takes little memory.
    fn fitted(self) -> Result<Self, Error> {
        let few = Self { batch: self.batch.min(SAMPLES), ..self };
        let documents = few.batch.min(few.order.documents);
        let sample = few.make(&few.schemas()?, 0, 0)?.frames.len();
        let bytes = u64::try_from(sample).unwrap_or(u64::MAX).checked_div(documents).unwrap_or(0);
        Ok(Self { batch: (BATCH_BYTES / bytes.max(1)).clamp(1, self.batch), ..few })
    }

    /// The collections' schemas, in their order, by which documents are checked.
    fn schemas(&self) -> Result<Vec<Schema<'_>>, Error> {
        self.collections.iter().map(|c| Ok(Schema::new(bundle(&c.name, &c.schema)?))).collect()
    }

    /// The number of transactions.
    fn transactions(&self) -> u64 {
        self.order.documents.div_ceil(self.order.transaction)
    }

    /// Batches of a transaction.
    fn batches(&self, transaction: u64) -> u64 {
        let first = transaction * self.order.transaction;
        self.order.documents.saturating_sub(first).min(self.order.transaction).div_ceil(self.batch)
    }

    /// Makes documents until the numbers are at their end, or nobody wants any more. This one of `of` threads makes each batch whose
    /// turn is its own.
    fn run(&self, turn: u64, of: u64, batches: &SyncSender<Result<Batch, Error>>) {
        let schemas = match self.schemas() {
            Ok(schemas) => schemas,
            Err(error) => {
                // Nobody cares any more.
                let _gone = batches.send(Err(error));
                return;
            }
        };
        let mut number = 0;
        for transaction in 0..self.transactions() {
            for batch in 0..self.batches(transaction) {
                number += 1;
                if (number - 1) % of != turn {
                    continue;
                }
                let made = self.make(&schemas, transaction, batch);
                let failed = made.is_err();
                if batches.send(made).is_err() || failed {
                    return;
                }
            }
        }
    }

    fn make(&self, schemas: &[Schema<'_>], transaction: u64, batch: u64) -> Result<Batch, Error> {
        let first = transaction * self.order.transaction;
        let from = first + batch * self.batch;
        let end = (first + self.order.transaction).min(self.order.documents).min(from + self.batch);
        let mut requests = RequestWriter::new(Vec::new(), self.order.codec);
        let request_error = |source| Error::Request { doing: "making Stores".to_owned(), source };
        let mut stores = 0;
        let mut deletions = Vec::new();
        let mut store = StoreDoc::default();
        for number in from..end {
            let (collection, document) = self.document(schemas, number)?;
            for binding in &collection.bindings {
                let extractor = usize::try_from(*binding).ok().and_then(|index| self.extractors.get(index));
                let Some(extractor) = extractor else { continue };
                extractor.store_for(*binding, &document, self.order.codec, &mut store);
                if store.delete {
                    deletions.push(*binding);
                }
                requests.push_store(&store.borrowed(self.order.codec)).map_err(request_error)?;
                stores += 1;
            }
        }
        Ok(Batch { frames: requests.into_inner().map_err(request_error)?, stores, deletions })
    }

    /// The document of a number, and its collection. Collections take turns.
    fn document(&self, schemas: &[Schema<'_>], number: u64) -> Result<(&Collection, Value), Error> {
        let Order { transaction, seed, .. } = self.order;
        let index = usize::try_from(number % self.count()).unwrap_or(0);
        let nothing = || Error::NoBindings { task: "to generate for".to_owned() };
        let (collection, schema) = self.collections.get(index).zip(schemas.get(index)).ok_or_else(nothing)?;

        let key = self.key(number);
        let mut document =
            collection.document(schema, &mut Random::of(&[seed, number]), seed, key, key != number)?;
        let uuid = uuid::synthetic(number / transaction, number % transaction);
        meta(&mut document).insert("uuid".to_owned(), Value::from(uuid));
        Ok((collection, document))
    }

    /// The number of the document whose key this one has: its own, or that of an earlier one which it updates.
    fn key(&self, mut number: u64) -> u64 {
        let Order { transaction, seed, updates, .. } = self.order;
        loop {
            // So many whole rounds of transactions ago the same place was the same collection's. What was there may be an
            // update itself.
            let rounds = number / transaction / self.count();
            let mut random = Random::of(&[seed, number, u64::MAX]);
            if rounds == 0 || random.below(100) >= updates {
                return number;
            }
            number -= (1 + random.below(rounds)) * self.count() * transaction;
        }
    }

    /// How many collections take turns.
    fn count(&self) -> u64 {
        u64::try_from(self.collections.len()).unwrap_or(u64::MAX).max(1)
    }
}

impl Collection {
    fn new(spec: &flow::CollectionSpec, binding: u32, order: &Order) -> Result<Self, Error> {
        let name = spec.name.clone();
        let text =
            if spec.read_schema_json.is_empty() { &spec.write_schema_json } else { &spec.read_schema_json };
        let schema: Value = serde_json::from_slice(text)
            .map_err(|error| Error::Generate { collection: name.clone(), reason: error.to_string() })?;
        let (plan, sample) = {
            let checker = Schema::new(bundle(&name, &schema)?);
            let impossible = |obstacle: plan::Obstacle| Error::Generate {
                collection: name.clone(),
                reason: obstacle.to_string(),
            };
            let plan = plan::compile(&checker).map_err(impossible)?;
            let sample = (
                plan.below(&["_meta".to_owned(), "op".to_owned()]).map(operations).unwrap_or_default(),
                keywords(&schema),
            );
            (plan, sample)
        };
        let (operations, (exact, unknown)) = sample;
        if let Some(keyword) = unknown {
            let reason = format!("its schema has the keyword {keyword}, by which documents cannot be made");
            return Err(Error::Generate { collection: name, reason });
        }
        let mut key: Vec<KeyPart> =
            spec.key.iter().filter_map(|pointer| KeyPart::new(pointer, &plan)).collect();
        // The part that takes most numbers, up to all that are needed.
        let capacity = |part: &KeyPart| {
            (0..64)
                .rev()
                .map(|bit| 1_u64 << bit)
                .filter(|n| *n <= order.documents)
                .find(|n| part.plan.numbered(*n).is_some())
        };
        if let Some(part) =
            (0..key.len()).max_by_key(|index| (key.get(*index).and_then(capacity), key.len() - index))
            && let Some(part) = key.get_mut(part)
        {
            part.numbered = true;
        }
        let collection = Self { name, schema, plan, key, operations, exact, bindings: vec![binding] };
        // What cannot be made at all is told before anything is sent.
        let checker = Schema::new(bundle(&collection.name, &collection.schema)?);
        for number in 0..SAMPLES {
            collection.document(
                &checker,
                &mut Random::of(&[order.seed, number]),
                order.seed,
                number,
                false,
            )?;
        }
        Ok(collection)
    }

    /// A valid document with the key of this number.
    fn document(
        &self,
        schema: &Schema<'_>,
        random: &mut Random,
        seed: u64,
        key: u64,
        is_update: bool,
    ) -> Result<Value, Error> {
        let root = schema.root();
        let mut refused = "";
        for _ in 0..TRIES {
            let mut document = self.plan.make(random);
            for (index, part) in (0..).zip(&self.key) {
                let own = || part.plan.make(&mut Random::of(&[seed, key, index]));
                let value = part.numbered.then(|| part.plan.numbered(key)).flatten().unwrap_or_else(own);
                set(&mut document, &part.path, value);
            }
            if let Some(operation) = self.operation(random, is_update) {
                meta(&mut document).insert("op".to_owned(), Value::from(operation));
            }
            if self.exact {
                return Ok(document);
            }
            match schema.check(&root, &document) {
                Ok(()) => return Ok(document),
                Err(keyword) => refused = keyword,
            }
        }
        let reason = format!(
            "none of {TRIES} documents that were made is valid by its schema, the last one by its keyword {refused}"
        );
        Err(Error::Generate { collection: self.name.clone(), reason })
    }

    fn operation(&self, random: &mut Random, is_update: bool) -> Option<&'static str> {
        if self.operations.is_empty() {
            return None;
        }
        let wanted = match is_update {
            true if random.once_in(DELETES) => ["d", "u", "c"],
            true => ["u", "c", "d"],
            false => ["c", "u", "d"],
        };
        wanted.into_iter().find(|wanted| self.operations.contains(wanted))
    }
}

impl KeyPart {
    fn new(pointer: &str, plan: &Node) -> Option<Self> {
        let path: Vec<String> =
            pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
        // A part that lies in a list is as the document has it.
        let plan = plan.below(&path)?.clone();
        Some(Self { path, plan, numbered: false })
    }
}

/// Batches in their order, made by threads that end when this is dropped.
pub(super) struct Batches {
    generator: Arc<Generator>,
    threads: Vec<Receiver<Result<Batch, Error>>>,
    /// The transaction and the batch in it that come next.
    transaction: u64,
    batch: u64,
    number: usize,
    waited: Duration,
}

impl Batches {
    /// Starts as many threads as the machine has cores to spare.
    pub(super) fn start(generator: Generator) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads(generator, (cores / 2).clamp(1, MOST_THREADS))
    }

    fn with_threads(generator: Generator, count: usize) -> Result<Self, Error> {
        let generator = Arc::new(generator);
        let of = u64::try_from(count).unwrap_or(1);
        let mut threads = Vec::with_capacity(count);
        for turn in 0..of {
            let (sender, batches) = mpsc::sync_channel(AHEAD);
            let generator = Arc::clone(&generator);
            thread::Builder::new()
                .name("generator".to_owned())
                .spawn(move || generator.run(turn, of, &sender))
                .map_err(|source| Error::System {
                    doing: "starting a thread that makes documents",
                    source,
                })?;
            threads.push(batches);
        }
        Ok(Self { generator, threads, transaction: 0, batch: 0, number: 0, waited: Duration::ZERO })
    }

    /// Time that was spent waiting for documents so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Whether there is another transaction.
    pub(super) fn has_transaction(&self) -> bool {
        self.transaction < self.generator.transactions()
    }

    /// The next batch of this transaction; none at its end, and what comes then is of the next one.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        if self.batch >= self.generator.batches(self.transaction) {
            (self.transaction, self.batch) = (self.transaction + 1, 0);
            return Ok(None);
        }
        let thread = self.number % self.threads.len();
        self.batch += 1;
        self.number += 1;
        let start = Instant::now();
        let made = self.threads.get(thread).and_then(|batches| batches.recv().ok());
        self.waited += start.elapsed();
        made.unwrap_or(Err(Error::GeneratorGone)).map(Some)
    }
}

fn bundle<'b>(collection: &str, schema: &'b Value) -> Result<Bundle<'b>, Error> {
    Bundle::new(schema)
        .map_err(|error| Error::Generate { collection: collection.to_owned(), reason: error.to_string() })
}

/// The document's `_meta`, made if it is not there. Only objects are documents.
fn meta(document: &mut Value) -> &mut Map<String, Value> {
    member(member_value(document, "_meta"))
}

/// Puts a value into a document, with the objects around it.
fn set(document: &mut Value, path: &[String], value: Value) {
    let place = path.iter().fold(document, |at, name| member_value(at, name));
    *place = value;
}

fn member_value<'v>(value: &'v mut Value, name: &str) -> &'v mut Value {
    let members = member(value);
    // Most are there, and their name is not made again.
    if !members.contains_key(name) {
        members.insert(name.to_owned(), Value::Null);
    }
    members.get_mut(name).expect("it is there or was put there right above")
}

/// The members of a value, which becomes an object if it is none.
fn member(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made one right above")
}

/// Which operations a plan can make, if it lists its values.
fn operations(node: &Node) -> Vec<&'static str> {
    match node {
        Node::Values(values) => ["c", "u", "d"]
            .into_iter()
            .filter(|operation| values.iter().any(|value| value == operation))
            .collect(),
        Node::Nullable(node) => operations(node),
        _ => Vec::new(),
    }
}

/// Whether plans keep all keywords of a schema, and one that nothing here knows to keep. Names of members may be taken for
/// keywords, which costs checks and no more.
fn keywords(schema: &Value) -> (bool, Option<&'static str>) {
    let (mut exact, mut unknown) = (true, None);
    let mut pending = vec![schema];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => {
                for (name, member) in members {
                    exact &= !INEXACT.contains(&name.as_str());
                    // A member of this name would hold a schema.
                    let refers = member.is_string() || member.is_boolean();
                    unknown = unknown.or(UNKNOWN.into_iter().find(|known| *known == name && refers));
                    pending.push(member);
                }
                exact &= !(members.contains_key("format")
                    && ["minLength", "maxLength", "pattern"].iter().any(|name| members.contains_key(*name)));
            }
            _ => {}
        }
    }
    (exact, unknown)
}

/// Keywords that a plan may miss.
const INEXACT: [&str; 22] = [
    "anyOf",
    "oneOf",
    "not",
    "if",
    "allOf",
    "$ref",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxProperties",
    "minProperties",
    "multipleOf",
    "pattern",
    "patternProperties",
    "propertyNames",
    "uniqueItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords whose targets depend on how a schema was come to.
const UNKNOWN: [&str; 2] = ["$dynamicRef", "$recursiveRef"];

/// Documents that are made before the first one is sent.
const SAMPLES: u64 = 20;
/// How often a document is made until it is valid.
const TRIES: u32 = 200;
/// One of so many updates is a deletion, where the schema has them.
const DELETES: u64 = 10;
/// Batches that a thread is ahead: about as many as are made while a transaction is committed. With 4 of them half of the time was spent
/// waiting for documents, with 16 a tenth (`preview --generate 2000000`, two cores, 512 documents of 137 bytes a batch).
const AHEAD: usize = 16;
/// Bytes of a batch, about.
const BATCH_BYTES: u64 = 128 << 10;
/// More threads would take the connector's cores.
const MOST_THREADS: usize = 4;
