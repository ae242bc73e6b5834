//! Numbers and letters that are the same in every run.

/// Marsaglia's xorshift: the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }

    /// An amount below `limit` with two decimals.
    pub fn cents(&mut self, limit: u64) -> f64 {
        let cents = u32::try_from(self.below(limit * 100)).expect("small limits");
        f64::from(cents) / 100.0
    }

    /// One of them.
    pub fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[usize::try_from(self.below(from.len() as u64)).expect("a short list")]
    }

    /// Letters and digits that do not compress.
    pub fn letters(&mut self, len: usize) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..len).map(|_| char::from(letters[usize::try_from(self.below(62)).expect("small")])).collect()
    }
}
