//! The room against librdkafka's mock brokers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::error::{connection_remedy, remedy, shown};
use super::mock::{Cluster, Fault, Request};
use super::partition::consistent;
use super::*;
use crate::config::{EndpointConfig, NewTopic, Partitioning};

fn config(bootstrap_servers: &str) -> EndpointConfig {
    let json = format!(r#"{{"bootstrap_servers":"{bootstrap_servers}","message_format":"JSON"}}"#);
    EndpointConfig::parse(json.as_bytes()).unwrap()
}

fn cluster(topics: &[(&str, i32)]) -> (Cluster, EndpointConfig) {
    let cluster = Cluster::new(2).unwrap();
    for (name, partitions) in topics {
        cluster.create_topic(name, *partitions).unwrap();
    }
    let config = config(&cluster.bootstrap_servers());
    (cluster, config)
}

fn down(cluster: &Cluster) {
    cluster.broker_down(0).unwrap();
    cluster.broker_down(1).unwrap();
}

fn topic(name: &str) -> Topic {
    Topic {
        name: name.into(),
        owner: format!("binding 0, collection acme/{name}"),
        partitioning: Partitioning::default(),
    }
}

fn open(config: &EndpointConfig, topics: &[&str]) -> Outbox {
    Outbox::open(config, topics.iter().map(|name| topic(name)).collect(), Box::new(|_| {})).unwrap()
}

fn send(outbox: &mut Outbox, topic: usize, key: &str, value: Option<&[u8]>) -> Result<(), Error> {
    let (keys, buffer) = outbox.buffers()?;
    keys.extend_from_slice(key.as_bytes());
    buffer.put(value.unwrap_or_default());
    outbox.push(topic, value.is_some())
}

/// Everything in the topics, once `count` messages are there.
fn read(config: &EndpointConfig, topics: &[&str], count: usize) -> Vec<Record> {
    let topics: Vec<String> = topics.iter().map(|&name| name.to_owned()).collect();
    let mut consumer = Consumer::open(config, &topics, Start::Beginning).unwrap();
    let ends: i64 = consumer.end_offsets().unwrap().iter().map(|(_, _, end)| end).sum();
    assert_eq!(usize::try_from(ends).unwrap(), count, "messages in the topics");
    let mut records = Vec::new();
    let deadline = Instant::now() + IN_TIME;
    while records.len() < count && Instant::now() < deadline {
        records.extend(consumer.poll(Duration::from_millis(100)).unwrap());
    }
    assert_eq!(records.len(), count);
    records
}

/// Calls `look` until it gives something.
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + IN_TIME;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "nothing came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What is about an end, or about being woken, and not about how fast the machine is. Whoever is not woken waits for the
/// stall time-out, which is two minutes unless a test says otherwise.
const IN_TIME: Duration = Duration::from_secs(60);

fn failure_of(outbox: &mut Outbox) -> Error {
    outbox.commit().unwrap_err()
}

#[test]
fn messages_arrive_in_order_with_keys_values_and_tombstones() {
    let (_cluster, config) = cluster(&[("orders", 6), ("items", 3)]);
    let mut outbox = open(&config, &["orders", "items"]);
    let mut bytes = 0;
    for round in 0..50 {
        for key in 0..20 {
            let (key, value) = (format!("key-{key}"), format!("{round}"));
            bytes += key.len() as u64 + if round == 49 { 0 } else { value.len() as u64 };
            let value = (round < 49).then_some(value.as_bytes());
            send(&mut outbox, round % 2, &key, value).unwrap();
        }
    }
    assert_eq!(outbox.commit().unwrap(), Committed { messages: 1000, bytes });
    assert_eq!(outbox.commit().unwrap(), Committed::default());
    assert_eq!((outbox.tracker().produced(), outbox.tracker().acknowledged()), (1000, 1000));

    let mut last: HashMap<(String, Vec<u8>), i64> = HashMap::new();
    let mut tombstones = 0;
    for record in read(&config, &["orders", "items"], 1000) {
        let key = record.key.unwrap();
        let partitions = if record.topic == "orders" { 6 } else { 3 };
        assert_eq!(record.partition, consistent(&key, partitions));
        assert!(record.timestamp.unwrap() > 1_600_000_000_000);
        let round = match &record.value {
            None => {
                tombstones += 1;
                49
            }
            Some(value) => std::str::from_utf8(value).unwrap().parse().unwrap(),
        };
        let before = last.insert((record.topic, key), round);
        assert!(before.is_none_or(|before| before < round), "{before:?} came before {round}");
    }
    assert_eq!(tombstones, 20);
}

#[test]
fn several_producers_share_partitions_and_keep_each_keys_order() {
    let (_cluster, mut config) = cluster(&[("a", 5), ("b", 1), ("c", 1)]);
    config.advanced.producers = 3;
    config.advanced.in_flight_bytes = 64 << 10;
    let mut outbox = open(&config, &["a", "b", "c"]);
    for number in 0..9_000 {
        let value = number.to_string();
        send(&mut outbox, number % 3, &format!("key-{}", number % 42), Some(value.as_bytes())).unwrap();
        if number % 4_000 == 0 {
            outbox.commit().unwrap();
        }
    }
    let start = Instant::now();
    outbox.commit().unwrap();
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    assert_eq!((outbox.tracker().produced(), outbox.tracker().acknowledged()), (9_000, 9_000));
    assert_eq!(outbox.tracker().lock().clients, 3);
    let mut last: HashMap<(String, Vec<u8>), usize> = HashMap::new();
    for record in read(&config, &["a", "b", "c"], 9_000) {
        let key = record.key.unwrap();
        let partitions = if record.topic == "a" { 5 } else { 1 };
        assert_eq!(record.partition, consistent(&key, partitions));
        let number = std::str::from_utf8(&record.value.unwrap()).unwrap().parse().unwrap();
        let before = last.insert((record.topic, key), number);
        assert!(before.is_none_or(|before| before < number), "{before:?} came before {number}");
    }
    let tracker = Arc::clone(outbox.tracker());
    drop(outbox);
    assert_eq!(tracker.lock().clients, 0);
}

#[test]
fn a_failure_of_one_producer_of_several_ends_the_session() {
    let (cluster, mut config) = cluster(&[("a", 4)]);
    config.advanced.producers = 2;
    let mut outbox = open(&config, &["a"]);
    cluster.request_errors(Request::Produce, &[Fault::MessageTooLarge]);
    for number in 0..100 {
        send(&mut outbox, 0, &number.to_string(), Some(b"v")).unwrap();
    }
    let error = failure_of(&mut outbox).to_string();
    assert!(error.contains("MSG_SIZE_TOO_LARGE"), "{error}");
    assert_eq!(failure_of(&mut outbox).to_string(), error);
    let tracker = Arc::clone(outbox.tracker());
    drop(outbox);
    assert_eq!(tracker.lock().due(), 0, "every report has come");
}

#[test]
fn the_partition_is_that_of_crc32() {
    // Bit by bit, as the polynomial says.
    let crc32 = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |mut crc, byte| {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            }
            crc
        })
    };
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    for count in [1, 2, 6, 7, 100] {
        for key in ["", "a", r#"{"id":1}"#, r#"{"id":"long one, with é"}"#, "\0\u{1}"] {
            let expected = crc32(key.as_bytes()) % u32::try_from(count).unwrap();
            assert_eq!(consistent(key.as_bytes(), count), i32::try_from(expected).unwrap());
        }
    }
}

