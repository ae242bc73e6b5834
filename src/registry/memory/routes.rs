//! Which request is answered by what.

use std::sync::{Mutex, PoisonError};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::State;
use super::compatibility::Level;
use super::store::{Given, Mode, Refusal, Store, Which, name_type};

/// An answer without its headers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Json(StatusCode, Value),
    Empty(StatusCode),
}

impl Answer {
    pub(super) fn error(status: u16, code: u32, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::Json(status, json!({"error_code": code, "message": message}))
    }
}

/// Answers a request; `path` comes after the base path, `body` is null where there is none.
pub(super) fn answer(state: &Mutex<State>, method: &Method, path: &str, query: &str, body: &Value) -> Answer {
    let Some(segments) = segments(path) else {
        return Answer::error(400, 400, "the path is not UTF-8");
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let request = Route { method, query, body };
    match request.answer(state, &segments) {
        Ok(Some(value)) => Answer::Json(StatusCode::OK, value),
        Ok(None) if KNOWN.contains(&segments.first().copied().unwrap_or("")) => {
            Answer::error(405, 405, "HTTP 405 Method Not Allowed")
        }
        Ok(None) => Answer::error(404, 404, "HTTP 404 Not Found"),
        Err(Refusal { status, code, message }) => Answer::error(status, code, &message),
    }
}

struct Route<'a> {
    method: &'a Method,
    query: &'a str,
    body: &'a Value,
}

impl Route<'_> {
    /// `None` when there is no such thing to ask.
    fn answer(&self, state: &Mutex<State>, path: &[&str]) -> Result<Option<Value>, Refusal> {
        // Schemas are parsed before the store is locked: a fault of the parser leaves the store whole.
        let given = match (self.method, path) {
            (&Method::POST, _) => Some(Given::read(self.body)?),
            _ => None,
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let store = &mut state.store;
        Ok(Some(match (self.method, path, given) {
            (&Method::GET, [] | [""], _) => json!({}),
            (&Method::GET, ["subjects"], _) => {
                json!(store.subjects(self.flag("deleted"), &self.parameter("subjectPrefix")))
            }
            (&Method::GET, ["subjects", subject, "versions"], _) => json!(store.versions(subject)?),
            (&Method::GET, ["subjects", subject, "versions", version], _) => {
                store.version(subject, which(version)?)?
            }
            (&Method::GET, ["subjects", subject, "versions", version, "schema"], _) => {
                raw(store.version(subject, which(version)?)?["schema"].as_str().unwrap_or(""))
            }
            (&Method::POST, ["subjects", subject, "versions"], Some(given)) => {
                json!({"id": store.register(subject, given)?})
            }
            (&Method::POST, ["subjects", subject], Some(given)) => store.look_up(subject, &given)?,
            (&Method::DELETE, ["subjects", subject], _) => {
                json!(store.delete_subject(subject, self.flag("permanent"))?)
            }
            (&Method::DELETE, ["subjects", subject, "versions", version], _) => {
                json!(store.delete_version(subject, which(version)?, self.flag("permanent"))?)
            }
            (&Method::GET, ["schemas", "types"], _) => json!(["JSON", "AVRO"]),
            (&Method::GET, ["schemas", "ids", id], _) => {
                let (text, schema_type) = store.schema(number(id)?)?;
                let mut answer = json!({"schema": text});
                name_type(&mut answer, schema_type);
                answer
            }
            (&Method::GET, ["schemas", "ids", id, "schema"], _) => raw(store.schema(number(id)?)?.0),
            (&Method::GET, ["schemas", "ids", id, "versions"], _) => store
                .users(number(id)?)?
                .into_iter()
                .map(|(subject, version)| json!({"subject": subject, "version": version}))
                .collect(),
            (&Method::GET, ["schemas", "ids", id, "subjects"], _) => {
                let mut subjects: Vec<&str> =
                    store.users(number(id)?)?.into_iter().map(|(name, _)| name).collect();
                subjects.dedup();
                json!(subjects)
            }
            (&Method::GET, ["contexts"], _) => json!(["."]),
            (&Method::POST, ["compatibility", "subjects", subject, "versions"], Some(given)) => {
                self.verdict(store.check(subject, None, &given)?)
            }
            (&Method::POST, ["compatibility", "subjects", subject, "versions", version], Some(given)) => {
                self.verdict(store.check(subject, Some(which(version)?), &given)?)
            }
            (_, ["config", rest @ ..], _) if rest.len() < 2 => {
                return self.config(store, rest.first().copied());
            }
            (_, ["mode", rest @ ..], _) if rest.len() < 2 => return self.mode(store, rest.first().copied()),
            _ => return Ok(None),
        }))
    }

    fn config(&self, store: &mut Store, subject: Option<&str>) -> Result<Option<Value>, Refusal> {
        let unset = || Refusal {
            status: 404,
            code: 40408,
            message: format!(
                "Subject '{}' does not have subject-level compatibility configured",
                subject.unwrap_or("")
            ),
        };
        Ok(Some(match (self.method, subject) {
            (&Method::GET, Some(name)) if self.flag("defaultToGlobal") => {
                json!({"compatibilityLevel": store.level_of(name).as_str()})
            }
            (&Method::GET, _) => {
                json!({"compatibilityLevel": store.level(subject).ok_or_else(unset)?.as_str()})
            }
            (&Method::PUT, _) => {
                let name = self.body.get("compatibility").and_then(Value::as_str).unwrap_or("");
                let level = Level::named(name).ok_or_else(|| {
                    let message = "Invalid compatibility level. Valid values are none, backward, forward, full, \
                                   backward_transitive, forward_transitive, and full_transitive";
                    Refusal::invalid(42203, message.to_owned())
                })?;
                store.set_level(subject, level)?;
                json!({"compatibility": level.as_str()})
            }
            (&Method::DELETE, Some(name)) => {
                json!({"compatibilityLevel": store.reset_level(name).ok_or_else(unset)?.as_str()})
            }
            _ => return Ok(None),
        }))
    }

    fn mode(&self, store: &mut Store, subject: Option<&str>) -> Result<Option<Value>, Refusal> {
        Ok(Some(match (self.method, subject) {
            (&Method::GET, Some(name)) if self.flag("defaultToGlobal") => {
                json!({"mode": store.mode_of(name).as_str()})
            }
            (&Method::GET, _) => {
                let mode = store.mode(subject).ok_or_else(|| Refusal {
                    status: 404,
                    code: 40409,
                    message: format!(
                        "Subject '{}' does not have subject-level mode configured",
                        subject.unwrap_or("")
                    ),
                })?;
                json!({"mode": mode.as_str()})
            }
            (&Method::PUT, _) => {
                let name = self.body.get("mode").and_then(Value::as_str).unwrap_or("");
                let mode = Mode::named(name).ok_or_else(|| {
                    Refusal::invalid(
                        42204,
                        "Invalid mode. Valid values are READWRITE, READONLY, and IMPORT".to_owned(),
                    )
                })?;
                store.set_mode(subject, mode)?;
                json!({"mode": mode.as_str()})
            }
            _ => return Ok(None),
        }))
    }

    fn verdict(&self, verdict: Result<(), String>) -> Value {
        match verdict {
            Err(reason) if self.flag("verbose") => json!({"is_compatible": false, "messages": [reason]}),
            verdict => json!({"is_compatible": verdict.is_ok()}),
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.parameter(name) == "true"
    }

    fn parameter(&self, name: &str) -> String {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| value.into_owned())
    }
}

