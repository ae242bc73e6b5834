//! What is printed: a line of JSON for each message, or a table for eyes.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use serde_json::value::RawValue;

use super::error::Error;
use super::landed::Landed;
use super::message::{Decoder, Message, SchemaName};
use crate::terminal::Style;

/// What a preview comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    topics: usize,
    messages: u64,
    bytes: u64,
    time: Duration,
}

impl Summary {
    /// Sums up what has landed in `time`.
    pub(super) fn of(landed: &Landed, time: Duration) -> Self {
        Self { topics: landed.topics(), messages: landed.messages(), bytes: landed.bytes(), time }
    }

    /// One line, without its end.
    pub(super) fn line(&self) -> String {
        let Self { topics, messages, bytes, time } = self;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let topics = u64::try_from(*topics).unwrap_or(u64::MAX);
        format!(
            "{} message{} in {topics} topic{}, {} bytes of keys and values, {:.1} s",
            grouped(*messages),
            plural(*messages),
            plural(topics),
            grouped(*bytes),
            time.as_secs_f64()
        )
    }
}

/// Prints a line of JSON for each message, and nothing else.
pub(super) fn jsonl(output: impl Write, landed: Landed, decoder: &Decoder<'_>) -> Result<(), Error> {
    let mut output = BufWriter::new(output);
    landed.for_each(|record| {
        let message = decoder.decode(record)?;
        let written = serde_json::to_writer(&mut output, &message).map_err(io::Error::from);
        written.and_then(|()| output.write_all(b"\n")).map_err(Error::Output)
    })?;
    output.flush().map_err(Error::Output)
}

/// Prints a table of all messages, no wider than `width`, what its schema numbers stand for, and the
/// summary.
pub(super) fn table(
    output: impl Write,
    landed: Landed,
    decoder: &Decoder<'_>,
    width: usize,
    summary: Summary,
    colored: bool,
) -> Result<(), Error> {
    let mut table = Table {
        output: BufWriter::new(output),
        width,
        colored,
        pending: Vec::new(),
        columns: None,
        schemas: BTreeSet::new(),
    };
    landed.for_each(|record| table.add(&decoder.decode(record)?).map_err(Error::Output))?;
    table.end(summary).map_err(Error::Output)
}

/// A table whose columns are as wide as the first rows need; the others are cut.
struct Table<W: Write> {
    output: BufWriter<W>,
    width: usize,
    /// Whether the head stands out, and tombstones do not.
    colored: bool,
    /// The first rows, until the columns are known.
    pending: Vec<Row>,
    columns: Option<Columns>,
    /// Numbers and subjects.
    schemas: BTreeSet<(u32, String)>,
}

/// The texts of a row; key and value are no longer than the table is wide.
struct Row {
    topic: String,
    partition: String,
    offset: String,
    /// Those of key and value, for Avro.
    schemas: Option<String>,
    key: String,
    value: String,
}

/// Widths in characters; the value has what is left.
#[derive(Clone, Copy)]
struct Columns {
    topic: usize,
    partition: usize,
    offset: usize,
    schemas: Option<usize>,
    key: usize,
}

impl<W: Write> Table<W> {
    fn add(&mut self, message: &Message) -> io::Result<()> {
        let names = [&message.key_schema, &message.value_schema];
        for SchemaName { subject, id } in names.into_iter().flatten() {
            let subject = subject.as_deref().unwrap_or("(of an unknown subject)");
            if !self.schemas.iter().any(|(known, of)| known == id && of == subject) {
                self.schemas.insert((*id, subject.to_owned()));
            }
        }
        let schemas = names.iter().any(|name| name.is_some()).then(|| {
            let ids = names.map(|name| name.as_ref().map_or("-".to_owned(), |name| format!("#{}", name.id)));
            ids.join(" ")
        });
        let row = Row {
            topic: message.topic.clone(),
            partition: message.partition.to_string(),
            offset: message.offset.to_string(),
            schemas,
            key: self.cell(message.key.as_deref()),
            value: self.cell(message.value.as_deref()),
        };
        match self.columns {
            Some(columns) => self.row(columns, &row),
            None => {
                self.pending.push(row);
                if self.pending.len() < MEASURED { Ok(()) } else { self.begin() }
            }
        }
    }

