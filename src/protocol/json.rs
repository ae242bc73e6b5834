//! Requests and responses in JSON.
//!
//! A line is scanned by hand: which message it holds, and for a Store where its members are. Packed
//! tuples are decoded into scratch memory that the reader keeps. Any other message goes through
//! serde once the scan has found which one it is, so that a Store allocates nothing.

use std::borrow::Cow;
use std::ops::Range;
use std::str;

use serde::de::DeserializeOwned;

use super::error::At;
use super::messages::{Request, Response};
use super::reader::{Incoming, NO_MESSAGE, Store, Tuple};
use super::scan::{Nesting, Scan};
use super::{Fault, base64};

/// Memory that decoding uses again and again.
#[derive(Default)]
pub(super) struct Scratch {
    packed: Vec<u8>,
    nesting: Nesting,
}

impl Scratch {
    fn clear(&mut self) {
        self.packed.clear();
        // Tuples are short as a rule; one that was not must not keep its memory.
        self.packed.shrink_to(KEPT);
    }
}

/// The request in a line.
pub(super) fn request<'a>(line: &'a [u8], scratch: &'a mut Scratch) -> Result<Incoming<'a>, At> {
    scratch.clear();
    text(line)?;
    let mut scan = Scan::new(line);
    let mut found: Option<&'static str> = None;
    let mut members = Members::default();
    let mut more = scan.object()?;
    while more {
        scan.peek();
        let at = scan.at();
        let name = unescaped(scan.name()?);
        match MESSAGES.into_iter().find(|message| message.as_bytes() == &*name) {
            // Null is absent.
            Some(message) if scan.peek() != Some(b'n') => {
                match found {
                    Some(first) if first == message => return Err(At::new(at, Fault::Twice(message))),
                    Some(first) => {
                        let fault = Fault::Several { kind: "request", first, second: message };
                        return Err(At::new(at, fault));
                    }
                    None => found = Some(message),
                }
                if message == STORE {
                    members.read(&mut scan, scratch)?;
                } else {
                    scan.value(&mut scratch.nesting)?;
                }
            }
            _ => drop(scan.value(&mut scratch.nesting)?),
        }
        more = scan.more()?;
    }
    scan.end()?;
    match found {
        Some(STORE) => Ok(Incoming::Store(members.store(&scratch.packed))),
        Some(_) => Incoming::owned(parse::<Request>(line)?).ok_or_else(|| empty("request", line, NO_MESSAGE)),
        None => Err(empty("request", line, NO_MESSAGE)),
    }
}

/// The response in a line.
pub(super) fn response(line: &[u8]) -> Result<Response, At> {
    text(line)?;
    parse(line)
}

/// The fault of a line that has no message.
#[cold]
pub(super) fn empty(kind: &'static str, line: &[u8], expected: &'static str) -> At {
    At::new(0, Fault::Empty { kind, found: found(line).unwrap_or_default(), expected })
}

/// Says which members there are.
fn found(line: &[u8]) -> Result<String, At> {
    let mut scan = Scan::new(line);
    let mut nesting = Nesting::default();
    let mut found = String::new();
    let mut more = scan.object()?;
    for count in 0.. {
        if !more {
            break;
        }
        let name = unescaped(scan.name()?);
        if count == 8 {
            found.push_str(", and more");
            break;
        }
        found.push_str(if count == 0 { "it has member " } else { ", " });
        found.extend(String::from_utf8_lossy(&name).chars().take(LONGEST_NAME).flat_map(char::escape_debug));
        scan.value(&mut nesting)?;
        more = scan.more()?;
    }
    if found.is_empty() {
        found.push_str("it is empty");
    }
    Ok(found)
}

/// The members of a Store as they come.
#[derive(Default)]
struct Members<'a> {
    seen: [bool; 8],
    binding: u32,
    key: &'a [u8],
    key_packed: Range<usize>,
    values: &'a [u8],
    values_packed: Range<usize>,
    doc: &'a [u8],
    exists: bool,
    delete: bool,
}

