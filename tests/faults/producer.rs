//! The idempotent producer finds a hole in its own sequence, which only mock brokers can be made to say.

use std::time::Duration;

use materialize_kafka::kafka::mock::{Cluster, Fault, Request};

use crate::brokers::{config, unique};
use crate::flow::{Flow, SMALL};

#[test]
fn fatal_error_of_the_idempotent_producer() {
    let cluster = Cluster::new(1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let topic = unique("faults");
    cluster.create_topic(&topic, 3).unwrap();
    let mut flow = Flow::into_topic(&topic, &config(&brokers, 1), &SMALL);
    flow.open();
    flow.transact_some(2);
    for committing in [false, true] {
        let half = SMALL.keys / 2;
        flow.begin(SMALL.keys).unwrap();
        flow.store(half).unwrap();
        cluster.request_errors(Request::Produce, &[Fault::OutOfOrderSequence; 3]);
        if committing {
            // It may end at any point of this.
            let _died = flow.store(half).and_then(|()| flow.start_commit());
        }
        let ended = flow.ended_within(Duration::from_secs(10));
        assert!(ended, "it still runs");
        let ended = flow.ended();
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        let message = ended.message();
        // librdkafka tells it as its own failure and as that of the batch, in either order.
        assert!(message.starts_with("the producer cannot go on: "), "{message}");
        assert!(message.contains("(OUT_OF_ORDER_SEQUENCE_NUMBER): ProduceRequest for "), "{message}");
        assert!(message.contains("; restart the task: what was not committed is sent again"), "{message}");
        cluster.clear_request_errors(Request::Produce);
        flow.open();
        flow.transact_some(2);
    }
    flow.close_and_count(&brokers).assert_nothing_lost();
}
