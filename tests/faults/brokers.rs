//! The clusters of this suite: whom tests share them with, and what they ask of them.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use serde_json::{Value, json};

use crate::common::services::Cluster;
use crate::proxy::{Condition, Network};

/// A cluster whose brokers are reached through proxies, or directly.
pub struct Brokers {
    pub cluster: Cluster,
    pub network: Network,
    nodes: u8,
}

/// The cluster for as long as one test has it to itself. It goes with the last one who waits for it.
pub struct Alone {
    brokers: Arc<Brokers>,
    _turn: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Alone {
    type Target = Brokers;

    fn deref(&self) -> &Brokers {
        &self.brokers
    }
}

/// A cluster that tests have one after the other.
pub struct Shared {
    nodes: u8,
    cluster: Mutex<Weak<Brokers>>,
    turn: Mutex<()>,
}

pub static ONE: Shared = Shared::of(1);
pub static THREE: Shared = Shared::of(3);

impl Shared {
    const fn of(nodes: u8) -> Self {
        Self { nodes, cluster: Mutex::new(Weak::new()), turn: Mutex::new(()) }
    }

    /// Waits until no other test has it; none where no servers are asked for.
    pub fn alone(&'static self) -> Option<Alone> {
        let brokers = {
            // A test that failed leaves nothing half-done here.
            let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
            match cluster.upgrade() {
                Some(brokers) => brokers,
                None => {
                    let brokers = Arc::new(Brokers::start(self.nodes)?);
                    *cluster = Arc::downgrade(&brokers);
                    brokers
                }
            }
        };
        let turn = self.turn.lock().unwrap_or_else(|failed| {
            brokers.heal();
            self.turn.clear_poison();
            failed.into_inner()
        });
        Some(Alone { brokers, _turn: turn })
    }
}

impl Brokers {
    pub fn start(nodes: u8) -> Option<Self> {
        // A broker that does not answer is taken for dead soon.
        let options = ["--proxied", "--heap", "384m", "--set", "broker.session.timeout.ms=3000"];
        let cluster = Cluster::start(nodes, &options)?;
        let network = Network::before(cluster.fact("proxies"), cluster.fact("behind.proxies"));
        Some(Self { cluster, network, nodes })
    }

    /// The addresses that no proxy is before.
    pub fn direct(&self) -> &str {
        self.cluster.bootstrap_servers()
    }

    /// A configuration that reaches the brokers directly.
    pub fn config(&self) -> Value {
        config(self.direct(), self.nodes)
    }

    /// A configuration that reaches the brokers through the proxies.
    pub fn through_proxies(&self) -> Value {
        config(self.cluster.fact("proxies"), self.nodes)
    }

    /// Makes a topic that Apply will find.
    pub fn create(&self, topic: &str, partitions: i32, setting: (&str, &str)) {
        let client: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.direct()).create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let replicas = TopicReplication::Fixed(i32::from(self.nodes));
        let topic = NewTopic::new(topic, partitions, replicas).set(setting.0, setting.1);
        let options = AdminOptions::new();
        let created = runtime.block_on(client.create_topics([&topic], &options)).unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }

    /// The node that leads a topic's partition.
    pub fn leader(&self, topic: &str, partition: usize) -> u8 {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", self.direct()).create().unwrap();
        let metadata = producer.client().fetch_metadata(Some(topic), Duration::from_secs(60)).unwrap();
        node(metadata.topics()[0].partitions()[partition].leader())
    }

    /// Behind the last message of a topic's only partition, whether or not its transaction is decided.
    pub fn end(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.direct())
            .set("isolation.level", "read_uncommitted")
            .create()
            .unwrap();
        consumer.fetch_watermarks(topic, 0, Duration::from_secs(60)).unwrap().1
    }

    /// The node that coordinates the transactions of an id.
    pub fn coordinator(&self, id: &str) -> u8 {
        // The partition by Java's hash of the id; `tests/services/kafka` makes three of them.
        let hash = id.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
        self.leader("__transaction_state", usize::try_from(hash.unsigned_abs() % 3).expect("below 3"))
    }

    /// The node that is the active controller, which clients are not told.
    pub fn controller(&self) -> u8 {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/kafka");
        let output = Command::new(script)
            .args(["cli", "metadata-quorum", "--bootstrap-server", self.direct(), "describe", "--status"])
            .output()
            .expect("Kafka's tools can be run");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("LeaderId:"));
        let line =
            line.unwrap_or_else(|| panic!("no leader in: {text}{}", String::from_utf8_lossy(&output.stderr)));
        node(line.trim().parse().expect("a node's number"))
    }

    /// Everything as it was, after a test that has failed.
    fn heal(&self) {
        self.network.is(Condition::Good);
        for node in 1..=self.nodes {
            // Either fails unless it is what the node needs.
            let _ = self.cluster.try_cont(node);
            let _ = self.cluster.try_restart(node);
        }
    }
}

fn node(number: i32) -> u8 {
    u8::try_from(number).expect("nodes are numbered from 1")
}

/// JSON messages in topics of three partitions. Messages are not compressed, so that many bytes are many bytes.
pub fn config(brokers: &str, replicas: u8) -> Value {
    json!({
        "bootstrap_servers": brokers,
        "message_format": "JSON",
        "compression": "none",
        "topic_partitions": 3,
        "topic_replication_factor": replicas,
    })
}

/// With another stall time-out.
pub fn stall(mut config: Value, timeout: &str) -> Value {
    config["advanced"]["stall_timeout"] = json!(timeout);
    config
}

/// To deliver exactly once, with a progress topic of its own.
pub fn exactly_once(mut config: Value) -> Value {
    config["advanced"]["delivery"] = json!("exactly_once");
    config["advanced"]["progress_topic"] = json!(unique("progress"));
    config
}

/// With several producers.
pub fn producers(mut config: Value, count: u32) -> Value {
    config["advanced"]["producers"] = json!(count);
    config
}

/// By all the ways to deliver, with their names: what the brokers go through must be the same to all of them.
pub fn each_way(config: &Value) -> [(&'static str, Value); 3] {
    [
        ("at least once", config.clone()),
        ("exactly once", exactly_once(config.clone())),
        ("three producers", producers(config.clone(), 3)),
    ]
}

/// A topic's name that no other test and no other run has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_micros();
    format!("{name}-{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
