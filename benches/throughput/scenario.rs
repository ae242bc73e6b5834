//! Own-made tasks and documents, the same in every run.

use serde_json::{Value, json};

use crate::random::Random;

/// What documents are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Flat128,
    Estuary1k,
    Nested2k,
    Estuary64k,
    Log1k,
}

impl Scenario {
    pub const ALL: [Self; 5] =
        [Self::Flat128, Self::Estuary1k, Self::Nested2k, Self::Estuary64k, Self::Log1k];

    pub fn name(self) -> &'static str {
        match self {
            Self::Flat128 => "flat128",
            Self::Estuary1k => "estuary1k",
            Self::Nested2k => "nested2k",
            Self::Estuary64k => "estuary64k",
            Self::Log1k => "log1k",
        }
    }

    /// Documents that take some seconds.
    pub fn documents(self) -> u64 {
        match self {
            Self::Flat128 => 4_000_000,
            Self::Estuary1k => 1_000_000,
            Self::Nested2k => 400_000,
            Self::Estuary64k => 25_000,
            Self::Log1k => 800_000,
        }
    }

    /// Roughly those of one message.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Flat128 => 140,
            Self::Estuary1k | Self::Log1k => 1_000,
            Self::Nested2k => 2_200,
            Self::Estuary64k => 65_700,
        }
    }

    /// Different documents before they come again: together some 16 MiB at most.
    pub fn distinct(self) -> u64 {
        match self {
            Self::Estuary64k => 256,
            _ => 10_000,
        }
    }

    /// The specification of a task with one binding, whose topic is the caller's to name. The key is a string where
    /// `text_key` says so.
    pub fn specification(self, text_key: bool) -> Value {
        let texts = |names: &[&str]| -> Value {
            names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect()
        };
        let (mut properties, fields) = match self {
            Self::Flat128 => (
                json!({
                    "active": {"type": "boolean"}, "amount": {"type": "number"}, "city": {"type": "string"},
                    "count": {"type": "integer"}, "name": {"type": "string"},
                }),
                &["active", "amount", "city", "count", "name"][..],
            ),
            Self::Estuary1k | Self::Estuary64k => (
                json!({
                    "_meta": {"type": "object", "properties": texts(&["op"])}, "payload": {"type": "string"},
                }),
                &["_meta/op", "flow_published_at", "payload"][..],
            ),
            Self::Nested2k => (
                json!({
                    "ts": {"type": "string", "format": "date-time"}, "status": {"type": "string"},
                    "total": {"type": "number"}, "note": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "user": {"type": "object", "properties": {
                        "name": {"type": "string"}, "email": {"type": "string"}, "age": {"type": "integer"},
                        "vip": {"type": "boolean"},
                        "address": {"type": "object", "properties": {
                            "street": {"type": "string"}, "city": {"type": "string"}, "zip": {"type": "string"},
                            "geo": {"type": "object", "properties": {
                                "lat": {"type": "number"}, "lon": {"type": "number"}}}}}}},
                    "items": {"type": "array", "items": {"type": "object", "properties": {
                        "sku": {"type": "string"}, "qty": {"type": "integer"}, "price": {"type": "number"}}}},
                }),
                &["items", "note", "status", "tags", "total", "ts", "user", "flow_document"][..],
            ),
            Self::Log1k => (
                json!({
                    "level": {"type": "string"}, "service": {"type": "string"},
                    "ts": {"type": "string", "format": "date-time"}, "message": {"type": "string"},
                }),
                &["flow_published_at", "level", "message", "service", "ts"][..],
            ),
        };
        properties["id"] = json!({"type": if text_key { "string" } else { "integer" }});
        let include: Value = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
        json!({
            "collections": {"bench/documents": {"key": ["/id"],
                "schema": {"type": "object", "properties": properties, "required": ["id"]}}},
            "materializations": {"bench/task": {
                "endpoint": {"local": {"command": ["materialize-kafka"], "config": {}}},
                "bindings": [{"source": "bench/documents", "resource": {"topic": "throughput"},
                    "fields": {"recommended": false, "include": include}}]}},
        })
    }

    /// The first `count` documents as lines of a fixture. Keys are integers, or strings of `key_bytes`.
    pub fn fixture(self, count: u64, key_bytes: Option<u64>) -> String {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut lines = String::new();
        for number in 0..count {
            let mut document = self.document(number, &mut random);
            document["id"] = match key_bytes {
                None => json!(100_000_000 + number),
                Some(bytes) => {
                    let rest = usize::try_from(bytes).expect("keys fit into memory") - 8;
                    json!(format!("{number:08}{}", random.letters(rest)))
                }
            };
            lines.push_str(&json!(["bench/documents", document]).to_string());
            lines.push('\n');
        }
        lines
    }

    /// A document without its key.
    fn document(self, number: u64, random: &mut Random) -> Value {
        let city = |random: &mut Random| random.pick(&["Reykjavik", "Osaka", "Lisbon", "San Jose"]);
        match self {
            Self::Flat128 => json!({
                "active": random.below(2) == 1, "amount": random.cents(10_000), "city": city(random),
                "count": random.below(10_000_000), "name": random.letters(38),
            }),
            Self::Estuary1k => json!({"_meta": {"op": "c"}, "payload": random.letters(900)}),
            Self::Estuary64k => json!({"_meta": {"op": "c"}, "payload": random.letters(65_536)}),
            Self::Nested2k => {
                let items: Vec<Value> = (1..=5)
                    .map(|qty| {
                        json!({"price": random.cents(100), "qty": qty,
                            "sku": format!("SKU-{:06}", random.below(1_000_000))})
                    })
                    .collect();
                json!({
                    "items": items,
                    "note": random.letters(433),
                    "status": random.pick(&["open", "paid", "shipped"]),
                    "tags": ["alpha", "beta", "gamma", "delta"],
                    "total": random.cents(1_000),
                    "ts": format!("2026-01-01T00:{:02}:{:02}.{:03}Z", number / 60 % 60, number % 60, random.below(1_000)),
                    "user": {
                        "address": {
                            "city": city(random), "geo": {"lat": random.cents(90), "lon": -random.cents(180)},
                            "street": format!("{} Main Street", random.below(1_000)),
                            "zip": format!("{:05}", random.below(100_000)),
                        },
                        "age": random.below(90), "email": format!("ada{}@example.com", random.below(100_000)),
                        "name": "Ada \"Countess\" Lovelace", "vip": random.below(2) == 1,
                    },
                })
            }
            Self::Log1k => {
                let mut message = String::new();
                while message.len() < 760 {
                    message.push_str(random.pick(&WORDS));
                    message.push(' ');
                }
                json!({
                    "level": random.pick(&["debug", "info", "warn", "error"]),
                    "message": message.trim_end(),
                    "service": random.pick(&["billing", "checkout", "gateway", "search"]),
                    "ts": format!("2026-01-01T{:02}:{:02}:{:02}.{:03}Z", number / 3600 % 24, number / 60 % 60,
                        number % 60, random.below(1_000)),
                })
            }
        }
    }
}

/// What logs talk of.
const WORDS: [&str; 24] = [
    "request",
    "took",
    "longer",
    "than",
    "expected",
    "retried",
    "after",
    "timeout",
    "on",
    "shard",
    "cache",
    "miss",
    "for",
    "user",
    "and",
    "was",
    "connection",
    "closed",
    "by",
    "peer",
    "while",
    "reading",
    "queue",
    "full",
];
