//! What the process of the roof does: hands messages to librdkafka, as fast as that takes them.
//!
//! Who owns what: the messages' bytes and the topics live as long as the process. One thread hands in; one thread a
//! client takes delivery reports, counts them, and wakes the first, which waits while as much is in flight as the
//! connector would let be. The clients have the connector's own settings.

#![allow(unsafe_code, reason = "librdkafka's functions themselves are what is measured")]

use std::ffi::{CStr, CString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka::config::EndpointConfig;
use materialize_kafka::kafka::bench::consistent;
use materialize_kafka::kafka::{BATCH_BYTES, exit_now, producer_settings};
use rdkafka_sys as sys;
use serde_json::{Value, json};

use crate::workload::endpoint;

/// Is the roof until stdin ends.
pub fn serve(order: &Path) {
    let mut roof = Roof::read(order);
    // Clients get their producer's number meanwhile; one that is asked for too early is asked for again half a second
    // later, which is no matter of speed.
    thread::sleep(ESTABLISHED_AFTER);
    println!("ready");
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line).expect("stdin is readable");
    // Whatever this thread is at, the process goes when nobody wants it any more.
    let end = thread::spawn(move || {
        let _end = input.read_to_end(&mut Vec::new());
        exit_now(0)
    });
    if line.trim() == "go" {
        let start = Instant::now();
        for _ in 0..roof.transactions {
            roof.transact();
        }
        println!("{}", json!({"seconds": start.elapsed().as_secs_f64()}));
    }
    let _never = end.join();
}

struct Roof {
    clients: Vec<Producer>,
    lanes: Vec<Lane>,
    reports: Arc<Reports>,
    /// Different messages, which are handed in again and again.
    messages: u64,
    documents: u64,
    transactions: u64,
    /// Messages handed in so far.
    sent: u64,
    /// Messages that may be in flight.
    most: u64,
}

/// The messages of one partition.
struct Lane {
    topic: Topic,
    partition: i32,
    messages: Vec<sys::rd_kafka_message_t>,
    /// Which of all messages these are, ascending.
    numbers: Vec<u64>,
}

/// A topic of one of the clients.
#[derive(Clone, Copy)]
struct Topic(*mut sys::rd_kafka_topic_t);

/// A client, which lives as long as the process.
#[derive(Clone, Copy)]
struct Producer(*mut sys::rd_kafka_t);

// SAFETY: librdkafka takes calls from any thread.
unsafe impl Send for Producer {}

impl Roof {
    fn read(order: &Path) -> Self {
        let bytes = std::fs::read(order).expect("the order can be read");
        let head = bytes.iter().position(|&byte| byte == b'\n').expect("the order begins with a line");
        let (head, body) = bytes.split_at(head);
        let head: Value = serde_json::from_slice(head).expect("its first line is JSON");
        let number = |name: &str| head[name].as_u64().unwrap_or_else(|| panic!("no {name} in the order"));
        let body: &'static [u8] = body[1..].to_vec().leak();
        let config = endpoint(&head["config"]);
        let reports = Arc::new(Reports::default());

        let clients: Vec<Producer> =
            (0..number("producers")).map(|_| Producer::start(&config, &reports)).collect();
        let partitions = i32::try_from(number("partitions")).expect("partitions are i32");
        let count = usize::try_from(partitions).expect("positive");
        let mut lanes = Vec::new();
        for topic in head["topics"].as_array().expect("topics") {
            let topic = CString::new(topic.as_str().expect("a name")).expect("names have no nul");
            // Partitions are shared among the clients.
            let handles: Vec<Topic> = clients.iter().map(|client| client.topic(&topic)).collect();
            lanes.extend((0..partitions).zip(handles.iter().cycle()).map(|(partition, &topic)| Lane {
                topic,
                partition,
                messages: Vec::new(),
                numbers: Vec::new(),
            }));
        }
        clients.iter().for_each(|client| client.learn_topics());

        let messages = number("messages");
        let (mut rest, mut total) = (body, 0_usize);
        for number in 0..messages {
            let topic = take_number(&mut rest) as usize;
            let key_len = take_number(&mut rest) as usize;
            let value_len = Some(take_number(&mut rest)).filter(|len| *len != u32::MAX);
            let key = take(&mut rest, key_len);
            let value = value_len.map(|len| take(&mut rest, len as usize));
            let partition = usize::try_from(consistent(key, partitions)).expect("partitions count from 0");
            let lane = &mut lanes[topic * count + partition];
            lane.numbers.push(number);
            lane.messages.push(message(key, value));
            total += key.len() + value.map_or(0, <[u8]>::len);
        }
        lanes.retain(|lane| !lane.messages.is_empty());

        // As the connector's: bounded by messages and by bytes, here taken to be all of average size.
        let bytes = u64::try_from(total).expect("usize has at most 64 bits");
        let by_bytes = config.advanced.in_flight_bytes as u64 * messages / bytes.max(1);
        let most = by_bytes.min(config.advanced.in_flight_messages as u64).max(1);
        let (documents, transactions) = (number("documents"), number("transactions"));
        Self { clients, lanes, reports, messages, documents, transactions, sent: 0, most }
    }

    /// Hands in the messages of a transaction, and waits until all are acknowledged.
    fn transact(&mut self) {
        for _ in 0..self.documents / self.messages {
            self.hand_in(self.messages);
        }
        self.hand_in(self.documents % self.messages);
        thread::scope(|scope| {
            let (last, others) = self.clients.split_last().expect("there is a client");
            for &client in others {
                scope.spawn(move || client.flush());
            }
            last.flush();
        });
        self.reports.wait(self.sent);
    }

