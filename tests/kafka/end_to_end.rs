//! From Validate to what consumers read: several bindings, transactions and sessions, deletes, large documents.

use apache_avro::Schema;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::avro::Schemas;
use crate::broker::{assert_kcat_reads, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says, letters, specification, transaction};
use crate::landed::{Format, assert_landed, count, expected};

#[test]
fn json_lands_as_stored() {
    let Some(kafka) = services::kafka() else { return };
    let endpoint = Endpoint::json(&kafka.plaintext);
    let topics = lands(&endpoint, &Format::Json);
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    for (topic, records) in read(&endpoint.config, &names, MESSAGES) {
        assert_kcat_reads(&kafka.plaintext, &topic, &records);
    }
}

#[test]
fn avro_lands_as_stored_with_schemas_of_the_registry() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let endpoint = Endpoint::avro(&kafka.plaintext, &registry);
    let schemas = Schemas::of(&registry);
    let topics = lands(&endpoint, &Format::Avro(&schemas));

    let registered: Vec<_> = topics.iter().map(|topic| schemas.of_topic(topic)).collect();
    for (topic, registered) in topics.iter().zip(&registered) {
        assert_eq!(registered.len(), 2, "schemas of key and value: {registered:?}");
        for (subject, _, text) in registered {
            let canonical = Schema::parse_str(text).unwrap().canonical_form();
            // The form of the subject keeps the braces of what was a logical type.
            let canonical = canonical.replace(r#""at","type":["long""#, r#""at","type":[{"type":"long"}"#);
            assert_eq!(*subject, format!("{topic}-{:016x}", xxh3_64(canonical.as_bytes())), "{text}");
        }
    }
    // The topics' schemas are the same, and so are their ids.
    let ids = |topic: usize| {
        let mut ids: Vec<u32> = registered[topic].iter().map(|(_, id, _)| *id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!((ids(0), ids(1)), (ids(1), ids(2)));

    // Another run registers nothing new, and its messages have the ids that the first one's had.
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let task = endpoint.task(&specification(&names));
    assert_eq!(endpoint.apply(&task), "");
    let document = json!({"id": 1});
    endpoint.run(&task, &stores(&task, &transaction([(0, &document)])));
    assert_eq!(topics.iter().map(|topic| schemas.of_topic(topic)).collect::<Vec<_>>(), registered);
    let records = read(&endpoint.config, &names, MESSAGES + 1);
    for (topic, records) in &records {
        assert_kcat_reads(&kafka.plaintext, topic, records);
    }
    for record in &records[&topics[0]] {
        let used = [&record.key, &record.value].into_iter().flatten().map(|bytes| schemas.decode(bytes).0);
        assert!(used.into_iter().all(|id| ids(0).contains(&id)), "{record:?}");
    }
}

/// Two sessions with three transactions for three topics; gives the topics.
fn lands(endpoint: &Endpoint, format: &Format<'_>) -> Vec<String> {
    let topics: Vec<String> = (0..3).map(|_| unique("lands")).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let task = endpoint.task(&specification(&names));
    assert_eq!(endpoint.apply(&task).lines().count(), 3);

    let documents: Vec<Vec<(usize, Value)>> = (0..TRANSACTIONS)
        .map(|transaction| (0..KEYS).map(|id| (id % 3, document(id, transaction))).collect())
        .collect();
    let fixture: String = documents
        .iter()
        .map(|documents| transaction(documents.iter().map(|(collection, document)| (*collection, document))))
        .collect();
    let stores = stores(&task, &fixture);
    let (first, second) = stores.split_at(2);
    endpoint.run(&task, first);
    endpoint.run(&task, second);

    let expected = expected(&task, &fixture);
    assert_eq!(count(&expected), MESSAGES);
    assert!(expected.values().flat_map(|m| m.values()).flatten().any(Option::is_none), "there are deletes");
    let records = read(&endpoint.config, &names, MESSAGES);
    assert_landed(&task, &expected, &records, format, 3);
    topics
}

/// A document whose every place depends on its transaction; now and then a delete.
fn document(id: usize, transaction: usize) -> Value {
    if (id + transaction).is_multiple_of(5) {
        return json!({"id": id, "_meta": {"op": "d"}});
    }
    let mut document = json!({
        "id": id,
        "text": format!("\u{e9}\u{1f600} \"{transaction}\"\n\t\\"),
        "at": format!("2024-02-29T12:34:56.{transaction:06}Z"),
        "tags": vec!["tag"; transaction],
        "part": {"share": f64::from(u32::try_from(transaction).unwrap()) / 4.0},
        "odd-name": if id.is_multiple_of(2) { json!(transaction) } else { json!("one") },
    });
    if id.is_multiple_of(7) {
        document.as_object_mut().unwrap().remove("part");
    }
    document
}

/// A runtime sends one Store a key and transaction; the order does not rest on it.
#[test]
fn stores_of_one_key_keep_their_order_within_a_transaction() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("order");
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    let fixture: String = (0..1000)
        .map(|number| transaction([(0, &json!({"id": number % 7, "text": number.to_string()}))]))
        .collect();
    let mut session = endpoint.session(&task);
    session.transact(stores(&task, &fixture).iter().flatten());
    endpoint.assert_clean(session);
    let records = read(&endpoint.config, &[&topic], 1000);
    assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
}

#[test]
fn documents_of_a_megabyte_land() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let schemas = Schemas::of(&registry);
    for (endpoint, format) in [
        (Endpoint::json(&kafka.plaintext), Format::Json),
        (Endpoint::avro(&kafka.plaintext, &registry), Format::Avro(&schemas)),
    ] {
        let topic = unique("megabyte");
        let task = endpoint.task(&specification(&[&topic]));
        endpoint.apply(&task);
        let documents: Vec<Value> = (0..20).map(|id| large(id, 1_000_000)).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        endpoint.run(&task, &stores(&task, &fixture));
        let records = read(&endpoint.config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &format, 3);
    }
}

#[test]
fn a_message_that_the_broker_refuses_as_too_large_names_itself_and_what_to_raise() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("large");
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    let stores = stores(&task, &transaction([(0, &large(7, 1_200_000))]));

    let mut session = endpoint.session(&task);
    session.flush();
    session.store(&stores[0][0]);
    let message = endpoint.failure(session);
    assert_says(
        &message,
        &[
            &format!("topic \"{topic}\" (binding 0, collection acme/0): a message of 1200"),
            " bytes (key {\"id\":7}) was not delivered to partition ",
            "MSG_SIZE_TOO_LARGE",
            "; max.message.bytes of the topic, which is for what compression leaves, was 1048588 when the session opened, \
             and the client itself can send 999998976; raise max.message.bytes of the topic, or leave large fields out of the field selection",
        ],
    );
    read(&endpoint.config, &[&topic], 0);
}

/// A document with `length` letters, in pieces that the runtime does not cut.
fn large(id: u32, length: usize) -> Value {
    json!({"id": id, "tags": (0..20).map(|n| letters(id * 20 + n, length / 20)).collect::<Vec<_>>()})
}

const KEYS: usize = 60;
const TRANSACTIONS: usize = 3;
const MESSAGES: usize = KEYS * TRANSACTIONS;
