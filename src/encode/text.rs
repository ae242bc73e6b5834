//! Strings as JSON text, and the scans that tell what can be copied as it is.
//!
//! Everything here works on words of eight bytes and blocks of 64, without `unsafe`: the block tests
//! are loops that the compiler turns into vector instructions.

use super::sink::Sink;

/// Writes `text` as a JSON string: `"`, `\` and what is below 0x20 escaped, all else as it is.
#[inline]
pub(super) fn write_string(text: &str, out: &mut impl Sink) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Writes `text` as the inside of a JSON string.
pub(super) fn write_escaped(text: &str, out: &mut impl Sink) {
    let mut rest = text.as_bytes();
    while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>() {
        if needs_no_escape(block) {
            out.put_prefix(block, BLOCK);
        } else {
            escape_block(block, out);
        }
        rest = tail;
    }
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        escape_word(u64::from_le_bytes(*word), 8, out);
        rest = tail;
    }
    if !rest.is_empty() {
        let mut word = [b' '; 8];
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        escape_word(u64::from_le_bytes(word), rest.len(), out);
    }
}

/// How many bytes from the start on are plain: ASCII from 0x20 up, neither `"` nor `\`. Such text is
/// valid UTF-8 and stands in JSON as it is.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // A long text deserves the blocks; most texts end within a few words.
    for _ in 0..8 {
        let Some((word, tail)) = rest.split_first_chunk::<8>() else {
            return bytes.len() - rest.len() + plain_tail(rest);
        };
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return bytes.len() - rest.len() + first(stops);
        }
        rest = tail;
    }
    plain_blocks(bytes, rest)
}

fn plain_blocks(bytes: &[u8], mut rest: &[u8]) -> usize {
    while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>() {
        if !is_plain(block) {
            break;
        }
        rest = tail;
    }
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return bytes.len() - rest.len() + first(stops);
        }
        rest = tail;
    }
    bytes.len() - rest.len() + plain_tail(rest)
}

fn plain_tail(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| !matches!(byte, 0x20..=0x7f if *byte != b'"' && *byte != b'\\'))
        .unwrap_or(rest.len())
}

/// Marks, by its highest bit, each byte of `word` that a JSON string must escape.
#[inline]
pub(super) fn specials(word: u64) -> u64 {
    unescaped_ascii(word) & !word & splat(0x80)
}

/// Marks, by its highest bit, each byte of `word` that is a control character.
#[inline]
fn controls(word: u64) -> u64 {
    !((word & splat(0x7f)) + splat(0x80 - 0x20)) & !word & splat(0x80)
}

/// Marks, by its highest bit, each byte of `word` that is not plain.
#[inline]
fn stops(word: u64) -> u64 {
    (unescaped_ascii(word) | word) & splat(0x80)
}

/// Sets the highest bit of each byte whose lower seven are a control character, `"` or `\`. Exact for
/// every byte: no sum carries into the next.
#[inline]
fn unescaped_ascii(word: u64) -> u64 {
    let low = word & splat(0x7f);
    // `"` is 0x22. With bit 1 flipped it is 0x20, next to the control characters, and no other
    // character joins them.
    let low_or_quote = !((low ^ splat(0x02)) + splat(0x7f - 0x20));
    let backslash = !((low ^ splat(b'\\')) + splat(0x7f));
    low_or_quote | backslash
}

/// Index of the first byte that is marked.
#[inline]
pub(super) fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[inline]
fn needs_no_escape(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(0, |seen, &byte| seen | u8::from(((byte ^ 0x02) <= 0x20) | (byte == b'\\'))) == 0
}

/// As signed bytes, those from 0x80 up are below the control characters: one comparison for both.
#[inline]
fn is_plain(block: &[u8; BLOCK]) -> bool {
    block
        .iter()
        .fold(0, |seen, &byte| seen | u8::from(((byte ^ 0x02).cast_signed() <= 0x20) | (byte == b'\\')))
        == 0
}

/// Writes the first `len` bytes of `word`, lowest first, escaped; the others must need no escape.
#[inline]
fn escape_word(mut word: u64, mut len: usize, out: &mut impl Sink) {
    let mut marks = specials(word);
    while marks != 0 {
        let before = first(marks);
        out.put_prefix(&word.to_le_bytes(), before);
        word >>= 8 * before;
        write_escape(word.to_le_bytes()[0], out);
        word >>= 8;
        // Two shifts, since one of 64 bits is none.
        marks = (marks >> (8 * before)) >> 8;
        len -= before + 1;
    }
    out.put_prefix(&word.to_le_bytes(), len);
}

