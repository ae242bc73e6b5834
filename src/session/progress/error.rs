//! Why a session cannot go on from what was recorded.

use super::shard::Range;

/// What keeps a session from opening, or a transaction from being recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::session) enum Error {
    /// Open's range has nothing in it.
    #[error(
        "the range of Open is {range}, which ends before it begins; expected bounds in ascending order, please report it"
    )]
    EmptyRange { range: Range },
    /// A record of this task is damaged, or not of our making.
    #[error(
        "reading the progress record {key}: {reason}; if nothing but this connector writes to advanced.progress_topic, \
         please report it"
    )]
    Record { key: String, reason: String },
    /// A record of a later version of the connector.
    #[error(
        "reading the progress record {key}: it is of version {version}, and this connector reads version {known}; \
         run the connector's newer version"
    )]
    Version { key: String, version: u8, known: u8 },
    /// The connector's state is damaged.
    #[error("reading the connector's state: exactly_once: {reason}; please report it")]
    State { reason: String },
    /// The runtime's checkpoint is not one.
    #[error("reading the runtime's checkpoint: {reason}")]
    Checkpoint { reason: String },
    /// The record is not the one that the runtime knows, nor the next one.
    #[error(
        "the progress record {key} has number {found}, but the runtime knows of number {known}, so that one of them is not \
         of the same past, and to go on from either could lose or double documents; {REMEDY}"
    )]
    Sequence { key: String, found: u64, known: u64 },
    /// The record is of another task of this name.
    #[error(
        "the progress record {key} is of another task of this name (token {found}, not {known}), which writes to the same \
         brokers: give one of the two another name; if there is no other, {REMEDY}"
    )]
    OtherTask { key: String, found: String, known: String },
    /// Two shards were made one.
    #[error(
        "the newest progress record {key} is of the range {found}, which does not cover this shard's {range}: shards were \
         merged, and no single checkpoint says where the merged one goes on; {REMEDY}"
    )]
    NotCovered { key: String, found: Range, range: Range },
}

const REMEDY: &str = "set advanced.delivery to at_least_once until a transaction is committed, which may double up to one \
                      transaction, then back to exactly_once";

#[cfg(test)]
mod tests {
    use super::super::shard::tests::keys;
    use super::*;

    #[test]
    fn each_text_says_what_came_and_what_to_do() {
        let key = || "k".to_owned();
        let remedy = "set advanced.delivery to at_least_once until a transaction is committed, which may double up to one \
                      transaction, then back to exactly_once";
        for (error, text) in [
            (
                Error::EmptyRange { range: keys(3, 2) },
                "the range of Open is 00000003-00000002, which ends before it begins; expected bounds in ascending order, \
                 please report it".to_owned(),
            ),
            (
                Error::Record { key: key(), reason: "it is empty".into() },
                "reading the progress record k: it is empty; if nothing but this connector writes to \
                 advanced.progress_topic, please report it".to_owned(),
            ),
            (
                Error::Version { key: key(), version: 2, known: 1 },
                "reading the progress record k: it is of version 2, and this connector reads version 1; run the \
                 connector's newer version".to_owned(),
            ),
            (
                Error::State { reason: "r".into() },
                "reading the connector's state: exactly_once: r; please report it".to_owned(),
            ),
            (
                Error::Checkpoint { reason: "r".into() },
                "reading the runtime's checkpoint: r".to_owned(),
            ),
            (
                Error::Sequence { key: key(), found: 9, known: 3 },
                format!("the progress record k has number 9, but the runtime knows of number 3, so that one of them is \
                 not of the same past, and to go on from either could lose or double documents; {remedy}"),
            ),
            (
                Error::OtherTask { key: key(), found: "a".into(), known: "b".into() },
                format!("the progress record k is of another task of this name (token a, not b), which writes to the same \
                 brokers: give one of the two another name; if there is no other, {remedy}"),
            ),
            (
                Error::NotCovered { key: key(), found: keys(0, 1), range: keys(0, 3) },
                format!("the newest progress record k is of the range 00000000-00000001, which does not cover this \
                 shard's 00000000-00000003: shards were merged, and no single checkpoint says where the merged one goes \
                 on; {remedy}"),
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
