//! A slow and obvious implementation of the rules for nested JSON, which the fast ones are compared with.
//! It shares nothing with them.

use std::collections::BTreeMap;

/// The normal form of `text`, if it has one.
pub(super) fn normal(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let value = value(&chars, &mut at, 0)?;
    space(&chars, &mut at);
    (at == chars.len()).then_some(value)
}

fn space(chars: &[char], at: &mut usize) {
    while chars.get(*at).is_some_and(|c| [' ', '\n', '\r', '\t'].contains(c)) {
        *at += 1;
    }
}

fn next(chars: &[char], at: &mut usize) -> Option<char> {
    *at += 1;
    chars.get(*at - 1).copied()
}

fn value(chars: &[char], at: &mut usize, depth: usize) -> Option<String> {
    space(chars, at);
    match chars.get(*at)? {
        '[' => {
            if depth == 127 {
                return None;
            }
            *at += 1;
            let mut items = Vec::new();
            space(chars, at);
            if chars.get(*at)? == &']' {
                *at += 1;
                return Some("[]".into());
            }
            loop {
                items.push(value(chars, at, depth + 1)?);
                space(chars, at);
                match next(chars, at)? {
                    ',' => {}
                    ']' => return Some(format!("[{}]", items.join(","))),
                    _ => return None,
                }
            }
        }
        '{' => {
            if depth == 127 {
                return None;
            }
            *at += 1;
            let mut members = BTreeMap::new();
            space(chars, at);
            if chars.get(*at)? == &'}' {
                *at += 1;
                return Some("{}".into());
            }
            loop {
                space(chars, at);
                let name = string(chars, at)?;
                space(chars, at);
                if next(chars, at)? != ':' {
                    return None;
                }
                members.insert(name, value(chars, at, depth + 1)?);
                space(chars, at);
                match next(chars, at)? {
                    ',' => {}
                    '}' => break,
                    _ => return None,
                }
            }
            let members: Vec<_> = members.iter().map(|(n, v)| format!("{}:{v}", quoted(n))).collect();
            Some(format!("{{{}}}", members.join(",")))
        }
        '"' => Some(quoted(&string(chars, at)?)),
        _ => {
            let start = *at;
            while chars.get(*at).is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                *at += 1;
            }
            let word: String = chars[start..*at].iter().collect();
            if ["null", "true", "false"].contains(&&*word) { Some(word) } else { number(&word) }
        }
    }
}

fn number(word: &str) -> Option<String> {
    let grammar =
        regex::Regex::new(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$").expect("a valid expression");
    if !grammar.is_match(word) {
        return None;
    }
    if word != "-0" && word.bytes().all(|b| b == b'-' || b.is_ascii_digit()) {
        let fits = word.parse::<u64>().is_ok() || word.parse::<i64>().is_ok();
        if fits {
            return Some(word.to_owned());
        }
    }
    let float: f64 = word.parse().ok()?;
    float.is_finite().then(|| ryu::Buffer::new().format(float).to_owned())
}

fn string(chars: &[char], at: &mut usize) -> Option<String> {
    if next(chars, at)? != '"' {
        return None;
    }
    let mut units: Vec<u16> = Vec::new();
    loop {
        let c = next(chars, at)?;
        let c = match c {
            '"' => return String::from_utf16(&units).ok(),
            '\\' => match next(chars, at)? {
                'u' => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        unit = unit * 16 + u16::try_from(next(chars, at)?.to_digit(16)?).ok()?;
                    }
                    units.push(unit);
                    continue;
                }
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                c @ ('"' | '\\' | '/') => c,
                _ => return None,
            },
            c if c < ' ' => return None,
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
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
