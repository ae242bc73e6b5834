//! What of a document goes beside its key and value: the time of its record, and texts for headers.
//!
//! Only bindings that ask for it have a plan of this kind. It reads the sides of a Store once more, and of them keeps the fields that
//! are asked for.

use bumpalo::Bump;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

use super::element::{Element, Elements};
use super::error::{Error, Part};
use super::fields::{Selection, read_fields};
use super::{Document, Fields, Layout, Scratch};

/// Which fields are read for what, by the places that they have in a Store.
#[derive(Debug, Clone)]
pub struct AnnotationPlan {
    keys: Vec<String>,
    values: Vec<String>,
    wanted: [Option<Place>; WANTED],
}

/// Names of the fields that are read, where something is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The operation.
    pub operation: Option<&'a str>,
    /// When the document was published.
    pub published_at: Option<&'a str>,
    /// The record's time.
    pub timestamp: Option<&'a str>,
}

/// What goes beside a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// Its operation: `c`, `u` or `d`; none where its field holds something else.
    pub operation: Option<&'a str>,
    /// When it was published, as the runtime writes it.
    pub published_at: Option<&'a str>,
    /// Milliseconds since 1970 for its record; none where the time of sending is to be taken.
    pub timestamp: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key(usize),
    Value(usize),
}

impl AnnotationPlan {
    /// A plan for a binding of these fields; none of the wanted ones is missing.
    ///
    /// # Errors
    ///
    /// The name of a field that is wanted and not selected.
    pub fn new<'a>(layout: &Layout<'_>, wanted: &Wanted<'a>) -> Result<Self, &'a str> {
        let place = |field: Option<&'a str>| {
            let Some(field) = field else { return Ok(None) };
            let of = |names: &[String]| names.iter().position(|name| name == field);
            let place = of(layout.keys).map(Place::Key).or_else(|| of(layout.values).map(Place::Value));
            place.map(Some).ok_or(field)
        };
        Ok(Self {
            keys: layout.keys.to_vec(),
            values: layout.values.to_vec(),
            wanted: [place(wanted.operation)?, place(wanted.published_at)?, place(wanted.timestamp)?],
        })
    }

    /// What goes beside a document that has been encoded.
    ///
    /// # Errors
    ///
    /// The Store is malformed; the record's time is to be taken of a value that is none.
    pub fn read<'a>(&self, document: &Document<'a>, scratch: &'a Scratch) -> Result<Annotation<'a>, Error> {
        let keys = Selection { part: Part::Key, names: &self.keys };
        let values = Selection { part: Part::Values, names: &self.values };
        let mut found = [Element::Null; WANTED];
        self.pick(document.key, keys, Place::Key, &scratch.arena, &mut found)?;
        let is_empty = matches!(document.values, Fields::Packed([]) | Fields::Json([]));
        if !(document.delete && is_empty) {
            self.pick(document.values, values, Place::Value, &scratch.arena, &mut found)?;
        }
        let [operation, published_at, timestamp] = found;
        let operation = match operation {
            _ if document.delete => Some("d"),
            Element::String(text @ ("c" | "u" | "d")) => Some(text),
            _ => None,
        };
        let published_at = match published_at {
            Element::String(text) if text.len() <= LONGEST_TIME => Some(text),
            _ => None,
        };
        let timestamp = match self.wanted[2] {
            Some(place) => self.timestamp(place, timestamp)?,
            None => None,
        };
        Ok(Annotation { operation: operation.filter(|_| self.wanted[0].is_some()), published_at, timestamp })
    }

    /// Puts those elements of a side that are wanted to their places in `found`.
    fn pick<'a>(
        &self,
        fields: Fields<'a>,
        selection: Selection<'_>,
        side: fn(usize) -> Place,
        arena: &'a Bump,
        found: &mut [Element<'a>; WANTED],
    ) -> Result<(), Error> {
        if !(0..selection.names.len()).any(|index| self.wanted.contains(&Some(side(index)))) {
            return Ok(());
        }
        let mut picking = Picking { wanted: &self.wanted, side, next: 0, found };
        read_fields(fields, selection, arena, &mut picking)
    }

    /// Milliseconds since 1970; none for null, and for times before, which Kafka does not have.
    fn timestamp(&self, place: Place, element: Element<'_>) -> Result<Option<i64>, Error> {
        let (time, shown) = match element {
            Element::Null => return Ok(None),
            Element::Unsigned(number) => (i64::try_from(number).ok(), number.to_string()),
            Element::Negative(_) => return Ok(None),
            Element::String(text) => (milliseconds(text), text.to_owned()),
            Element::Bool(value) => (None, value.to_string()),
            Element::Float(number) if number < 0.0 => return Ok(None),
            Element::Float(number) => (whole(number), number.to_string()),
            Element::Json(text) => (None, text.to_owned()),
        };
        let name = || match place {
            Place::Key(index) => self.keys[index].clone(),
            Place::Value(index) => self.values[index].clone(),
        };
        match time {
            Some(time) => Ok((time > 0).then_some(time)),
            None => Err(Error::NoTime { field: name(), value: shown.chars().take(SHOWN).collect() }),
        }
    }
}

/// Milliseconds since 1970, of a date-time or of whole milliseconds.
fn milliseconds(text: &str) -> Option<i64> {
    let of_time = || text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    text.parse().ok().or_else(of_time).or_else(|| of_the_last_days(text))
}

