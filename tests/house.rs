//! Rules of the house that no compiler knows.

#![allow(clippy::unwrap_used, reason = "it is test code")]

use std::fs;
use std::path::{Path, PathBuf};

/// `unsafe` is for the rooms that DESIGN.md says it of. That each block has its argument, and that whoever uses it
/// says so at the head of the file, are lints (`Cargo.toml`).
#[test]
fn unsafe_code_is_only_where_the_design_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let design = fs::read_to_string(root.join("DESIGN.md")).unwrap();
    let rooms: Vec<&str> = design
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("all `unsafe`"))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    assert_eq!(rooms, ["kafka/"]);

    let (mut found, mut files) = (Vec::new(), 0);
    for path in sources(&root.join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let place = path.strip_prefix(root.join("src")).unwrap().to_str().unwrap().to_owned();
        files += 1;
        for (number, line) in (1..).zip(text.lines()) {
            assert!(!line.contains("undocumented_unsafe_blocks"), "{place}:{number}: {line}");
            let code = line.split("//").next().unwrap();
            if code.contains("unsafe") && !rooms.iter().any(|room| place.starts_with(room)) {
                found.push(format!("src/{place}:{number}: {line}"));
            }
        }
    }
    assert!(files > 50, "{files} files were looked at");
    assert!(found.is_empty(), "unsafe code outside of {rooms:?}:\n{}", found.join("\n"));

    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for lint in ["unsafe_code = \"deny\"", "undocumented_unsafe_blocks = \"warn\""] {
        assert!(manifest.lines().any(|line| line == lint), "Cargo.toml has no {lint}");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}
