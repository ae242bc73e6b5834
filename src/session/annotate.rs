//! Headers and times of a binding's messages: which fields they need, and how they are made of them.

use anyhow::{anyhow, bail};

use crate::config::{Annotations, HeaderField};
use crate::encode::{Annotation, AnnotationPlan, Layout, Wanted};
use crate::kafka::{Header, Note};
use crate::protocol::messages::flow;

/// The fields of a collection that are needed, each with the option that needs it.
pub(super) fn required<'c>(
    annotations: &Annotations,
    collection: &'c flow::CollectionSpec,
) -> anyhow::Result<Vec<(&'c str, String)>> {
    let mut required = Vec::new();
    let fields = annotations.header_fields.iter().flatten();
    for option in fields.filter(|field| **field != HeaderField::Collection) {
        let Some(projection) = collection.projections.iter().find(|projection| serves(*option, projection))
        else {
            bail!(
                "header_fields has {}, but collection {} has no {}; remove it, or add that to the collection's schema",
                option.as_str(),
                collection.name,
                source(*option)
            );
        };
        required.push((&projection.field[..], format!("header_fields has {}", option.as_str())));
    }
    if let Some(field) = &annotations.timestamp {
        let Some(projection) = collection.projections.iter().find(|projection| projection.field == *field)
        else {
            bail!(
                "timestamp names field {field:?}, which collection {} does not have; name one of its fields, or \
                 flow_published_at, or none",
                collection.name
            );
        };
        is_time(projection)?;
        required.push((&projection.field[..], "the messages' timestamp is taken of it".to_owned()));
    }
    Ok(required)
}

/// Whether a field has what a header needs.
fn serves(option: HeaderField, projection: &flow::Projection) -> bool {
    match option {
        HeaderField::Operation => projection.ptr == "/_meta/op",
        HeaderField::PublishedAt => projection.field == PUBLISHED_AT,
        HeaderField::Collection => false,
    }
}

fn source(option: HeaderField) -> &'static str {
    match option {
        HeaderField::Operation => "field at /_meta/op",
        HeaderField::PublishedAt | HeaderField::Collection => "field flow_published_at",
    }
}

/// Checks that a field's values are points in time, by what is known of them.
fn is_time(projection: &flow::Projection) -> anyhow::Result<()> {
    let Some(inference) = &projection.inference else { return Ok(()) };
    let fits = inference.types.iter().all(|r#type| match &r#type[..] {
        "integer" | "null" => true,
        "string" => {
            let format = inference.string.as_ref().map_or("", |string| &string.format);
            projection.field == PUBLISHED_AT || format == "date-time" || format == "integer"
        }
        _ => false,
    });
    if fits {
        return Ok(());
    }
    bail!(
        "timestamp names field {:?}, whose values may be other than points in time; by its schema it must be an integer \
         (milliseconds since 1970) or a string of format date-time",
        projection.field
    )
}

/// The headers of a binding's messages.
pub(super) fn headers(annotations: &Annotations, collection: &str) -> anyhow::Result<Vec<Header>> {
    let mut headers = Vec::new();
    for (name, value) in annotations.headers.iter().flatten() {
        headers.push(Header::constant(name, value)?);
    }
    for field in annotations.header_fields.iter().flatten() {
        headers.push(match field {
            HeaderField::Collection => Header::constant(field.header(), collection)?,
            HeaderField::Operation => Header::own(field.header(), 0)?,
            HeaderField::PublishedAt => Header::own(field.header(), 1)?,
        });
    }
    Ok(headers)
}

/// What a document's message has beside key and value; its values are in the order that [`headers`] gives them.
pub(super) fn note<'a>(annotation: &Annotation<'a>) -> Note<'a> {
    Note { timestamp: annotation.timestamp, values: [annotation.operation, annotation.published_at] }
}

/// How the annotations of a binding are read; none where its messages have nothing beside key and value.
pub(super) fn plan(
    annotations: &Annotations,
    collection: &flow::CollectionSpec,
    layout: &Layout<'_>,
) -> anyhow::Result<Option<AnnotationPlan>> {
    let fields = || annotations.header_fields.iter().flatten();
    let has_headers = annotations.headers.as_ref().is_some_and(|headers| !headers.is_empty());
    if !has_headers && fields().next().is_none() && annotations.timestamp.is_none() {
        return Ok(None);
    }
    // Any field that serves will do: which one was selected is not ours to say.
    let selected = |option: HeaderField| {
        if !fields().any(|field| *field == option) {
            return Ok(None);
        }
        let mut serving = collection.projections.iter().filter(|projection| serves(option, projection));
        let chosen = |projection: &&flow::Projection| {
            layout.keys.contains(&projection.field) || layout.values.contains(&projection.field)
        };
        match serving.find(chosen) {
            Some(projection) => Ok(Some(&projection.field[..])),
            None => Err(anyhow!(
                "header_fields has {}, but no {} is selected; add it to the binding's fields",
                option.as_str(),
                source(option)
            )),
        }
    };
    let wanted = Wanted {
        operation: selected(HeaderField::Operation)?,
        published_at: selected(HeaderField::PublishedAt)?,
        timestamp: annotations.timestamp.as_deref(),
    };
    let plan = AnnotationPlan::new(layout, &wanted).map_err(|field| {
        anyhow!("timestamp names field {field:?}, which is not selected; add it to the binding's fields")
    })?;
    Ok(Some(plan))
}

const PUBLISHED_AT: &str = "flow_published_at";