/// Of the calendar's last days, which may be over in every time zone: 9999-12-31 stands for "for ever" in many a database.
fn of_the_last_days(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let time = pieces.time()?.on(pieces.date().year(), pieces.date().month(), pieces.date().day());
    let since = time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    i64::try_from(since.as_millis()).ok()?.checked_sub(i64::from(offset.seconds()) * 1000)
}

/// A whole number: by JSON Schema an integer may be written with a fraction of zero.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
    (number.fract() == 0.0 && number.abs() < 9.0e18).then_some(number as i64)
}

/// Keeps the elements of one side that are wanted.
struct Picking<'p, 'a> {
    wanted: &'p [Option<Place>; WANTED],
    side: fn(usize) -> Place,
    /// Index of the element that comes next.
    next: usize,
    found: &'p mut [Element<'a>; WANTED],
}

impl<'a> Elements<'a> for Picking<'_, 'a> {
    fn push(&mut self, element: Element<'a>) {
        let place = Some((self.side)(self.next));
        for (wanted, found) in self.wanted.iter().zip(&mut *self.found) {
            if *wanted == place {
                *found = element;
            }
        }
        self.next += 1;
    }

    fn push_plain(&mut self, text: &'a [u8]) {
        let text = simdutf8::basic::from_utf8(text).expect("plain text is ASCII");
        self.push(Element::String(text));
    }
}

/// Operation, time of publication, the record's time.
const WANTED: usize = 3;
/// Bytes of a date-time, with much to spare.
const LONGEST_TIME: usize = 64;
/// Characters of a value that an error shows.
const SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn plan(timestamp: &str) -> AnnotationPlan {
        let (keys, values) = (names(&["id"]), names(&["_meta/op", "at", "flow_published_at"]));
        let layout = Layout { keys: &keys, values: &values, document: None };
        let wanted = Wanted {
            operation: Some("_meta/op"),
            published_at: Some("flow_published_at"),
            timestamp: Some(timestamp),
        };
        AnnotationPlan::new(&layout, &wanted).unwrap()
    }

    fn document<'a>(key: &'a str, values: &'a str, delete: bool) -> Document<'a> {
        Document {
            key: Fields::Json(key.as_bytes()),
            values: Fields::Json(values.as_bytes()),
            doc: b"",
            delete,
        }
    }

    #[test]
    fn fields_are_found_on_both_sides() {
        let scratch = Scratch::default();
        let values = r#"["u","2026-01-31T00:00:00.5Z","2026-02-01T00:00:00.000000000Z"]"#;
        let expected = Annotation {
            operation: Some("u"),
            published_at: Some("2026-02-01T00:00:00.000000000Z"),
            timestamp: Some(1_769_817_600_500),
        };
        let document = document("[17]", values, false);
        assert_eq!(plan("at").read(&document, &scratch), Ok(expected));
        for (value, expected) in [
            ("1700000000000.0", 1_700_000_000_000),
            ("1.7e12", 1_700_000_000_000),
            ("\"9999-12-31T23:59:59.999Z\"", 253_402_300_799_999),
            ("\"9999-12-31T23:59:59-12:30\"", 253_402_345_799_000),
        ] {
            let values = format!("[null,{value},null]");
            let annotation = plan("at").read(&self::document("[17]", &values, false), &scratch);
            assert_eq!(annotation.map(|annotation| annotation.timestamp), Ok(Some(expected)), "{value}");
        }
        let of_key = plan("id").read(&document, &scratch).unwrap();
        assert_eq!(of_key, Annotation { timestamp: Some(17), ..expected });
    }

    #[test]
    fn what_is_null_before_1970_or_deleted_has_the_time_of_sending() {
        let scratch = Scratch::default();
        for (values, operation, published_at) in [
            (r#"["c",null,null]"#, Some("c"), None),
            (r#"["x",-5,"1970-01-01T01:00:00Z"]"#, None, Some("1970-01-01T01:00:00Z")),
            (r#"[null,"1969-12-31T23:59:59Z",7]"#, None, None),
            (r#"[null,-0.5,7]"#, None, None),
        ] {
            let expected = Annotation { operation, published_at, timestamp: None };
            assert_eq!(plan("at").read(&document("[1]", values, false), &scratch), Ok(expected), "{values}");
        }
        let deleted = plan("at").read(&document("[1]", "", true), &scratch);
        assert_eq!(deleted, Ok(Annotation { operation: Some("d"), ..Annotation::default() }));
    }

    #[test]
    fn what_is_no_time_is_an_error_with_its_field() {
        let scratch = Scratch::default();
        for (value, shown) in [
            ("\"soon\"", "soon"),
            ("1.5", "1.5"),
            ("2e19", "20000000000000000000"),
            ("\"9999-12-31T23:59:59\"", "9999-12-31T23:59:59"),
            ("true", "true"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let values = format!("[\"c\",{value},null]");
            let error = plan("at").read(&document("[1]", &values, false), &scratch).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "field \"at\": the value {shown} is no point in time, and the record's timestamp is taken of it: \
                     expected a date-time such as 2026-01-31T00:00:00Z, or whole milliseconds since 1970; correct the \
                     documents, or name another field in timestamp"
                )
            );
        }
        assert_eq!(milliseconds("1700000000000"), Some(1_700_000_000_000));
    }

    #[test]
    fn a_field_that_is_not_selected_is_named() {
        let layout = Layout { keys: &[], values: &[], document: None };
        let wanted = Wanted { timestamp: Some("at"), ..Wanted::default() };
        assert_eq!(AnnotationPlan::new(&layout, &wanted).unwrap_err(), "at");
    }
}
