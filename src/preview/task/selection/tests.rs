use serde_json::json;

use super::*;
use crate::preview::task::{Inference, StringInference};
use crate::schema::Exists;

fn projection(field: &str, pointer: &str, types: &str) -> Projection {
    Projection {
        field: field.to_owned(),
        pointer: pointer.to_owned(),
        explicit: false,
        is_partition_key: false,
        is_primary_key: false,
        inference: Inference {
            types: types.split(' ').map(str::to_owned).collect(),
            exists: Exists::May,
            title: String::new(),
            description: String::new(),
            default: None,
            secret: false,
            string: None,
        },
    }
}

/// The fields of a small collection with key `/id`.
fn collection() -> Vec<Projection> {
    let mut projections: Vec<_> = [
        ("_meta", "/_meta", "object"),
        ("_meta/flow_truncated", "/_meta/flow_truncated", "boolean"),
        ("_meta/op", "/_meta/op", "string"),
        ("_meta/uuid", "/_meta/uuid", "string"),
        ("a", "/a", "object"),
        ("a/b", "/a/b", "object null"),
        ("a/b/c", "/a/b/c", "string"),
        ("a/x", "/a/x", "integer"),
        ("ab", "/ab", "boolean"),
        ("any", "/any", "array boolean number object string"),
        ("any/below", "/any/below", "string"),
        ("flow_document", "", "object"),
        ("flow_published_at", "/_meta/uuid", "string"),
        ("id", "/id", "integer"),
        ("list", "/list", "array"),
        ("list/0", "/list/0", "string"),
    ]
    .map(|(field, pointer, types)| projection(field, pointer, types))
    .into();
    let published = projections.iter_mut().find(|p| p.field == "flow_published_at").unwrap();
    published.inference.string = Some(StringInference {
        format: "date-time".to_owned(),
        content_encoding: "uuid".to_owned(),
        ..StringInference::default()
    });
    projections
}

fn with(user: &[(&str, &str)]) -> Vec<Projection> {
    let mut projections = collection();
    for (field, pointer) in user {
        projections.push(Projection { explicit: true, ..projection(field, pointer, "string") });
    }
    projections.sort_by(|a, b| a.field.cmp(&b.field));
    projections
}

fn constraint(demand: Demand) -> Vec<Constraint> {
    vec![Constraint { demand, reason: "because".to_owned() }]
}

fn all_optional(projections: &[Projection]) -> Constraints {
    projections.iter().map(|p| (p.field.clone(), constraint(Demand::Optional))).collect()
}

fn recommended(recommended: Recommended) -> Fields {
    Fields { recommended, ..Fields::default() }
}

fn require(fields: &[&str]) -> Fields {
    let require = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
    Fields { recommended: Recommended::Off, require, ..Fields::default() }
}

fn exclude(fields: &[&str]) -> Fields {
    Fields { exclude: fields.iter().map(|field| (*field).to_owned()).collect(), ..Fields::default() }
}

/// Groups by and selects with a change to the constraints.
fn choose(
    projections: &[Projection],
    fields: &Fields,
    change: impl FnOnce(&mut Constraints),
) -> Result<Selection, String> {
    let mut constraints = all_optional(projections);
    change(&mut constraints);
    let keys = group_by("place", projections, &["/id".to_owned()], fields).map_err(|e| e.to_string())?;
    select("place", projections, &keys, fields, &constraints).map_err(|e| e.to_string())
}

fn values(projections: &[Projection], fields: &Fields) -> Vec<String> {
    choose(projections, fields, |_| {}).unwrap().values
}

#[test]
fn recommended_is_true_false_or_a_depth() {
    let all = collection();
    let selected = choose(&all, &recommended(Recommended::All), |_| {}).unwrap();
    assert_eq!(selected.keys, ["id"]);
    assert_eq!(selected.values, ["_meta/op", "a/b/c", "a/x", "ab", "any", "flow_published_at", "list"]);
    assert_eq!(selected.document, None);

    let selected = choose(&all, &recommended(Recommended::Off), |_| {}).unwrap();
    assert_eq!((selected.values.len(), selected.document), (0, None));
    assert_eq!(selected.keys, ["id"]);

    let depth = |depth| choose(&all, &recommended(Recommended::Depth(depth)), |_| {}).unwrap();
    assert_eq!(depth(0).values, ["_meta/op", "flow_published_at"]);
    assert_eq!(depth(0).document.as_deref(), Some("flow_document"));
    assert_eq!(depth(1).values, ["_meta/op", "a", "ab", "any", "flow_published_at", "list"]);
    assert_eq!(depth(1).document, None);
    assert_eq!(depth(2).values, ["_meta/op", "a/b", "a/x", "ab", "any", "flow_published_at", "list"]);
    assert_eq!(depth(3).values, ["_meta/op", "a/b/c", "a/x", "ab", "any", "flow_published_at", "list"]);
}

