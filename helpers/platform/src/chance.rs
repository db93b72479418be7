//! Chance that can be repeated: the same numbers in, the same number out.

/// A number from 0 up to, not including, 1 that depends on nothing but `seed` and `words`.
///
/// It has no state. So what happens to one request does not depend on which came before it.
pub fn chance(seed: u64, words: &[u64]) -> f64 {
    let mixed = words.iter().fold(mix(seed), |sum, &word| mix(sum ^ word));
    // As many bits as an f64 holds exactly.
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// One step of [`Random`]: every bit of the input changes about half of the output.
pub fn mix(number: u64) -> u64 {
    Random(number).next_u64()
}

/// Numbers that follow from the one that it holds, the seed: the generator splitmix64
/// (<https://prng.di.unimi.it/splitmix64.c>). It is for what is drawn, and for no secrets.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A number for a text, for [`chance()`] (FNV-1a).
pub fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        let mut random = Random(0);
        // The first two of the reference's for the seed 0.
        assert_eq!(random.next_u64(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next_u64(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn it_repeats_and_spreads_evenly() {
        assert_eq!(chance(1, &[2, 3]), chance(1, &[2, 3]));
        assert_ne!(chance(1, &[2, 3]), chance(1, &[3, 2]));
        let mean = (0..1000).map(|n| chance(7, &[n])).sum::<f64>() / 1000.0;
        assert!((0.46..0.54).contains(&mean), "{mean}");
    }
}
