//! The rights that the README lists: they are enough, and what is missing is named.

use serde_json::json;

use crate::broker::{Change, acl, acl_of_transactional_ids};
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says};
use crate::landed::assert_once;
use crate::player::Task;

#[test]
fn the_listed_rights_are_enough_and_a_missing_one_is_named() {
    let Some(kafka) = services::kafka() else { return };
    let (mut task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let everybody = task.endpoint.clone();
    let limited = Endpoint::json(&kafka.sasl_plaintext)
        .login("PLAIN", &kafka.limited)
        .set("advanced", everybody.config["advanced"].clone());
    task.spec.config_json = limited.config.to_string().into();
    task.endpoint = limited;

    acl(&kafka, Change::Allow, &["Describe", "Write"], &task.topic);
    acl(&kafka, Change::Allow, &["Read", "Write", "DescribeConfigs"], &task.progress);
    // What another suite has left.
    acl_of_transactional_ids(&kafka, Change::Withdraw);
    assert_says(
        &shard.open_fails(&task),
        &[
            "taking the transactional id over: ",
            "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
            "; allow this user Describe and Write on the transactional ids that begin with materialize-kafka/",
        ],
    );
    acl_of_transactional_ids(&kafka, Change::Allow);
    let mut session = shard.open(&task);
    session.transact(20, &mut shard);
    session.end();
    let last = task.spec.clone();
    assert_eq!(task.apply(&mut shard, Some(&last)), "", "what is there is checked");
    task.endpoint = everybody;
    assert_once(&task, 20);
}
