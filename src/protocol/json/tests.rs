use proptest::prelude::*;

use super::*;
use crate::protocol::messages::request;

fn store(members: &str) -> String {
    format!("{{\"store\":{{{members}}}}}")
}

fn fault(line: &str) -> (usize, String) {
    let at = request(line.as_bytes(), &mut Scratch::default()).unwrap_err();
    (at.offset, at.fault.to_string())
}

/// Calls `check` with the Store of a line.
fn with<T>(line: &str, check: impl FnOnce(Store<'_>) -> T) -> T {
    match request(line.as_bytes(), &mut Scratch::default()) {
        Ok(Incoming::Store(store)) => check(store),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn stores() {
    let line = r#" { "x": [{}], "store" : {"binding":3,"key": [1, "a"] ,"values":[{"b":[]}],"doc":{"_meta": {"x":"\u00e9"}},"exists":true,"delete":true,"newer":{"key":[2]}}, "load": null}"#;
    with(line, |store| {
        assert_eq!(
            store,
            Store {
                binding: 3,
                key: Tuple::Json(br#"[1, "a"]"#),
                values: Tuple::Json(br#"[{"b":[]}]"#),
                doc: br#"{"_meta": {"x":"\u00e9"}}"#,
                exists: true,
                delete: true
            }
        );
    });
    let empty = Tuple::Packed(b"");
    let nothing = Store { binding: 0, key: empty, values: empty, doc: b"", exists: false, delete: false };
    with(r#"{"store":{}}"#, |store| assert_eq!(store, nothing));
    let nulls = r#""binding":null,"key":null,"keyPacked":null,"values":null,"valuesPacked":null,"doc":null,"exists":null,"delete":null"#;
    with(&store(nulls), |store| assert_eq!(store, nothing));
    with(&store(r#""binding":"7","exists":false"#), |store| {
        assert_eq!(store, Store { binding: 7, ..nothing });
    });
    with(&store(r#""binding":4294967295"#), |store| assert_eq!(store.binding, u32::MAX));
    with(&store(r#""d\u006fc":1"#), |store| assert_eq!(store.doc, b"1", "names may be escaped"));
    with(r#"{"\u0073tore":{}}"#, |store| assert_eq!(store, nothing));
}

#[test]
fn packed_tuples_win() {
    with(&store(r#""key":[1],"keyPacked":"FQECYQA=","valuesPacked":"Ag\/\/\/wA","values":[]"#), |store| {
        assert_eq!(store.key, Tuple::Packed(b"\x15\x01\x02a\0"));
        assert_eq!(store.values, Tuple::Packed(b"\x02\x0f\xff\xff\0"));
    });
    with(&store(r#""keyPacked":"","key":[1]"#), |store| assert_eq!(store.key, Tuple::Json(b"[1]")));
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn scratch_is_used_again_and_shrinks() {
    let mut scratch = Scratch::default();
    let long = store(&format!("\"keyPacked\":\"{}\"", "AAAA".repeat(1 << 20)));
    for _ in 0..2 {
        assert!(matches!(request(long.as_bytes(), &mut scratch), Ok(Incoming::Store(_))));
        assert_eq!(scratch.packed.len(), 3 << 20, "not piled up");
    }
    request(b"{\"flush\":{}}", &mut scratch).unwrap();
    assert!(scratch.packed.capacity() <= KEPT);
}

#[test]
fn what_is_wrong_with_a_store() {
    for (members, expected) in [
        (r#""binding":-1"#, (20, "member \"binding\" of store is not an integer of 0 to 4294967295")),
        (r#""binding":4294967296"#, (20, "member \"binding\" of store is not an integer of 0 to 4294967295")),
        (r#""binding":1.0"#, (20, "member \"binding\" of store is not an integer of 0 to 4294967295")),
        (r#""binding":"+1""#, (20, "member \"binding\" of store is not an integer of 0 to 4294967295")),
        (r#""key":{}"#, (16, "member \"key\" of store is not an array")),
        (r#""values":"secret""#, (19, "member \"values\" of store is not an array")),
        (r#""keyPacked":"?""#, (22, "member \"keyPacked\" of store is not base64")),
        (r#""valuesPacked":[]"#, (25, "member \"valuesPacked\" of store is not base64")),
        (r#""exists":1"#, (19, "member \"exists\" of store is not true or false")),
        (r#""delete":"true""#, (19, "member \"delete\" of store is not true or false")),
        (r#""doc":1,"doc":2"#, (18, "member \"doc\" comes twice")),
        (r#""doc":{"a":}"#, (21, "the line is not JSON: expected a value, came `}`")),
        (r#""doc":1 2"#, (18, "the line is not JSON: expected `,` or `}`, came `2`")),
    ] {
        assert_eq!(fault(&store(members)), (expected.0, expected.1.to_string()), "{members}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn what_is_wrong_with_a_line() {
    let expected = "spec, validate, apply, open, load, flush, store, startCommit, acknowledge";
    let empty = |found: &str| format!("a request without a message: {found}; expected one of {expected}");
    for (line, offset, text) in [
        ("[1]", 0, "the line is not JSON: expected `{`, came `[`".to_string()),
        ("{", 1, "the line is not JSON: expected the name of a member, came the end of the line".into()),
        ("{\"flush\":{}", 11, "the line is not JSON: expected `,` or `}`, came the end of the line".into()),
        ("{\"flush\":{}} {", 13, "the line is not JSON: expected the end of the line, came `{`".into()),
        ("{\"flush\":\u{1}}", 9, "the line is not JSON: expected a value, came byte 0x01".into()),
        ("{\"store\":[]}", 9, "the line is not JSON: expected `{`, came `[`".into()),
        ("{}", 0, empty("it is empty")),
        ("{\"stores\":{},\"$internal\":{}}", 0, empty("it has member stores, $internal")),
        ("{\"store\":null}", 0, empty("it has member store")),
        (
            "{\"flush\":{},\"store\":{}}",
            12,
            "a request with two messages, flush and store; expected one".into(),
        ),
        ("{\"flush\":{},\"flush\":{}}", 12, "member \"flush\" comes twice".into()),
        (
            "{\"load\":{\"binding\":true}}",
            22,
            "invalid type: boolean `true`, expected an integer of 0 to 4294967295".into(),
        ),
        (
            "{\"validate\":{\"bindings\":\"hunter2, expected\"}}",
            42,
            "invalid type: a string, expected a sequence".into(),
        ),
    ] {
        assert_eq!(fault(line), (offset, text), "{line}");
    }
    let many = fault(&format!("{{{}\"z\":1}}", "\"a\":1,".repeat(8))).1;
    assert_eq!(many, empty("it has member a, a, a, a, a, a, a, a, and more"));
    let long = fault(&format!("{{\"{}\\n\":1}}", "x\\u0000".repeat(100_000))).1;
    assert!(long.len() < 1000 && !long.contains('\0'), "{long}");
}

#[test]
fn a_line_that_is_not_utf_8() {
    let at = request(b"{\"store\":{\"doc\":\"\xff\"}}", &mut Scratch::default()).unwrap_err();
    assert_eq!((at.offset, at.fault.to_string()), (17, "the line is not UTF-8".into()));
    let at = response(b"{\"loaded\":{\"doc\":\"\xff\"}}").unwrap_err();
    assert_eq!((at.offset, at.fault), (18, Fault::Utf8));
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn deep_documents_do_not_exhaust_the_stack() {
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    let objects = [r#"{"a":"#.repeat(10_000), "1".into(), "}".repeat(10_000)].concat();
    for deep in [&deep, &objects] {
        with(&store(&format!("\"doc\":{deep},\"unknown\":{deep}")), |store| {
            assert_eq!(store.doc, deep.as_bytes());
        });
        let mut scratch = Scratch::default();
        for line in [
            format!("{{\"spec\":{{\"config\":{deep}}}}}"),
            format!("{{\"spec\":{{\"unknown\":{deep}}}}}"),
            format!("{{\"unknown\":{deep},\"spec\":{{}}}}"),
            format!("{{\"validate\":{{\"bindings\":[{{\"fieldConfig\":{{\"a\":{deep}}}}}]}}}}"),
            format!("{{\"startCommit\":{{\"runtimeCheckpoint\":{deep}}}}}"),
        ] {
            request(line.as_bytes(), &mut scratch).unwrap();
        }
        // Where no document belongs, nesting is an error, but no worse.
        let line = format!("{{\"validate\":{{\"bindings\":{deep},\"name\":{deep}}}}}");
        request(line.as_bytes(), &mut scratch).unwrap_err();
        let numeric = format!("{{\"numeric\":{{\"minimum\":{deep}}}}}");
        serde_json::from_str::<crate::protocol::messages::flow::Inference>(&numeric).unwrap_err();
        response(format!("{{\"loaded\":{{\"doc\":{deep}}}}}").as_bytes()).unwrap();
    }
}

#[test]
fn what_serde_says_is_cut() {
    assert_eq!(reason("missing field `x` at line 1 column 5"), "missing field `x`");
    assert_eq!(
        reason("invalid value: string \"a, expected b\", expected an integer at line 1 column 5"),
        "invalid value: a string, expected an integer"
    );
    assert_eq!(reason(&"x".repeat(1000)).len(), LONGEST_REASON);
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_string()),
        Just(" -2.5e3".to_string()),
        Just("true".to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "whole documents of any text: minutes in Miri")]
    fn stores_are_what_serde_says(
        binding in prop::option::of(any::<u32>()),
        key in prop::option::of(document()),
        key_packed in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        values in prop::option::of(document()),
        values_packed in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        doc in prop::option::of(document()),
        newer in prop::option::of(document()),
        flags in any::<(Option<bool>, Option<bool>)>(),
        order in any::<prop::sample::Index>(),
    ) {
        let quoted = |bytes: Vec<u8>| format!("\"{}\"", base64::encode(&bytes));
        let mut members = [
            ("binding", binding.map(|binding| binding.to_string())),
            ("key", key.map(|key| format!("[{key}]"))),
            ("keyPacked", key_packed.map(quoted)),
            ("values", values.map(|values| format!("[{values}]"))),
            ("valuesPacked", values_packed.map(quoted)),
            ("doc", doc),
            ("newer", newer),
            ("exists", flags.0.map(|flag| flag.to_string())),
            ("delete", flags.1.map(|flag| flag.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)))
        .collect::<Vec<_>>();
        let first = order.index(members.len().max(1));
        let by = first.min(members.len());
        members.rotate_left(by);
        let line = store(&members.join(", "));
        let theirs = serde_json::from_str::<Request>(&line).unwrap().store.unwrap();
        let ours = request(line.as_bytes(), &mut Scratch::default()).map(|incoming| {
            let Incoming::Store(store) = incoming else { panic!("a Store") };
            request::Store {
                binding: store.binding,
                doc_json: store.doc.to_vec().into(),
                exists: store.exists,
                delete: store.delete,
                ..match (store.key, store.values) {
                    (Tuple::Packed(key), Tuple::Packed(values)) => request::Store {
                        key_packed: key.to_vec().into(), values_packed: values.to_vec().into(), ..Default::default()
                    },
                    (Tuple::Packed(key), Tuple::Json(values)) => request::Store {
                        key_packed: key.to_vec().into(), values_json: values.to_vec().into(), ..Default::default()
                    },
                    (Tuple::Json(key), Tuple::Packed(values)) => request::Store {
                        key_json: key.to_vec().into(), values_packed: values.to_vec().into(), ..Default::default()
                    },
                    (Tuple::Json(key), Tuple::Json(values)) => request::Store {
                        key_json: key.to_vec().into(), values_json: values.to_vec().into(), ..Default::default()
                    },
                }
            }
        });
        let mut theirs = theirs;
        if !theirs.key_packed.is_empty() { theirs.key_json.clear(); }
        if !theirs.values_packed.is_empty() { theirs.values_json.clear(); }
        prop_assert_eq!(ours, Ok(theirs), "{}", line);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0..80_usize) {
        let mut line = br#"{"store":{"binding":1,"key":[1,"\u00e9"],"keyPacked":"FQE=","doc":{"a":[]},"exists":true}}"#.to_vec();
        let _ = request(&bytes, &mut Scratch::default()).is_ok();
        line.truncate(cut);
        line.extend(&bytes);
        let _ = request(&line, &mut Scratch::default()).is_ok();
        let _ = response(&line).is_ok();
    }
}
