//! Which failure of the session an error of librdkafka is: what ends a producer is told by codes that mean one thing
//! with transactions and another without.

use rdkafka_sys::rd_kafka_resp_err_t as Name;

use super::client::Code;
use super::error::{Error, FATAL_REMEDY, remedy};
use super::ledger::AckTracker;

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
