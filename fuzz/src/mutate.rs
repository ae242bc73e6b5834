//! A small mutator, the same on every machine: enough to walk around in the neighbourhood of a corpus where libFuzzer,
//! which knows the way by coverage, cannot be had.

/// A source of numbers that look random (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero; the constant spreads small seeds over all bits.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }
}

/// An input near those of `corpus`, of at most [`LONGEST`] bytes.
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| corpus.get(random.below(corpus.len())).map_or(&[][..], Vec::as_slice);
    let mut data = pick(random).to_vec();
    // Mostly one change: many at once seldom leave anything well formed.
    for _ in 0..=random.below(4).saturating_sub(1) {
        let at = random.below(data.len());
        match random.below(9) {
            0 => flip(&mut data, at, random),
            1 => data.truncate(at),
            2 => insert(&mut data, at, &[INTERESTING[random.below(INTERESTING.len())]]),
            3 => set(&mut data, at, INTERESTING[random.below(INTERESTING.len())]),
            4 => drop(remove(&mut data, at, random)),
            5 => {
                let part = part(&data, random).to_vec();
                insert(&mut data, at, &part);
            }
            6 => {
                let other = pick(random);
                let part = part(other, random);
                insert(&mut data, at, part);
            }
            7 => {
                let part = remove(&mut data, at, random);
                let to = random.below(data.len());
                insert(&mut data, to, &part);
            }
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                insert(&mut data, at, word);
            }
        }
    }
    data.truncate(LONGEST);
    data
}

fn flip(data: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = data.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(data: &mut [u8], at: usize, to: u8) {
    if let Some(byte) = data.get_mut(at) {
        *byte = to;
    }
}

fn insert(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    data.splice(at..at, bytes.iter().copied());
}

fn remove(data: &mut Vec<u8>, at: usize, random: &mut Random) -> Vec<u8> {
    let count = random.below((data.len() - at).min(32) + 1);
    data.drain(at..at + count).collect()
}

fn part<'a>(data: &'a [u8], random: &mut Random) -> &'a [u8] {
    let from = random.below(data.len());
    let count = random.below((data.len() - from).min(64) + 1);
    &data[from..from + count]
}

/// Longer inputs find little more and cost time.
const LONGEST: usize = 4096;

/// Ends of ranges, and what is syntax in tuples, in protobuf and in JSON.
const INTERESTING: [u8; 24] = *b"\x00\x01\x02\x0c\x13\x14\x15\x1c\x20\x21\x26\x27\x7f\x80\xff\"\\,:[]{}-";

const WORDS: [&[u8]; 16] = [
    b"null",
    b"true",
    b"1e400",
    b"-0",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"0.1",
    b"\\u00e9",
    b"\\ud83d",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"{\"a\":1,\"a\":2}",
    b"[[]]",
    b"\x00\xff",
    b"2019-03-06T23:59:60Z",
    b"{\"type\":\"string\",\"format\":\"duration\"}",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_and_another_one_others() {
        let corpus = [b"{\"a\":1}".to_vec(), vec![], b"abcdefgh".to_vec()];
        let inputs = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| mutated(&corpus, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
        let distinct: std::collections::HashSet<_> = inputs(7).into_iter().collect();
        assert!(distinct.len() > 500, "{}", distinct.len());
        assert_eq!(
            mutated(&[], &mut Random::new(1)).len().min(64),
            mutated(&[], &mut Random::new(1)).len().min(64)
        );
    }
}
