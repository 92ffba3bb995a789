//! Random numbers that a printed seed brings back: xorshift64*, good enough to choose by.

/// A generator. Equal seeds give equal sequences.
///
/// ```
/// use lock_tests::random::Random;
///
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.below(1000), other.below(1000));
/// ```
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed; any will do.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A seed to print: `SEED` in the environment, else by the clock.
    pub fn seed_from_environment() -> u64 {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        seed.unwrap_or_else(lock_rustix::clock::monotonic_ns)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % end
    }
}
