//! The Avro schemas of the scenarios, as their collections would be mapped: of the root's fields the key
//! and the document are required, objects are open.

use materialize_kafka::encode::{AvroPlan, Layout};
use materialize_kafka::schema::avro::{Field, Record, Schema};

use super::documents::Scenario;

/// The plan of a scenario, and its values' schema.
pub fn plan(scenario: &Scenario) -> (AvroPlan, Schema) {
    let layout =
        Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() };
    let mut fields: Vec<Field> = scenario.keys.iter().map(|name| field(name, Schema::Long)).collect();
    fields.extend(layout.document.map(|name| field(name, Schema::String)));
    let values = scenario.values.iter().filter(|name| !name.contains('/'));
    fields.extend(values.map(|name| field(name, nullable(schema(name)))));
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let value = open("root", fields);
    let plan = AvroPlan::new(&layout, &key(), 1, &value, 2).expect("schema and layout agree");
    (plan, value)
}

/// The schema of the scenarios' keys.
pub fn key() -> Schema {
    let parts =
        Record { name: "root.Key.Parts".to_owned(), fields: vec![field("p1", Schema::Long)], extra: None };
    let key = vec![field("_flow_key", Schema::Record(parts))];
    Schema::Record(Record { name: "root.Key".to_owned(), fields: key, extra: None })
}

fn schema(field: &str) -> Schema {
    match field {
        "active" => Schema::Boolean,
        "amount" | "total" => Schema::Double,
        "count" => Schema::Long,
        "items" => {
            let item = [("price", Schema::Double), ("qty", Schema::Long), ("sku", Schema::String)];
            Schema::Array(Box::new(object("root.items._items", item)))
        }
        "tags" => Schema::Array(Box::new(Schema::String)),
        "ts" => Schema::TimestampMicros,
        "user" => {
            let geo = object("root.user.address.geo", [("lat", Schema::Double), ("lon", Schema::Double)]);
            let address =
                [("city", Schema::String), ("geo", geo), ("street", Schema::String), ("zip", Schema::String)];
            let user = [
                ("address", object("root.user.address", address)),
                ("age", Schema::Long),
                ("email", Schema::String),
                ("name", Schema::String),
                ("vip", Schema::Boolean),
            ];
            object("root.user", user)
        }
        _ => Schema::String,
    }
}

fn object<const N: usize>(name: &str, fields: [(&str, Schema); N]) -> Schema {
    open(name, fields.map(|(name, schema)| field(name, nullable(schema))).to_vec())
}

/// A record with a map for what is no field.
fn open(name: &str, fields: Vec<Field>) -> Schema {
    let raw = Schema::RawJson { name: format!("{name}._flow_extra.RawJSON") };
    Schema::Record(Record { name: name.to_owned(), fields, extra: Some(Box::new(nullable(raw))) })
}

fn field(name: &str, schema: Schema) -> Field {
    Field { name: name.to_owned(), schema, default: None }
}

fn nullable(schema: Schema) -> Schema {
    Schema::Nullable(Box::new(schema))
}
