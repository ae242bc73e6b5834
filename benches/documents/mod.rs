//! Own-made documents of the benchmark scenarios, the same in every run, as the Stores that carry them.

use serde_json::{Value, json};

mod random;

use random::Random;

/// A binding's fields and some of its documents.
pub struct Scenario {
    /// What the benches call it.
    pub name: &'static str,
    /// Key fields, in tuple order.
    pub keys: Vec<String>,
    /// Value fields, in tuple order.
    pub values: Vec<String>,
    /// The root document's field.
    pub document: Option<String>,
    /// The Stores, packed.
    pub stores: Vec<Packed>,
}

/// A Store's contents.
pub struct Packed {
    /// The packed key.
    pub key: Vec<u8>,
    /// The packed values.
    pub values: Vec<u8>,
    /// The root document; empty where none is selected.
    pub doc: Vec<u8>,
}

/// An integer key, five scalars, about 128 bytes of JSON.
pub fn flat128() -> Scenario {
    let mut random = Random(1);
    scenario("flat128", &["/id"], false, |i| {
        json!({
            "active": random.below(2) == 1,
            "amount": random.cents(10_000),
            "city": random.pick(&["Reykjavik", "Osaka", "Lisbon", "San Jose"]),
            "count": random.below(10_000_000),
            "id": 100_000_000 + i,
            "name": random.letters(38),
        })
    })
}

/// Two short fields, a time and a random payload of `len` bytes.
pub fn estuary(name: &'static str, len: usize) -> Scenario {
    let mut random = Random(2);
    scenario(name, &["/id"], false, |i| {
        json!({
            "_meta/op": "c",
            "flow_published_at": format!("2026-01-01T00:00:{:02}.{:09}Z", i % 60, random.below(1_000_000_000)),
            "id": i,
            "payload": random.letters(len),
        })
    })
}

/// Eight top-level fields, among them an object three deep, an array of objects and one of strings, and
/// the root document of about 1 KB besides.
pub fn nested2k() -> Scenario {
    let mut random = Random(3);
    scenario("nested2k", &["/id"], true, |i| {
        let items: Vec<Value> = (1..=5)
            .map(|qty| json!({"price": random.cents(100), "qty": qty, "sku": format!("SKU-{:06}", random.below(1_000_000))}))
            .collect();
        json!({
            "id": 100_000_000 + i,
            "items": items,
            "note": random.letters(380),
            "status": random.pick(&["open", "paid", "shipped"]),
            "tags": ["express", "gift", "newsletter", "first-order"],
            "total": random.cents(1_000),
            "ts": format!("2026-01-01T00:{:02}:{:02}Z", i / 60 % 60, i % 60),
            "user": {
                "address": {
                    "city": random.pick(&["Lisbon", "Osaka"]),
                    "geo": {"lat": random.cents(90), "lon": -random.cents(180)},
                    "street": format!("{} Main Street", random.below(1000)),
                    "zip": format!("{:05}", random.below(100_000)),
                },
                "age": random.below(90),
                "email": format!("{}@example.com", random.letters(12)),
                "name": random.letters(16),
                "vip": random.below(2) == 1,
            },
        })
    })
}

fn scenario(
    name: &'static str,
    keys: &[&str],
    with_document: bool,
    mut make: impl FnMut(u64) -> Value,
) -> Scenario {
    let documents: Vec<Value> = (0..64).map(&mut make).collect();
    let keys: Vec<String> = keys.iter().map(|key| key.trim_start_matches('/').to_owned()).collect();
    let fields = documents[0].as_object().expect("documents are objects").keys();
    let values: Vec<String> = fields.filter(|field| !keys.contains(field)).cloned().collect();
    let pack_all = |document: &Value, fields: &[String]| {
        fields.iter().flat_map(|field| pack(&document[field])).collect()
    };
    let stores = documents
        .iter()
        .map(|document| Packed {
            key: pack_all(document, &keys),
            values: pack_all(document, &values),
            doc: if with_document { document.to_string().into_bytes() } else { Vec::new() },
        })
        .collect();
    Scenario { name, keys, values, document: with_document.then(|| "flow_document".to_owned()), stores }
}

/// FoundationDB's tuple encoding of one element, for the values that occur here.
fn pack(value: &Value) -> Vec<u8> {
    let text = |code: u8, text: &str| [&[code], text.as_bytes(), &[0]].concat();
    match value {
        Value::Null => vec![0],
        Value::Bool(value) => vec![0x26 + u8::from(*value)],
        Value::Number(number) => match number.as_u64() {
            Some(value) => {
                let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
                let len = u8::try_from(bytes.len()).expect("at most 8");
                [vec![0x14 + len], bytes].concat()
            }
            None => {
                let bits = number.as_f64().expect("no negative integers here").to_bits();
                let bits = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
                [vec![0x21], bits.to_be_bytes().to_vec()].concat()
            }
        },
        Value::String(value) => text(2, value),
        Value::Array(_) | Value::Object(_) => text(1, &value.to_string()),
    }
}