#[test]
fn an_empty_value_is_no_tombstone_and_an_empty_key_is_a_key() {
    let (_cluster, config) = cluster(&[("t", 1)]);
    let mut outbox = open(&config, &["t"]);
    send(&mut outbox, 0, "", Some(b"")).unwrap();
    send(&mut outbox, 0, "k", None).unwrap();
    outbox.commit().unwrap();
    let records = read(&config, &["t"], 2);
    assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b""[..]), Some(&b""[..])));
    assert_eq!((records[1].key.as_deref(), records[1].value.as_deref()), (Some(&b"k"[..]), None));
}

#[test]
fn two_bindings_of_one_topic_share_its_order() {
    let (_cluster, config) = cluster(&[("t", 4)]);
    let mut outbox = open(&config, &["t", "t"]);
    for number in 0..100 {
        send(&mut outbox, number % 2, "same", Some(number.to_string().as_bytes())).unwrap();
    }
    outbox.commit().unwrap();
    let values: Vec<_> = read(&config, &["t"], 100).into_iter().map(|r| r.value.unwrap()).collect();
    assert_eq!(values, (0..100).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
}

#[test]
fn tiny_chunks_and_limits_lose_and_change_nothing() {
    let (_cluster, mut config) = cluster(&[("t", 3)]);
    config.advanced.in_flight_bytes = 20_000;
    config.advanced.in_flight_messages = 50;
    let mut outbox = open(&config, &["t"]);
    let value = |n: usize| {
        vec![
            b'a' + u8::try_from(n % 26).unwrap();
            n * 37 % 900 + if n.is_multiple_of(97) { 30_000 } else { 0 }
        ]
    };
    for number in 0..2000 {
        send(&mut outbox, 0, &number.to_string(), Some(&value(number))).unwrap();
        let held = outbox.tracker().lock().chunks.held();
        assert!(held <= 20_000 + 50_000, "{held} bytes held after message {number}");
    }
    assert_eq!(outbox.commit().unwrap().messages, 2000);
    for record in read(&config, &["t"], 2000) {
        let number: usize = String::from_utf8(record.key.unwrap()).unwrap().parse().unwrap();
        assert_eq!(record.value.unwrap(), value(number), "message {number}");
    }
}

#[test]
fn values_of_all_sizes_arrive_whole_whatever_is_copied_and_lent() {
    let (_cluster, mut config) = cluster(&[("t", 7)]);
    // Chunks of 4 KiB: values up to a quarter of that are copied, and pages and chunks change all the time.
    config.advanced.in_flight_bytes = 128 << 10;
    let mut outbox = open(&config, &["t"]);
    let value = |n: usize| {
        let length = [0, 1, 30, 130, 1_000, 1_024, 1_025, 3_000, 5_000][n * n % 9] + n % 7;
        (!n.is_multiple_of(11))
            .then(|| (0..length).map(|i| u8::try_from((i * 7 + n) % 251).unwrap()).collect::<Vec<_>>())
    };
    for number in 0..3_000 {
        send(&mut outbox, 0, &number.to_string(), value(number).as_deref()).unwrap();
        if number % 997 == 0 {
            outbox.hand_over().unwrap();
        }
    }
    assert_eq!(outbox.commit().unwrap().messages, 3_000);
    let mut last = [-1; 7];
    for record in read(&config, &["t"], 3_000) {
        let number: usize = String::from_utf8(record.key.unwrap()).unwrap().parse().unwrap();
        assert_eq!(record.value, value(number), "message {number}");
        let before = &mut last[usize::try_from(record.partition).unwrap()];
        assert!(*before < i64::try_from(number).unwrap(), "{number} came after {before}");
        *before = i64::try_from(number).unwrap();
    }
    assert!(outbox.tracker().lock().chunks.in_use() <= 2, "all but the open chunk and page came back");
}

#[test]
fn what_was_abandoned_is_not_sent() {
    let (_cluster, mut config) = cluster(&[("t", 2)]);
    config.advanced.in_flight_bytes = 32 << 10;
    let mut outbox = open(&config, &["t"]);
    for number in 0..200 {
        let (keys, buffer) = outbox.buffers().unwrap();
        keys.extend_from_slice(b"never");
        buffer.put(&vec![b'x'; number * 50]);
        outbox.abandon();
        send(&mut outbox, 0, &number.to_string(), Some(b"kept")).unwrap();
    }
    outbox.commit().unwrap();
    for record in read(&config, &["t"], 200) {
        assert_ne!(record.key.as_deref(), Some(&b"never"[..]));
        assert_eq!(record.value.as_deref(), Some(&b"kept"[..]));
    }
}

#[test]
fn a_hundred_thousand_messages_stay_within_the_memory_bound() {
    let (_cluster, mut config) = cluster(&[("t", 6)]);
    config.advanced.in_flight_bytes = 4 << 20;
    config.advanced.in_flight_messages = 20_000;
    let mut outbox = open(&config, &["t"]);
    let mut most = 0;
    for number in 0..100_000_u32 {
        send(&mut outbox, 0, &number.to_string(), Some(&[b'v'; 200])).unwrap();
        if number % 100 == 0 {
            let state = outbox.tracker().lock();
            most = most.max(state.chunks.held());
            assert!(state.due() <= 20_000);
        }
    }
    assert_eq!(outbox.commit().unwrap(), Committed { messages: 100_000, bytes: 488_890 + 20_000_000 });
    assert!(most > 1 << 20 && most <= 4 << 20, "{most} bytes were held");
    assert!(outbox.tracker().lock().chunks.in_use() <= 2, "all but the open chunk and page came back");
}

#[test]
fn errors_that_pass_are_retried_without_loss_or_repetition() {
    let (cluster, config) = cluster(&[("t", 2)]);
    let mut outbox = open(&config, &["t"]);
    cluster.request_errors(
        Request::Produce,
        &[Fault::NotLeader, Fault::RequestTimedOut, Fault::NotEnoughReplicas, Fault::Disconnect],
    );
    for number in 0..500 {
        send(&mut outbox, 0, &(number % 10).to_string(), Some(number.to_string().as_bytes())).unwrap();
    }
    assert_eq!(outbox.commit().unwrap().messages, 500);
    let mut last: HashMap<Vec<u8>, u32> = HashMap::new();
    for record in read(&config, &["t"], 500) {
        let number = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
        assert!(last.insert(record.key.unwrap(), number).is_none_or(|before| before < number));
    }
}

#[test]
fn the_first_failure_is_told_once_and_fails_all_that_follows() {
    let (cluster, config) = cluster(&[("orders", 1)]);
    let told: Arc<Mutex<Vec<Error>>> = Arc::default();
    let teller = Arc::clone(&told);
    let mut outbox =
        Outbox::open(&config, vec![topic("orders")], Box::new(move |e| teller.lock().unwrap().push(e)))
            .unwrap();
    cluster.request_errors(Request::Produce, &[Fault::MessageTooLarge; 10]);
    send(&mut outbox, 0, r#"{"id":7}"#, Some(&[b'v'; 100])).unwrap();
    outbox.hand_over().unwrap();
    // Nobody commits: the failure is noticed, and the next Store fails.
    let failure = soon(|| outbox.tracker().failure());
    assert_eq!(
        failure.to_string(),
        "topic \"orders\" (binding 0, collection acme/orders): a message of 108 bytes (key {\"id\":7}) was not \
         delivered to partition 0: Broker: Message size too large (MSG_SIZE_TOO_LARGE); the brokers do not tell \
         max.message.bytes of the topic, and the client itself can send 999998976; raise max.message.bytes of the \
         topic, or leave large fields out of the field selection"
    );
    assert_eq!(outbox.buffers().err(), Some(failure.clone()));
    assert_eq!(outbox.hand_over(), Err(failure.clone()));
    assert_eq!(outbox.commit(), Err(failure.clone()));
    drop(outbox);
    assert_eq!(*told.lock().unwrap(), [failure]);
}

#[test]
fn a_failure_wakes_a_commit_at_once() {
    for (fault, expected) in [
        (Fault::TopicAuthorization, "Topic authorization failed"),
        (Fault::InvalidRecord, "INVALID_RECORD"),
        (Fault::OutOfOrderSequence, "the producer cannot go on"),
    ] {
        let (cluster, config) = cluster(&[("t", 1)]);
        let mut outbox = open(&config, &["t"]);
        cluster.request_errors(Request::Produce, &[fault; 20]);
        for number in 0..1000 {
            send(&mut outbox, 0, &number.to_string(), Some(b"value")).unwrap();
        }
        let start = Instant::now();
        let failure = failure_of(&mut outbox);
        assert!(failure.to_string().contains(expected), "{failure}");
        assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    }
}

#[test]
fn a_stall_ends_commit_and_idle_session_alike() {
    for commits in [true, false] {
        let (cluster, mut config) = cluster(&[("orders", 2)]);
        config.advanced.stall_timeout = Duration::from_secs(3);
        let mut outbox = open(&config, &["orders"]);
        send(&mut outbox, 0, "1", Some(b"v")).unwrap();
        outbox.commit().unwrap();
        std::thread::sleep(Duration::from_millis(3500));
        assert_eq!(outbox.tracker().failure(), None, "nothing is due, so nothing stalls");

        down(&cluster);
        send(&mut outbox, 0, "1", Some(b"v")).unwrap();
        send(&mut outbox, 0, "2", None).unwrap();
        let start = Instant::now();
        let failure = if commits {
            failure_of(&mut outbox)
        } else {
            outbox.hand_over().unwrap();
            soon(|| outbox.tracker().failure())
        };
        let text = failure.to_string();
        let expected = format!(
            "no message was acknowledged for 3 s while 2 are due (topic \"orders\", binding 0, collection \
             acme/orders: 2) at the brokers {}; last error: ",
            config.bootstrap_servers
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains("127.0.0.1"), "{text}");
        assert!(text.ends_with(
            "; check that the brokers run and that enough replicas are in sync, or raise advanced.stall_timeout"
        ));
        assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    }
}

/// Brokers do so with requests above their `socket.request.max.bytes`.
#[test]
fn a_stall_tells_of_connections_that_are_closed_again_and_again() {
    let (cluster, mut config) = cluster(&[("t", 1)]);
    config.advanced.stall_timeout = Duration::from_secs(3);
    for (length, told) in [
        (1, "advanced.stall_timeout"),
        (
            1_200_000,
            "advanced.stall_timeout; the largest message was of 1200001 bytes: brokers close the connection, without a \
             word, on a request above their socket.request.max.bytes",
        ),
    ] {
        let mut outbox = open(&config, &["t"]);
        // What was acknowledged is not to blame.
        send(&mut outbox, 0, "k", Some(&vec![b'v'; 2_000_000])).unwrap();
        outbox.commit().unwrap();
        cluster.request_errors(Request::Produce, &[Fault::Disconnect; 1000]);
        send(&mut outbox, 0, "k", Some(&vec![b'v'; length])).unwrap();
        send(&mut outbox, 0, "k", Some(b"v")).unwrap();
        let error = outbox.commit().unwrap_err().to_string();
        assert!(error.contains("; last error: 127.0.0.1:") && error.contains("Disconnected"), "{error}");
        assert!(error.ends_with(told), "{error}");
        drop(outbox);
        cluster.clear_request_errors(Request::Produce);
    }
}

#[test]
fn a_setting_with_a_nul_character_is_named_without_its_value() {
    let mut settings = client_settings(&config("b:9092"));
    settings.set("sasl.password", "hunter\0two");
    let error = client::Client::new(client::Kind::Producer, &settings, None).err().unwrap().to_string();
    assert_eq!(error, "starting the Kafka client: setting sasl.password has a NUL character in its value");
}

#[test]
fn slow_brokers_are_no_stall_and_brokers_that_come_back_are_none() {
    let (cluster, mut config) = cluster(&[("t", 1)]);
    config.advanced.stall_timeout = Duration::from_secs(20);
    let mut outbox = open(&config, &["t"]);
    down(&cluster);
    send(&mut outbox, 0, "1", Some(b"v")).unwrap();
    outbox.hand_over().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for broker in [0, 1] {
        cluster.broker_up(broker).unwrap();
        cluster.round_trip(broker, Duration::from_millis(300)).unwrap();
    }
    assert_eq!(outbox.commit().unwrap().messages, 1);
}

#[test]
fn a_writer_that_waits_for_memory_is_woken_by_a_failure() {
    let (cluster, mut config) = cluster(&[("t", 1)]);
    config.advanced.in_flight_bytes = 64 << 10;
    config.advanced.stall_timeout = Duration::from_secs(1);
    let mut outbox = open(&config, &["t"]);
    down(&cluster);
    let failure = (0..10_000).find_map(|_| send(&mut outbox, 0, "k", Some(&[b'v'; 1000])).err()).unwrap();
    assert!(matches!(failure, Error::Stalled { .. }), "{failure}");
    assert!(outbox.tracker().produced() <= 64, "{} were taken", outbox.tracker().produced());
}

#[test]
fn keys_on_the_way_are_bounded_like_values() {
    for value in [None, Some(&b"v"[..])] {
        let (cluster, mut config) = cluster(&[("t", 1)]);
        config.advanced.in_flight_bytes = 64 << 10;
        config.advanced.stall_timeout = Duration::from_secs(3);
        let mut outbox = open(&config, &["t"]);
        let key = "k".repeat(1000);
        for _ in 0..1000 {
            send(&mut outbox, 0, &key, value).unwrap();
        }
        outbox.commit().unwrap();
        down(&cluster);
        let failure = (0..10_000).find_map(|_| send(&mut outbox, 0, &key, value).err()).unwrap();
        assert!(matches!(failure, Error::Stalled { .. }), "{failure}");
        let taken = outbox.tracker().produced() - 1000;
        assert!(taken <= 64, "{taken} were taken");
    }
}

#[test]
fn dropping_with_messages_on_the_way_gives_every_chunk_back() {
    for is_down in [true, false] {
        let (cluster, mut config) = cluster(&[("t", 3)]);
        config.advanced.in_flight_bytes = 8 << 20;
        let mut outbox = open(&config, &["t"]);
        if is_down {
            down(&cluster);
        } else {
            cluster.round_trip(0, Duration::from_millis(300)).unwrap();
            cluster.round_trip(1, Duration::from_millis(300)).unwrap();
        }
        for number in 0..5000 {
            send(&mut outbox, 0, &number.to_string(), Some(&[b'v'; 500])).unwrap();
        }
        outbox.hand_over().unwrap();
        assert!(outbox.tracker().lock().chunks.in_use() > 1);
        let tracker = Arc::clone(outbox.tracker());
        let start = Instant::now();
        drop(outbox);
        assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
        let state = tracker.lock();
        assert_eq!(state.clients, 0);
        assert_eq!((state.chunks.in_use(), state.chunks.held(), state.due()), (0, 0, 0));
        assert_eq!(state.failure, None, "an end is no failure");
    }
}

#[test]
fn dropping_before_anything_was_handed_over_is_quiet() {
    let (_cluster, config) = cluster(&[("t", 3)]);
    let mut outbox = open(&config, &["t"]);
    send(&mut outbox, 0, "k", Some(b"v")).unwrap();
    let (_, buffer) = outbox.buffers().unwrap();
    buffer.put(b"half a message");
    let tracker = Arc::clone(outbox.tracker());
    drop(outbox);
    assert_eq!(tracker.produced(), 0);
    assert_eq!(tracker.failure(), None);
}

#[test]
fn a_topic_that_grew_gets_its_partitions_at_the_next_commit() {
    let (_cluster, mut config) = cluster(&[("t", 8)]);
    config.advanced.producers = 2;
    let mut outbox = open(&config, &["t"]);
    outbox.shrink_for_test(0, 2);
    let key = (0..).map(|n: u32| n.to_string()).find(|k| consistent(k.as_bytes(), 8) > 1).unwrap();
    send(&mut outbox, 0, &key, Some(b"before")).unwrap();
    outbox.tracker().grown(0, [(0, 8)]);
    send(&mut outbox, 0, &key, Some(b"same transaction")).unwrap();
    outbox.commit().unwrap();
    send(&mut outbox, 0, &key, Some(b"one has not heard of it")).unwrap();
    outbox.tracker().grown(1, [(0, 8)]);
    outbox.commit().unwrap();
    send(&mut outbox, 0, &key, Some(b"after")).unwrap();
    outbox.commit().unwrap();
    for record in read(&config, &["t"], 4) {
        let count = if record.value.as_deref() == Some(b"after") { 8 } else { 2 };
        assert_eq!(record.partition, consistent(key.as_bytes(), count));
    }
}

#[test]
fn large_messages_pass_alone() {
    let (_cluster, mut config) = cluster(&[("t", 1)]);
    config.advanced.in_flight_bytes = 1 << 20;
    let mut outbox = open(&config, &["t"]);
    for number in 0..3_usize {
        let value = vec![b'0' + u8::try_from(number).unwrap(); 3 << 20];
        send(&mut outbox, 0, "large", Some(&value)).unwrap();
        send(&mut outbox, 0, "small", Some(b"s")).unwrap();
        outbox.commit().unwrap();
    }
    assert!(outbox.tracker().lock().chunks.held() <= 5 << 20);
}

#[test]
fn a_missing_topic_is_named_and_not_created() {
    let (_cluster, config) = cluster(&[("there", 1)]);
    for _ in 0..2 {
        let topics = vec![topic("there"), topic("absent")];
        let error = Outbox::open(&config, topics, Box::new(|_| {})).err().unwrap();
        assert_eq!(
            error.to_string(),
            "topic \"absent\" (binding 0, collection acme/absent): it does not exist; create it, or let Apply \
             create it by publishing the task again"
        );
    }
    let error = Consumer::open(&config, &["absent".into()], Start::Beginning).err().unwrap();
    assert_eq!(
        error.to_string(),
        "reading topic \"absent\": Broker: Unknown topic or partition (UNKNOWN_TOPIC_OR_PART); create it first"
    );
}

#[test]
fn a_probe_finds_brokers_and_says_why_it_does_not() {
    let (_cluster, good) = cluster(&[]);
    probe(&good, Duration::from_secs(10)).unwrap();

    let start = Instant::now();
    // Long before its time is over.
    let refused = probe(&config("127.0.0.1:1"), 2 * IN_TIME).unwrap_err().to_string();
    assert!(start.elapsed() < IN_TIME, "{:?}", start.elapsed());
    assert!(
        refused.starts_with(
            "asking the brokers for themselves: no usable answer from the brokers at 127.0.0.1:1: 127.0.0.1:1/bootstrap: \
             Connect to ipv4#127.0.0.1:1 failed: Connection refused"
        ),
        "{refused}"
    );
    assert!(
        refused.ends_with("; check host and port in bootstrap_servers, and that the broker runs"),
        "{refused}"
    );

    let unresolved =
        probe(&config("no-such-host.invalid:9092"), Duration::from_secs(10)).unwrap_err().to_string();
    assert!(
        unresolved.ends_with("; check the host name in bootstrap_servers, and that it resolves from here"),
        "{unresolved}"
    );
}

#[test]
fn a_port_that_never_answers_ends_the_probe_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let start = Instant::now();
    let error = probe(&config(&address), Duration::from_secs(1)).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(
        error,
        format!(
            "asking the brokers for themselves: no usable answer from the brokers at {address}: nothing came within 1.0 s; \
             check host and port in bootstrap_servers, firewalls, and whether this port wants TLS (tls) or a login \
             (credentials)"
        )
    );
}

#[tokio::test]
async fn topics_that_exist_are_not_created() {
    let (_cluster, config) = cluster(&[("a", 1), ("b", 2)]);
    let new = |name: &str| NewTopic {
        name: crate::config::Topic::new(name).unwrap(),
        partitions: 6,
        replication_factor: 1,
        config: std::collections::BTreeMap::new(),
    };
    let topics = [new("a"), new("b"), new("a")];
    assert_eq!(create_missing(&config, &topics, Duration::from_secs(10)).await, Ok(vec![]));
    assert_eq!(create_missing(&config, &[], Duration::from_secs(10)).await, Ok(vec![]));
    // The mock knows no CreateTopics: it is tested against real brokers.
    let error = create_missing(&config, &[new("c")], Duration::from_secs(2)).await.unwrap_err();
    assert!(
        error.to_string().starts_with("creating topics: no usable answer from the brokers at 127.0.0.1"),
        "{error}"
    );
}

#[test]
fn a_reader_that_starts_at_the_end_sees_only_what_comes() {
    let (_cluster, config) = cluster(&[("t", 2)]);
    let mut outbox = open(&config, &["t"]);
    for key in ["1", "2", "3", "4"] {
        send(&mut outbox, 0, key, Some(b"old")).unwrap();
    }
    outbox.commit().unwrap();
    let mut consumer = Consumer::open(&config, &["t".to_owned()], Start::End).unwrap();
    send(&mut outbox, 0, "1", Some(b"new")).unwrap();
    outbox.commit().unwrap();
    let record = soon(|| consumer.poll(Duration::from_millis(100)).unwrap());
    assert_eq!(record.value.as_deref(), Some(&b"new"[..]));
    assert_eq!(record.headers, []);
    assert_eq!(consumer.poll(Duration::from_millis(200)), Ok(None));
    assert_eq!(consumer.end_offsets().unwrap().len(), 2);
}

#[test]
fn keys_are_shown_as_text_or_hexadecimal_and_shortened() {
    assert_eq!(shown(br#"{"id":7}"#), r#"{"id":7}"#);
    assert_eq!(shown(b"\0\0\0\0\x05\x02"), "0x000000000502");
    assert_eq!(shown("é".repeat(300).as_bytes()), format!("{}...", "é".repeat(200)));
    assert_eq!(shown(&[0; 100]), format!("0x{}...", "00".repeat(64)));
    assert_eq!(shown(b""), "");
}

#[test]
fn each_failure_of_a_connection_has_its_remedy() {
    use rdkafka_sys::rd_kafka_resp_err_t as Name;
    for (code, text, expected) in [
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL authentication error: Authentication failed: Invalid username or password",
            "check username, password and mechanism",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512",
            "set credentials.mechanism to one of those mechanisms",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: OAUTHBEARER,SCRAM-SHA-512 (after 304ms in state AUTH_HANDSHAKE)",
            "set credentials.mechanism to one of those mechanisms",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: GSSAPI,SCRAM-SHA-512 (after 304ms in state AUTH_HANDSHAKE)",
            "set credentials.auth_type to \"user_password\", and credentials.mechanism",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: OAUTHBEARER,AWS_MSK_IAM (after 304ms in state AUTH_HANDSHAKE)",
            "set credentials.auth_type to \"aws_msk_iam\"",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: OAUTHBEARER (after 304ms in state AUTH_HANDSHAKE)",
            "set credentials.auth_type to \"oauth_client_credentials\"",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: GSSAPI (after 304ms in state AUTH_HANDSHAKE)",
            "use the port of a listener with PLAIN",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__TRANSPORT,
            "every connection was closed without a reason",
            "when it is spoken to without: set tls",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state",
            "this port takes no login",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__SSL,
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified",
            "SSL_CERT_FILE",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__TRANSPORT,
            "SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener?",
            "this port does not speak TLS",
        ),
        (Name::RD_KAFKA_RESP_ERR__RESOLVE, "Failed to resolve 'b:9092'", "the host name"),
        (Name::RD_KAFKA_RESP_ERR__TRANSPORT, "Connect to x failed: Connection refused", "host and port"),
        (Name::RD_KAFKA_RESP_ERR__TRANSPORT, "Disconnected", "whether this port wants TLS"),
    ] {
        let remedy = connection_remedy(code as i32, text);
        assert!(remedy.contains(expected), "{text}: {remedy}");
    }
    assert!(remedy(Name::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as i32).contains("min.insync.replicas"));
    assert!(remedy(12345).contains("logs"));
}

#[test]
fn errors_of_creation_name_topic_numbers_and_remedy() {
    let error = Error::Create {
        topic: "orders".into(),
        partitions: 6,
        replication: 3,
        reason: "Broker: Invalid replication factor (INVALID_REPLICATION_FACTOR)".into(),
        remedy: remedy(rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR as i32),
    };
    assert_eq!(
        error.to_string(),
        "creating topic \"orders\" with 6 partitions and replication factor 3: Broker: Invalid replication factor \
         (INVALID_REPLICATION_FACTOR); set topic_replication_factor to no more than the number of brokers"
    );
    let error = Error::TooLarge {
        topic: "t".into(),
        owner: "binding 1, collection c".into(),
        key: "k".into(),
        bytes: 2,
        limit: 1,
    };
    assert_eq!(
        error.to_string(),
        "topic \"t\" (binding 1, collection c): a message of 2 bytes (key k) is larger than the 1 bytes that the \
         client can send; leave large fields out of the field selection"
    );
}