    /// Hands in those of the messages that are before `end`.
    fn hand_in(&mut self, end: u64) {
        let at_once = usize::try_from(self.most / 8).unwrap_or(BATCH_MESSAGES).clamp(1, BATCH_MESSAGES);
        for lane in &mut self.lanes {
            let count = lane.numbers.partition_point(|number| *number < end);
            for batch in lane.messages[..count].chunks_mut(at_once) {
                self.sent += batch.len() as u64;
                self.reports.wait(self.sent.saturating_sub(self.most));
                lane.topic.produce(lane.partition, batch);
            }
        }
    }
}

impl Producer {
    /// Starts a client and the thread that takes its reports.
    fn start(config: &EndpointConfig, reports: &Arc<Reports>) -> Self {
        let settings = producer_settings(config, BATCH_BYTES);
        let conf = settings.create_native_config().expect("librdkafka takes the settings");
        let mut text = [0; 512];
        // SAFETY: the configuration is live, and librdkafka's where it succeeds, hence the forget; at most
        // `text.len()` bytes are written, ended by nul.
        let client = unsafe {
            sys::rd_kafka_conf_set_events(conf.ptr(), sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR);
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = sys::rd_kafka_new(kind, conf.ptr(), text.as_mut_ptr(), text.len());
            assert!(!client.is_null(), "{}", CStr::from_ptr(text.as_ptr()).to_string_lossy());
            client
        };
        std::mem::forget(conf);
        let (client, reports) = (Self(client), Arc::clone(reports));
        thread::spawn(move || client.take_reports(&reports));
        client
    }

    fn topic(self, name: &CStr) -> Topic {
        // SAFETY: client and name are live; a null configuration means the client's default.
        let topic = unsafe { sys::rd_kafka_topic_new(self.0, name.as_ptr(), null_mut()) };
        assert!(!topic.is_null(), "the client refused topic {name:?}");
        Topic(topic)
    }

    /// Learns the partitions of all topics, so that messages need not wait for them.
    fn learn_topics(self) {
        let mut metadata = null();
        // SAFETY: the client is live; the answer is destroyed, once, where there is one.
        unsafe {
            let code = sys::rd_kafka_metadata(self.0, 0, null_mut(), &raw mut metadata, 30_000);
            assert_eq!(code as i32, 0, "asking for the topics");
            sys::rd_kafka_metadata_destroy(metadata);
        }
    }

    fn flush(self) {
        // SAFETY: the client is live.
        let code = unsafe { sys::rd_kafka_flush(self.0, -1) };
        assert_eq!(code as i32, 0, "flushing");
    }

    /// Takes events for ever.
    fn take_reports(self, reports: &Reports) {
        // SAFETY: the client lives as long as the process; each event is destroyed, once, after its last use. The
        // first message of an event is live until then.
        unsafe {
            let queue = sys::rd_kafka_queue_get_main(self.0);
            loop {
                let event = sys::rd_kafka_queue_poll(queue, 1_000);
                match sys::rd_kafka_event_type(event) {
                    sys::RD_KAFKA_EVENT_NONE => {}
                    sys::RD_KAFKA_EVENT_DR => {
                        let count = sys::rd_kafka_event_message_count(event);
                        // An event is of messages with one outcome.
                        let mut first = null();
                        sys::rd_kafka_event_message_array(event, &raw mut first, 1);
                        let code = (&raw const (*first).err).cast::<i32>().read();
                        if code != 0 {
                            eprintln!("the roof: messages were not delivered, error {code}");
                            exit_now(1);
                        }
                        sys::rd_kafka_event_destroy(event);
                        reports.add(count as u64);
                        continue;
                    }
                    _ => {
                        let text = sys::rd_kafka_event_error_string(event);
                        eprintln!("the roof: {}", CStr::from_ptr(text).to_string_lossy());
                    }
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
    }
}

impl Topic {
    fn produce(self, partition: i32, batch: &mut [sys::rd_kafka_message_t]) {
        let count = i32::try_from(batch.len()).expect("a batch has a few thousand messages");
        // SAFETY: the topic is live; the slice has `count` messages, whose bytes live as long as the process.
        // Neither the copy nor the free flag is set.
        let taken = unsafe { sys::rd_kafka_produce_batch(self.0, partition, 0, batch.as_mut_ptr(), count) };
        // The settings do not limit the queue.
        assert_eq!(taken, count, "librdkafka takes all messages");
    }
}

/// How many messages have been reported.
#[derive(Default)]
struct Reports {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Reports {
    fn add(&self, count: u64) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += count;
        self.changed.notify_one();
    }

    /// Waits until there are `count` of them.
    fn wait(&self, count: u64) {
        let mut reported = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *reported < count {
            reported = self.changed.wait(reported).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn message(key: &'static [u8], value: Option<&'static [u8]>) -> sys::rd_kafka_message_t {
    sys::rd_kafka_message_t {
        err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: null_mut(),
        partition: 0,
        payload: value.map_or(null_mut(), |value| value.as_ptr().cast_mut().cast()),
        len: value.map_or(0, <[u8]>::len),
        key: key.as_ptr().cast_mut().cast(),
        key_len: key.len(),
        offset: 0,
        _private: null_mut(),
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(len);
    *rest = left;
    taken
}

fn take_number(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest, 4).try_into().expect("four bytes"))
}

const BATCH_MESSAGES: usize = 4096;
const ESTABLISHED_AFTER: Duration = Duration::from_secs(1);