impl<'a> Members<'a> {
    fn read(&mut self, scan: &mut Scan<'a>, scratch: &mut Scratch) -> Result<(), At> {
        let mut more = scan.object()?;
        while more {
            scan.peek();
            let name_at = scan.at();
            let name = unescaped(scan.name()?);
            scan.peek();
            let at = scan.at();
            let value = scan.value(&mut scratch.nesting)?;
            more = scan.more()?;
            let Some(index) = MEMBERS.iter().position(|member| member.as_bytes() == &*name) else {
                continue;
            };
            let member = MEMBERS.get(index).copied().unwrap_or_default();
            if let Some(seen) = self.seen.get_mut(index)
                && std::mem::replace(seen, true)
            {
                return Err(At::new(name_at, Fault::Twice(member)));
            }
            if value == b"null" {
                continue;
            }
            let not = |expected| At::new(at, Fault::Member { member, expected });
            match index {
                0 => self.binding = integer(value).ok_or_else(|| not("an integer of 0 to 4294967295"))?,
                1 => self.key = array(value).ok_or_else(|| not("an array"))?,
                2 => self.key_packed = packed(value, &mut scratch.packed).ok_or_else(|| not("base64"))?,
                3 => self.values = array(value).ok_or_else(|| not("an array"))?,
                4 => self.values_packed = packed(value, &mut scratch.packed).ok_or_else(|| not("base64"))?,
                5 => self.doc = value,
                6 => self.exists = boolean(value).ok_or_else(|| not("true or false"))?,
                _ => self.delete = boolean(value).ok_or_else(|| not("true or false"))?,
            }
        }
        Ok(())
    }

    fn store(self, packed: &'a [u8]) -> Store<'a> {
        let packed = |range| packed.get(range).unwrap_or_default();
        Store {
            binding: self.binding,
            key: Tuple::of(packed(self.key_packed), self.key),
            values: Tuple::of(packed(self.values_packed), self.values),
            doc: self.doc,
            exists: self.exists,
            delete: self.delete,
        }
    }
}

fn integer(value: &[u8]) -> Option<u32> {
    let digits = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    // A sign would be legal to `parse`.
    if digits.first().is_some_and(u8::is_ascii_digit) {
        str::from_utf8(digits).ok()?.parse().ok()
    } else {
        None
    }
}

fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn array(value: &[u8]) -> Option<&[u8]> {
    value.starts_with(b"[").then_some(value)
}

/// Appends the tuple that a string of base64 stands for; where it is.
fn packed(value: &[u8], packed: &mut Vec<u8>) -> Option<Range<usize>> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let from = packed.len();
    // Nobody but an encoder that escapes `/` has escapes here.
    base64::decode(&unescaped(text), packed).ok()?;
    Some(from..packed.len())
}

/// What the text between a string's quotes stands for. A text that stands for nothing (a lone
/// surrogate) stays as it is, and so is unlike anything that is expected.
#[inline]
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let quoted = [b"\"", text, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(text),
    }
}

fn text(line: &[u8]) -> Result<(), At> {
    match str::from_utf8(line) {
        Ok(_) => Ok(()),
        Err(error) => Err(At::new(error.valid_up_to(), Fault::Utf8)),
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, At> {
    serde_json::from_slice(line).map_err(|error| {
        // Columns count from one, and there is but one line.
        At::new(error.column().saturating_sub(1), Fault::Form(reason(&error.to_string())))
    })
}

/// What serde says of a line, without its position, which is ours to say, and without strings from
/// the line, which may be secret and of any length.
fn reason(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(reason, _)| reason);
    for (of, instead) in [("string \"", "a string"), ("character `", "a character")] {
        if let Some((before, rest)) = message.split_once(of)
            && let Some((_, after)) = rest.rsplit_once(", expected ")
        {
            return format!("{before}{instead}, expected {after}");
        }
    }
    message.chars().take(LONGEST_REASON).collect()
}

const STORE: &str = "store";

const MESSAGES: [&str; 9] =
    ["store", "spec", "validate", "apply", "open", "load", "flush", "startCommit", "acknowledge"];

const MEMBERS: [&str; 8] =
    ["binding", "key", "keyPacked", "values", "valuesPacked", "doc", "exists", "delete"];

/// Bytes of scratch memory that are kept from one Store to the next.
const KEPT: usize = 1 << 20;

/// Characters of a member's name that an error prints.
const LONGEST_NAME: usize = 64;

/// Characters of what serde says that an error prints.
const LONGEST_REASON: usize = 200;

#[cfg(test)]
mod tests;
