//! Looking up a broker's name may take as long as the resolver's time-outs, and librdkafka's thread cannot be
//! interrupted meanwhile. Nothing of ours may wait for it.

#![allow(unsafe_code, reason = "the resolver is replaced by a slow one")]
#![allow(clippy::unwrap_used, reason = "it is test code")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::{Duration, Instant};

use materialize_kafka::config::{EndpointConfig, Partitioning};
use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::kafka::{self, Outbox, Topic};
use serde_json::json;

/// Far longer than anything here may take.
const LOOK_UP: Duration = Duration::from_secs(200);
/// Whatever else the machine does.
const IN_TIME: Duration = Duration::from_secs(60);

#[test]
fn a_question_ends_in_time_though_the_look_up_does_not() {
    let config = config("slow.test:9092");
    let started = Instant::now();
    let error = kafka::probe(&config, Duration::from_millis(300)).unwrap_err().to_string();
    assert!(error.contains("no usable answer from the brokers at slow.test:9092"), "{error}");
    assert!(started.elapsed() < IN_TIME, "it took {:?}", started.elapsed());
}

#[test]
fn one_slow_name_of_several_keeps_nobody_waiting() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    let config = config(&format!("{},slow.test:9092", cluster.bootstrap_servers()));
    let started = Instant::now();
    let topics = || {
        vec![Topic {
            name: "t".into(),
            owner: "binding 0, collection c".into(),
            partitioning: Partitioning::default(),
        }]
    };
    let missing = vec![Topic {
        name: "missing".into(),
        owner: "binding 0, collection c".into(),
        partitioning: Partitioning::default(),
    }];
    Outbox::open(&config, missing, Box::new(drop)).map(drop).unwrap_err();
    let mut outbox = Outbox::open(&config, topics(), Box::new(drop)).unwrap();
    let (key, value) = outbox.buffers().unwrap();
    key.push(b'k');
    value.put(b"v");
    outbox.push(0, true).unwrap();
    assert_eq!(outbox.commit().unwrap().messages, 1);
    drop(outbox);
    assert!(started.elapsed() < IN_TIME, "it took {:?}", started.elapsed());
}

/// Whichever thread is the first to see the end, it is not the session's that takes a client down.
#[test]
fn no_client_of_many_is_waited_for() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("t", 64).unwrap();
    let mut config = config(&format!("{},slow.test:9092", cluster.bootstrap_servers()));
    config.advanced.producers = 16;
    for _ in 0..3 {
        let topic = Topic {
            name: "t".into(),
            owner: "binding 0, collection c".into(),
            partitioning: Partitioning::default(),
        };
        let outbox = Outbox::open(&config, vec![topic], Box::new(drop)).unwrap();
        let started = Instant::now();
        drop(outbox);
        assert!(started.elapsed() < IN_TIME, "it took {:?}", started.elapsed());
    }
}

fn config(brokers: &str) -> EndpointConfig {
    let config = json!({ "bootstrap_servers": brokers, "message_format": "JSON" });
    EndpointConfig::parse(config.to_string().as_bytes()).unwrap()
}

type LookUp = unsafe extern "C" fn(*const c_char, *const c_char, *const c_void, *mut *mut c_void) -> c_int;

/// The resolver of this process: as slow as can be for names that begin with `slow`, the system's for all others.
///
/// # Safety
///
/// As for C's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    name: *const c_char,
    service: *const c_char,
    hints: *const c_void,
    found: *mut *mut c_void,
) -> c_int {
    // SAFETY: the name is null or a C string; the next function of this name is C's own, of this very type.
    unsafe {
        if !name.is_null() && CStr::from_ptr(name).to_bytes().starts_with(b"slow") {
            std::thread::sleep(LOOK_UP);
            return EAI_AGAIN;
        }
        let next = dlsym(RTLD_NEXT, c"getaddrinfo".as_ptr());
        assert!(!next.is_null(), "the system has a resolver");
        std::mem::transmute::<*mut c_void, LookUp>(next)(name, service, hints, found)
    }
}

const EAI_AGAIN: c_int = -3;
const RTLD_NEXT: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}
