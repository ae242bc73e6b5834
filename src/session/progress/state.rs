//! The connector's state, as the runtime keeps it: the task's token, and the number of each shard's last transaction.
//!
//! `{"exactly_once":{"token":"...","shards":{"<transactional id>":{"sequence":7,"token":"..."}}}}`. Shards may share one
//! state, so each patches its own entry, and removes those that nobody needs any more (see `superseded`). A task that delivers at least once removes all of it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::Error;
use crate::protocol::messages::response::ConnectorState;

/// What the runtime knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::session) struct State {
    /// The token that Apply has made.
    pub(in crate::session) token: Option<String>,
    /// By transactional id.
    pub(in crate::session) shards: BTreeMap<String, Entry>,
}

/// The last transaction of a shard that the runtime has committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::session) struct Entry {
    pub(in crate::session) sequence: u64,
    pub(in crate::session) token: String,
}

impl State {
    /// Reads the state of a request; none where the task has never delivered exactly once, or not since it delivered at
    /// least once.
    pub(in crate::session) fn read(json: &[u8]) -> Result<Option<Self>, Error> {
        if json.is_empty() {
            return Ok(None);
        }
        let refused = |error: serde_json::Error| Error::State { reason: error.to_string() };
        let mut state: Value = serde_json::from_slice(json).map_err(refused)?;
        match state.get_mut(MEMBER).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(state) => serde_json::from_value(state).map(Some).map_err(refused),
        }
    }

    /// The token that the task's records carry.
    pub(in crate::session) fn token(&self) -> Option<&str> {
        self.token.as_deref().or_else(|| self.shards.values().next().map(|entry| &*entry.token))
    }

    /// Whether a token is this task's.
    pub(in crate::session) fn knows(&self, token: &str) -> bool {
        self.token.as_deref() == Some(token) || self.shards.values().any(|entry| entry.token == token)
    }

    /// What Applied adds: the task's token.
    pub(in crate::session) fn with_token(token: &str) -> ConnectorState {
        patch(&json!({ "token": token }))
    }

    /// What StartedCommit adds: a shard's transaction. The entries of `superseded` are removed.
    pub(in crate::session) fn with_transaction(
        id: &str,
        sequence: u64,
        token: &str,
        superseded: &[String],
    ) -> ConnectorState {
        let mut shards: Map<String, Value> = superseded.iter().map(|id| (id.clone(), Value::Null)).collect();
        shards.insert(id.to_owned(), json!({ "sequence": sequence, "token": token }));
        patch(&json!({ "shards": shards }))
    }

    /// What the first StartedCommit of a task adds that delivers at least once: nothing of this is left.
    pub(in crate::session) fn without() -> ConnectorState {
        patch(&Value::Null)
    }
}

fn patch(member: &Value) -> ConnectorState {
    ConnectorState { updated_json: json!({ MEMBER: member }).to_string().into(), merge_patch: true }
}

/// A token that no other task has.
pub(in crate::session) fn new_token() -> String {
    // Each is keyed anew by the system's random numbers, the standard library's only access to them.
    let random = || RandomState::new().build_hasher().finish();
    let time = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
    let mut seeded = RandomState::new().build_hasher();
    seeded.write(&time);
    seeded.write_u32(std::process::id());
    format!("{:016x}{:016x}", random(), seeded.finish())
}

const MEMBER: &str = "exactly_once";

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7396.
    fn merge(into: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *into = patch.clone();
            return;
        };
        if !into.is_object() {
            *into = json!({});
        }
        let into = into.as_object_mut().unwrap();
        for (name, value) in patch {
            if value.is_null() {
                into.remove(name);
            } else {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
    }

    #[test]
    fn patches_add_up_to_what_is_read() {
        let mut state = json!({"other": 1});
        let mut add = |added: ConnectorState| {
            assert!(added.merge_patch);
            merge(&mut state, &serde_json::from_slice(&added.updated_json).unwrap());
            State::read(state.to_string().as_bytes()).unwrap()
        };
        let state = add(State::with_token("t")).unwrap();
        assert_eq!((state.token(), state.shards.len()), (Some("t"), 0));
        add(State::with_transaction("a", 1, "t", &[]));
        add(State::with_transaction("b", 7, "t", &[]));
        add(State::with_transaction("c", 7, "t", &[]));
        let superseded = ["c".to_owned(), "gone already".to_owned()];
        let state = add(State::with_transaction("a", 2, "t", &superseded)).unwrap();
        assert_eq!(state.shards.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(state.shards["a"], Entry { sequence: 2, token: "t".into() });
        assert_eq!(state.shards["b"], Entry { sequence: 7, token: "t".into() });
        assert_eq!(add(State::without()), None);
        let state = add(State::with_transaction("a", 1, "u", &[])).unwrap();
        assert_eq!(state.token(), Some("u"), "of a runtime that does not keep Applied's state");
    }

    #[test]
    fn no_state_is_none_and_a_damaged_one_an_error() {
        for json in ["", "{}", "null", r#"{"exactly_once":null}"#, "[]"] {
            assert_eq!(State::read(json.as_bytes()), Ok(None), "{json}");
        }
        for json in
            ["{", r#"{"exactly_once":3}"#, r#"{"exactly_once":{"shards":{"a":{"sequence":-1,"token":""}}}}"#]
        {
            let error = State::read(json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("reading the connector's state: exactly_once: "), "{error}");
        }
    }

    #[test]
    fn tokens_differ() {
        let tokens: std::collections::BTreeSet<_> = (0..100).map(|_| new_token()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == 32));
    }
}
