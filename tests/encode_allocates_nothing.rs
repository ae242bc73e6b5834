//! Encoding JSON messages allocates nothing once it has seen documents of the size.

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;

use materialize_kafka::encode::{Buffer, Document, Fields, JsonPlan, Layout, Scratch};

#[path = "../benches/documents/mod.rs"]
mod documents;

use documents::{Packed, Scenario};

/// The system's allocator, with a count of what this thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more; it is not the one that measures.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Memory) {
        // SAFETY: `ptr` came from the system's allocator, through this one.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Memory, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: `ptr` came from the system's allocator, through this one.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of 1,000 documents, after as many to warm up.
fn allocations(scenario: &Scenario, doc: impl for<'a> Fn(&'a Packed, usize) -> Document<'a>) -> u64 {
    let layout =
        Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() };
    let plan = JsonPlan::new(&layout).expect("distinct names");
    let mut scratch = Scratch::default();
    let mut key = Vec::new();
    let mut value = Buffer::default();
    let mut thousand = || {
        for i in 0..1000 {
            let store = &scenario.stores[i % scenario.stores.len()];
            key.clear();
            plan.encode(&doc(store, i), &mut scratch, &mut key, &mut value).expect("a whole Store");
            value.abandon();
        }
    };
    thousand();
    let before = COUNT.get();
    thousand();
    COUNT.get() - before
}

fn packed(store: &Packed) -> Document<'_> {
    Document {
        key: Fields::Packed(&store.key),
        values: Fields::Packed(&store.values),
        doc: &store.doc,
        delete: false,
    }
}

#[test]
fn the_counter_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(vec![1u8]));
    assert_eq!(COUNT.get() - before, 1);
}

#[test]
fn flat_and_nested_documents() {
    for scenario in [documents::flat128(), documents::nested2k(), documents::estuary("estuary64k", 65_536)] {
        assert_eq!(allocations(&scenario, |store, _| packed(store)), 0, "{}", scenario.name);
    }
}

#[test]
fn deletes() {
    let scenario = documents::flat128();
    assert_eq!(allocations(&scenario, |store, i| Document { delete: i % 2 == 0, ..packed(store) }), 0);
}

/// Strings with zeros in them, and nested values that must be parsed, sorted and written anew.
#[test]
fn values_that_need_scratch() {
    let mut scenario = documents::nested2k();
    scenario.document = None;
    scenario.values = vec!["a".into(), "b".into(), "c".into()];
    for store in &mut scenario.stores {
        store.doc.clear();
        store.values = [
            &b"\x02a\0\xffb\"\n\0"[..],
            b"\x01 {\"z\": {\"y\":[1e2,{\"b\":1,\"a\":2}], \"x\":\"\\u00e9\"}, \"a\":1, \"a\":2}\0",
            b"\x01[-0]\0",
        ]
        .concat();
    }
    assert_eq!(allocations(&scenario, |store, _| packed(store)), 0);
}

/// The array form.
#[test]
fn arrays() {
    let mut scenario = documents::flat128();
    scenario.values = vec!["a".into(), "b".into(), "c".into()];
    fn doc(_: &Packed, _: usize) -> Document<'_> {
        Document {
            key: Fields::Json(b"[ 1 ]"),
            values: Fields::Json(b"[1.5, \"a\\n\\u00e9\", {\"b\":1, \"a\":[]}]"),
            doc: b"",
            delete: false,
        }
    }
    assert_eq!(allocations(&scenario, doc), 0);
}