#[test]
fn required_fields_come_with_their_configuration_and_cover_what_is_below() {
    let all = collection();
    let mut fields = require(&["a", "flow_document"]);
    fields.require.insert("ab".to_owned(), json!({"cast": "x"}));
    fields.require.insert("list/0".to_owned(), json!(null));
    let selected = choose(&all, &fields, |_| {}).unwrap();
    assert_eq!(selected.values, ["a", "ab", "list/0"]);
    assert_eq!(selected.document.as_deref(), Some("flow_document"));
    let config = [("a", json!({})), ("ab", json!({"cast": "x"})), ("flow_document", json!({}))];
    assert_eq!(selected.config, config.map(|(field, config)| (field.to_owned(), config)).into());

    // `ab` is not below `a`; the document covers nothing.
    fields.recommended = Recommended::All;
    let expected = ["_meta/op", "a", "ab", "any", "flow_published_at", "list", "list/0"];
    assert_eq!(values(&all, &fields), expected);
}

#[test]
fn excluded_fields_are_out() {
    let fields = exclude(&["list", "flow_published_at", "_meta/op", "a/x"]);
    // What was below `list` is no longer covered.
    assert_eq!(values(&collection(), &fields), ["a/b/c", "ab", "any", "list/0"]);
}

#[test]
fn user_defined_projections_and_partitions() {
    let mut all = with(&[("mine", "/a/x"), ("uuid", "/_meta/uuid"), ("whole", "")]);
    all.retain(|p| p.field != "flow_document");
    let selected = choose(&all, &recommended(Recommended::All), |_| {}).unwrap();
    // The location of `mine` needs no second field.
    let expected = ["_meta/op", "a/b/c", "ab", "any", "flow_published_at", "list", "mine", "uuid"];
    assert_eq!(selected.values, expected);
    assert_eq!(selected.document.as_deref(), Some("whole"));
    assert_eq!(values(&all, &recommended(Recommended::Off)), [""; 0]);

    all.iter_mut().find(|p| p.field == "mine").unwrap().is_partition_key = true;
    assert_eq!(values(&all, &recommended(Recommended::Off)), ["mine"]);
    assert_eq!(values(&all, &Fields { recommended: Recommended::Off, ..exclude(&["mine"]) }), [""; 0]);
}

#[test]
fn of_two_root_fields_the_second_is_a_value() {
    let all = with(&[("one", ""), ("two", "")]);
    let selected = choose(&all, &require(&["two", "one"]), |_| {}).unwrap();
    assert_eq!((selected.values, selected.document), (vec!["two".to_owned()], Some("one".to_owned())));
}

#[test]
fn keys_prefer_the_users_projection_and_the_required_one() {
    let all = with(&[("Id", "/id"), ("Other", "/id")]);
    let keys = |fields: &Fields| group_by("place", &all, &["/id".to_owned()], fields).unwrap();
    assert_eq!(keys(&Fields::default()), ["Id"]);
    assert_eq!(keys(&require(&["id"])), ["id"]);
    assert_eq!(keys(&exclude(&["Id"])), ["Other"]);
    assert_eq!(keys(&exclude(&["Id", "Other"])), ["id"]);
    assert_eq!(
        group_by("place", &all, &["/id".to_owned()], &exclude(&["Id", "Other", "id"]))
            .unwrap_err()
            .to_string(),
        "place: field \"/id\" is a part of the key, but the binding excludes it"
    );
    let nowhere = group_by("place", &all, &["/flow_document".to_owned()], &Fields::default());
    assert_eq!(
        nowhere.unwrap_err().to_string(),
        "place: field \"/flow_document\" is a part of the key, but no field has its location; project it under a \
         name of its own"
    );
    // The canonical field of the key's location is not taken besides; the users' are.
    let selected = choose(&all, &recommended(Recommended::Depth(1)), |_| {}).unwrap();
    assert_eq!(selected.keys, ["Id"]);
    assert!(selected.values.contains(&"Other".to_owned()) && !selected.values.contains(&"id".to_owned()));
}