    fn end(mut self, summary: Summary) -> io::Result<()> {
        if self.columns.is_none() && !self.pending.is_empty() {
            self.begin()?;
        }
        if !self.schemas.is_empty() {
            writeln!(self.output)?;
            for (id, subject) in &self.schemas {
                writeln!(self.output, "#{id} {subject}")?;
            }
        }
        if summary.messages > 0 {
            writeln!(self.output)?;
        }
        writeln!(self.output, "{}", summary.line())?;
        self.output.flush()
    }

    /// Prints the head and the pending rows.
    fn begin(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.pending);
        let widest = |title: &str, cell: fn(&Row) -> &str| {
            rows.iter().map(|row| cell(row).chars().count()).fold(title.len(), usize::max)
        };
        let has_schemas = rows.iter().any(|row| row.schemas.is_some());
        let columns = Columns {
            topic: widest("topic", |row| &row.topic).min(self.width / 4).max("topic".len()),
            partition: widest("partition", |row| &row.partition),
            offset: widest("offset", |row| &row.offset),
            schemas: has_schemas.then(|| widest("schemas", |row| row.schemas.as_deref().unwrap_or_default())),
            key: widest("key", |row| &row.key).min(self.width / 3).max("key".len()),
        };
        self.columns = Some(columns);
        let head = Row {
            topic: "topic".to_owned(),
            partition: "partition".to_owned(),
            offset: "offset".to_owned(),
            schemas: has_schemas.then(|| "schemas".to_owned()),
            key: "key".to_owned(),
            value: "value".to_owned(),
        };
        self.styled_row(columns, &head, Some(Style::Strong))?;
        rows.iter().try_for_each(|row| self.row(columns, row))
    }

    fn row(&mut self, columns: Columns, row: &Row) -> io::Result<()> {
        self.styled_row(columns, row, (row.value == NO_VALUE).then_some(Style::Faint))
    }

    fn styled_row(&mut self, columns: Columns, row: &Row, style: Option<Style>) -> io::Result<()> {
        let Columns { topic, partition, offset, schemas, key } = columns;
        let mut line = format!(
            "{:topic$}  {:>partition$}  {:>offset$}  ",
            cut(&row.topic, topic),
            row.partition,
            row.offset
        );
        if let Some(schemas) = schemas {
            line += &format!("{:schemas$}  ", row.schemas.as_deref().unwrap_or_default());
        }
        line += &format!("{:key$}  {}", cut(&row.key, key), row.value);
        let line = cut(&line, self.width);
        let line = line.trim_end();
        match style {
            Some(style) => writeln!(self.output, "{}", style.paint(line, self.colored)),
            None => writeln!(self.output, "{line}"),
        }
    }

    /// JSON as it fits into the table. Characters that could command a terminal are replaced.
    fn cell(&self, json: Option<&RawValue>) -> String {
        let Some(json) = json else { return NO_VALUE.to_owned() };
        let characters = json.get().chars().take(self.width.saturating_add(1));
        characters.map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
    }
}

/// The width of the table: what `COLUMNS` says, else that of the terminal that stdout is, else 160.
pub(super) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let terminal = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    columns.filter(|columns| *columns > 0).or_else(terminal).unwrap_or(160).max(MIN_WIDTH)
}

