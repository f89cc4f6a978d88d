//! Numbers that look random and are not.

use sha2::{Digest as _, Sha256};

/// A sequence of numbers (splitmix64); the same seed and name give the same one.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let hash = Sha256::digest(format!("{seed} {name}"));
        Self(hash.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in `percent` of a hundred throws.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    /// A time around `usual`, in milliseconds: mostly a little less or more, now and then much more.
    pub(super) fn around(&mut self, usual: i64) -> i64 {
        let share = 60 + self.below(80);
        let long = if self.percent(4) { 2 + self.below(3) } else { 1 };
        usual * i64::try_from(share * long).unwrap_or(100) / 100
    }

    /// Hex digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = format!("{:016x}{:016x}{:016x}{:016x}", self.next(), self.next(), self.next(), self.next());
        text.truncate(digits);
        text
    }
}
