//! The configurations in `docs/guides` can be used as they stand: each is accepted, and names no option that
//! `docs/options.md` lacks (which is not the same: members that are not known are ignored when a configuration is read).

#![allow(clippy::unwrap_used, reason = "it is test code")]

use std::fs;
use std::path::{Path, PathBuf};

use materialize_kafka::config::{EndpointConfig, Resource};
use serde_json::{Map, Value, json};

#[test]
fn every_configuration_is_accepted_and_names_known_options_only() {
    let options = options(&read(&docs().join("options.md")));
    let mut wrong = Vec::new();
    for guide in guides() {
        let name = guide.file_stem().unwrap().to_str().unwrap().to_owned();
        let (mut endpoints, mut resources) = (0, 0);
        for block in json_blocks(&read(&guide)) {
            let Ok(Value::Object(members)) = serde_json::from_str(&block) else {
                wrong.push(format!("{name}: a block is no JSON object:\n{block}"));
                continue;
            };
            let (part, outcome) = if members.contains_key("bootstrap_servers") {
                endpoints += 1;
                (Part::Endpoint, EndpointConfig::parse(block.as_bytes()).err().map(|error| error.to_string()))
            } else if members.contains_key("topic") {
                resources += 1;
                (Part::Resource, Resource::parse(block.as_bytes()).err().map(|error| error.to_string()))
            } else {
                // Of somebody else, such as a policy of AWS.
                continue;
            };
            wrong.extend(outcome.map(|error| format!("{name}: {error}")));
            let unknown = unknown(&options, part, "", &members);
            wrong.extend(unknown.into_iter().map(|option| format!("{name}: there is no option {option}")));
        }
        if name != "README" && (endpoints == 0 || resources == 0) {
            wrong.push(format!(
                "{name}: {endpoints} endpoints and {resources} resources, expected one at least"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_unknown_option_is_found_wherever_it_stands() {
    let options = options(
        "# Options\n## Endpoint\n| option | type | default | meaning |\n|---|---|---|---|\n| `a` | string | | A. |\n\
         ### `g`\n**One** (`kind: one`): Uno.\n| `g.kind` | `one` | required | |\n| `g.x` | string | | X. |\n\
         **Two** (`kind: two`): Due.\n| `g.kind` | `two` | required | |\n| `g.m` | object of strings | | M. |\n\
         ### `h`\n| `h.n` | integer | | N. |\n## Resource\n| `r` | string | | R. |\n",
    );
    let found = |part, document: Value| unknown(&options, part, "", document.as_object().unwrap());
    let good = json!({"a": "", "g": {"kind": "two", "m": {"any": "", "name": ""}}, "h": {"n": 1}});
    assert_eq!(found(Part::Endpoint, good), [""; 0]);
    let bad = json!({"b": "", "g": {"kind": "two", "x": ""}, "h": {"n": 1, "o": 2}, "i": {}, "r": ""});
    assert_eq!(found(Part::Endpoint, bad), ["b", "g.x", "h.o", "i", "r"]);
    assert_eq!(found(Part::Resource, json!({"r": "", "a": ""})), ["a"]);
}

#[test]
fn every_guide_is_linked_to_and_every_file_that_is_linked_to_exists() {
    let index = read(&docs().join("guides/README.md"));
    for guide in guides() {
        let file = guide.file_name().unwrap().to_str().unwrap();
        assert!(
            file == "README.md" || index.contains(&format!("]({file})")),
            "README.md does not link to {file}"
        );
        let text = read(&guide);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            let is_there = path.is_empty()
                || path.starts_with("https://")
                || guide.parent().unwrap().join(path).exists();
            assert!(is_there, "{file} links to {link}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Endpoint,
    Resource,
}

/// A row of `docs/options.md`.
struct Row {
    part: Part,
    /// As `advanced.producers`.
    name: String,
    /// Whether the members of its value are the user's.
    is_map: bool,
    /// Member and value that choose the group which it belongs to.
    tag: Option<(String, String)>,
}

fn options(reference: &str) -> Vec<Row> {
    let (mut part, mut tag, mut rows) = (None, None, Vec::new());
    for line in reference.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            part = match heading {
                "Endpoint" => Some(Part::Endpoint),
                "Resource" => Some(Part::Resource),
                _ => None,
            };
        }
        if line.starts_with('#') {
            tag = None;
        } else if line.starts_with("**") {
            let text = line.split("(`").nth(1).and_then(|rest| rest.split("`)").next());
            tag = text.and_then(|text| text.split_once(": ")).map(|(a, b)| (a.to_owned(), b.to_owned()));
        } else if let (Some(part), Some(row)) = (part, line.strip_prefix("| `")) {
            let (name, rest) = row.split_once('`').unwrap();
            let kind = rest.split('|').nth(1).unwrap();
            rows.push(Row { part, name: name.to_owned(), is_map: kind.contains("object"), tag: tag.clone() });
        }
    }
    rows
}

/// The options in `members` that no row has.
fn unknown(options: &[Row], part: Part, group: &str, members: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (member, value) in members {
        let name = if group.is_empty() { member.clone() } else { format!("{group}.{member}") };
        let row = options.iter().find(|row| {
            let chosen =
                row.tag.as_ref().is_none_or(|(tag, value)| members.get(tag) == Some(&json!(value.as_str())));
            row.part == part && row.name == name && chosen
        });
        let is_group =
            options.iter().any(|row| row.part == part && row.name.starts_with(&format!("{name}.")));
        match (row, value) {
            (Some(row), Value::Object(_)) if row.is_map => {}
            (None, Value::Object(inner)) if is_group => found.extend(unknown(options, part, &name, inner)),
            (Some(_), Value::Object(_)) | (None, _) => found.push(name),
            (Some(_), _) => {}
        }
    }
    found
}

fn json_blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```json\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn guides() -> Vec<PathBuf> {
    let files = fs::read_dir(docs().join("guides")).unwrap();
    let mut guides: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    guides.sort();
    guides
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
