//! The array form of a side of a Store to elements: the text of a JSON array with a value per field.

use bumpalo::Bump;
use bumpalo::collections::String as BumpString;

use super::element::{Element, Elements};
use super::error::{Error, Fault};
use super::fields::Selection;
use super::number::read_number;
use super::scan::{Passed, Scanner};
use super::text::plain_len;

/// Reads `text`, which must be an array of one value per selected field.
pub(super) fn read_array<'a>(
    text: &'a [u8],
    selection: Selection<'_>,
    arena: &'a Bump,
    out: &mut impl Elements<'a>,
) -> Result<(), Error> {
    let syntax = |fault| Error::FieldsSyntax { part: selection.part, fault };
    let text = std::str::from_utf8(text)
        .map_err(|error| syntax(Fault { offset: error.valid_up_to(), what: "invalid UTF-8" }))?;
    let mut scanner = Scanner::new(text);
    scanner.space();
    if !scanner.eat(b'[') {
        return Err(syntax(scanner.fault("no array")));
    }
    scanner.space();
    let mut count = 0;
    if !scanner.eat(b']') {
        loop {
            if count == selection.names.len() {
                return Err(selection.too_many());
            }
            scanner.space();
            read_value(&mut scanner, arena, out).map_err(syntax)?;
            count += 1;
            scanner.space();
            if scanner.eat(b']') {
                break;
            }
            if !scanner.eat(b',') {
                return Err(syntax(scanner.fault("expected a comma or the end of the array")));
            }
        }
    }
    scanner.end().map_err(syntax)?;
    selection.complete(count)
}

fn read_value<'a>(
    scanner: &mut Scanner<'a>,
    arena: &'a Bump,
    out: &mut impl Elements<'a>,
) -> Result<(), Fault> {
    let start = *scanner;
    match scanner.peek() {
        Some(b'"') => {
            let rest = scanner.text.as_bytes().get(scanner.at + 1..).unwrap_or_default();
            let len = plain_len(rest);
            if rest.get(len) == Some(&b'"') {
                scanner.at += len + 2;
                out.push_plain(rest.get(..len).unwrap_or_default());
                return Ok(());
            }
            let Passed { raw, escaped } = scanner.string()?;
            out.push(Element::String(if escaped { unescape(raw, arena) } else { raw }));
        }
        Some(b'-' | b'0'..=b'9') => {
            let number = scanner.number()?;
            let value = read_number(number);
            out.push(value.ok_or_else(|| start.fault("number beyond the range of a 64-bit float"))?);
        }
        Some(b'{' | b'[') => {
            scanner.value()?;
            out.push(Element::Json(scanner.since(start.at)));
        }
        Some(b't') => {
            scanner.word("true")?;
            out.push(Element::Bool(true));
        }
        Some(b'f') => {
            scanner.word("false")?;
            out.push(Element::Bool(false));
        }
        Some(b'n') => {
            scanner.word("null")?;
            out.push(Element::Null);
        }
        _ => return Err(scanner.fault("expected a value")),
    }
    Ok(())
}

/// The string that `raw` stands for, whose escapes have been checked.
fn unescape<'a>(raw: &str, arena: &'a Bump) -> &'a str {
    let mut unescaped = BumpString::with_capacity_in(raw.len(), arena);
    let mut scanner = Scanner::new(raw);
    while let Some(run) = memchr::memchr(b'\\', raw.get(scanner.at..).unwrap_or_default().as_bytes()) {
        let start = scanner.at;
        scanner.at += run;
        unescaped.push_str(scanner.since(start));
        if let Ok(c) = scanner.escape() {
            unescaped.push(c);
        }
    }
    unescaped.push_str(raw.get(scanner.at..).unwrap_or_default());
    unescaped.into_bump_str()
}

#[cfg(test)]
mod tests {
    use super::super::error::Part;
    use super::*;

    fn read<'a>(text: &'a str, count: usize, arena: &'a Bump) -> Result<Vec<Element<'a>>, String> {
        let names: Vec<String> = (0..count).map(|i| format!("f{i}")).collect();
        let mut out = Vec::new();
        read_array(text.as_bytes(), Selection { part: Part::Key, names: &names }, arena, &mut out)
            .map(|()| out)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let arena = Bump::new();
        let text = r#" [ null,true , false,0,18446744073709551615,-1,-9223372036854775808,18446744073709551616,
            1e2,-0,"", "plain","é","a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000z\\",{"a" : ["]"]},[ ],[[1],{}] ] "#;
        let elements = read(text, 17, &arena).expect("well-formed");
        assert!(matches!(elements[9], Element::Float(zero) if zero.is_sign_negative()));
        assert_eq!(
            elements,
            [
                Element::Null,
                Element::Bool(true),
                Element::Bool(false),
                Element::Unsigned(0),
                Element::Unsigned(u64::MAX),
                Element::Negative(-1),
                Element::Negative(i64::MIN),
                Element::Float(18_446_744_073_709_551_616.0),
                Element::Float(100.0),
                Element::Float(-0.0),
                Element::String(""),
                Element::String("plain"),
                Element::String("é"),
                Element::String("a\"\\/\u{8}\u{c}\n\r\té😀\0z\\"),
                Element::Json("{\"a\" : [\"]\"]}"),
                Element::Json("[ ]"),
                Element::Json("[[1],{}]"),
            ]
        );
        assert_eq!(read("[]", 0, &arena), Ok(vec![]));
        assert_eq!(read("\n[ ]\t", 0, &arena), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let arena = Bump::new();
        for (text, fault) in [
            ("{}", "no array at byte 0"),
            (" ", "no array at byte 1"),
            ("[1", "expected a comma or the end of the array at byte 2"),
            ("[1,", "expected a value at byte 3"),
            ("[1,]", "expected a value at byte 3"),
            ("[1,2] 3", "trailing text at byte 6"),
            ("[nul,2]", "expected a value at byte 1"),
            ("[1e400,2]", "number beyond the range of a 64-bit float at byte 1"),
            ("[\"\\ud800\",2]", "lone surrogate in a string at byte 2"),
            ("[\"\n\",2]", "unescaped control character in a string at byte 2"),
            ("[\"a,2]", "unterminated string at byte 6"),
            ("[{]},2]", "expected a member name at byte 2"),
        ] {
            let expected =
                format!("reading the key fields: expected a JSON array with a value per field, {fault}");
            assert_eq!(read(text, 2, &arena), Err(expected), "{text}");
        }
        assert_eq!(
            read("[1,2]", 1, &arena),
            Err("reading the key fields: expected 1 element (f0), found more; the field selection of Open and \
                 the Store disagree"
                .to_owned())
        );
        assert!(read("[1]", 2, &arena).is_err_and(|error| error.contains("found 1;")));
        let names = ["a".to_owned()];
        let selection = Selection { part: Part::Key, names: &names };
        assert_eq!(
            read_array(b"[\"\xff\"]", selection, &arena, &mut Vec::<Element<'_>>::new()),
            Err(Error::FieldsSyntax { part: Part::Key, fault: Fault { offset: 2, what: "invalid UTF-8" } })
        );
    }
}