/// Writes a block that needs escapes. Few bytes lie between two of its quotes and backslashes as a rule: a
/// copy of constant size for each such run, into an array first, takes a third less time than a loop over
/// bytes or words does (`tuple_to_json/nested2k` of `benches/micro`).
#[inline]
fn escape_block(block: &[u8; BLOCK], out: &mut impl Sink) {
    let mut marks = 0;
    let mut control = 0;
    for (i, word) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        control |= controls(word);
        // The highest bits of the bytes, gathered into one byte.
        marks |= ((specials(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    if control != 0 {
        for word in block.as_chunks::<8>().0 {
            escape_word(u64::from_le_bytes(*word), 8, out);
        }
        return;
    }
    let mut source = [0; BLOCK + RUN];
    source[..BLOCK].copy_from_slice(block);
    let mut text = [0; 2 * BLOCK + RUN];
    let mut len = 0;
    let mut start = 0;
    while marks != 0 {
        let end = marks.trailing_zeros() as usize;
        marks &= marks - 1;
        copy_run(&source, start, &mut text, len);
        while end - start > RUN {
            start += RUN;
            len += RUN;
            copy_run(&source, start, &mut text, len);
        }
        len += end - start;
        text[len % (2 * BLOCK)] = b'\\';
        len += 1;
        start = end;
    }
    copy_run(&source, start, &mut text, len);
    while BLOCK - start > RUN {
        start += RUN;
        len += RUN;
        copy_run(&source, start, &mut text, len);
    }
    len += BLOCK - start;
    out.put_prefix(&text, len);
}

/// Copies the run that begins at `from`, and what follows it up to `RUN` bytes.
#[inline]
fn copy_run(source: &[u8; BLOCK + RUN], from: usize, text: &mut [u8; 2 * BLOCK + RUN], to: usize) {
    text[to % (2 * BLOCK)..][..RUN].copy_from_slice(&source[from % BLOCK..][..RUN]);
}

#[inline]
fn write_escape(byte: u8, out: &mut impl Sink) {
    match byte {
        0x20.. => out.put_prefix(&[b'\\', byte], 2),
        0x08 => out.put_prefix(b"\\b", 2),
        b'\t' => out.put_prefix(b"\\t", 2),
        b'\n' => out.put_prefix(b"\\n", 2),
        0x0c => out.put_prefix(b"\\f", 2),
        b'\r' => out.put_prefix(b"\\r", 2),
        _ => {
            let digit = b"0123456789abcdef"[usize::from(byte & 0x0f)];
            out.put_prefix(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), digit], 6);
        }
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Bytes that are copied together between escapes.
const RUN: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn obvious(text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{8}' => out.push_str("\\b"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\u{c}' => out.push_str("\\f"),
                '\r' => out.push_str("\\r"),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
        out
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).expect("escapes keep UTF-8 whole")
    }

    #[test]
    fn strings_escape_quotes_backslashes_and_control_characters_only() {
        assert_eq!(
            written("a\"b\\c/\u{8}\t\n\u{c}\r\u{0}\u{1f}\u{7f}<>&'\u{2028}😀"),
            "\"a\\\"b\\\\c/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}<>&'\u{2028}😀\""
        );
        assert_eq!(written(""), "\"\"");
    }

    #[test]
    fn every_byte_is_classified_at_every_place() {
        for byte in 0..=u8::MAX {
            let special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for place in 0..8 {
                let mut word = [b'a'; 8];
                word[place] = byte;
                let marks = specials(u64::from_le_bytes(word));
                assert_eq!(marks, if special { 0x80 << (8 * place) } else { 0 }, "{byte:#x} at {place}");
            }
            for (place, len) in
                [(0, 1), (3, 4), (9, 200), (63, 64), (64, 65), (70, 72), (127, 300), (199, 200)]
            {
                let mut text = vec![b'a'; len];
                text[place] = byte;
                let expected = if special || byte >= 0x80 { place } else { len };
                assert_eq!(plain_len(&text), expected, "{byte:#x} at {place} of {len}");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of texts: minutes in Miri")]
    fn blocks_are_escaped_wherever_their_specials_lie() {
        for special in ["\"", "\\", "\n", "\u{1f}"] {
            for first in 0..64 {
                for second in first..64 {
                    let mut text = "a".repeat(70);
                    text.replace_range(first..=first, special);
                    text.replace_range(second..=second, special);
                    assert_eq!(written(&text), obvious(&text));
                }
            }
            let all = special.repeat(130);
            assert_eq!(written(&all), obvious(&all));
        }
    }

    proptest! {
        #[test]
        fn strings_are_written_as_the_obvious_way_does(
            parts in prop::collection::vec(prop_oneof!["[a-z]{0,80}", "[\u{0}-\u{24}\\\\é😀\u{7f}]{0,6}"], 0..8)
        ) {
            let text = parts.concat();
            prop_assert_eq!(written(&text), obvious(&text));
            let plain = text.bytes().take_while(|b| (0x20..0x80).contains(b) && !b"\"\\".contains(b)).count();
            prop_assert_eq!(plain_len(text.as_bytes()), plain);
        }
    }
}
