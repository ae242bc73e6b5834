//! A reader of whole topics, for preview and tests: no group, no commits, no rebalancing.

#![allow(unsafe_code, reason = "librdkafka's simple consumer")]

use std::ffi::{CString, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;

use super::admin::{describe, is_unknown_topic};
use super::client::{Client, Code, Content, Kind, RawMessage, TopicHandle, c_name, millis, owned};
use super::delivery::LogLimit;
use super::error::{Error, remedy};
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
        let mut settings = client_settings(config);
        settings
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "50")
            .set("check.crcs", "true")
            // Messages may be as large as the producer lets them be.
            .set("receive.message.max.bytes", "1100000000");
        let client = Arc::new(Client::new(Kind::Consumer, &settings)?);
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let found = describe(&client, &config.bootstrap_servers, &names, WITHIN)?;
        // SAFETY: the client is live.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_new(client.as_ptr()) })
            .expect("librdkafka ends the process when memory is short");
        let mut consumer = Self { topics: Vec::new(), queue, client, logs: LogLimit::default() };
        for (name, found) in names.into_iter().zip(found) {
            let partitions = found.map_err(|code| read_error(name, code, ""))?;
            let handle = TopicHandle::new(&consumer.client, &c_name(name)?)?;
            consumer.topics.push((name.to_owned(), 0, handle));
            for partition in 0..partitions {
                consumer.start(name, partition, start)?;
            }
        }
        Ok(consumer)
    }

    /// The next message of any partition, or none within `timeout`.
    ///
    /// # Errors
    ///
    /// What librdkafka cannot get over by itself.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record>, Error> {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            if let Content::Log { level, facility, text } = event.content() {
                self.logs.log(level, &facility, &text);
            }
        }
        // SAFETY: the queue is ours; the message is ours to destroy.
        let message = unsafe { sys::rd_kafka_consume_queue(self.queue.as_ptr(), millis(timeout)) };
        let Some(message) = NonNull::new(message).map(Message) else { return Ok(None) };
        match message.record() {
            Ok(record) => Ok(Some(record)),
            Err((_, code, _)) if code.is(Name::RD_KAFKA_RESP_ERR__PARTITION_EOF) => Ok(None),
            Err((topic, code, text)) => Err(read_error(&topic, code, &text)),
        }
    }

    /// The end of each partition now: topic, partition, and the offset that the next message will have.
    ///
    /// # Errors
    ///
    /// Brokers that do not answer within ten seconds.
    pub fn end_offsets(&self) -> Result<Vec<(String, i32, i64)>, Error> {
        let mut ends = Vec::new();
        for (topic, partitions, _) in &self.topics {
            let name = c_name(topic)?;
            for partition in 0..*partitions {
                ends.push((topic.clone(), partition, self.end_of(&name, topic, partition)?));
            }
        }
        Ok(ends)
    }

    fn start(&mut self, name: &str, partition: i32, start: Start) -> Result<(), Error> {
        let offset = match start {
            Start::Beginning => i64::from(sys::RD_KAFKA_OFFSET_BEGINNING),
            Start::End => self.end_of(&c_name(name)?, name, partition)?,
        };
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

    fn end_of(&self, name: &CString, topic: &str, partition: i32) -> Result<i64, Error> {
        let (mut low, mut high) = (0, 0);
        // SAFETY: client and name are live; both places are written.
        let code = Code(unsafe {
            rd_kafka_query_watermark_offsets(
                self.client.as_ptr(),
                name.as_ptr(),
                partition,
                &mut low,
                &mut high,
                millis(WITHIN),
            )
        });
        if code.0 == 0 { Ok(high) } else { Err(read_error(topic, code, "")) }
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
    fn rd_kafka_query_watermark_offsets(
        client: *mut sys::rd_kafka_t,
        topic: *const std::ffi::c_char,
        partition: i32,
        low: *mut i64,
        high: *mut i64,
        timeout_ms: std::ffi::c_int,
    ) -> std::ffi::c_int;
}

const WITHIN: Duration = Duration::from_secs(10);
