//! How an outbox comes to be: its topics and clients, what may be on the way, the ledger and the threads of delivery.

use std::collections::HashMap;
use std::sync::Arc;

use rdkafka::ClientConfig;
use tracing::{info, warn};

use super::{Committed, EMPTY, Lanes, Limits, Outbox, Topic, Way};
use crate::config::{Advanced, EndpointConfig, Partitioning};
use crate::encode::Buffer;
use crate::kafka::chunks::Chunks;
use crate::kafka::client::{Client, Detached, Kind, TopicHandle, c_name};
use crate::kafka::delivery;
use crate::kafka::error::Error;
use crate::kafka::gather::Gathering;
use crate::kafka::ledger::{AckTracker, TopicName};
use crate::kafka::notes::Notes;
use crate::kafka::settings::{BATCH_BYTES, LARGEST_MESSAGE, producer_settings, transactional};
use crate::kafka::statistics;
use crate::kafka::topics::{ask_limits, batch_bytes_below, check_partitions, partitions_of};
use crate::kafka::transaction::{self, Transactions};

/// How an outbox is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'i> {
    /// Messages are written in transactions of this id, each recorded in the configuration's progress topic. Whoever had the id is
    /// fenced, and what that one left open is aborted.
    pub transactional_id: Option<&'i str>,
    /// Clients tell often what they have sent, so that nobody waits long for [`sent_bytes`](Outbox::sent_bytes).
    pub measured: bool,
}

impl Outbox {
    /// Starts the producer and asks for exactly these topics. `on_failure` is called once, with the first failure,
    /// from whichever thread finds it.
    ///
    /// # Errors
    ///
    /// No answer within ten seconds, a topic that is missing or may not be written to, settings that were refused.
    pub fn open(
        config: &EndpointConfig,
        topics: Vec<Topic>,
        on_failure: Box<dyn Fn(Error) + Send + Sync>,
    ) -> Result<Self, Error> {
        Self::open_with(config, topics, Manner::default(), on_failure, |_| {})
    }

    /// As [`open`](Self::open), in this manner.
    ///
    /// # Errors
    ///
    /// As with [`open`](Self::open); a transactional id that could not be taken over; a progress topic that is missing or
    /// has not one partition.
    pub fn open_in(
        config: &EndpointConfig,
        topics: Vec<Topic>,
        manner: Manner<'_>,
        on_failure: Box<dyn Fn(Error) + Send + Sync>,
    ) -> Result<Self, Error> {
        Self::open_with(config, topics, manner, on_failure, |_| {})
    }

    pub(super) fn open_with(
        config: &EndpointConfig,
        topics: Vec<Topic>,
        manner: Manner<'_>,
        on_failure: Box<dyn Fn(Error) + Send + Sync>,
        adjust: impl Fn(&mut ClientConfig),
    ) -> Result<Self, Error> {
        let Manner { transactional_id, measured } = manner;
        let start = |batch_bytes| {
            let mut settings = producer_settings(config, batch_bytes);
            if let Some(id) = transactional_id {
                transactional(&mut settings, config, id);
            }
            if measured {
                settings.set("statistics.interval.ms", statistics::SOON.as_millis().to_string());
            }
            adjust(&mut settings);
            Detached::new(Kind::Producer, &settings, config.credentials.as_ref())
        };
        let (mut names, mut ways) = placed(topics);
        let documents = names.len();
        if transactional_id.is_some() {
            let topic = config.advanced.progress_topic.to_string();
            ways.push(Way::new(names.len(), Partitioning::default()));
            let owner = "advanced.progress_topic".to_owned();
            names.push(TopicName { topic, owner, max_message_bytes: None });
        }
        let brokers = &config.bootstrap_servers;

        let mut batch_bytes = config.advanced.client.batch_bytes().unwrap_or(BATCH_BYTES);
        let mut client = start(batch_bytes)?;
        let mut partitions = partitions_of(&client, brokers, &names)?;
        ask_limits(&client, brokers, &mut names);
        let limit = names[..documents].iter().filter_map(|name| name.max_message_bytes).min();
        if let Some(below) = limit.map(batch_bytes_below).filter(|bytes| *bytes < batch_bytes) {
            // librdkafka does not split a batch that a broker refuses, and has one batch size for all topics.
            batch_bytes = below;
            info!(batch_bytes, "batches are kept below the smallest max.message.bytes of the topics");
            client = start(batch_bytes)?;
            partitions = partitions_of(&client, brokers, &names)?;
        }

        if transactional_id.is_some() {
            check_partitions(&names[documents].topic, partitions[documents])?;
        }
        if let Some(id) = transactional_id {
            transaction::init(&client, id, config.advanced.stall_timeout)?;
        }
        let mut clients = vec![Arc::new(client.attach())];
        while clients.len() < config.advanced.producers {
            let client = start(batch_bytes)?;
            // Each client must have heard of the partitions itself.
            for (count, heard) in partitions.iter_mut().zip(partitions_of(&client, brokers, &names)?) {
                *count = heard.min(*count);
            }
            clients.push(Arc::new(client.attach()));
        }
        let lanes = lanes(&names, &partitions, &clients)?;
        let limits = Limits::new(&config.advanced);
        let mut chunks = Chunks::new(limits.chunk, config.advanced.in_flight_bytes);
        let (chunk, memory) = chunks.take().expect("nothing is in use yet");
        let ledger_topics: Vec<String> = names.iter().map(|name| name.topic.clone()).collect();
        let mut ledger =
            AckTracker::new(names, brokers.clone(), config.advanced.stall_timeout, chunks, on_failure);
        if let Some(id) = transactional_id {
            ledger = ledger.transactional(id.to_owned(), config.advanced.transaction_timeout);
        }
        let ledger = Arc::new(ledger);
        for client in &clients {
            delivery::start(Arc::clone(client), Arc::clone(&ledger), ledger_topics.clone())?;
        }
        let transactions = transactional_id
            .zip(clients.first())
            .map(|(id, client)| (Transactions::new(Arc::clone(client), id.to_owned()), ways.len() - 1));
        Ok(Self {
            topics: lanes,
            ways,
            clients,
            ledger,
            keys: Vec::new(),
            key_mark: 0,
            chunk,
            chunk_capacity: memory.capacity(),
            chunk_messages: 0,
            buffer: Buffer::from_vec(memory),
            expected: 0,
            over: false,
            gathering: Gathering::default(),
            entries: Vec::with_capacity(limits.batch_messages),
            touched: Vec::new(),
            batch_bytes: 0,
            largest: 0,
            small_bytes: 0,
            scratch: Vec::new(),
            notes: Notes::default(),
            numbers: Vec::new(),
            limits,
            uncommitted: Committed::default(),
            transactions,
        })
    }
}