#[test]
fn group_by_replaces_the_key() {
    let all = collection();
    let by = |names: &[&str]| Fields {
        recommended: Recommended::Depth(1),
        group_by: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Fields::default()
    };
    let selected = choose(&all, &by(&["ab", "a/x", "ab"]), |_| {}).unwrap();
    assert_eq!(selected.keys, ["ab", "a/x"]);
    assert_eq!(selected.values, ["_meta/op", "a", "any", "flow_published_at", "id", "list"]);
    let error = |fields: &Fields| choose(&all, fields, |_| {}).unwrap_err();
    assert!(error(&by(&["nope"])).starts_with("place: fields.groupBy names \"nope\", which is not a field"));
    assert_eq!(
        error(&by(&["list"])),
        "place, fields.groupBy: key location \"/list\" must be a scalar that the schema declares, its types are array"
    );
    assert_eq!(
        error(&Fields { exclude: ["ab".to_owned()].into(), ..by(&["ab"]) }),
        "place: field \"ab\" is grouped by, but the binding excludes it"
    );
}

#[test]
fn constraints_forbid_and_require() {
    let all = collection();
    let set = |field: &'static str, demand| {
        move |constraints: &mut Constraints| {
            constraints.insert(field.to_owned(), constraint(demand));
        }
    };
    let off = recommended(Recommended::Off);
    let on = recommended(Recommended::All);
    let chosen = |fields: &Fields, field, demand| choose(&all, fields, set(field, demand)).map(|s| s.values);

    assert_eq!(chosen(&off, "a", Demand::FieldRequired).unwrap(), ["a"]);
    assert_eq!(chosen(&off, "a", Demand::LocationRequired).unwrap(), ["a"]);
    assert_eq!(chosen(&off, "id", Demand::LocationRequired).unwrap(), [""; 0]);
    let expected = ["_meta/op", "a/b/c", "a/x", "any", "flow_published_at", "list"];
    assert_eq!(chosen(&on, "ab", Demand::Forbidden).unwrap(), expected);
    assert_eq!(chosen(&on, "ab", Demand::Incompatible).unwrap(), expected);
    let silent = choose(&all, &on, |constraints| _ = constraints.remove("ab")).unwrap();
    assert_eq!(silent.values, expected);

    assert_eq!(
        chosen(&off, "id", Demand::Forbidden).unwrap_err(),
        "place: field \"id\" is a part of the key, but the connector forbids it (because)"
    );
    assert_eq!(
        chosen(&require(&["ab"]), "ab", Demand::Incompatible).unwrap_err(),
        "place: field \"ab\" is required by the binding, but the connector needs a backfill for it (because); \
         raise the binding's backfill"
    );
    assert_eq!(
        chosen(&exclude(&["ab"]), "ab", Demand::FieldRequired).unwrap_err(),
        "place: field \"ab\" is required by the connector (because), but the binding excludes it"
    );
    assert_eq!(
        chosen(&exclude(&["ab"]), "ab", Demand::LocationRequired).unwrap_err(),
        "place: field \"ab\" is the location of one that the connector requires (because), but the binding \
         excludes it"
    );
    let silent = choose(&all, &require(&["ab"]), |constraints| _ = constraints.remove("ab"));
    assert_eq!(
        silent.unwrap_err(),
        "place: field \"ab\" is required by the binding, but the connector says nothing of it, and so forbids it"
    );
    let both = choose(&all, &off, |constraints| {
        let entry = constraints.get_mut("ab").unwrap();
        *entry = [constraint(Demand::LocationRequired), constraint(Demand::Incompatible)].concat();
    });
    assert!(both.unwrap_err().contains("needs a backfill"));
}

#[test]
fn a_required_location_takes_another_field_of_it() {
    let all = with(&[("mine", "/ab")]);
    let fields = Fields { recommended: Recommended::Off, ..exclude(&["ab"]) };
    let selected = choose(&all, &fields, |constraints| {
        constraints.insert("ab".to_owned(), constraint(Demand::LocationRequired));
    });
    assert_eq!(selected.unwrap().values, ["mine"]);
}

#[test]
fn unknown_fields_are_told_with_the_known_ones() {
    let all = vec![projection("id", "/id", "integer"), projection("x", "/x", "string")];
    let error = |fields: &Fields| choose(&all, fields, |_| {}).unwrap_err();
    let known = "which is not a field of the collection, those are: id, x";
    assert_eq!(error(&require(&["y"])), format!("place: fields.include names \"y\", {known}"));
    assert_eq!(error(&exclude(&["y"])), format!("place: fields.exclude names \"y\", {known}"));
}
