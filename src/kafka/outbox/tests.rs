use std::time::Instant;

use super::*;
use crate::kafka::mock::{Cluster, Fault, Request};
use crate::kafka::{Consumer, Start};

fn open(partitions: i32, adjust: impl Fn(&mut ClientConfig)) -> (Cluster, EndpointConfig, Outbox) {
    let cluster = Cluster::new(2).unwrap();
    cluster.create_topic("t", partitions).unwrap();
    let brokers = cluster.bootstrap_servers();
    let json = format!(r#"{{"bootstrap_servers":"{brokers}","message_format":"JSON"}}"#);
    let config = EndpointConfig::parse(json.as_bytes()).unwrap();
    let topics = vec![Topic { name: "t".into(), owner: "binding 0, collection c".into() }];
    let outbox = Outbox::open_with(&config, topics, None, Box::new(|_| {}), adjust).unwrap();
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
        settings.set("linger.ms", "60000");
    });
    outbox.limits.in_flight_messages = 100;
    outbox.limits.batch_messages = 10;
    let start = Instant::now();
    for number in 0..1000 {
        send(&mut outbox, &number.to_string(), b"v").unwrap();
    }
    outbox.commit().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
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
