//! A reader of whole topics, for preview and tests: no group, no commits, no rebalancing.

#![allow(unsafe_code, reason = "librdkafka's simple consumer")]

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;

use super::admin::is_unknown_topic;
use super::client::{Client, Code, Content, Kind, RawMessage, TopicHandle, c_name, millis, owned};
use super::delivery::LogLimit;
use super::error::{Error, remedy};
use super::layout::describe;
use super::settings::client_settings;
use crate::config::EndpointConfig;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The oldest message.
    Beginning,
    /// Behind the newest message at the time of opening.
    End,
}

/// A message as it lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, if the message has a time.
    pub timestamp: Option<i64>,
    /// Key, if there is one.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers: names and values.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What comes of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A message.
    Record(Record),
    /// Reading has got to the end of a partition. What lies before it and was not given out are marks of transactions, or
    /// messages of some that were aborted.
    End {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The offset where reading goes on.
        offset: i64,
    },
}

/// Reads all partitions of given topics.
pub struct Consumer {
    topics: Vec<(String, i32, TopicHandle)>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    client: Arc<Client>,
    logs: LogLimit,
}

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Consumer {}

impl Consumer {
    /// Begins to read `topics`, each named once.
    ///
    /// # Errors
    ///
    /// Brokers that do not answer within ten seconds, a topic that is missing or may not be read.
    pub fn open(config: &EndpointConfig, topics: &[String], start: Start) -> Result<Self, Error> {
        Self::open_with(config, topics, start, |_| {})
    }

    /// As [`open`](Self::open); [`read`](Self::read) gives the ends of partitions as well.
    ///
    /// # Errors
    ///
    /// As those of [`open`](Self::open).
    pub fn open_with_ends(config: &EndpointConfig, topics: &[String], start: Start) -> Result<Self, Error> {
        Self::open_with(config, topics, start, |settings| {
            settings.set("enable.partition.eof", "true");
        })
    }

