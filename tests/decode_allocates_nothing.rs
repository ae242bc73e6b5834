//! Reading Stores allocates nothing once the buffers are there, in either codec.

use materialize_kafka::protocol::messages::request;
use materialize_kafka::protocol::{Codec, Incoming, RequestReader, RequestWriter, Tuple};

#[path = "common/counting.rs"]
#[allow(dead_code, reason = "a suite counts in its own way")]
mod counting;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

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
                before = counting::of_this_thread();
            }
        }
        assert_eq!(stores, 40_000);
        assert_eq!(counting::of_this_thread() - before, 0, "{codec:?}");
    }
}
