//! Transactions against librdkafka's mock brokers, and the texts of their errors.

use super::*;
use crate::config::Partitioning;
use crate::kafka::mock::{Cluster, Fault, Request};
use crate::kafka::{Committed, Manner, Outbox, ProgressReader, Topic};

const ID: &str = "materialize-kafka/acme/task/00000000-ffffffff";
const MANNER: Manner<'_> = Manner { transactional_id: Some(ID), measured: false };

/// What is about an end that comes, and not about how fast the machine is.
const IN_TIME: Duration = Duration::from_secs(60);

fn cluster(more: &str) -> (Cluster, EndpointConfig) {
    let cluster = Cluster::new(2).unwrap();
    cluster.create_topic("t", 3).unwrap();
    cluster.create_topic("flow_progress", 1).unwrap();
    let json = format!(
        r#"{{"bootstrap_servers":"{}","message_format":"JSON","advanced":{{"delivery":"exactly_once"{more}}}}}"#,
        cluster.bootstrap_servers()
    );
    let config = EndpointConfig::parse(json.as_bytes()).unwrap();
    (cluster, config)
}

fn topics() -> Vec<Topic> {
    vec![Topic {
        name: "t".into(),
        owner: "binding 0, collection c".into(),
        partitioning: Partitioning::default(),
    }]
}

fn try_open(config: &EndpointConfig) -> Result<Outbox, Error> {
    Outbox::open_in(config, topics(), MANNER, Box::new(|_| {}))
}

fn open(config: &EndpointConfig) -> Outbox {
    try_open(config).unwrap()
}

fn send(outbox: &mut Outbox, key: &str) {
    let (keys, buffer) = outbox.buffers().unwrap();
    keys.extend_from_slice(key.as_bytes());
    buffer.put(b"value");
    outbox.push(0, true).unwrap();
}

fn commit(outbox: &mut Outbox, record: &str) -> Result<Committed, Error> {
    outbox.commit_recorded("id", record.as_bytes())
}

fn failure_of(config: &EndpointConfig) -> String {
    let mut outbox = open(config);
    send(&mut outbox, "k");
    commit(&mut outbox, "1").unwrap_err().to_string()
}

#[test]
fn each_transaction_is_recorded_an_empty_one_too() {
    let (_cluster, config) = cluster("");
    let mut reader = ProgressReader::open(&config).unwrap();
    let mut outbox = open(&config);
    ["a", "b", "c"].iter().for_each(|key| send(&mut outbox, key));
    assert_eq!(commit(&mut outbox, "1"), Ok(Committed { messages: 3, bytes: 18 }));
    assert_eq!(commit(&mut outbox, "2"), Ok(Committed::default()));
    let mut keys = Vec::new();
    reader.keys(|key| keys.push(key.to_vec())).unwrap();
    assert_eq!(keys, [b"id", b"id"]);
    send(&mut outbox, "d");
    assert_eq!(commit(&mut outbox, "3").unwrap().messages, 1);
    keys.clear();
    reader.keys(|key| keys.push(key.to_vec())).unwrap();
    assert_eq!(keys, [b"id"], "only what has come since");
    let mut records = Vec::new();
    reader.committed(|record| records.push(record)).unwrap();
    let values: Vec<_> = records.iter().map(|record| record.value.as_deref().unwrap()).collect();
    assert_eq!(values, [b"1", b"2", b"3"]);
}

/// That it fences is for real brokers to show: the mock does not look at epochs.
#[test]
fn many_ids_are_taken_over_at_once() {
    let (_cluster, config) = cluster("");
    let ids: Vec<String> = (0..20).map(|number| format!("id-{number}")).collect();
    let before = Instant::now();
    fence(&config, &ids).unwrap();
    assert!(
        before.elapsed() < Duration::from_secs(6),
        "{:?} for what is half a second each",
        before.elapsed()
    );
}

#[test]
fn a_commit_that_takes_long_is_waited_for() {
    let (cluster, config) = cluster("");
    let mut outbox = open(&config);
    send(&mut outbox, "k");
    for broker in 0..2 {
        cluster.round_trip(broker, SLICE + SLICE / 4).unwrap();
    }
    let before = Instant::now();
    commit(&mut outbox, "1").unwrap();
    assert!(before.elapsed() > SLICE);
}

#[test]
fn an_id_that_may_not_be_used_is_told_with_its_remedy() {
    let (cluster, config) = cluster("");
    cluster.request_errors(Request::InitProducerId, &[Fault::TransactionalIdAuthorization; 4]);
    let error = try_open(&config).err().unwrap().to_string();
    assert!(error.starts_with(&format!("transaction {ID}: taking the transactional id over: ")), "{error}");
    assert!(error.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "{error}");
    assert!(
        error.ends_with(
            "; allow this user Describe and Write on the transactional ids that begin with materialize-kafka/"
        ),
        "{error}"
    );
}

