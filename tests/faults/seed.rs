//! Chance that can be repeated: all of it comes from one number, `FAULTS_SEED`.

use std::thread;
use std::time::Duration;

/// The generator SplitMix64: a counter and a mixer, so that any number is as good a seed as any other.
pub struct Chance(u64);

impl Chance {
    /// The chance of the test that asks. What it prints is shown if the test fails.
    pub fn of_this_test() -> Self {
        let seed = seed();
        let test = thread::current().name().unwrap_or_default().to_owned();
        eprintln!("{test}: FAULTS_SEED={seed}");
        // FNV-1a: tests of one run have chances of their own.
        let own = test.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ own)
    }

    /// Another one, for another thread.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is below end / 2^64.
        self.next() % end
    }

    /// True in one of `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Sleeps for less than `end`.
    pub fn sleep(&mut self, end: Duration) {
        let micros = u64::try_from(end.as_micros()).expect("no sleep takes so long");
        thread::sleep(Duration::from_micros(self.below(micros)));
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The number that all chance of a run comes from.
pub fn seed() -> u64 {
    std::env::var("FAULTS_SEED").map_or(1, |text| text.parse().expect("FAULTS_SEED is a number"))
}

/// The first numbers of the published generator for seed 1234567.
#[test]
fn the_generator_is_splitmix64() {
    let mut chance = Chance(1_234_567);
    assert_eq!(
        [(); 3].map(|()| chance.next()),
        [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,]
    );
}
