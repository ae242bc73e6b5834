//! The set of types that a location may take.

use std::fmt;
use std::ops::{BitAnd, BitOr, Sub};

use serde_json::Value;

/// A set over the seven basic types. JSON Schema's `number` is `fractional` and `integer` together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Types(u8);

impl Types {
    /// No type: nothing can stand at the location.
    pub const NONE: Self = Self(0);
    /// Arrays.
    pub const ARRAY: Self = Self(1);
    /// `true` and `false`.
    pub const BOOLEAN: Self = Self(1 << 1);
    /// Numbers with a fraction.
    pub const FRACTIONAL: Self = Self(1 << 2);
    /// Numbers without a fraction, `1.0` among them.
    pub const INTEGER: Self = Self(1 << 3);
    /// `null`.
    pub const NULL: Self = Self(1 << 4);
    /// Objects.
    pub const OBJECT: Self = Self(1 << 5);
    /// Strings.
    pub const STRING: Self = Self(1 << 6);
    /// All numbers.
    pub const NUMBER: Self = Self(Self::FRACTIONAL.0 | Self::INTEGER.0);
    /// All seven.
    pub const ANY: Self = Self(0x7f);

    /// The type that JSON Schema and Flow know by this name; `number` is two of them.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, candidate)| *candidate == name).map(|(types, _)| *types)
    }

    /// The type of one value. A float without a fraction is an integer.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() != 0.0 => Self::FRACTIONAL,
                _ => Self::INTEGER,
            },
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Flow's names for the set, in alphabetical order; `fractional` and `integer` together are `number`.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter_map(move |&(types, name)| {
            let listed = match types {
                Self::FRACTIONAL | Self::INTEGER => self.contains(types) && !self.contains(Self::NUMBER),
                _ => self.contains(types),
            };
            listed.then_some(name)
        })
    }

    /// Whether no type is in the set.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Whether every type of `other` is in the set.
    pub fn contains(self, other: Self) -> bool {
        self & other == other
    }

    /// Whether some type of `other` is in the set.
    pub fn overlaps(self, other: Self) -> bool {
        !(self & other).is_empty()
    }
}

impl BitAnd for Types {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Types {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

const NAMES: [(Types, &str); 8] = [
    (Types::ARRAY, "array"),
    (Types::BOOLEAN, "boolean"),
    (Types::FRACTIONAL, "fractional"),
    (Types::INTEGER, "integer"),
    (Types::NULL, "null"),
    (Types::NUMBER, "number"),
    (Types::OBJECT, "object"),
    (Types::STRING, "string"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (types, name) in NAMES {
            assert_eq!(Types::from_name(name), Some(types));
            assert_eq!(types.iter().collect::<Vec<_>>(), [name]);
        }
        assert_eq!(Types::from_name("any"), None);
        assert_eq!(
            Types::ANY.iter().collect::<Vec<_>>(),
            ["array", "boolean", "null", "number", "object", "string"]
        );
        assert_eq!(format!("{:?}", Types::STRING | Types::FRACTIONAL), r#"{"fractional", "string"}"#);
    }

    #[test]
    fn a_float_without_fraction_is_an_integer() {
        for (value, types) in [
            (json!(1), Types::INTEGER),
            (json!(-1), Types::INTEGER),
            (json!(u64::MAX), Types::INTEGER),
            (json!(1.0), Types::INTEGER),
            (json!(-0.0), Types::INTEGER),
            (json!(1e300), Types::INTEGER),
            (json!(1.5), Types::FRACTIONAL),
            (json!(5e-324), Types::FRACTIONAL),
            (json!(null), Types::NULL),
            (json!(false), Types::BOOLEAN),
            (json!("1"), Types::STRING),
            (json!([]), Types::ARRAY),
            (json!({}), Types::OBJECT),
        ] {
            assert_eq!(Types::of(&value), types, "{value}");
        }
    }
}
