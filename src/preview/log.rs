//! Makes a connector's log readable: its JSON lines come out as level, message and fields.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};

use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

/// Copies a connector's log to `output` until it ends, one line for each event.
///
/// An error is held back until something follows it. The last line, if it is one, is not copied but
/// returned: it says why the connector failed, which is for the caller to tell.
///
/// Only events of level `shown` and above are copied, whatever the connector logs. `note` sees all of them.
pub(super) fn copy(
    stderr: impl Read,
    output: &mut impl Write,
    shown: LevelFilter,
    mut note: impl FnMut(&str, &Map<String, Value>),
) -> Option<String> {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut held: Option<Event> = None;
    loop {
        line.clear();
        // What cannot be read any more has ended; longer lines than that come out in pieces.
        let read = (&mut input).take(MAX_LINE).read_until(b'\n', &mut line).unwrap_or(0);
        if read == 0 {
            return held.map(|event| event.message);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        let event = Event::parse(text);
        note(&event.message, &event.fields);
        if event.level.parse().is_ok_and(|level: LevelFilter| level > shown) {
            continue;
        }
        if let Some(held) = held.take() {
            held.print(output);
        }
        if event.level == "ERROR" { held = Some(event) } else { event.print(output) }
    }
}

/// A line of a log.
struct Event {
    /// In capitals; empty for a line that is no JSON object.
    level: String,
    message: String,
    fields: Map<String, Value>,
}

impl Event {
    fn parse(line: &str) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
            return Self { level: String::new(), message: line.to_owned(), fields: Map::new() };
        };
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let _time = text("timestamp");
        Self { level: text("level"), message: text("message"), fields }
    }

    /// Writes the event as one line. Nobody is left to tell that the output is gone.
    fn print(&self, output: &mut impl Write) {
        let Self { level, message, fields } = self;
        let mut line = if level.is_empty() { message.clone() } else { format!("{level} {message}") };
        for (name, value) in fields {
            let _infallible = match value {
                Value::String(text) => write!(line, " {name}={text:?}"),
                value => write!(line, " {name}={value}"),
            };
        }
        let _gone = writeln!(output, "connector: {line}");
    }
}

/// Bytes of a line that are taken together.
const MAX_LINE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(log: &str) -> (String, Option<String>) {
        let mut output = Vec::new();
        let last = copy(log.as_bytes(), &mut output, LevelFilter::INFO, |_, _| {});
        (String::from_utf8(output).unwrap(), last)
    }

    #[test]
    fn events_become_lines() {
        let log = concat!(
            r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"opened","bindings":2,"brokers":"a b"}"#,
            "\n\nno JSON\n",
            r#"{"level":"WARN","message":"slow"}"#,
        );
        let expected =
            "connector: INFO opened bindings=2 brokers=\"a b\"\nconnector: no JSON\nconnector: WARN slow\n";
        assert_eq!(copied(log), (expected.to_owned(), None));
    }

    #[test]
    fn what_is_not_to_be_shown_is_noted_all_the_same() {
        let log = concat!(
            r#"{"level":"DEBUG","message":"committed","bytes":7}"#,
            "\n",
            r#"{"level":"ERROR","message":"it broke"}"#,
            "\n",
            r#"{"level":"DEBUG","message":"bye"}"#,
        );
        let mut noted = Vec::new();
        let mut output = Vec::new();
        let last = copy(log.as_bytes(), &mut output, LevelFilter::WARN, |message, fields| {
            noted.push((message.to_owned(), fields.get("bytes").and_then(Value::as_u64)));
        });
        assert_eq!((output.len(), last.as_deref()), (0, Some("it broke")));
        let expected = [("committed", Some(7)), ("it broke", None), ("bye", None)];
        assert_eq!(noted, expected.map(|(message, bytes)| (message.to_owned(), bytes)));
    }

    #[test]
    fn an_error_in_the_end_is_the_callers() {
        let error = r#"{"level":"ERROR","message":"it broke","topic":"t"}"#;
        assert_eq!(copied(&format!("{error}\n")), (String::new(), Some("it broke".to_owned())));
        let expected = "connector: ERROR it broke topic=\"t\"\nconnector: bye\n";
        assert_eq!(copied(&format!("{error}\nbye")), (expected.to_owned(), None));
    }

    #[test]
    fn what_is_not_text_comes_out_replaced() {
        let mut output = Vec::new();
        copy(&b"\xff\n"[..], &mut output, LevelFilter::INFO, |_, _| {});
        assert_eq!(output, "connector: \u{fffd}\n".as_bytes());
    }
}