    pub(super) fn open_with(
        config: &EndpointConfig,
        topics: &[String],
        start: Start,
        adjust: impl FnOnce(&mut ClientConfig),
    ) -> Result<Self, Error> {
        let mut settings = client_settings(config);
        settings
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "50")
            .set("check.crcs", "true")
            // Messages may be as large as the producer lets them be.
            .set("receive.message.max.bytes", "1100000000");
        adjust(&mut settings);
        let client = Arc::new(Client::new(Kind::Consumer, &settings, config.credentials.as_ref())?);
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let found = describe(&client, &config.bootstrap_servers, &names, WITHIN)?;
        // SAFETY: the client is live.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_new(client.as_ptr()) })
            .expect("librdkafka ends the process when memory is short");
        let mut consumer = Self { topics: Vec::new(), queue, client, logs: LogLimit::default() };
        let mut partitions = Vec::new();
        for (name, found) in names.into_iter().zip(found) {
            let count = found.map_err(|code| read_error(name, code, ""))?;
            partitions.extend((0..count).map(|partition| (name.to_owned(), partition)));
        }
        // Before anything is read: a fetch that waits for messages holds such questions up.
        let offsets = match start {
            Start::Beginning => vec![i64::from(sys::RD_KAFKA_OFFSET_BEGINNING); partitions.len()],
            Start::End => consumer.ends_of(&partitions)?,
        };
        for ((name, partition), offset) in partitions.iter().zip(offsets) {
            if consumer.topics.last().is_none_or(|(topic, ..)| topic != name) {
                let handle = TopicHandle::new(&consumer.client, &c_name(name)?)?;
                consumer.topics.push((name.clone(), 0, handle));
            }
            consumer.start(name, *partition, offset)?;
        }
        Ok(consumer)
    }

    /// The next message of any partition, or none within `timeout`.
    ///
    /// # Errors
    ///
    /// What librdkafka cannot get over by itself.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record>, Error> {
        Ok(match self.read(timeout)? {
            Some(Read::Record(record)) => Some(record),
            Some(Read::End { .. }) | None => None,
        })
    }

    /// The next message, or the end of a partition where such were asked for; none within `timeout`.
    ///
    /// # Errors
    ///
    /// What librdkafka cannot get over by itself.
    pub fn read(&mut self, timeout: Duration) -> Result<Option<Read>, Error> {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            if let Content::Log { level, facility, text } = event.content() {
                self.logs.log(level, &facility, &text);
            }
        }
        // SAFETY: the queue is ours; the message is ours to destroy.
        let message = unsafe { sys::rd_kafka_consume_queue(self.queue.as_ptr(), millis(timeout)) };
        let Some(message) = NonNull::new(message).map(Message) else { return Ok(None) };
        match message.record() {
            Ok(record) => Ok(Some(Read::Record(record))),
            Err((topic, code, _)) if code.is(Name::RD_KAFKA_RESP_ERR__PARTITION_EOF) => {
                let (partition, offset) = message.place();
                Ok(Some(Read::End { topic, partition, offset }))
            }
            Err((topic, code, text)) => Err(read_error(&topic, code, &text)),
        }
    }

    /// The end of each partition now: topic, partition, and the offset that the next message will have.
    ///
    /// # Errors
    ///
    /// Brokers that do not answer within ten seconds.
    pub fn end_offsets(&self) -> Result<Vec<(String, i32, i64)>, Error> {
        let partitions: Vec<(String, i32)> = self
            .topics
            .iter()
            .flat_map(|(topic, partitions, _)| (0..*partitions).map(|partition| (topic.clone(), partition)))
            .collect();
        let ends = self.ends_of(&partitions)?;
        Ok(partitions
            .into_iter()
            .zip(ends)
            .map(|((topic, partition), end)| (topic, partition, end))
            .collect())
    }

    fn start(&mut self, name: &str, partition: i32, offset: i64) -> Result<(), Error> {
        let (_, started, handle) =
            self.topics.last_mut().expect("the topic was entered before its partitions");
        // SAFETY: topic and queue are live, and stay so until the partition is stopped in drop.
        let failed = unsafe {
            sys::rd_kafka_consume_start_queue(handle.as_ptr(), partition, offset, self.queue.as_ptr()) != 0
        };
        if failed {
            // SAFETY: no precondition.
            let code = Code(unsafe { sys::rd_kafka_last_error() } as i32);
            return Err(read_error(name, code, ""));
        }
        *started = partition + 1;
        Ok(())
    }

    /// The ends of partitions.
    fn ends_of(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>, Error> {
        let since = Instant::now();
        loop {
            match self.ask_ends(partitions) {
                Ok(ends) => return Ok(ends),
                // As after a topic's creation; the client asks for its leaders anew.
                Err((_, code)) if is_unsettled(code) && since.elapsed() < WITHIN => thread::sleep(UNSETTLED),
                Err((topic, code)) => return Err(read_error(&topic, code, "")),
            }
        }
    }

    /// Asks each broker in one request. An error comes with the topic, or all of them.
    fn ask_ends(&self, partitions: &[(String, i32)]) -> Result<Vec<i64>, (String, Code)> {
        let names = || {
            let names: BTreeSet<&str> = partitions.iter().map(|(topic, _)| &topic[..]).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = PartitionList::new(partitions);
        // SAFETY: client and list are live; the offsets of the list are written.
        let code = Code(unsafe {
            rd_kafka_offsets_for_times(self.client.as_ptr(), list.0.as_ptr(), millis(WITHIN))
        });
        if code.0 != 0 {
            return Err((names(), code));
        }
        let ends = list.offsets().zip(partitions);
        ends.map(|((end, code), (topic, _))| if code.0 == 0 { Ok(end) } else { Err((topic.clone(), code)) })
            .collect()
    }
}

/// Whether a partition's leader is not known yet, or not any more.
fn is_unsettled(code: Code) -> bool {
    [
        Name::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Name::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        Name::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Name::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        Name::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
        Name::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
        Name::RD_KAFKA_RESP_ERR__TRANSPORT,
        // The broker that was asked had changed its address, or its number had become known, meanwhile.
        Name::RD_KAFKA_RESP_ERR__DESTROY_BROKER,
    ]
    .into_iter()
    .any(|name| code.is(name))
}

/// Partitions whose ends are asked for.
struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

impl PartitionList {
    fn new(partitions: &[(String, i32)]) -> Self {
        let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        // SAFETY: no precondition; the count is but the size at the beginning.
        let list = NonNull::new(unsafe { sys::rd_kafka_topic_partition_list_new(count) })
            .map(Self)
            .expect("librdkafka ends the process when memory is short");
        for (topic, partition) in partitions {
            let name = c_name(topic).expect("the topic was described by this name");
            // SAFETY: list and name are live, the name is copied; the new element is live until the next one.
            unsafe {
                let added =
                    sys::rd_kafka_topic_partition_list_add(list.0.as_ptr(), name.as_ptr(), *partition);
                (*added).offset = i64::from(sys::RD_KAFKA_OFFSET_END);
            }
        }
        list
    }

    /// Offset and error of each partition, in the order given.
    fn offsets(&self) -> impl Iterator<Item = (i64, Code)> {
        // SAFETY: the list is live.
        let (elements, count) = unsafe { ((*self.0.as_ptr()).elems, (*self.0.as_ptr()).cnt) };
        (0..usize::try_from(count).unwrap_or_default()).map(move |index| {
            // SAFETY: the list has so many elements. The error is read as a number, since brokers may answer with
            // codes that the bindings' `enum` does not have.
            unsafe {
                let element = elements.add(index);
                ((*element).offset, Code((&raw const (*element).err).cast::<i32>().read()))
            }
        })
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: the list is ours.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        for (_, partitions, handle) in &self.topics {
            for partition in 0..*partitions {
                // SAFETY: the partition was started and not stopped.
                unsafe { sys::rd_kafka_consume_stop(handle.as_ptr(), partition) };
            }
        }
        // SAFETY: the queue is ours, and nothing feeds it any more.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

fn read_error(topic: &str, code: Code, text: &str) -> Error {
    let reason = if text.is_empty() { code.text() } else { format!("{}: {text}", code.text()) };
    let remedy = if is_unknown_topic(code) { "create it first" } else { remedy(code.0) };
    Error::Read { topic: topic.to_owned(), reason, remedy }
}

struct Message(NonNull<sys::rd_kafka_message_t>);

impl Message {
    /// Partition and offset.
    fn place(&self) -> (i32, i64) {
        // SAFETY: the message is live; the layouts are the same.
        let raw = unsafe { &*self.0.as_ptr().cast::<RawMessage>() };
        (raw.partition, raw.offset)
    }

    fn record(&self) -> Result<Record, (String, Code, String)> {
        // SAFETY: the message is live; the layouts are the same.
        let raw = unsafe { &*self.0.as_ptr().cast::<RawMessage>() };
        let topic = if raw.topic.is_null() {
            String::new()
        } else {
            // SAFETY: the topic is live as long as the message; its name is copied.
            unsafe { owned(sys::rd_kafka_topic_name(raw.topic)) }
        };
        if raw.err != 0 {
            // SAFETY: an error's payload is its text, `len` bytes.
            let text = unsafe { bytes(raw.payload, raw.len) }.unwrap_or_default();
            return Err((topic, Code(raw.err), String::from_utf8_lossy(&text).into_owned()));
        }
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is live; key and value have the lengths it says.
        unsafe {
            let time = sys::rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind);
            let has_time = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            Ok(Record {
                topic,
                partition: raw.partition,
                offset: raw.offset,
                timestamp: (has_time && time >= 0).then_some(time),
                key: bytes(raw.key, raw.key_len),
                value: bytes(raw.payload, raw.len),
                headers: self.headers(),
            })
        }
    }

    fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut headers: *mut sys::rd_kafka_headers_t = null_mut();
        let mut found = Vec::new();
        // SAFETY: the message is live, and with it its headers; names and values are copied.
        unsafe {
            if sys::rd_kafka_message_headers(self.0.as_ptr(), &mut headers) as i32 != 0 {
                return found;
            }
            let (mut name, mut value, mut size) = (null(), null(), 0);
            while sys::rd_kafka_header_get_all(headers, found.len(), &mut name, &mut value, &mut size) as i32
                == 0
            {
                found.push((owned(name), bytes(value.cast_mut(), size)));
            }
        }
        found
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the message is ours.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Copies `len` bytes; null is none.
///
/// # Safety
///
/// `start` must be null or point to `len` bytes.
unsafe fn bytes(start: *const c_void, len: usize) -> Option<Vec<u8>> {
    // SAFETY: as the caller promised.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) }.to_vec())
}

// The bindings declare this with an `enum`, see `RawMessage`.
unsafe extern "C" {
    fn rd_kafka_offsets_for_times(
        client: *mut sys::rd_kafka_t,
        partitions: *mut sys::rd_kafka_topic_partition_list_t,
        timeout_ms: std::ffi::c_int,
    ) -> std::ffi::c_int;
}

const WITHIN: Duration = Duration::from_secs(10);

/// How long to wait for a leader before asking again.
const UNSETTLED: Duration = Duration::from_millis(100);