/// The topics by the places that they have from here on, those of one name once, and where each that was given goes.
fn placed(topics: Vec<Topic>) -> (Vec<TopicName>, Vec<Way>) {
    let mut names: Vec<TopicName> = Vec::new();
    let mut ways = Vec::with_capacity(topics.len());
    let mut place_of = HashMap::with_capacity(topics.len());
    for Topic { name, owner, partitioning } in topics {
        let place = *place_of.entry(name.clone()).or_insert(names.len());
        match names.get_mut(place) {
            Some(other) => {
                warn!(topic = %name, bindings = %format!("{}; {owner}", other.owner), "two bindings write to one topic");
                other.owner = format!("{}; {owner}", other.owner);
            }
            None => names.push(TopicName { topic: name, owner, max_message_bytes: None }),
        }
        ways.push(Way::new(place, partitioning));
    }
    (names, ways)
}

/// Handles and empty lists for so many partitions of each topic.
fn lanes(names: &[TopicName], partitions: &[i32], clients: &[Arc<Client>]) -> Result<Vec<Lanes>, Error> {
    let of_topic = |(name, &count): (&TopicName, &i32)| {
        let topic = c_name(&name.topic)?;
        let handles =
            clients.iter().map(|client| TopicHandle::new(client, &topic)).collect::<Result<_, _>>()?;
        Ok(Lanes { handles, lanes: vec![EMPTY; usize::try_from(count).unwrap_or(0)] })
    };
    names.iter().zip(partitions).map(of_topic).collect()
}

impl Way {
    fn new(place: usize, partitioning: Partitioning) -> Self {
        Self { place: u32::try_from(place).expect("a task has fewer topics"), partitioning }
    }
}

impl Limits {
    fn new(advanced: &Advanced) -> Self {
        let chunk = (advanced.in_flight_bytes / 32).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        Self {
            chunk,
            batch_bytes: chunk,
            batch_messages: (advanced.in_flight_messages / 8).clamp(1, BATCH_MESSAGES),
            most_bytes: (advanced.in_flight_bytes / 8).max(chunk),
            most_messages: (advanced.in_flight_messages / 8).max(1),
            in_flight_messages: advanced.in_flight_messages as u64,
            gathered: GATHERED.min(chunk / 4),
            message: LARGEST_MESSAGE,
        }
    }
}

const SMALLEST_CHUNK: usize = 1 << 10;
const LARGEST_CHUNK: usize = 1 << 20;
const BATCH_MESSAGES: usize = 4096;

/// Longer values are lent where they were written: to copy them costs more than it spares.
const GATHERED: usize = 1024;
