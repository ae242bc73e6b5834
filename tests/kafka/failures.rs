//! What changes or breaks while a session runs.

use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::messages::request;
use serde_json::{Value, json};

use crate::broker::{Admin, Change, acl, unique};
use crate::common::brokers::read;
use crate::common::runtime::{Connector, stores};
use crate::common::services::{self, Cluster};
use crate::endpoint::{Endpoint, assert_says, specification, transaction};
use crate::landed::{Format, assert_landed, count, crc32, expected};

/// Even where the brokers would make it anew for the asking.
#[test]
fn a_topic_that_is_deleted_under_way_ends_the_session_with_its_name() {
    let Some(cluster) = Cluster::start(1, &["--set", "auto.create.topics.enable=true"]) else { return };
    let (kept, gone) = (unique("kept"), unique("gone"));
    let endpoint = Endpoint::json(cluster.bootstrap_servers());
    let task = endpoint.task(&specification(&[&kept, &gone]));
    endpoint.apply(&task);
    let mut session = endpoint.session(&task);
    session.transact(&both(&task, 0));
    let admin = Admin::at(cluster.bootstrap_servers());
    admin.delete(&gone);
    commit(&mut session, &both(&task, 1));
    assert_says(
        &endpoint.failure(session),
        &[&format!("topic \"{gone}\" (binding 1, collection acme/1): "), "; the topic is gone"],
    );
    assert!(admin.topics(&gone).is_empty(), "it came back");
}

#[test]
fn a_right_that_is_withdrawn_under_way_ends_the_session_with_topic_and_operation() {
    let Some(kafka) = services::kafka() else { return };
    let (kept, forbidden) = (unique("kept"), unique("forbidden"));
    let admin = Admin::at(&kafka.plaintext);
    for topic in [&kept, &forbidden] {
        admin.create(topic, 3);
        acl(&kafka, Change::Allow, &["Describe", "Write"], topic);
    }
    let endpoint = Endpoint::json(&kafka.sasl_plaintext).login("PLAIN", &kafka.limited);
    let task = endpoint.task(&specification(&[&kept, &forbidden]));
    let mut session = endpoint.session(&task);
    session.transact(&both(&task, 0));
    acl(&kafka, Change::Withdraw, &["Write"], &forbidden);
    commit(&mut session, &both(&task, 1));
    assert_says(
        &endpoint.failure(session),
        &[
            &format!("topic \"{forbidden}\" (binding 1, collection acme/1): a message of "),
            "TOPIC_AUTHORIZATION_FAILED",
            "; allow this user to describe, create and write the topic (operations Describe, Create and Write)",
        ],
    );
    // The first transaction is there, the second is not.
    read(&Endpoint::json(&kafka.plaintext).config, &[&forbidden], 1);
}

/// Killed with messages on the way, and back before the stall time-out: the session goes on as if nothing had been.
#[test]
fn a_broker_that_is_killed_and_comes_back_loses_doubles_and_reorders_nothing() {
    let Some(cluster) = Cluster::start(1, &[]) else { return };
    let topic = unique("restarted");
    let endpoint = Endpoint::json(cluster.bootstrap_servers());
    let task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    let documents = |number: usize| -> Vec<Value> {
        let text = "x".repeat(200);
        (0..RESTART_KEYS).map(|id| json!({"id": id, "text": format!("{number} {text}")})).collect()
    };
    let fixture: String = (0..4).map(|n| transaction(documents(n).iter().map(|d| (0, d)))).collect();
    let transactions = stores(&task, &fixture);

    let mut session = endpoint.session(&task);
    session.transact(&transactions[0]);
    thread::scope(|scope| {
        // Within a transaction.
        session.flush();
        let (before, after) = transactions[1].split_at(RESTART_KEYS / 2);
        before.iter().for_each(|store| session.store(store));
        cluster.kill(1);
        after.iter().for_each(|store| session.store(store));
        scope.spawn(|| cluster.restart(1));
        session.start_commit();
        session.acknowledge();
    });
    thread::scope(|scope| {
        // While StartCommit waits.
        session.flush();
        transactions[2].iter().for_each(|store| session.store(store));
        session.send(request::StartCommit::default());
        cluster.kill(1);
        scope.spawn(|| cluster.restart(1));
        assert!(session.receive().started_commit.is_some());
        session.acknowledge();
    });
    session.transact(&transactions[3]);
    endpoint.assert_clean(session);

    let expected = expected(&task, &fixture);
    let records = read(&endpoint.config, &[&topic], count(&expected));
    assert_landed(&task, &expected, &records, &Format::Json, 3);
}

/// The new partitions are taken between two transactions, and the log says so.
#[test]
fn a_topic_that_grows_under_way_is_used_in_its_new_size_from_a_commit_on() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("grown");
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    let documents: Vec<Value> = (0..20).map(|id| json!({"id": id})).collect();
    let fixture = transaction(documents.iter().map(|document| (0, document)));
    let stores = &stores(&task, &fixture)[0];

    let mut session = endpoint.session(&task);
    session.transact(stores);
    let admin = Admin::at(&kafka.plaintext);
    admin.grow(&topic, 5);
    let limit = Instant::now() + NOTICED_WITHIN;
    let mut transactions = 1;
    let in_new_partitions = |transactions| {
        let records = read(&endpoint.config, &[&topic], transactions * documents.len());
        records[&topic].iter().filter(|record| record.partition >= 3).count()
    };
    while in_new_partitions(transactions) == 0 {
        assert!(Instant::now() < limit, "the new partitions are not used");
        thread::sleep(Duration::from_secs(2));
        session.transact(stores);
        transactions += 1;
    }
    session.transact(stores);
    transactions += 1;
    let ended = endpoint.assert_clean(session);
    let line = ended.stderr.lines().find(|line| line.contains("the topic has grown")).expect("it is logged");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["topic"], &line["before"], &line["now"]), (&json!(topic), &json!(3), &json!(5)));

    // The last two transactions went by the new count, all before by the old one, and no transaction by both.
    let records = read(&endpoint.config, &[&topic], transactions * documents.len());
    for id in 0..documents.len() {
        let key = format!("{{\"id\":{id}}}");
        let of_key = |count: u32| {
            let partition = i32::try_from(crc32(key.as_bytes()) % count).unwrap();
            let here = |r: &&_| -> bool {
                let r: &materialize_kafka::kafka::Record = r;
                r.partition == partition && r.key.as_deref() == Some(key.as_bytes())
            };
            (partition, records[&topic].iter().filter(here).count())
        };
        let ((old, by_old), (new, by_new)) = (of_key(3), of_key(5));
        let expected = if old == new { (transactions, transactions) } else { (transactions - 2, 2) };
        assert_eq!((by_old, by_new), expected, "messages of {key}");
    }
}

/// A document for each of the two bindings.
fn both(task: &BuiltTask, id: u32) -> Vec<StoreDoc> {
    let document = json!({"id": id});
    stores(task, &transaction([(0, &document), (1, &document)])).swap_remove(0)
}

/// A transaction up to StartCommit, in a session that may end at any point of it.
pub fn commit(session: &mut Connector, documents: &[StoreDoc]) {
    session.flush();
    for store in documents {
        session.store(store);
    }
    let _ended = session.try_send(request::StartCommit::default());
}

const RESTART_KEYS: usize = 5_000;

/// Sessions ask every 30 s whether topics have grown.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);
