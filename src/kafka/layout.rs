//! How topics are laid out: whether they are there, with how many partitions and replicas.

#![allow(unsafe_code, reason = "librdkafka's admin calls")]

use std::ffi::c_char;
use std::time::Duration;

use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Operation;
use sys::rd_kafka_resp_err_t as Name;

use super::admin::{Question, items, options};
use super::client::{Client, Code, Event, c_name, owned, rd_kafka_error_code};
use super::error::Error;

/// Asks for exactly these topics, each once: how many partitions has each, or what is wrong with it. librdkafka
/// learns the same from the answer; no topic is created.
pub(super) fn describe(
    client: &Client,
    brokers: &str,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Result<i32, Code>>, Error> {
    let layouts = describe_layouts(client, brokers, topics, timeout)?;
    Ok(layouts.into_iter().map(|found| found.map(|layout| layout.partitions)).collect())
}

/// How a topic is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) partitions: i32,
    /// Those of the partition that has the fewest.
    pub(super) replicas: i32,
}

/// As [`describe`], with the number of replicas.
pub(super) fn describe_layouts(
    client: &Client,
    brokers: &str,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Result<Layout, Code>>, Error> {
    let doing = match topics {
        [one] => format!("asking for topic \"{one}\""),
        [first, rest @ ..] => format!("asking for topic \"{first}\" and {} others", rest.len()),
        [] => return Ok(Vec::new()),
    };
    let asked = Question::new(client, brokers, &doing, timeout);
    ask_topics(client, topics, timeout)?;
    let answer = asked.answer(sys::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT)?;
    if let Some((code, text)) = answer.answer_error() {
        return Err(asked.refused(code, &text));
    }
    let mut found = described_topics(&answer);
    Ok(topics
        .iter()
        .map(|topic| {
            let place = found.iter().position(|(name, _)| name == topic);
            place.map_or(Err(Code(Name::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC as i32)), |i| found.swap_remove(i).1)
        })
        .collect())
}

/// Sends the question for topics; the answer comes as an event of the main queue.
pub(super) fn ask_topics(client: &Client, topics: &[&str], timeout: Duration) -> Result<(), Error> {
    let names = topics.iter().map(|topic| c_name(topic)).collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names live until the end of the block; librdkafka copies collection and options.
    unsafe {
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = options(client, Operation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
        sys::rd_kafka_DescribeTopics(client.as_ptr(), topics, options, client.main());
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
    }
    Ok(())
}

/// The answer to [`ask_topics`]: each topic with its layout.
pub(super) fn described_topics(answer: &Event) -> Vec<(String, Result<Layout, Code>)> {
    // SAFETY: the event is an answer of this kind (null otherwise), and what it points to lives as long as it.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(answer.as_ptr());
        if result.is_null() {
            return Vec::new();
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        items(topics, count)
            .iter()
            .map(|&topic| {
                let code = Code(rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)));
                let mut partitions = 0;
                let infos = sys::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
                let replicas = fewest_replicas(items(infos, partitions));
                let partitions = i32::try_from(partitions).unwrap_or(0);
                let found = match code.0 {
                    0 if partitions > 0 => Ok(Layout { partitions, replicas }),
                    0 => Err(Code(Name::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE as i32)),
                    _ => Err(code),
                };
                (owned(sys::rd_kafka_TopicDescription_name(topic)), found)
            })
            .collect()
    }
}

/// Replicas of the partition that has the fewest; 0 where there is none.
///
/// # Safety
///
/// The partitions must be live.
pub(super) unsafe fn fewest_replicas(partitions: &[*const sys::rd_kafka_TopicPartitionInfo_t]) -> i32 {
    let replicas = partitions.iter().map(|&partition| {
        let mut count = 0;
        // SAFETY: as the caller promised; only the count is used.
        unsafe { sys::rd_kafka_TopicPartitionInfo_replicas(partition, &mut count) };
        i32::try_from(count).unwrap_or(i32::MAX)
    });
    replicas.min().unwrap_or(0)
}
