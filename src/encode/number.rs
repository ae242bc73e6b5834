//! Numbers as text: the one form that messages use, and the values that JSON texts stand for.

use super::element::Element;
use super::sink::Sink;

/// Writes a float in its shortest form that reads back as the same, as `ryu` has it: plain notation with
/// `.0` kept for `1e-5 <= |v| < 1e16`, else `d.ddde±x` without `+`. JSON has no NaN and no infinity: `null`.
#[inline]
pub(super) fn write_float(value: f64, out: &mut impl Sink) {
    if let Some(scaled) = four_decimals(value.abs()) {
        write_decimals(value.is_sign_negative(), scaled, out);
    } else {
        write_shortest(value, out);
    }
}

fn write_shortest(value: f64, out: &mut impl Sink) {
    if value.is_finite() {
        out.put(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.put(b"null");
    }
}

/// `magnitude` times 10,000, where it is the float nearest to a decimal of at most 15 digits, four of them
/// behind the point: amounts, and most other numbers that people write.
///
/// No two decimals of at most 15 digits have one nearest float, so such a decimal, without its trailing
/// zeros, is the shortest that reads back as the same. This takes a third of the time of the search for any
/// other (`tuple_to_json/flat128` of `benches/micro`).
#[inline]
fn four_decimals(magnitude: f64) -> Option<u64> {
    if magnitude >= 1e11 || magnitude.is_nan() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounds a number from zero up and below 1e15; what is wrong is found out next"
    )]
    let scaled = (magnitude * 1e4 + 0.5) as i64;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let exact = scaled as f64;
    // Both sides of the division are exact: it gives the nearest float to the decimal.
    (exact / 1e4 == magnitude).then_some(scaled.cast_unsigned())
}

#[inline]
fn write_decimals(negative: bool, scaled: u64, out: &mut impl Sink) {
    if negative {
        out.push(b'-');
    }
    let (whole, rest) = (scaled / 10_000, (scaled % 10_000) as u32);
    write_integer(whole, out);
    let (high, low) = (rest / 100, rest % 100);
    let digit = |digit: u32| b"0123456789"[(digit % 10) as usize];
    let text = [b'.', digit(high / 10), digit(high), digit(low / 10), digit(low)];
    let zeros = text.iter().skip(2).rev().take_while(|digit| **digit == b'0').count();
    out.put_prefix(&text, text.len() - zeros);
}

/// Writes an integer in decimal digits.
#[inline]
pub(super) fn write_integer(value: impl itoa::Integer, out: &mut impl Sink) {
    out.put(itoa::Buffer::new().format(value).as_bytes());
}

/// The value of `text`, which must be a number by JSON's grammar; none where it is too large for a float.
/// Integers from i64 min to u64 max are integers, all others (and `-0`) are floats.
pub(super) fn read_number(text: &str) -> Option<Element<'static>> {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) && text != "-0" {
        if let Ok(value) = text.parse::<u64>() {
            return Some(Element::Unsigned(value));
        }
        if let Ok(value) = text.parse::<i64>() {
            return Some(Element::Negative(value));
        }
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Element::Float)
}

/// Whether `text`, a number or something like it, is what its value is written as.
pub(super) fn prints_as(text: &str) -> bool {
    match read_number(text) {
        Some(Element::Unsigned(value)) => itoa::Buffer::new().format(value) == text,
        Some(Element::Negative(value)) => itoa::Buffer::new().format(value) == text,
        Some(Element::Float(value)) => ryu::Buffer::new().format_finite(value) == text,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out);
        String::from_utf8(out).expect("numbers are ASCII")
    }

    #[test]
    fn floats_print_in_their_shortest_form() {
        for (value, text) in [
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e-5, "0.00001"),
            (1.234e-5, "0.00001234"),
            (1e-6, "1e-6"),
            (9.99e-6, "9.99e-6"),
            (1e15, "1000000000000000.0"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1e16, "1e16"),
            (1.5e300, "1.5e300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::from(1.1f32), "1.100000023841858"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
            (f64::NEG_INFINITY, "null"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 20 } else { 5000 }, ..ProptestConfig::default() })]

        #[test]
        fn floats_print_as_ryu_has_them(value in prop_oneof![
            any::<f64>(),
            (any::<i64>(), 0u32..64, 0i32..8).prop_map(|(n, shift, places)| {
                #[expect(clippy::cast_precision_loss, reason = "any float will do")]
                let n = (n >> shift) as f64;
                n / 10f64.powi(places)
            }),
            (0u64..2_000_000, any::<bool>(), -2i64..3).prop_map(|(n, negative, ulps)| {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let value = n as f64 / 1e4;
                let value = f64::from_bits(value.to_bits().saturating_add_signed(ulps));
                if negative { -value } else { value }
            }),
            (99_999_999_999.0..100_000_000_001.0f64),
        ]) {
            let expected = if value.is_finite() { ryu::Buffer::new().format(value).to_owned() } else { "null".into() };
            prop_assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn integers_print_as_digits() {
        let mut out = Vec::new();
        write_integer(u64::MAX, &mut out);
        out.push(b' ');
        write_integer(i64::MIN, &mut out);
        out.push(b' ');
        write_integer(0u64, &mut out);
        assert_eq!(out, b"18446744073709551615 -9223372036854775808 0");
    }

    #[test]
    fn number_texts_become_integers_or_floats() {
        for (text, value) in [
            ("0", Element::Unsigned(0)),
            ("18446744073709551615", Element::Unsigned(u64::MAX)),
            ("18446744073709551616", Element::Float(18_446_744_073_709_551_616.0)),
            ("-1", Element::Negative(-1)),
            ("-9223372036854775808", Element::Negative(i64::MIN)),
            ("-9223372036854775809", Element::Float(-9_223_372_036_854_775_808.0)),
            ("1e2", Element::Float(100.0)),
            ("0.10", Element::Float(0.1)),
            ("1e-400", Element::Float(0.0)),
        ] {
            assert_eq!(read_number(text), Some(value), "{text}");
        }
        assert!(
            matches!(read_number("-0"), Some(Element::Float(zero)) if zero == 0.0 && zero.is_sign_negative())
        );
        assert_eq!(read_number("1e400"), None);
        assert_eq!(read_number("-1e400"), None);
        assert_eq!(read_number(&"9".repeat(400)), None);
    }
}
