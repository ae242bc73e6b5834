//! The order of JSON values by which enums are sorted and defaults compared: numbers by value across
//! their three kinds, so that `1` equals `1.0`.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Orders two values; equal means equal by value.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let first = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let members = a.iter().zip(b);
            let first = members
                .map(|((name_a, a), (name_b, b))| name_a.cmp(name_b).then_with(|| compare(a, b)))
                .find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Orders two numbers by value, exactly: an integer is not rounded to a float first. NaN is lowest.
pub(super) fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_integer(a, float(b)),
        (None, Some(b)) => compare_integer(b, float(a)).reverse(),
        (None, None) => compare_floats(float(a), float(b)),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn compare_integer(integer: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Greater;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is compared below; beyond i128 the cast saturates, and the integer is below 2^64"
    )]
    let whole = float.trunc() as i128;
    integer.cmp(&whole).then_with(|| compare_floats(0.0, float.fract()))
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (nan_a, nan_b) => nan_b.cmp(&nan_a),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_ascending_order() {
        let ascending = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-2.5),
            json!(-2),
            json!(0),
            json!(0.5),
            json!(1),
            json!(9007199254740992.0),
            json!(9007199254740993_u64),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(18446744073709551616.0),
            json!(1e300),
            json!(""),
            json!("a"),
            json!([]),
            json!([1]),
            json!([1, 0]),
            json!([2]),
            json!({}),
            json!({"a": 1}),
            json!({"a": 1, "b": 0}),
            json!({"a": 2}),
            json!({"b": 0}),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (a, b) in [
            (json!(1), json!(1.0)),
            (json!(-3), json!(-3.0)),
            (json!(0), json!(-0.0)),
            (json!([1, {"a": 2}]), json!([1.0, {"a": 2.0}])),
        ] {
            assert_eq!(compare(&a, &b), Ordering::Equal, "{a} and {b}");
            assert_eq!(compare(&b, &a), Ordering::Equal, "{b} and {a}");
        }
    }

    #[test]
    fn nan_is_lowest_and_equals_itself() {
        assert_eq!(compare_floats(f64::NAN, f64::NAN), Ordering::Equal);
        assert_eq!(compare_floats(f64::NAN, f64::NEG_INFINITY), Ordering::Less);
        assert_eq!(compare_floats(0.0, f64::NAN), Ordering::Greater);
        assert_eq!(compare_integer(-1, f64::NAN), Ordering::Greater);
    }
}
