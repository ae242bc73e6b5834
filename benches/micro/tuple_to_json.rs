//! Packed tuples to the key and value bytes of a JSON message.
//!
//! `serde_json` is the obvious way: a map of values that is written out.

use std::hint::black_box;

use super::documents::Scenario;
use super::encoder::{Encoder, document, size};
use super::obvious_json;
use super::table::{Subject, Table};

pub fn rows(table: &mut Table, scenarios: &[Scenario]) {
    for scenario in scenarios {
        let stores = &scenario.stores;
        let subject = Subject { name: "tuple_to_json", what: scenario.name, bytes: size(stores) };
        if table.compares() {
            let mut encoder = Encoder::json(scenario);
            for store in stores {
                let theirs = obvious_json::message(scenario, &store.key, &store.values, &store.doc);
                assert_eq!(encoder.message(&document(store)), theirs, "{}", scenario.name);
            }
        }
        table.ours(subject, || {
            let mut encoder = Encoder::json(scenario);
            let mut stores = stores.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    encoder.encode(&document(black_box(stores.next().expect("a cycle"))));
                }
            }
        });
        table.theirs(subject, "serde_json", || {
            let mut stores = stores.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    let store = black_box(stores.next().expect("a cycle"));
                    black_box(obvious_json::message(scenario, &store.key, &store.values, &store.doc));
                }
            }
        });
    }
}
