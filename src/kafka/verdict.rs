//! Which failure of the session an error of librdkafka is: what ends a producer is told by codes that mean one thing
//! with transactions and another without.

use std::fmt::Write as _;

use rdkafka_sys::rd_kafka_resp_err_t as Name;

use super::client::Code;
use super::error::{Error, FATAL_REMEDY, remedy, shown};
use super::ledger::{AckTracker, TopicName};
use super::settings::LARGEST_MESSAGE;

impl AckTracker {
    /// The error for a client that came to its end by `code`.
    pub(super) fn fatal(&self, code: Code, text: &str) -> Error {
        let reason = format!("{}: {text}", code.text());
        match &self.transactional {
            // A transaction past its time-out ends in the same error: the brokers fence its producer. Ours is the only
            // clock that tells; it began before theirs.
            Some((id, timeout)) if is_fenced(code) => {
                let age = self.lock().transaction_since.map(|since| since.elapsed());
                match age.filter(|age| age >= timeout) {
                    Some(age) => {
                        Error::TransactionTimedOut { id: id.clone(), age, timeout: *timeout, reason }
                    }
                    None => Error::Fenced { id: id.clone(), reason },
                }
            }
            _ => Error::Fatal { reason, remedy: fatal_remedy(code) },
        }
    }

    /// The error for a message, of this key and so many bytes, that the brokers or librdkafka refused.
    pub(super) fn refused(
        &self,
        topic: usize,
        partition: i32,
        (key, bytes): (&[u8], usize),
        code: Code,
    ) -> Error {
        let TopicName { topic, owner, max_message_bytes } = self.name(topic);
        let mut reason = code.text();
        if code.is(Name::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            let _ = match max_message_bytes {
                Some(limit) => write!(
                    reason,
                    "; max.message.bytes of the topic, which is for what compression leaves, was {limit} when the session \
                     opened, and"
                ),
                None => write!(reason, "; the brokers do not tell max.message.bytes of the topic, and"),
            };
            let _ = write!(reason, " the client itself can send {LARGEST_MESSAGE}");
        }
        Error::Refused {
            topic,
            owner,
            key: shown(key).into(),
            bytes,
            partition,
            reason: reason.into(),
            remedy: remedy(code.0),
        }
    }

    /// The failure of the producer as a whole, `fatal`, if that is what a report of delivery tells by its code. The producer
    /// knows of it before it reports the batch that it came with; its own event may come behind that.
    pub(super) fn ended(&self, code: Code, fatal: Option<(Code, String)>) -> Option<Error> {
        let (fatal, text) = fatal?;
        let tells = code == fatal
            || code.is(Name::RD_KAFKA_RESP_ERR__FATAL)
            || code.is(Name::RD_KAFKA_RESP_ERR__PURGE_QUEUE);
        tells.then(|| self.fatal(fatal, &text))
    }

    /// The failure by which a report of delivery says that the producer as a whole is fenced, if it does.
    pub(super) fn fenced(&self, code: Code) -> Option<Error> {
        (self.transactional.is_some() && is_fenced(code))
            .then(|| self.fatal(code, "the brokers refused a message"))
    }

    /// The failure of a transaction that librdkafka gave up, by the text of its log.
    pub(super) fn spoilt(&self, text: &str) -> Option<Error> {
        let (id, _) = self.transactional.as_ref()?;
        let text = text.split_once("]: ").map_or(text, |(_thread, text)| text);
        let named = [
            Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Name::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            Name::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        ];
        let named = named.into_iter().map(|name| Code(name as i32)).find(|code| text.contains(&code.name()));
        Some(Error::Transaction {
            id: id.clone(),
            doing: "writing messages",
            reason: text.to_owned(),
            remedy: named.map_or(FATAL_REMEDY, |code| remedy(code.0)),
        })
    }
}

impl Error {
    /// The same of a message that was refused together with one more, either of which may be at fault.
    pub(super) fn or_the_other(mut self) -> Self {
        if let Self::Refused { reason, .. } = &mut self {
            *reason = format!("{reason} (this message, or the other one of its batch)").into();
        }
        self
    }
}

