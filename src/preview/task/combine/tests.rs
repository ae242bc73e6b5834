use serde_json::json;

use super::*;
use crate::preview::task::{Inference, Policy, Projection, Selection};
use crate::schema::Exists;

/// Groups by `/id`, with the value `/v` and the document.
fn extractor() -> Extractor {
    let projection = |field: &str, pointer: &str| Projection {
        field: field.to_owned(),
        pointer: pointer.to_owned(),
        explicit: false,
        is_partition_key: false,
        is_primary_key: false,
        inference: Inference {
            types: vec![],
            exists: Exists::May,
            title: String::new(),
            description: String::new(),
            default: None,
            secret: false,
            string: None,
        },
    };
    let selection = Selection {
        keys: vec!["id".to_owned()],
        values: vec!["v".to_owned()],
        document: Some("doc".to_owned()),
        ..Selection::default()
    };
    let projections = [projection("id", "/id"), projection("v", "/v"), projection("doc", "")];
    Extractor::new(&projections, &selection, Policy::default())
}

fn transactions<'t>(text: &'t str, collections: &[&str]) -> Transactions<&'t [u8]> {
    let bindings = collections.iter().map(|name| ((*name).to_owned(), extractor()));
    Transactions::new(Fixture::new("f", text.as_bytes()), bindings)
}

/// Of each transaction: how many documents, and of each Store `binding key values [op]`.
fn stores(text: &str, collections: &[&str]) -> Vec<(u64, Vec<String>)> {
    let mut transactions = transactions(text, collections);
    let mut all = Vec::new();
    while let Some(transaction) = transactions.next_transaction().unwrap() {
        assert_eq!(usize::try_from(transaction.number).unwrap(), all.len());
        let (documents, len) = (transaction.documents, transaction.len());
        let stores: Vec<_> = transaction
            .map(|store| {
                let store = store.unwrap();
                let [key, values] =
                    [&store.key_json, &store.values_json].map(|text| str::from_utf8(text).unwrap());
                format!("{} {key} {values}{}", store.binding, if store.delete { " delete" } else { "" })
            })
            .collect();
        assert_eq!(stores.len(), len);
        all.push((documents, stores));
    }
    assert!(transactions.next_transaction().unwrap().is_none());
    all
}

#[test]
fn the_last_document_of_a_key_wins_within_a_transaction() {
    let text = r#"["c",{"id":2,"v":1}]
["c",{"id":1,"v":2}]
["c",{"id":2,"v":3,"_meta":{"op":"d"}}]
{"commit":true}
["c",{"id":2,"v":4}]
"#;
    let first = vec!["0 [1] [2]".to_owned(), "0 [2] [3] delete".to_owned()];
    assert_eq!(stores(text, &["c"]), [(3, first), (1, vec!["0 [2] [4]".to_owned()])]);
}

#[test]
fn stores_come_by_binding_and_packed_key() {
    let text = r#"["b",{"id":1}]
["a",{"id":true}]
["a",{"id":-1.5}]
["a",{"id":300}]
["a",{"id":"x"}]
["a",{"id":-3}]
["a",{}]
["a",{"id":2}]
["none",{"id":2}]
["a",{"id":["z"]}]
"#;
    let keys = ["[null]", "[[\"z\"]]", "[\"x\"]", "[-3]", "[2]", "[300]", "[-1.5]", "[true]"];
    let of = |binding| keys.iter().map(move |key| format!("{binding} {key} [null]"));
    let expected = of(0).chain(["1 [1] [null]".to_owned()]).chain(of(2)).collect();
    assert_eq!(stores(text, &["a", "b", "a"]), [(17, expected)]);
}

#[test]
fn empty_transactions_count() {
    let empty = || (0, vec![]);
    let commit = "{\"commit\":true}\n";
    assert_eq!(stores("", &["c"]), [empty()]);
    assert_eq!(stores("\n\n", &["c"]), [empty()]);
    assert_eq!(stores(commit, &["c"]), [empty()]);
    assert_eq!(stores(&commit.repeat(3), &["c"]), [empty(), empty(), empty()]);
    // Of a collection that nothing reads.
    let other = format!("{commit}[\"other\",{{}}]\n");
    assert_eq!(stores(&other, &["c"]), [empty(), empty()]);
    assert_eq!(stores("[[],[[\"c\",{}]]]", &["c"]), [empty(), (1, vec!["0 [null] [null]".to_owned()])]);
}

#[test]
fn uuids_tell_transaction_and_line() {
    let text = r#"{"commit":true}
["c",{"id":1,"_meta":{"uuid":"old","op":"c","a":1}}]
["other",{}]

["c",{"id":3}]
{"commit":true}
["c",{"id":4}]
"#;
    let mut transactions = transactions(text, &["c", "c"]);
    let mut documents = Vec::new();
    while let Some(transaction) = transactions.next_transaction().unwrap() {
        documents.extend(transaction.map(|store| String::from_utf8(store.unwrap().doc_json).unwrap()));
    }
    let [first, third, next] = [
        r#"{"_meta":{"a":1,"op":"c","uuid":"7545a800-1dda-11b2-8000-071353030311"},"id":1}"#,
        r#"{"_meta":{"uuid":"7676d500-1dda-11b2-8000-071353030311"},"id":3}"#,
        r#"{"_meta":{"uuid":"d70a1000-1de2-11b2-8000-071353030311"},"id":4}"#,
    ];
    // All bindings get the same.
    assert_eq!(documents, [first, third, first, third, next, next]);
}

#[test]
fn documents_that_cannot_be_are_told_by_line() {
    let deep = format!("[\"c\",{{\"a\":{}1{}}}]", "[".repeat(200), "]".repeat(200));
    let cases = [
        ("[\"c\",5]", "f line 2: collection \"c\": the document is not an object"),
        ("[\"c\",{\"_meta\":null}]", "f line 2: collection \"c\": the document's _meta is not an object"),
        ("[\"c\",{\"a\":1e400}]", "f line 2: collection \"c\": its document: number out of range"),
        (&deep, "f line 2: collection \"c\": its document: recursion limit exceeded"),
        ("[\"c\",{]", "f line 2: expected [\"collection\", {document}]"),
    ];
    for (line, expected) in cases {
        let text = format!("\n{line}\n[\"c\",{{}}]\n");
        let mut transactions = transactions(&text, &["c"]);
        let error = transactions.next_transaction().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{line}: {error}");
        assert!(transactions.next_transaction().unwrap().is_none(), "nothing comes after an error");
    }
    // Nothing is asked of documents that are not read.
    assert_eq!(stores("[\"d\",5]", &["c"]), [(0, vec![])]);
}

#[test]
fn documents_of_127_levels_pass() {
    let text = format!("[\"c\",{{\"id\":1,\"v\":{}{}}}]", "[".repeat(126), "]".repeat(126));
    let (_, stored) = stores(&text, &["c"]).remove(0);
    assert_eq!(stored.len(), 1);
    let document = json!(stored[0]).to_string();
    assert!(document.contains(&"[".repeat(126)));
}

#[test]
fn a_transaction_may_be_left_early() {
    let text = "[\"c\",{\"id\":1}]\n[\"c\",{\"id\":2}]\n{\"commit\":true}\n[\"c\",{\"id\":3}]\n";
    let mut transactions = transactions(text, &["c"]);
    assert!(transactions.next_transaction().unwrap().unwrap().next().is_some());
    assert_eq!(transactions.next_transaction().unwrap().unwrap().len(), 1);
}
