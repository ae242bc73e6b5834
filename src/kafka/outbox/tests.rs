use std::time::Instant;

use rdkafka::ClientConfig;

use super::*;
use crate::config::EndpointConfig;
use crate::kafka::chunks::Chunks;
use crate::kafka::ledger::TopicName;
use crate::kafka::mock::{Cluster, Fault, Request};
use crate::kafka::watch::{Line, Pace};
use crate::kafka::{Consumer, Start};

fn open(partitions: i32, adjust: impl Fn(&mut ClientConfig)) -> (Cluster, EndpointConfig, Outbox) {
    let cluster = Cluster::new(2).unwrap();
    cluster.create_topic("t", partitions).unwrap();
    let brokers = cluster.bootstrap_servers();
    let json = format!(r#"{{"bootstrap_servers":"{brokers}","message_format":"JSON"}}"#);
    let config = EndpointConfig::parse(json.as_bytes()).unwrap();
    let topics = vec![Topic {
        name: "t".into(),
        owner: "binding 0, collection c".into(),
        partitioning: Partitioning::default(),
    }];
    let outbox = Outbox::open_with(&config, topics, Manner::default(), Box::new(|_| {}), adjust).unwrap();
    (cluster, config, outbox)
}

fn send(outbox: &mut Outbox, key: &str, value: &[u8]) -> Result<(), Error> {
    let (keys, buffer) = outbox.buffers()?;
    keys.extend_from_slice(key.as_bytes());
    buffer.put(value);
    outbox.push(0, true)
}

#[test]
fn a_full_queue_waits_for_reports_and_keeps_the_order() {
    let (_cluster, config, mut outbox) = open(2, |settings| {
        settings.set("queue.buffering.max.messages", "10").set("linger.ms", "5");
    });
    for number in 0..300 {
        send(&mut outbox, &(number % 4).to_string(), number.to_string().as_bytes()).unwrap();
    }
    assert_eq!(outbox.entries.len(), 300, "one batch, thirty times what the queue holds");
    assert_eq!(outbox.commit().unwrap().messages, 300);
    let mut consumer = Consumer::open(&config, &["t".to_owned()], Start::Beginning).unwrap();
    let (mut last, mut silences) = ([-1; 4], 0);
    for _ in 0..300 {
        let record = loop {
            if let Some(record) = consumer.poll(Duration::from_secs(1)).unwrap() {
                break record;
            }
            silences += 1;
            assert!(silences < 20, "messages are missing");
        };
        let number: i32 = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
        let key = usize::try_from(number % 4).unwrap();
        assert!(last[key] < number, "{number} came after {}", last[key]);
        last[key] = number;
    }
}

#[test]
fn a_message_beyond_the_clients_limit_is_refused_with_its_key() {
    let (_cluster, _, mut outbox) = open(1, |_| {});
    outbox.limits.message = 100;
    send(&mut outbox, "k", &[b'v'; 99]).unwrap();
    let error = send(&mut outbox, r#"{"id":7}"#, &[b'v'; 93]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic \"t\" (binding 0, collection c): a message of 101 bytes (key {\"id\":7}) is larger than the 100 \
         bytes that the client can send; leave large fields out of the field selection"
    );
    assert_eq!(outbox.commit(), Err(error));
}

#[test]
fn what_librdkafka_itself_refuses_is_an_error_with_the_key() {
    let (_cluster, _, mut outbox) = open(1, |settings| {
        settings.set("message.max.bytes", "1000000").set("batch.size", "1000");
    });
    send(&mut outbox, "k", &vec![b'v'; 1_000_000]).and_then(|()| outbox.hand_over()).unwrap_err();
    let error = outbox.commit().unwrap_err().to_string();
    assert!(
        error.starts_with(
            "topic \"t\" (binding 0, collection c): a message of 1000001 bytes (key k) was not delivered to \
             partition 0: Broker: Message size too large (MSG_SIZE_TOO_LARGE); the brokers do not tell max.message.bytes of \
             the topic, and the client itself can send 999998976; raise max.message.bytes of the topic"
        ),
        "{error}"
    );
}

#[test]
fn messages_do_not_linger_while_others_wait_for_room() {
    let (_cluster, _, mut outbox) = open(4, |settings| {
        settings.set("linger.ms", "300000");
    });
    outbox.limits.in_flight_messages = 100;
    outbox.limits.batch_messages = 10;
    let start = Instant::now();
    for number in 0..1000 {
        send(&mut outbox, &number.to_string(), b"v").unwrap();
    }
    outbox.commit().unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
}

#[test]
fn a_record_of_progress_is_no_document_in_the_log() {
    let name = |topic: &str| TopicName { topic: topic.into(), owner: "c".into(), max_message_bytes: None };
    let chunks = Chunks::new(1 << 10, 1 << 20);
    let names = vec![name("t"), name("progress")];
    let ledger = AckTracker::new(names, String::new(), Duration::from_secs(1), chunks, Box::new(|_| {}))
        .transactional("id".to_owned(), Duration::from_secs(60));
    ledger.produce([(0, 3)], 300, 30, 100);
    ledger.produce([(1, 1)], 5_000, 10, 5_000);
    ledger.committing();
    ledger.committed();
    let lines = ledger.lock().watch.lines().to_vec();
    assert_eq!(lines.last().map(Line::told_bytes), Some((3, 300)), "{lines:?}");
}

#[test]
fn messages_that_were_sent_again_are_counted() {
    let (cluster, _, mut outbox) = open(2, |settings| {
        settings.set("statistics.interval.ms", "20");
    });
    let ledger = Arc::clone(outbox.tracker());
    let soon = Duration::from_millis(20);
    ledger.lock().watch.set_pace(Pace { commits: soon, lines: soon, stuck: soon });
    let mut told = |expected: u64, faults: &[Fault]| {
        cluster.request_errors(Request::Produce, faults);
        let start = Instant::now();
        for number in 0.. {
            send(&mut outbox, "key", b"value").unwrap();
            ledger.committing();
            outbox.commit().unwrap();
            ledger.committed();
            let retries = ledger.lock().watch.lines().last().and_then(|line| line.retries());
            assert!(retries <= Some(expected), "{retries:?}");
            // A hundred commits, and as many tellings as it takes.
            if number > 100 && retries == Some(expected) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{retries:?}");
        }
    };
    told(0, &[]);
    told(3, &[Fault::NotLeader, Fault::NotEnoughReplicas, Fault::RequestTimedOut]);
    told(5, &[Fault::NotEnoughReplicas; 2]);
}

#[test]
fn the_log_tells_of_commits_and_of_brokers_that_are_silent_while_the_session_is_blocked() {
    let (cluster, _, mut outbox) = open(2, |settings| {
        settings.set("statistics.interval.ms", "20");
    });
    let ledger = Arc::clone(outbox.tracker());
    let wait_for = |found: &dyn Fn(&Line) -> bool| {
        let start = Instant::now();
        loop {
            if let Some(line) = ledger.lock().watch.lines().iter().rev().find(|line| found(line)) {
                return line.clone();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no such line");
            thread::sleep(Duration::from_millis(5));
        }
    };
    let commit = |outbox: &mut Outbox, documents: u64| {
        for _ in 0..documents {
            send(outbox, "key", b"value").unwrap();
        }
        ledger.committing();
        outbox.commit().unwrap();
        ledger.committed();
    };
    commit(&mut outbox, 5);
    assert_eq!(wait_for(&|_| true).told(), ("committed", 5, 5, 1));
    // Two that come too soon are left for the delivery thread, which tells them together.
    commit(&mut outbox, 2);
    commit(&mut outbox, 3);
    assert_eq!(ledger.lock().watch.lines().len(), 1);
    let soon = Duration::from_millis(50);
    ledger.lock().watch.set_pace(Pace { commits: soon, lines: soon, stuck: soon });
    assert_eq!(wait_for(&|line| line.told().1 == 10).told(), ("committed", 10, 10, 2));
    // What the client tells is of its latest 20 ms: some commits have a round trip in it.
    let (start, mut stored) = (Instant::now(), 10);
    while !ledger.lock().watch.lines().iter().any(Line::has_round_trip) {
        assert!(start.elapsed() < Duration::from_secs(60), "no line has statistics of the client");
        commit(&mut outbox, 1);
        stored += 1;
    }

    for broker in 0..2 {
        cluster.broker_down(broker).unwrap();
    }
    send(&mut outbox, "key", b"value").unwrap();
    thread::scope(|scope| {
        let committing = scope.spawn(|| {
            ledger.committing();
            outbox.commit().unwrap();
            ledger.committed();
        });
        let line = wait_for(&|line| line.fails_in().is_some() && line.told().3 == 0);
        assert_eq!(
            line.told(),
            ("waiting for the brokers, which acknowledge nothing", stored + 1, stored, 0)
        );
        assert!(line.fails_in().unwrap() < ledger.stall_timeout());
        for broker in 0..2 {
            cluster.broker_up(broker).unwrap();
        }
        committing.join().unwrap();
    });
    let line = wait_for(&|line| line.told().0 == "committed" && line.told().1 == stored + 1);
    assert_eq!(line.told().2, stored + 1);
}

/// Messages with and without notes in one batch, with a queue that is full again and again.
#[test]
fn headers_and_times_are_each_messages_own_and_change_no_order() {
    let (_cluster, config, mut outbox) = open(2, |settings| {
        settings.set("queue.buffering.max.messages", "10").set("linger.ms", "5");
    });
    outbox.set_headers(vec![vec![
        Header::constant("team", "billing").unwrap(),
        Header::own("flow_operation", 0).unwrap(),
    ]]);
    for number in 0..300_i64 {
        let (keys, buffer) = outbox.buffers().unwrap();
        keys.extend_from_slice((number % 4).to_string().as_bytes());
        // Copied, and lent where it lies.
        buffer.put(format!("{number:0width$}", width = if number % 2 == 0 { 10 } else { 3_000 }).as_bytes());
        let operation = format!("{number}");
        match number % 3 {
            0 => outbox.push(0, true).unwrap(),
            1 => {
                let note = Note { timestamp: Some(1_000 + number), values: [Some(&operation), None] };
                outbox.push_noted(0, true, None, &note).unwrap();
            }
            _ => outbox.push_noted(0, false, None, &Note::default()).unwrap(),
        }
    }
    assert_eq!(outbox.entries.len(), 300, "one batch");
    assert_eq!(outbox.commit().unwrap().messages, 300);
    let state = outbox.tracker().lock();
    assert_eq!(state.due(), 0);
    assert!(state.chunks.has_room((64 << 20) - state.chunks.held()), "all that was copied is given back");
    drop(state);
    let mut consumer = Consumer::open(&config, &["t".to_owned()], Start::Beginning).unwrap();
    let (mut last, mut silences, mut tombstones) = ([-1; 4], 0, 0);
    for _ in 0..300 {
        let record = loop {
            if let Some(record) = consumer.poll(Duration::from_secs(1)).unwrap() {
                break record;
            }
            silences += 1;
            assert!(silences < 20, "messages are missing");
        };
        let team = ("team".to_owned(), Some(b"billing".to_vec()));
        let Some(value) = record.value else {
            assert_eq!(record.headers, [team]);
            tombstones += 1;
            continue;
        };
        let number: i64 = String::from_utf8(value).unwrap().parse().unwrap();
        if number % 3 == 1 {
            let own = ("flow_operation".to_owned(), Some(number.to_string().into_bytes()));
            assert_eq!((record.headers, record.timestamp), (vec![team, own], Some(1_000 + number)));
        } else {
            assert_eq!(record.headers, []);
            assert!(record.timestamp.unwrap() > 1_700_000_000_000);
        }
        let key = usize::try_from(number % 4).unwrap();
        assert!(last[key] < number, "{number} came after {}", last[key]);
        last[key] = number;
    }
    assert_eq!(tombstones, 100);
}

#[test]
fn memory_for_headers_counts_as_that_for_keys() {
    let (cluster, _, mut outbox) = open(1, |_| {});
    outbox.set_headers(vec![vec![Header::constant("h", &"x".repeat(10_000)).unwrap()]]);
    for broker in 0..2 {
        cluster.broker_down(broker).unwrap();
    }
    let before = (64 << 20) - outbox.tracker().lock().chunks.held();
    for _ in 0..100 {
        let (_, buffer) = outbox.buffers().unwrap();
        buffer.put(b"v");
        outbox.push_noted(0, true, None, &Note::default()).unwrap();
    }
    outbox.hand_over().unwrap();
    let state = outbox.tracker().lock();
    assert!(state.chunks.has_room(before - (5 << 20)));
    assert!(!state.chunks.has_room(before - 1_000_000), "a hundred times 10,000 bytes are held");
}

#[test]
fn a_header_with_a_nul_byte_in_its_name_is_refused() {
    for header in [Header::constant("a\0b", ""), Header::own("a\0b", 0)] {
        let text = header.unwrap_err().to_string();
        assert!(text.contains("header \"a\\0b\" has a nul byte in its name"), "{text}");
    }
}

/// librdkafka copies values of up to 64 KiB to its requests; longer ones that it does not compress it reads where they
/// are lent, while the connection takes them piece by piece. `tests/sanitize address` sees it read what is gone.
#[test]
fn values_in_the_middle_of_a_request_outlive_the_outbox() {
    let value = vec![b'v'; 1 << 20];
    for fault in
        [None, Some(Fault::MessageTooLarge), Some(Fault::OutOfOrderSequence), Some(Fault::Disconnect)]
    {
        for pause in [0, 1, 3, 9, 27] {
            let (cluster, _, mut outbox) = open(4, |settings| {
                settings.set("compression.type", "none").set("socket.send.buffer.bytes", "65536");
            });
            if let Some(fault) = fault {
                cluster.request_errors(Request::Produce, &[fault]);
            }
            let sent = (0..12).try_for_each(|key| send(&mut outbox, &key.to_string(), &value));
            let sent = sent.and_then(|()| outbox.hand_over());
            thread::sleep(Duration::from_millis(pause));
            let tracker = Arc::clone(outbox.tracker());
            drop(outbox);
            let state = tracker.lock();
            assert_eq!(state.clients, 0, "{fault:?}, {pause} ms");
            // After a failure the ledger keeps to its end the chunks of what was not handed over, and of what librdkafka
            // gives no report of: after a fatal error, now and then one message.
            if matches!(fault, None | Some(Fault::Disconnect)) {
                assert_eq!((sent, &state.failure), (Ok(()), &None), "{fault:?}, {pause} ms");
                assert_eq!((state.chunks.in_use(), state.due()), (0, 0), "{fault:?}, {pause} ms");
            }
        }
    }
}

/// The truth is what was put in: what is not compressed goes out with a few bytes of framing a message.
#[test]
fn bytes_that_were_sent_are_those_of_the_messages_and_their_framing() {
    const MESSAGES: u32 = 5_000;
    let cluster = Cluster::new(2).unwrap();
    cluster.create_topic("t", 3).unwrap();
    for (producers, more) in [(1, ""), (2, r#","advanced":{"producers":2}"#)] {
        let json = format!(
            r#"{{"bootstrap_servers":"{}","message_format":"JSON","compression":"none"{more}}}"#,
            cluster.bootstrap_servers()
        );
        let config = EndpointConfig::parse(json.as_bytes()).unwrap();
        let topic = Topic {
            name: "t".into(),
            owner: "binding 0, collection c".into(),
            partitioning: Partitioning::default(),
        };
        let manner = Manner { measured: true, ..Manner::default() };
        let mut outbox = Outbox::open_in(&config, vec![topic], manner, Box::new(|_| {})).unwrap();
        let mut sent = 0;
        for _ in 0..2 {
            for number in 0..MESSAGES {
                send(&mut outbox, &number.to_string(), &[b'v'; 1000]).unwrap();
            }
            sent += outbox.commit().unwrap().bytes;
            let told = outbox.sent_bytes().expect("clients tell in time");
            assert!(told > sent && told < sent + sent / 20, "{producers} producers: {told} of {sent}");
        }
    }
}
