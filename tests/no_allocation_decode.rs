//! Reading Stores allocates nothing once the buffers are there, in either codec.
#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use materialize_kafka::protocol::messages::request;
use materialize_kafka::protocol::{Codec, Incoming, RequestReader, RequestWriter, Tuple};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test alone: its neighbours would allocate as well.
#[test]
fn stores_allocate_nothing() {
    let nested = r#"{"_meta":{"uuid":"7545a800-1dda-11b2-8000-071353030311"},"a":[[{"b":[1,{"c":"\u00e9"}]}]],"id":1}"#;
    let packed = request::Store {
        key_packed: "\x15\x01".into(),
        values_packed: "\x02text\0\x26".into(),
        doc_json: nested.into(),
        ..Default::default()
    };
    let arrays = request::Store {
        binding: 1,
        key_json: "[1]".into(),
        values_json: r#"["text",[{"a":[[]]}]]"#.into(),
        doc_json: nested.into(),
        exists: true,
        ..Default::default()
    };
    for codec in [Codec::Proto, Codec::Json] {
        let mut requests = RequestWriter::new(Vec::new(), codec);
        for _ in 0..20_000 {
            requests.push(&packed.clone().into()).unwrap();
            requests.push(&arrays.clone().into()).unwrap();
        }
        let stream = requests.into_inner().unwrap();
        let mut requests = RequestReader::new(&stream[..], None);
        let mut stores = 0;
        let mut before = 0;
        while let Some(incoming) = requests.next().unwrap() {
            let Incoming::Store(store) = incoming else { panic!("a Store") };
            assert_eq!(store.doc, nested.as_bytes());
            assert_eq!(matches!(store.key, Tuple::Packed(_)), store.binding == 0);
            stores += 1;
            // The first ones bring scratch memory to its size.
            if stores == 4 {
                before = ALLOCATIONS.load(Ordering::Relaxed);
            }
        }
        assert_eq!(stores, 40_000);
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{codec:?}");
    }
}
