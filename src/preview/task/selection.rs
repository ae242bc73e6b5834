//! Chooses the fields of a binding from what its source wants and the connector answers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::Error;
use super::projection::Projection;
use super::source::{Fields, Recommended};

/// The fields of a binding, in the order of its tuples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The fields that documents are grouped by, in that order.
    pub keys: Vec<String>,
    /// All other fields, ascending.
    pub values: Vec<String>,
    /// The field that is the whole document.
    pub document: Option<String>,
    /// Configuration that the source gives to selected fields.
    pub config: BTreeMap<String, Value>,
}

/// What the connector says of a field; several may be said of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What it demands.
    pub demand: Demand,
    /// Why, for people.
    pub reason: String,
}

/// What a connector demands for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The field must be selected.
    FieldRequired,
    /// Some field of its location must be selected.
    LocationRequired,
    /// It may be selected.
    Optional,
    /// It must not be selected.
    Forbidden,
    /// It cannot be selected unless the binding is filled anew.
    Incompatible,
}

/// What a connector says of a binding's fields. A field that is not here is forbidden.
pub type Constraints = BTreeMap<String, Vec<Constraint>>;

/// The fields that a binding groups by: what its source says, else the fields of the collection's
/// key, of several at one location the one that is required, else one that the user defined.
///
/// # Errors
/// If `groupBy` names an unknown field or one that is no scalar, or if the source excludes all
/// fields of a key location.
pub fn group_by(
    place: &str,
    projections: &[Projection],
    key: &[String],
    fields: &Fields,
) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for field in &fields.group_by {
        let projection = find(place, projections, "groupBy", field)?;
        if let Some(found) = projection.key_fault() {
            let (place, pointer) = (format!("{place}, fields.groupBy"), projection.pointer.clone());
            return Err(Error::KeyLocation { place, pointer, found });
        }
        if fields.exclude.contains(field) {
            return Err(conflict(place, field, "is grouped by", "the binding excludes it"));
        }
        if !names.contains(field) {
            names.push(field.clone());
        }
    }
    if !names.is_empty() {
        return Ok(names);
    }
    for pointer in key {
        let at_location = || projections.iter().filter(|p| p.pointer == *pointer && !p.is_published_at());
        let refused = match at_location().next() {
            Some(_) => "the binding excludes it",
            None => "no field has its location; project it under a name of its own",
        };
        let chosen = at_location()
            .filter(|p| !fields.exclude.contains(&p.field))
            .max_by_key(|p| (fields.require.contains_key(&p.field), p.explicit, Reverse(&p.field)))
            .ok_or_else(|| conflict(place, pointer, "is a part of the key", refused))?;
        names.push(chosen.field.clone());
    }
    Ok(names)
}

/// Selects a binding's fields. `group_by` is what [`group_by`] answered for the same fields.
///
/// # Errors
/// If the source names an unknown field, or if a field must be selected and must not be.
pub fn select(
    place: &str,
    projections: &[Projection],
    group_by: &[String],
    fields: &Fields,
    constraints: &Constraints,
) -> Result<Selection, Error> {
    for field in &fields.exclude {
        find(place, projections, "exclude", field)?;
    }
    let mut chosen = Chosen { place, projections, fields, constraints, fields_chosen: BTreeSet::new() };
    for field in group_by {
        chosen.require(find(place, projections, "groupBy", field)?, "is a part of the key")?;
    }
    for field in fields.require.keys() {
        chosen.require(find(place, projections, "include", field)?, "is required by the binding")?;
    }
    for projection in projections {
        if let Some(reason) = chosen.demand(projection, Demand::FieldRequired) {
            chosen.require(projection, &format!("is required by the connector ({reason})"))?;
        }
    }
    for projection in projections.iter().filter(|p| p.is_partition_key) {
        chosen.offer(projection);
    }
    if fields.recommended != Recommended::Off {
        for projection in projections {
            let by_name = matches!(projection.field.as_str(), "flow_published_at" | "_meta/op");
            if projection.explicit || by_name {
                chosen.offer(projection);
            }
        }
    }
    for projection in projections {
        if let Some(reason) = chosen.demand(projection, Demand::LocationRequired) {
            chosen.require_location(projection, reason)?;
        }
    }
    chosen.by_depth();
    Ok(chosen.into_selection(group_by))
}

/// The selection in the making.
struct Chosen<'a> {
    place: &'a str,
    projections: &'a [Projection],
    fields: &'a Fields,
    constraints: &'a Constraints,
    fields_chosen: BTreeSet<&'a str>,
}

impl<'a> Chosen<'a> {
    /// Takes a field that somebody insists on.
    fn require(&mut self, projection: &'a Projection, wanted: &str) -> Result<(), Error> {
        if let Some(refused) = self.refused(projection) {
            return Err(conflict(self.place, &projection.field, wanted, &refused));
        }
        self.fields_chosen.insert(&projection.field);
        Ok(())
    }

