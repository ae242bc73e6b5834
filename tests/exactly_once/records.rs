//! The progress topic: what else is in it, and what happens without it.

use std::time::{Duration, Instant};

use materialize_kafka::protocol::messages::request;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::broker::{Admin, unique};
use crate::common::services::{self, Cluster};
use crate::endpoint::assert_says;
use crate::landed::{assert_once, tally};
use crate::player::{Shard, Task, pause};

/// Another task's transaction, with a record in the topic, that nobody decides.
fn foreign(brokers: &str, topic: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", format!("foreign-{topic}"))
        .create()
        .unwrap();
    producer.init_transactions(Duration::from_secs(10)).unwrap();
    producer.begin_transaction().unwrap();
    producer
        .send(BaseRecord::to(topic).key("materialize-kafka/other/00000000-ffffffff").payload("x"))
        .unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    producer
}

/// The record that counts lies behind an open transaction: whoever reads up to "the end" reads the one before.
#[test]
fn a_record_behind_a_foreign_open_transaction_is_waited_for() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    let foreign = foreign(&kafka.plaintext, &task.progress);
    session.flush();
    session.store(10);
    session.start_commit();
    session.started_commit();
    session.kill();

    let connector = shard.start(&task);
    pause(3000);
    foreign.abort_transaction(Duration::from_secs(10)).unwrap();
    let mut session = shard.opened(&task, connector);
    assert_eq!(session.position, 20, "what Kafka has");
    session.transact(10, &mut shard);
    session.end();
    assert_once(&task, 30);
}

#[test]
fn a_foreign_transaction_that_stays_open_is_an_error_in_the_end() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({"stall_timeout": "7s"}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.end();
    let foreign = foreign(&kafka.plaintext, &task.progress);
    let before = Instant::now();
    assert_says(
        &shard.open_fails(&task),
        &[
            &format!(
                "topic \"{}\" (advanced.progress_topic): its records cannot be read up to offset ",
                task.progress
            ),
            "since a transaction of another task or shard has been open at offset ",
            " for 7 s; end that task, or wait until its transaction times out",
        ],
    );
    assert!(before.elapsed() >= Duration::from_secs(7));
    foreign.abort_transaction(Duration::from_secs(10)).unwrap();
    shard.open(&task).end();
}

/// Apply makes it again, and the runtime's checkpoint is taken: one transaction may be doubled, and none is lost.
#[test]
fn a_progress_topic_that_was_deleted_costs_no_document() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.transact(10, &mut shard);
    session.flush();
    session.store(10);
    session.start_commit();
    session.started_commit();
    session.kill();
    Admin::at(&kafka.plaintext).delete(&task.progress);
    let missing =
        format!("topic \"{}\" (advanced.progress_topic): it does not exist; create it", task.progress);
    assert_says(&shard.open_fails(&task), &[&missing]);

    let last = task.spec.clone();
    assert_eq!(task.apply(&mut shard, Some(&last)), format!("create topic {}", task.progress));
    let mut session = shard.open(&task);
    assert_eq!(session.position, 20, "the runtime's");
    session.transact(10, &mut shard);
    session.flush();
    session.store(10);
    session.start_commit();
    session.started_commit();
    let killed = session.kill();
    assert!(
        killed.stderr.contains("is gone, so the runtime's own checkpoint is taken: up to one transaction"),
        "{}",
        killed.stderr
    );
    let mut session = shard.open(&task);
    assert_eq!(session.position, 40, "the new topic's record counts");
    session.transact(10, &mut shard);
    let ended = session.end();
    assert!(!ended.stderr.contains("is gone"), "{}", ended.stderr);
    let tally = tally(&task, "read_committed", 50);
    assert_eq!((tally.lost, tally.doubled), (0, 10), "the one transaction that the runtime did not know of");
}

#[test]
fn a_progress_topic_that_will_not_do_is_refused_by_apply() {
    let Some(kafka) = services::kafka() else { return };
    let (task, shard) = Task::new(&kafka.plaintext, &json!({}));
    let admin = Admin::at(&kafka.plaintext);
    // One that others made: three partitions, then one partition but not compacted.
    for (partitions, reason) in
        [(3, "it has 3 partitions, and must have one"), (1, "its cleanup.policy is \"delete\"")]
    {
        admin.delete(&task.progress);
        admin.create(&task.progress, partitions);
        let answer = task.endpoint.ask(request::Apply {
            materialization: Some(task.spec.clone()),
            state_json: shard.state.to_string().into(),
            ..Default::default()
        });
        assert_says(
            &answer.failure(),
            &[&format!("topic \"{}\" (advanced.progress_topic): ", task.progress), reason, "; "],
        );
    }
}

/// As MSK Serverless and Confluent Cloud do: they let few settings of a topic be given.
#[test]
fn a_progress_topic_is_created_also_where_the_brokers_refuse_its_settings() {
    let Some(cluster) = Cluster::start(1, &["--topic-settings", "cleanup.policy"]) else { return };
    let (mut task, mut shard) = Task::new(cluster.bootstrap_servers(), &json!({}));
    let mut session = shard.open(&task);
    session.transact(20, &mut shard);
    session.end();
    assert_once(&task, 20);

    let config = |task: &Task| serde_json::from_slice::<Value>(&task.spec.config_json).unwrap();
    let mut other = config(&task);
    let apply = |other: &Value, task: &mut Task, shard: &Shard| {
        task.spec.config_json = other.to_string().into();
        task.endpoint.ask(request::Apply {
            materialization: Some(task.spec.clone()),
            state_json: shard.state.to_string().into(),
            ..Default::default()
        })
    };
    let progress = unique("progress");
    other["advanced"]["progress_topic"] = json!(progress);
    let told = apply(&other, &mut task, &shard).stderr();
    assert!(
        told.contains(
            "the brokers refused the progress topic's settings, so it was created with cleanup.policy=compact alone"
        ) && told.contains("the setting "),
        "{told}"
    );

    other["advanced"]["progress_topic"] = json!(unique("roomy"));
    let told = apply(&other, &mut task, &shard).stderr();
    assert!(told.contains("created with cleanup.policy=compact, max.message.bytes=8000000 alone"), "{told}");

    // Where that is not allowed either, somebody else has to make the topic.
    other["advanced"]["progress_topic"] = json!(unique("unwanted"));
    assert_says(
        &apply(&other, &mut task, &shard).failure(),
        &[
            "(advanced.progress_topic): creating it with one partition, replication factor 1 and cleanup.policy=compact alone: ",
            "this name may not be used; create it by hand with one partition and cleanup.policy=compact",
        ],
    );
}

/// Its state knows of a number that the record is not, nor the next one.
#[test]
fn a_runtime_that_lost_its_memory_is_an_error() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    let earlier = shard.clone();
    session.transact(10, &mut shard);
    session.transact(10, &mut shard);
    session.end();
    assert_says(
        &earlier.open_fails(&task),
        &["has number 3, but the runtime knows of number 1", "; set advanced.delivery to at_least_once"],
    );
    let mut new = task.clone();
    new.endpoint = task.endpoint.clone();
    let mut again = earlier;
    again.state = json!({});
    again.position = 0;
    // A task of the same name, made anew, with a token of its own.
    new.apply(&mut again, None);
    let session = again.open(&new);
    assert_eq!(session.position, 0, "the records of the task before it do not count");
    session.end();
}
