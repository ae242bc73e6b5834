use proptest::prelude::*;
use prost::Message;

use super::flow::*;
use super::response::{Constraint, ConstraintType, PROTOCOL, ProjectionConstraint, ValidatedBinding};
use super::*;

fn from(json: &str) -> Request {
    serde_json::from_str(json).unwrap()
}

#[test]
fn names_off_the_rule() {
    let request = from(
        r#"{"validate": {
        "name": "acme/x", "connectorType": "IMAGE", "config": {"a":[1]},
        "bindings": [{
            "resourceConfig": {"topic":"t"},
            "collection": {
                "name": "acme/c", "key": ["/id"], "uuidPtr": "/_meta/uuid", "partitionFields": ["p"],
                "ackTemplate": {"_meta":{}}, "writeSchema": {"w":1}, "readSchema": {"r":1},
                "projections": [{
                    "ptr": "/id", "field": "id", "explicit": true, "isPartitionKey": true, "isPrimaryKey": true,
                    "inference": {
                        "types": ["integer"], "title": "t", "description": "d", "default": 5, "secret": true,
                        "exists": "MUST", "enum": [1, null, "x"], "reduce": "REDUCE_SUM", "redact": "REDACT_SHA256",
                        "contentMediaType": "m",
                        "string": {"contentType": "c", "format": "date", "maxLength": 7, "contentEncoding": "e",
                            "strMinimum": "1", "strMaximum": "2"},
                        "numeric": {"hasMinimum": true, "minimum": -1.5, "hasMaximum": true, "maximum": "Infinity"},
                        "array": {"minItems": 1, "hasMaxItems": true, "maxItems": 2, "itemTypes": ["string"]}
                    }
                }]
            },
            "fieldConfig": {"id": {"x":1}, "n": null},
            "backfill": "3",
            "groupBy": ["id"]
        }],
        "lastVersion": "v"
    }}"#,
    );
    let validate = request.validate.as_ref().unwrap();
    assert_eq!(validate.connector_type(), ConnectorType::Image);
    assert_eq!(&validate.config_json[..], br#"{"a":[1]}"#);
    let binding = &validate.bindings[0];
    assert_eq!((&binding.resource_config_json[..], binding.backfill), (&br#"{"topic":"t"}"#[..], 3));
    assert_eq!(binding.field_config_json_map["id"], br#"{"x":1}"#);
    assert_eq!(binding.field_config_json_map["n"], b"null");
    let collection = binding.collection.as_ref().unwrap();
    assert_eq!(&collection.write_schema_json[..], br#"{"w":1}"#);
    assert_eq!(&collection.read_schema_json[..], br#"{"r":1}"#);
    assert_eq!(&collection.ack_template_json[..], br#"{"_meta":{}}"#);
    let inference = collection.projections[0].inference.as_ref().unwrap();
    assert_eq!(inference.enum_json_vec, ["1", "null", "\"x\""]);
    assert_eq!((inference.exists(), inference.reduce()), (Exists::Must, Reduce::Sum));
    assert_eq!((inference.redact(), &inference.default_json[..]), (Redact::Sha256, &b"5"[..]));
    assert_eq!(inference.string.as_ref().unwrap().str_maximum, "2");
    assert_eq!(inference.numeric.as_ref().unwrap().maximum, f64::INFINITY);

    // Both codecs carry the same message, and JSON is written with the names that it is read with.
    assert_eq!(Request::decode(&request.encode_to_vec()[..]).unwrap(), request);
    let text = serde_json::to_string(&request).unwrap();
    assert!(text.contains(r#""maximum":"Infinity""#) && text.contains(r#""enum":[1,null,"x"]"#), "{text}");
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
}

#[test]
fn null_is_absent_and_unknown_members_are_passed_over() {
    let request = from(
        r#"{"open": {
        "materialization": {
            "name": null, "connectorType": null, "config": null, "triggers": null, "shardTemplate": {"id": [1]},
            "bindings": [{
                "resourcePath": null, "collection": null, "fieldSelection": {"keys": null, "fieldConfig": null},
                "deltaUpdates": null, "backfill": null, "notBefore": "2020-01-01T00:00:00Z", "priority": -3
            }],
            "inactiveBindings": null, "newest": {"a": {}}
        },
        "version": null, "state": null,
        "range": {"keyBegin": null, "keyEnd": 4294967295, "rClockEnd": "4294967295"},
        "unknown": [[]]
    }}"#,
    );
    let open = request.open.unwrap();
    let range = RangeSpec { key_end: u32::MAX, r_clock_end: u32::MAX, ..RangeSpec::default() };
    assert_eq!(open.range, Some(range));
    let binding = Binding { field_selection: Some(FieldSelection::default()), ..Binding::default() };
    assert_eq!(
        open.materialization,
        Some(MaterializationSpec { bindings: vec![binding], ..MaterializationSpec::default() })
    );
}

#[test]
fn null_of_every_field_is_absent() {
    // Every name that a message writes can be null instead.
    fn check<T: Default + PartialEq + std::fmt::Debug + Serialize + serde::de::DeserializeOwned>(
        names: &[&str],
    ) {
        for name in names {
            let text = format!("{{{name:?}:null}}");
            assert_eq!(serde_json::from_str::<T>(&text).unwrap(), T::default(), "{text}");
        }
    }
    check::<request::Spec>(&["connectorType", "config"]);
    check::<request::Validate>(&[
        "name",
        "connectorType",
        "config",
        "bindings",
        "lastMaterialization",
        "lastVersion",
    ]);
    check::<request::ValidateBinding>(&[
        "resourceConfig",
        "collection",
        "fieldConfig",
        "backfill",
        "groupBy",
    ]);
    check::<request::Apply>(&["materialization", "version", "lastMaterialization", "lastVersion", "state"]);
    check::<request::Open>(&["materialization", "version", "range", "state", "sealedConfig"]);
    check::<request::Load>(&["binding", "key", "keyPacked"]);
    check::<request::Flush>(&["statePatches", "backfillBegins", "backfillCompletes"]);
    check::<request::Backfill>(&["binding", "timestamp"]);
    check::<request::StartCommit>(&["runtimeCheckpoint", "statePatches"]);
    check::<request::Acknowledge>(&["statePatches"]);
    check::<MaterializationSpec>(&[
        "name",
        "config",
        "bindings",
        "inactiveBindings",
        "triggers",
        "createdAt",
    ]);
    check::<Binding>(&[
        "resourceConfig",
        "resourcePath",
        "fieldSelection",
        "deprecatedShuffle",
        "stateKey",
        "serPolicy",
    ]);
    check::<CollectionSpec>(&[
        "name",
        "key",
        "uuidPtr",
        "partitionFields",
        "projections",
        "ackTemplate",
        "writeSchema",
    ]);
    check::<FieldSelection>(&["keys", "values", "document", "fieldConfig"]);
    check::<Projection>(&["ptr", "field", "explicit", "isPartitionKey", "isPrimaryKey", "inference"]);
    check::<Inference>(&[
        "types", "string", "default", "secret", "exists", "numeric", "array", "enum", "reduce",
    ]);
    check::<InferenceString>(&[
        "contentType",
        "format",
        "maxLength",
        "contentEncoding",
        "strMinimum",
        "strMaximum",
    ]);
    check::<InferenceNumeric>(&["hasMinimum", "minimum", "hasMaximum", "maximum"]);
    check::<InferenceArray>(&["minItems", "hasMaxItems", "maxItems", "itemTypes"]);
    check::<RangeSpec>(&["keyBegin", "keyEnd", "rClockBegin", "rClockEnd"]);
    check::<SerPolicy>(&["strTruncateAfter", "nestedObjTruncateAfter", "arrayTruncateAfter"]);
}

#[test]
fn enumerations_are_names_or_numbers() {
    let exists = |json: &str| {
        serde_json::from_str::<Inference>(&format!(r#"{{"exists":{json}}}"#))
            .map(|inference| inference.exists)
    };
    assert_eq!(exists("\"CANNOT\"").unwrap(), 4);
    assert_eq!(exists("3").unwrap(), 3);
    assert_eq!(exists("77").unwrap(), 77, "as protobuf keeps it");
    assert_eq!(exists("\"NEWER\"").unwrap(), 0);
    assert!(exists("[]").is_err() && exists("1.5").is_err() && exists("9999999999").is_err());
    let text = serde_json::to_string(&Inference { exists: 77, reduce: 10, ..Inference::default() }).unwrap();
    assert_eq!(text, r#"{"exists":77,"reduce":"REDUCE_JSON_SCHEMA_MERGE"}"#);
}

#[test]
fn timestamps_are_rfc_3339() {
    for (text, seconds, nanos) in [
        ("1970-01-01T00:00:01Z", 1, 0),
        ("2026-07-01T12:00:00.5Z", 1_782_907_200, 500_000_000),
        ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
    ] {
        let json = format!(r#"{{"binding":1,"timestamp":"{text}"}}"#);
        let backfill = serde_json::from_str::<request::Backfill>(&json).unwrap();
        assert_eq!(backfill.timestamp, Some(Timestamp { seconds, nanos }), "{text}");
        assert_eq!(serde_json::to_string(&backfill).unwrap(), json);
    }
    assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    assert!(serde_json::to_string(&Timestamp { seconds: i64::MAX, nanos: 0 }).is_err());
}

#[test]
fn packed_keys_are_base64() {
    let request = from(r#"{"load": {"binding": 2, "keyPacked": "FQECYQA="}}"#);
    assert_eq!(&request.load.as_ref().unwrap().key_packed[..], b"\x15\x01\x02a\0");
    assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"load":{"binding":2,"keyPacked":"FQECYQA="}}"#);
    assert!(serde_json::from_str::<Request>(r#"{"load":{"keyPacked":"?"}}"#).is_err());
}

#[test]
fn field_numbers() {
    // By hand from the table: each field of two small messages, and the nesting of the frame.
    let response = Response::from(response::Validated {
        bindings: vec![ValidatedBinding {
            constraints: [("f".to_string(), constraint())].into(),
            resource_path: vec!["t".into()],
            delta_updates: true,
            ser_policy: Some(SerPolicy {
                str_truncate_after: 1,
                nested_obj_truncate_after: 2,
                array_truncate_after: 3,
            }),
            case_insensitive_fields: true,
            projection_constraints: vec![ProjectionConstraint {
                field: "f".into(),
                constraint: Some(constraint()),
            }],
        }],
    });
    let constraint = b"\x10\x03\x1a\x01r\x22\x01F";
    let entry = [&b"\x0a\x01f\x12\x08"[..], constraint].concat();
    let binding = [
        &b"\x0a\x0d"[..],
        &entry,
        b"\x12\x01t",
        b"\x18\x01",
        b"\x22\x06\x08\x01\x10\x02\x18\x03",
        b"\x28\x01",
        b"\x32\x0d",
        &entry,
    ]
    .concat();
    let length = u8::try_from(binding.len()).unwrap();
    let expected = [&[0x12, length + 2, 0x0a, length][..], &binding].concat();
    assert_eq!(response.encode_to_vec(), expected);

    let request = Request::from(request::Open {
        range: Some(RangeSpec { key_begin: 1, key_end: 2, r_clock_begin: 3, r_clock_end: 4 }),
        sealed_config_json: "{}".into(),
        ..request::Open::default()
    });
    let range = b"\x15\x01\0\0\0\x1d\x02\0\0\0\x25\x03\0\0\0\x2d\x04\0\0\0";
    assert_eq!(request.encode_to_vec(), [&b"\x22\x1a\x1a\x14"[..], range, b"\x2a\x02{}"].concat());
}

fn constraint() -> Constraint {
    Constraint {
        r#type: ConstraintType::LocationRecommended.into(),
        reason: "r".into(),
        folded_field: "F".into(),
    }
}

#[test]
fn debug_shows_no_configuration() {
    let secret = || Bytes::from_static(b"{\"password\":\"hunter2\"}");
    let materialization = MaterializationSpec {
        name: "acme/x".into(),
        config_json: secret(),
        triggers_json: secret(),
        ..MaterializationSpec::default()
    };
    let requests = [
        Request::from(request::Spec { config_json: secret(), ..Default::default() }),
        Request::from(request::Validate {
            config_json: secret(),
            last_materialization: Some(materialization.clone()),
            ..Default::default()
        }),
        Request::from(request::Apply {
            materialization: Some(materialization.clone()),
            last_materialization: Some(materialization.clone()),
            ..Default::default()
        }),
        Request::from(request::Open {
            materialization: Some(materialization),
            sealed_config_json: secret(),
            ..Default::default()
        }),
    ];
    for request in requests {
        let debug = format!("{request:?}");
        assert!(!debug.contains("hunter2") && !debug.contains("password"), "{debug}");
    }
    assert_eq!(PROTOCOL, 3_032_023);
}

proptest! {
    #[test]
    fn arbitrary_json_members_of_a_message_never_panic(text in "[\\[\\]{}:,\"a01.eE\\\\u tfn]{0,20}") {
        let _ = serde_json::from_str::<Request>(&format!("{{\"validate\":{text}}}"));
        let _ = serde_json::from_str::<Inference>(&format!("{{\"exists\":{text},\"numeric\":{{\"minimum\":{text}}}}}"));
    }
}