/// The beginning of a text that is too long, with a mark.
fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What stands for a key or value that is not there.
const NO_VALUE: &str = "-";
/// How many rows decide the widths of the columns.
const MEASURED: usize = 1000;
/// Narrower ones could not hold the columns in front of key and value.
const MIN_WIDTH: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Record;

    fn landed(records: &[(&str, i64, &str, Option<&str>)]) -> Landed {
        let mut landed = Landed::default();
        for (topic, offset, key, value) in records {
            let record = Record {
                topic: (*topic).to_owned(),
                partition: 0,
                offset: *offset,
                timestamp: Some(1),
                key: Some(key.as_bytes().to_vec()),
                value: value.map(|value| value.as_bytes().to_vec()),
                headers: Vec::new(),
            };
            landed.add(record).unwrap();
        }
        landed
    }

    fn printed(width: usize, records: &[(&str, i64, &str, Option<&str>)]) -> String {
        let mut output = Vec::new();
        let landed = landed(records);
        let summary = Summary::of(&landed, Duration::from_millis(1260));
        table(&mut output, landed, &Decoder::Json, width, summary, false).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_cut() {
        let records = [
            (
                "orders",
                0,
                r#"{"id":1}"#,
                Some(r#"{"id":1,"name":"Ana","note":"a long text that does not fit"}"#),
            ),
            ("orders", 10, r#"{"id":22}"#, None),
            ("st", 0, r#"{"warehouse":"a name that is far too long"}"#, Some("1")),
        ];
        let expected = "\
topic   partition  offset  key                   value
orders          0       0  {\"id\":1}              {\"id\":1,\"n…
orders          0      10  {\"id\":22}             -
st              0       0  {\"warehouse\":\"a nam…  1

3 messages in 2 topics, 121 bytes of keys and values, 1.3 s
";
        assert_eq!(printed(60, &records), expected);
        assert!(printed(200, &records).contains(r#""note":"a long text that does not fit"}"#));
    }

    #[test]
    fn nothing_landed() {
        assert_eq!(printed(80, &[]), "0 messages in 0 topics, 0 bytes of keys and values, 1.3 s\n");
    }

    #[test]
    fn no_character_commands_the_terminal() {
        let text = printed(80, &[("t", 0, "\"a\u{7f}\u{9b}31m\"", Some("\"é😀\""))]);
        assert!(text.contains("\"a\u{fffd}\u{fffd}31m\"  \"é😀\"\n"), "{text}");
    }

    #[test]
    fn rows_beyond_the_measured_ones_come_as_well() {
        let records: Vec<_> = (0..2500).map(|offset| ("t", offset, "1", Some("2"))).collect();
        let text = printed(80, &records);
        assert_eq!(text.lines().filter(|line| line.starts_with("t ")).count(), 2500);
        assert!(text.ends_with("2,500 messages in 1 topic, 5,000 bytes of keys and values, 1.3 s\n"));
    }

    #[test]
    fn schemas_are_numbered_and_named() {
        let name = |subject: Option<&str>, id| Some(SchemaName { subject: subject.map(str::to_owned), id });
        let mut message = Decoder::Json
            .decode(Record {
                topic: "t".to_owned(),
                partition: 0,
                offset: 0,
                timestamp: None,
                key: Some(b"1".to_vec()),
                value: None,
                headers: Vec::new(),
            })
            .unwrap();
        let mut output = Vec::new();
        let mut table = Table {
            output: BufWriter::new(&mut output),
            width: 80,
            colored: false,
            pending: Vec::new(),
            columns: None,
            schemas: BTreeSet::new(),
        };
        message.key_schema = name(Some("t-key"), 1);
        table.add(&message).unwrap();
        message.value_schema = name(None, 12);
        table.add(&message).unwrap();
        let (topics, messages) = (1, 2);
        table.end(Summary { topics, messages, bytes: 2, time: Duration::ZERO }).unwrap();
        let expected = "\
topic  partition  offset  schemas  key  value
t              0       0  #1 -     1    -
t              0       0  #1 #12   1    -

#1 t-key
#12 (of an unknown subject)

2 messages in 1 topic, 2 bytes of keys and values, 0.0 s
";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn a_line_of_json_for_each_message_and_nothing_else() {
        let mut output = Vec::new();
        jsonl(&mut output, landed(&[("t", 0, "1", Some("{}")), ("t", 1, "2", None)]), &Decoder::Json)
            .unwrap();
        let expected = concat!(
            r#"{"topic":"t","partition":0,"offset":0,"timestamp":1,"key":1,"value":{},"headers":{}}"#,
            "\n",
            r#"{"topic":"t","partition":0,"offset":1,"timestamp":1,"key":2,"value":null,"headers":{}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