    /// Takes a field if nobody objects.
    fn offer(&mut self, projection: &'a Projection) {
        if self.refused(projection).is_none() {
            self.fields_chosen.insert(&projection.field);
        }
    }

    /// Makes sure that some field of the location is taken.
    fn require_location(&mut self, projection: &'a Projection, reason: &str) -> Result<(), Error> {
        let same = |p: &&Projection| {
            p.pointer == projection.pointer && p.is_published_at() == projection.is_published_at()
        };
        let at_location = || self.projections.iter().filter(same);
        if at_location().any(|p| self.fields_chosen.contains(p.field.as_str())) {
            return Ok(());
        }
        let permitted = at_location().find(|p| self.refused(p).is_none());
        self.require(
            permitted.unwrap_or(projection),
            &format!("is the location of one that the connector requires ({reason})"),
        )
    }

    /// Takes what the recommended depth covers, from the root down.
    fn by_depth(&mut self) {
        let limit = match self.fields.recommended {
            Recommended::Off => return,
            Recommended::Depth(depth) => Some(depth),
            Recommended::All => None,
        };
        // A field that the user defined goes before the canonical one of its location.
        let mut downwards: Vec<_> = self.projections.iter().collect();
        downwards.sort_by_key(|p| (p.depth(), !p.explicit));
        for projection in downwards {
            let depth = projection.depth();
            let in_reach =
                limit == Some(depth) || (limit.is_none_or(|limit| depth < limit) && !projection.is_object());
            if in_reach && !projection.is_within("/_meta") && !self.covers(projection) {
                self.offer(projection);
            }
        }
    }

    /// Whether a field that is taken already has the projection's location, or one above it. The
    /// whole document counts for nothing but itself: it is selected besides fields, not for them.
    fn covers(&self, projection: &Projection) -> bool {
        let taken = self.projections.iter().filter(|p| self.fields_chosen.contains(p.field.as_str()));
        taken.into_iter().any(|p| {
            if p.pointer.is_empty() {
                projection.pointer.is_empty()
            } else {
                projection.is_within(&p.pointer)
            }
        })
    }

    /// Why a field must not be taken, if so.
    fn refused(&self, projection: &Projection) -> Option<String> {
        if self.fields.exclude.contains(&projection.field) {
            return Some("the binding excludes it".to_owned());
        }
        let constraints = self.constraints.get(&projection.field).map(Vec::as_slice).unwrap_or_default();
        if constraints.is_empty() {
            return Some("the connector says nothing of it, and so forbids it".to_owned());
        }
        constraints.iter().find_map(|Constraint { demand, reason }| match demand {
            Demand::Forbidden => Some(format!("the connector forbids it ({reason})")),
            Demand::Incompatible => Some(format!(
                "the connector needs a backfill for it ({reason}); raise the binding's backfill"
            )),
            Demand::FieldRequired | Demand::LocationRequired | Demand::Optional => None,
        })
    }

    /// The reason of a demand that the connector makes for a field, if it does.
    fn demand(&self, projection: &Projection, demand: Demand) -> Option<&'a str> {
        let constraints = self.constraints.get(&projection.field)?;
        constraints.iter().find(|constraint| constraint.demand == demand).map(|found| found.reason.as_str())
    }

    fn into_selection(self, group_by: &[String]) -> Selection {
        let is_root =
            |field: &&str| self.projections.iter().any(|p| p.field == **field && p.pointer.is_empty());
        // Of several root fields the first by name is the document.
        let document = self.fields_chosen.iter().copied().find(is_root);
        let is_value =
            |field: &&&str| !group_by.iter().any(|key| key == **field) && Some(**field) != document;
        let config = self.fields.require.iter().filter(|(_, config)| !config.is_null());
        Selection {
            keys: group_by.to_vec(),
            values: self.fields_chosen.iter().filter(is_value).map(|field| (*field).to_owned()).collect(),
            document: document.map(str::to_owned),
            config: config.map(|(field, config)| (field.clone(), config.clone())).collect(),
        }
    }
}

fn find<'p>(
    place: &str,
    projections: &'p [Projection],
    member: &'static str,
    field: &str,
) -> Result<&'p Projection, Error> {
    let unknown = || Error::UnknownField {
        place: place.to_owned(),
        member,
        field: field.to_owned(),
        known: projections.iter().map(|p| p.field.clone()).collect(),
    };
    projections.iter().find(|p| p.field == field).ok_or_else(unknown)
}

fn conflict(place: &str, field: &str, wanted: &str, refused: &str) -> Error {
    Error::Conflict {
        place: place.to_owned(),
        field: field.to_owned(),
        wanted: wanted.to_owned(),
        refused: refused.to_owned(),
    }
}

#[cfg(test)]
mod tests;
