//! The kinds of values that options take. Each gives `None` for an absent member; [`Setting::or`] and
//! [`Setting::required`] say what then.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::Error;
use super::members::Members;
use super::option::{Choice, Group, Setting};
use super::secret::Secret;

/// Any text, also an empty one.
pub(super) fn text() -> Setting<Option<String>> {
    Setting::new(json!({"type": "string"}), |members, name| Ok(members.text(name)?.map(str::to_owned)))
}

/// A text where an empty one is as good as none.
pub(super) fn filled() -> Setting<Option<String>> {
    Setting::new(json!({"type": "string"}), |members, name| Ok(members.filled(name)?.map(str::to_owned)))
}

impl Setting<Option<String>> {
    /// The text is stored encrypted and never printed, nor a text elsewhere that has it within.
    pub(super) fn secret(self) -> Setting<Option<Secret>> {
        self.with("secret", true).then(|_, _, text| Ok(Secret::new(text)))
    }

    /// What `parse` makes of the text, or why it cannot be used and what was expected.
    pub(super) fn parsed<T: 'static>(
        self,
        parse: impl Fn(&str) -> Result<T, String> + 'static,
    ) -> Setting<Option<T>> {
        self.then(move |members, name, text| {
            parse(&text).map_err(|reason| members.invalid(name, &text, reason))
        })
    }
}

/// Yes or no.
pub(super) fn flag() -> Setting<Option<bool>> {
    Setting::new(json!({"type": "boolean"}), |members, name| members.flag(name))
}

/// A whole number in a range.
pub(super) fn size(range: RangeInclusive<usize>) -> Setting<Option<usize>> {
    let schema = json!({"type": "integer", "minimum": range.start(), "maximum": range.end()});
    Setting::new(schema, move |members, name| {
        let Some(number) = members.integer(name)? else { return Ok(None) };
        match usize::try_from(number) {
            Ok(size) if range.contains(&size) => Ok(Some(size)),
            _ => {
                let reason = format!("expected {} to {}", range.start(), range.end());
                Err(members.invalid(name, &number.to_string(), reason))
            }
        }
    })
}

/// A duration in a range, which `shown` spells for people.
pub(super) fn duration(range: RangeInclusive<Duration>, shown: &'static str) -> Setting<Option<Duration>> {
    text().parsed(move |text| {
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| format!("expected a duration of {shown}, such as \"2m\", \"90s\" or \"PT2M\""))
    })
}

/// One of a few texts; the description tells what each means.
pub(super) fn choice<T: Choice>() -> Setting<Option<T>> {
    let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
    let meanings = names.iter().zip(T::MEANINGS).map(|(name, meaning)| format!("{name}: {}", meaning.trim()));
    let meanings = meanings.collect::<Vec<_>>().join(" ");
    Setting::new(json!({"type": "string", "enum": names}), |members, name| members.choice(name, T::ALL))
        .remark(meanings)
}

/// A list of texts.
pub(super) fn list() -> Setting<Option<Vec<String>>> {
    Setting::new(json!({"type": "array", "items": {"type": "string"}}), |members, name| members.list(name))
}

/// Texts by name. Numbers and booleans are taken as the text that they are written as, since nobody quotes
/// `retention.ms: 1000`.
pub(super) fn map() -> Setting<Option<BTreeMap<String, String>>> {
    Setting::new(json!({"type": "object", "additionalProperties": {"type": "string"}}), |members, name| {
        members.map(name)
    })
}

/// An object of further options.
pub(super) fn group<T: Group + 'static>() -> Setting<Option<T>> {
    let read = |members: &Members<'_>, name: &str| -> Result<Option<T>, Error> {
        members.object(name)?.map(|group| T::read(&group)).transpose()
    };
    Setting::new(Value::from(T::schema()), read)
}