/// Whether an error says that somebody else has the producer's transactional id now.
fn is_fenced(code: Code) -> bool {
    [
        Name::RD_KAFKA_RESP_ERR__FENCED,
        Name::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        Name::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    ]
    .into_iter()
    .any(|name| code.is(name))
}

fn fatal_remedy(code: Code) -> &'static str {
    let authorisation = [
        Name::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Name::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        Name::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    ];
    if authorisation.into_iter().any(|name| code.is(name)) { remedy(code.0) } else { FATAL_REMEDY }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::chunks::Chunks;
    use super::*;

    fn ledger(max_message_bytes: Option<usize>) -> AckTracker {
        let names = vec![TopicName { topic: "t".into(), owner: "binding 0".into(), max_message_bytes }];
        let chunks = Chunks::new(1 << 10, 1 << 20);
        AckTracker::new(names, String::new(), Duration::from_secs(1), chunks, Box::new(|_| {}))
    }

    #[test]
    fn the_end_of_the_producer_is_told_as_that_whatever_comes_first() {
        let ledger = ledger(None);
        let code = |name: Name| Code(name as i32);
        let out_of_order = code(Name::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        let fatal = || Some((out_of_order, "a hole".to_owned()));
        for told in
            [out_of_order, code(Name::RD_KAFKA_RESP_ERR__FATAL), code(Name::RD_KAFKA_RESP_ERR__PURGE_QUEUE)]
        {
            assert_eq!(
                ledger.ended(told, fatal()).map(|error| error.to_string()).as_deref(),
                Some(
                    "the producer cannot go on: Broker: Broker received an out of order sequence number \
                     (OUT_OF_ORDER_SEQUENCE_NUMBER): a hole; restart the task: what was not committed is sent again; if \
                     it comes back, see the brokers' logs"
                )
            );
        }
        assert_eq!(
            ledger.ended(code(Name::RD_KAFKA_RESP_ERR_INVALID_RECORD), fatal()),
            None,
            "its own reason"
        );
        assert_eq!(ledger.ended(code(Name::RD_KAFKA_RESP_ERR__PURGE_QUEUE), None), None);
    }

    #[test]
    fn a_message_that_is_too_large_is_told_with_both_limits() {
        let told = |max_message_bytes, code: Name| {
            let ledger = ledger(max_message_bytes);
            ledger.refused(0, 3, (br#"{"id":7}"#, 1_200_000), Code(code as i32)).to_string()
        };
        let too_large = Name::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        let begin = "topic \"t\" (binding 0): a message of 1200000 bytes (key {\"id\":7}) was not delivered to partition 3: ";
        let end = "; raise max.message.bytes of the topic, or leave large fields out of the field selection";
        assert_eq!(
            told(Some(1_048_588), too_large),
            format!(
                "{begin}Broker: Message size too large (MSG_SIZE_TOO_LARGE); max.message.bytes of the topic, which is for \
                 what compression leaves, was 1048588 when the session opened, and the client itself can send \
                 999998976{end}"
            )
        );
        assert_eq!(
            told(None, too_large),
            format!(
                "{begin}Broker: Message size too large (MSG_SIZE_TOO_LARGE); the brokers do not tell max.message.bytes of \
                 the topic, and the client itself can send 999998976{end}"
            )
        );
        let other = told(Some(1_048_588), Name::RD_KAFKA_RESP_ERR_INVALID_RECORD);
        assert!(
            other.starts_with(&format!("{begin}Broker: Broker failed to validate record (INVALID_RECORD); ")),
            "{other}"
        );
        let error =
            ledger(None).refused(0, 3, (b"1", 2), Code(Name::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP as i32));
        let either = error.or_the_other().to_string();
        assert!(
            either.contains(
                "(INVALID_TIMESTAMP) (this message, or the other one of its batch); the topic takes no"
            ),
            "{either}"
        );
    }
}
