//! Reads a fixture: documents of collections, and the ends of transactions.
//!
//! A fixture is read as it is needed; no more than one line, or one document of the older format,
//! is held.

use std::io::{BufRead, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::Error;

/// A fixture that is being read.
#[derive(Debug)]
pub struct Fixture<R> {
    name: String,
    input: R,
    /// The line that is being read, from 1.
    line: u64,
    format: Format,
    /// The text of one line or document.
    text: Vec<u8>,
}

/// What a fixture consists of.
#[derive(Debug)]
pub(super) enum Entry {
    /// A document of a collection.
    Document {
        /// The line where it begins.
        line: u64,
        collection: String,
        document: Box<RawValue>,
    },
    /// The end of a transaction.
    Commit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Nothing has been read yet.
    Unknown,
    /// A value on each line.
    Lines,
    /// One array of transactions; between them.
    Transactions { first: bool },
    /// One array of transactions; inside of one.
    Documents { first: bool },
    /// One array of transactions, and its end has been read.
    Ended,
}

impl<R: BufRead> Fixture<R> {
    /// Reads a fixture, which messages call `name`.
    pub fn new(name: impl Into<String>, input: R) -> Self {
        Self { name: name.into(), input, line: 1, format: Format::Unknown, text: Vec::new() }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next document or end of a transaction; none at the end of the fixture.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            match self.format {
                Format::Unknown => self.recognise()?,
                Format::Lines => return self.next_line(),
                Format::Transactions { first } => match self.element(first)? {
                    Some(b'[') => {
                        self.bump();
                        self.format = Format::Documents { first: true };
                    }
                    Some(_) => {
                        return Err(self.fault(self.line, "expected a transaction: a list of documents"));
                    }
                    None => self.format = Format::Ended,
                },
                Format::Documents { first } => match self.element(first)? {
                    Some(_) => {
                        self.format = Format::Documents { first: false };
                        return self.document().map(Some);
                    }
                    None => {
                        self.format = Format::Transactions { first: false };
                        return Ok(Some(Entry::Commit));
                    }
                },
                Format::Ended => {
                    return match self.peek_token()? {
                        None => Ok(None),
                        Some(_) => {
                            Err(self.fault(self.line, "expected nothing after the list of transactions"))
                        }
                    };
                }
            }
        }
    }

    /// An error that is found later in a document that began at `line`.
    pub(super) fn fault(&self, line: u64, reason: impl Into<String>) -> Error {
        Error::FixtureLine { fixture: self.name.clone(), line, reason: reason.into() }
    }

    /// Tells the formats apart: `[[` or `[]` begins the list of transactions.
    fn recognise(&mut self) -> Result<(), Error> {
        self.format = Format::Lines;
        if self.peek_token()? != Some(b'[') {
            return Ok(());
        }
        self.text.clear();
        self.bump();
        self.text.push(b'[');
        let line = self.line;
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek()? {
            self.bump();
            if byte == b'\n' {
                self.line += 1;
            }
        }
        if matches!(self.peek()?, Some(b'[' | b']')) {
            self.format = Format::Transactions { first: true };
        } else if self.line > line {
            return Err(self.fault(line, EXPECTED));
        }
        Ok(())
    }

    /// An entry of the format of lines. `text` may hold the beginning of the first one.
    fn next_line(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            let line = self.line;
            let room = u64::try_from(MAX_TEXT - self.text.len().min(MAX_TEXT)).unwrap_or(u64::MAX);
            let read = (&mut self.input).take(room).read_until(b'\n', &mut self.text);
            read.map_err(|source| Error::ReadFixture { fixture: self.name.clone(), line, source })?;
            if self.text.is_empty() {
                return Ok(None);
            }
            if !self.text.ends_with(b"\n") && self.text.len() >= MAX_TEXT {
                return Err(self.fault(line, TOO_LONG));
            }
            self.line += 1;
            let entry = match self.text.trim_ascii().first() {
                None => None,
                Some(b'[') => Some(self.parse_document(line)),
                Some(b'{') => Some(self.parse_marker(line)),
                Some(_) => Some(Err(self.fault(line, EXPECTED))),
            };
            self.text.clear();
            if let Some(entry) = entry {
                return entry.map(Some);
            }
        }
    }

    fn parse_document(&self, line: u64) -> Result<Entry, Error> {
        let parsed = serde_json::from_slice::<(String, Box<RawValue>)>(&self.text);
        match parsed {
            Ok((collection, document)) => Ok(Entry::Document { line, collection, document }),
            Err(error) => Err(self.fault(line, format!("{EXPECTED}: {}", reason(&error)))),
        }
    }

    fn parse_marker(&self, line: u64) -> Result<Entry, Error> {
        #[derive(Deserialize)]
        struct Marker {
            // An early version wrote `ack`.
            #[serde(alias = "ack")]
            commit: bool,
        }
        match serde_json::from_slice::<Marker>(&self.text) {
            Ok(Marker { commit: true }) => Ok(Entry::Commit),
            Ok(Marker { commit: false }) => Err(self.fault(line, EXPECTED)),
            Err(error) => Err(self.fault(line, format!("{EXPECTED}: {}", reason(&error)))),
        }
    }

    /// A document of the older format, which begins here.
    fn document(&mut self) -> Result<Entry, Error> {
        let line = self.line;
        self.text.clear();
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                return Err(self.fault(line, "the fixture ends inside of a document"));
            };
            self.bump();
            self.text.push(byte);
            match byte {
                b'\n' => self.line += 1,
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'[' | b'{' if !quoted => depth += 1,
                b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !quoted {
                return self.parse_document(line);
            }
            if self.text.len() >= MAX_TEXT {
                return Err(self.fault(line, TOO_LONG));
            }
        }
    }

    /// The first byte of the next element of a list that is open; none if the list ends here.
    fn element(&mut self, first: bool) -> Result<Option<u8>, Error> {
        match self.peek_token()? {
            Some(b']') => {
                self.bump();
                return Ok(None);
            }
            Some(b',') if !first => self.bump(),
            Some(byte) if first => return Ok(Some(byte)),
            Some(_) => return Err(self.fault(self.line, "expected \",\" or \"]\"")),
            None => return Err(self.fault(self.line, "the fixture ends inside of a list")),
        }
        match self.peek_token()? {
            Some(byte @ (b'[' | b'"' | b'{')) => Ok(Some(byte)),
            _ => Err(self.fault(self.line, "expected another element after \",\"")),
        }
    }

    /// The next byte that is no white space.
    fn peek_token(&mut self) -> Result<Option<u8>, Error> {
        loop {
            match self.peek()? {
                Some(b'\n') => self.line += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                other => return Ok(other),
            }
            self.bump();
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, Error> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::ReadFixture { fixture: self.name.clone(), line: self.line, source });
                }
            }
        }
    }

    /// Goes past the byte that was peeked.
    fn bump(&mut self) {
        self.input.consume(1);
    }
}

/// What serde_json says, with the column in place of its own line number.
fn reason(error: &serde_json::Error) -> String {
    format!("{} (column {})", without_place(error), error.column())
}

/// What serde_json says, without the place.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

const EXPECTED: &str = "expected [\"collection\", {document}] or {\"commit\": true}";
/// Longer than any document that a runtime takes: 64 MiB, and room for white space.
const MAX_TEXT: usize = 96 << 20;
const TOO_LONG: &str = "longer than 96 MiB, which no document can be";

#[cfg(test)]
mod tests;
