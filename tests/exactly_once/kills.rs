//! SIGKILL at random moments.

use crate::common::services;
use crate::landed::{assert_once, tally};
use crate::player::{Shard, Task, kill, pause};

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_doubled() {
    let Some(kafka) = services::kafka() else { return };
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let kills = number("EXACTLY_ONCE_KILLS", 12);
    let mut random = Random(number("EXACTLY_ONCE_SEED", 1));
    let (task, mut shard) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    for _ in 0..kills {
        killed_once(&task, &mut shard, &mut random);
    }
    let mut session = shard.open(&task);
    session.transact(100, &mut shard);
    session.end();
    assert_once(&task, shard.position);
    let uncommitted = tally(&task, "read_uncommitted", shard.position);
    println!(
        "{kills} kills, {} documents; doubled under read_uncommitted: {}",
        shard.position, uncommitted.doubled
    );
    assert_eq!(uncommitted.lost, 0);
    assert!(uncommitted.doubled > 0, "nothing was ever stored again, which proves nothing: {uncommitted:?}");
}

fn killed_once(task: &Task, shard: &mut Shard, random: &mut Random) {
    let connector = shard.start(task);
    if random.below(6) == 0 {
        // While opening.
        pause(random.below(1200));
        kill(&connector);
        let _ended = connector.wait();
        return;
    }
    let mut session = shard.opened(task, connector);
    for _ in 0..random.below(3) {
        let count = random.count();
        session.transact(count, shard);
    }
    session.flush();
    session.store(random.count());
    match random.below(5) {
        // While storing.
        0 => pause(random.below(120)),
        // After StartCommit was sent, while Kafka commits.
        1 | 2 => {
            session.start_commit();
            pause(random.below(60));
        }
        // After StartedCommit came, which the runtime does not commit any more.
        3 => {
            session.start_commit();
            session.started_commit();
        }
        // After both have committed.
        _ => {
            session.start_commit();
            let started = session.started_commit();
            session.commit(started, shard);
        }
    }
    session.kill();
}

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }

    /// Of a transaction: now and then none.
    fn count(&mut self) -> u32 {
        u32::try_from(self.below(4) * self.below(400)).unwrap()
    }
}
