//! Packed tuples to the key and value bytes of an Avro message.
//!
//! `ours_parsed` is our plan with white space in the nested values, which then cannot be written in one pass.
//! `apache_avro` and `serde_avro_fast` write what is read from the tuples, see [`super::obvious_avro`].

use std::hint::black_box;

use super::documents::{Packed, Scenario};
use super::encoder::{Encoder, document, size};
use super::obvious_avro::{Apache, Fast};
use super::table::{Subject, Table};

pub fn rows(table: &mut Table, scenarios: &[Scenario]) {
    for scenario in scenarios {
        let stores = &scenario.stores;
        let spaced = scenario.document.is_some().then(|| spaced(scenario));
        let subject = Subject { name: "tuple_to_avro", what: scenario.name, bytes: size(stores) };
        if table.compares() {
            let mut encoder = Encoder::avro(scenario);
            let (apache, mut fast) = (Apache::new(scenario), Fast::new(scenario));
            for (i, store) in stores.iter().enumerate() {
                let ours = encoder.message(&document(store));
                let Packed { key, values, doc } = store;
                assert_eq!(ours, apache.message(scenario, key, values, doc), "{}", scenario.name);
                assert_eq!(ours, fast.message(scenario, key, values, doc), "{}", scenario.name);
                if let Some(spaced) = &spaced {
                    assert_eq!(ours, encoder.message(&document(&spaced[i])), "white space does not count");
                }
            }
        }
        let ours = |stores: &'_ [Packed]| {
            let mut encoder = Encoder::avro(scenario);
            let mut at = 0;
            let stores: Vec<Packed> = stores.iter().map(clone).collect();
            move |documents| {
                for _ in 0..documents {
                    encoder.encode(&document(black_box(&stores[at])));
                    at = (at + 1) % stores.len();
                }
            }
        };
        table.ours(subject, || ours(stores));
        if let Some(spaced) = &spaced {
            table.variant(subject, "ours_parsed", || ours(spaced));
        }
        table.theirs(subject, "apache_avro", || {
            let apache = Apache::new(scenario);
            let mut stores = stores.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    let Packed { key, values, doc } = black_box(stores.next().expect("a cycle"));
                    black_box(apache.message(scenario, key, values, doc));
                }
            }
        });
        table.theirs(subject, "serde_avro_fast", || {
            let mut fast = Fast::new(scenario);
            let mut stores = stores.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    let Packed { key, values, doc } = black_box(stores.next().expect("a cycle"));
                    black_box(fast.message(scenario, key, values, doc));
                }
            }
        });
    }
}

fn clone(store: &Packed) -> Packed {
    Packed { key: store.key.clone(), values: store.values.clone(), doc: store.doc.clone() }
}

/// The Stores with a space at the end of each nested array or object.
fn spaced(scenario: &Scenario) -> Vec<Packed> {
    let space = |store: &Packed| {
        let mut values = Vec::new();
        for &byte in &store.values {
            if byte == 0 && matches!(values.last(), Some(b'}' | b']')) {
                values.insert(values.len() - 1, b' ');
            }
            values.push(byte);
        }
        Packed { key: store.key.clone(), values, doc: store.doc.clone() }
    };
    scenario.stores.iter().map(space).collect()
}