#[test]
fn an_id_that_nobody_answers_for_ends_the_opening_in_time() {
    let (cluster, config) = cluster(r#","stall_timeout":"2s""#);
    cluster.request_errors(Request::InitProducerId, &[Fault::CoordinatorNotAvailable; 500]);
    let before = Instant::now();
    let error = try_open(&config).err().unwrap().to_string();
    assert!(before.elapsed() < IN_TIME, "{:?}", before.elapsed());
    assert!(error.starts_with(&format!("transaction {ID}: taking the transactional id over: ")), "{error}");
    assert!(error.ends_with("transaction.state.log.replication.factor lowered"), "{error}");
}

/// librdkafka purges the messages then, and their reports do not tell why.
#[test]
fn messages_that_are_purged_with_their_transaction_tell_why() {
    let (cluster, config) = cluster("");
    cluster.request_errors(Request::AddPartitionsToTxn, &[Fault::TopicAuthorization]);
    let error = failure_of(&config);
    assert!(error.starts_with(&format!("transaction {ID}: writing messages: ")), "{error}");
    assert!(error.contains("TOPIC_AUTHORIZATION_FAILED"), "{error}");
    assert!(error.ends_with("; allow this user to describe, create and write the topic (operations Describe, Create and Write)"), "{error}");
}

#[test]
fn a_message_that_is_refused_is_what_the_transaction_fails_with() {
    let (cluster, config) = cluster("");
    cluster.request_errors(Request::Produce, &[Fault::MessageTooLarge]);
    let error = failure_of(&config);
    assert!(
        error.starts_with("topic \"t\" (binding 0, collection c): a message of 6 bytes (key k)"),
        "{error}"
    );
}

#[test]
fn a_transaction_that_can_only_be_aborted_ends_the_session() {
    let (cluster, config) = cluster("");
    cluster.request_errors(Request::EndTxn, &[Fault::InvalidProducerIdMapping]);
    let error = failure_of(&config);
    assert!(error.starts_with(&format!("transaction {ID}: committing it: ")), "{error}");
    assert!(error.contains("INVALID_PRODUCER_ID_MAPPING"), "{error}");
}

#[test]
fn the_own_clock_tells_a_time_out_from_a_successor() {
    for (may, wait, expected) in
        [("60s", 0, "another instance of this task took over"), ("1s", 1100, "it was open for ")]
    {
        let (cluster, config) = cluster(&format!(r#","transaction_timeout":"{may}""#));
        cluster.request_errors(Request::EndTxn, &[Fault::ProducerFenced]);
        let mut outbox = open(&config);
        send(&mut outbox, "k");
        outbox.hand_over().unwrap();
        thread::sleep(Duration::from_millis(wait));
        let error = commit(&mut outbox, "1").unwrap_err().to_string();
        assert!(error.starts_with(&format!("transaction {ID}: {expected}")), "{error}");
        assert_eq!(error.contains(" s, longer than the 1 s"), wait > 0, "{error}");
    }
}

#[test]
fn a_progress_topic_that_is_missing_or_split_is_named() {
    let (cluster, mut config) = cluster("");
    config.advanced.progress_topic = crate::config::Topic::new("elsewhere").unwrap();
    let error = try_open(&config).err().unwrap().to_string();
    assert!(
        error.starts_with("topic \"elsewhere\" (advanced.progress_topic): it does not exist; "),
        "{error}"
    );
    cluster.create_topic("elsewhere", 2).unwrap();
    let error = try_open(&config).err().unwrap().to_string();
    assert!(error.contains("it has 2 partitions, and must have one"), "{error}");
}

#[test]
fn dropped_in_mid_transaction_it_is_quiet_and_quick() {
    let (_cluster, config) = cluster("");
    let failed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = Arc::clone(&failed);
    let on_failure = Box::new(move |_| told.store(true, std::sync::atomic::Ordering::Relaxed));
    let mut outbox = Outbox::open_in(&config, topics(), MANNER, on_failure).unwrap();
    send(&mut outbox, "k");
    outbox.hand_over().unwrap();
    let before = Instant::now();
    drop(outbox);
    assert!(before.elapsed() < IN_TIME, "{:?}", before.elapsed());
    assert!(!failed.load(std::sync::atomic::Ordering::Relaxed), "what is given up is no failure");
}

#[test]
fn each_text_says_what_came_and_what_to_do() {
    let (id, reason): (String, String) = ("i".into(), "r".into());
    for (error, text) in [
        (
            Error::Fenced { id: id.clone(), reason: reason.clone() },
            "transaction i: another instance of this task took over (r); if none is to run beside this one, find who uses \
             this transactional id; what was not committed is sent again by the one that goes on",
        ),
        (
            Error::TransactionTimedOut {
                id: id.clone(),
                age: Duration::from_millis(901_400),
                timeout: Duration::from_secs(900),
                reason: reason.clone(),
            },
            "transaction i: it was open for 901 s, longer than the 900 s that it may be, and the brokers gave it up (r); \
             raise advanced.transaction_timeout (up to transaction.max.timeout.ms of the brokers), or let the task commit \
             more often",
        ),
        (
            Error::HeldBack { topic: "p".into(), end: 9, open: 4, waited: Duration::from_secs(120) },
            "topic \"p\" (advanced.progress_topic): its records cannot be read up to offset 9, since a transaction of \
             another task or shard has been open at offset 4 for 120 s; end that task, or wait until its transaction times \
             out (kafka-transactions.sh find-hanging and abort help with one that nobody owns)",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
