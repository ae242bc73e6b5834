//! Encoding Avro messages allocates nothing once it has seen documents of the size.

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;

use materialize_kafka::encode::{Buffer, Document, Fields, Scratch};

#[path = "../benches/documents/mod.rs"]
mod documents;
#[path = "../benches/documents/avro.rs"]
mod schemas;

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
    let (plan, _) = schemas::plan(scenario);
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

/// Members out of order, properties that are no fields, raw JSON that must be written anew, strings with
/// escapes, whole floats as strings: all that leaves the shortest path.
#[test]
fn values_that_need_scratch() {
    let mut scenario = documents::nested2k();
    scenario.values = ["items", "a/raw", "b/raw", "tags", "user", "whole"].map(str::to_owned).to_vec();
    for store in &mut scenario.stores {
        store.values = [
            &b"\x01[{\"sku\":\"a\\u00e9\\n\",\"qty\":1.0, \"price\":\"1e2\",\"z\":[{\"b\":1,\"a\":-0}],\"more\":{}}]\0"[..],
            b"\x01{\"z\": {\"y\":[1e2,{\"b\":1,\"a\":2}], \"x\":\"\\u00e9\"}, \"a\":1, \"a\":2}\0",
            b"\x02a\0\xffb\"\n\0",
            b"\x01[\"a\\\"b\",1e20]\0",
            b"\x01{\"vip\":null,\"vip\":true,\"age\":7,\"address\":{\"geo\":{}}}\0",
            b"\x21\xc0\x10\0\0\0\0\0\0",
        ]
        .concat();
    }
    assert_eq!(allocations(&scenario, |store, _| packed(store)), 0);
}