/// A schema's text is JSON, and is answered as such.
fn raw(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn which(version: &str) -> Result<Which, Refusal> {
    if version == "latest" || version == "-1" {
        return Ok(Which::Latest);
    }
    match version.parse() {
        Ok(number) if number > 0 => Ok(Which::Number(number)),
        _ => Err(Refusal::invalid(
            42202,
            format!(
                "The specified version '{version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
            ),
        )),
    }
}

fn number(id: &str) -> Result<u32, Refusal> {
    id.parse().map_err(|_| Refusal { status: 404, code: 404, message: "HTTP 404 Not Found".to_owned() })
}

/// The parts of a path between slashes, percent-decoded one by one: a subject may have a slash in it.
fn segments(path: &str) -> Option<Vec<String>> {
    path.trim_start_matches('/').split('/').map(decoded).collect()
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if first == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// First segments of paths that exist.
const KNOWN: [&str; 6] = ["subjects", "schemas", "compatibility", "config", "mode", "contexts"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    proptest! {
        /// Whatever the url crate encodes as one segment is read as that segment.
        #[test]
        fn segments_are_read_as_they_were_written(subject in any::<String>()) {
            // Addresses cannot have these as segments.
            prop_assume!(!["", ".", ".."].contains(&subject.as_str()));
            let mut url = Url::parse("http://r/").unwrap();
            url.path_segments_mut().unwrap().pop_if_empty().extend(["subjects", &subject, "versions"]);
            prop_assert_eq!(segments(url.path()).unwrap(), ["subjects", &subject, "versions"]);
        }
    }

    #[test]
    fn incomplete_escapes_stand_for_themselves_and_wrong_text_for_nothing() {
        assert_eq!(segments("/a%/%4/%zz/%41%").unwrap(), ["a%", "%4", "%zz", "A%"]);
        assert_eq!(segments("/%ff"), None);
    }
}
