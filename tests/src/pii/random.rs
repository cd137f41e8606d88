//! Random numbers from a seed: the same corpus every time.

/// SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, and nobody iterates over it"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    /// From `a` to `b`, both included.
    pub fn range(&mut self, a: usize, b: usize) -> usize {
        a + self.below(b - a + 1)
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// One character of them.
    pub fn char(&mut self, of: &str) -> char {
        of.chars()
            .nth(self.below(of.chars().count()))
            .unwrap_or('0')
    }

    /// `n` characters of them.
    pub fn string(&mut self, of: &str, n: usize) -> String {
        let chars: Vec<char> = of.chars().collect();
        (0..n).map(|_| chars[self.below(chars.len())]).collect()
    }

    /// `n` digits.
    pub fn digits(&mut self, n: usize) -> String {
        self.string("0123456789", n)
    }

    /// Once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
