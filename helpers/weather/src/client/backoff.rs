//! How long to wait before trying again.

use platform::chance::chance;
use std::time::Duration;

/// Waits that grow exponentially up to a cap, each drawn by chance from zero up ("full jitter"):
/// many clients that failed at one moment then do not all come back at one moment.
///
/// ```
/// use weather::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff { jitter: false, ..Backoff::default() };
/// assert_eq!(backoff.wait(1, 0), Duration::from_millis(100));
/// assert_eq!(backoff.wait(4, 0), Duration::from_millis(800));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Before the first retry.
    pub first: Duration,
    /// By how much each wait is longer than the last one.
    pub factor: f64,
    /// No wait is longer.
    pub cap: Duration,
    /// Without it, the waits themselves: to see what jitter is good for.
    pub jitter: bool,
    /// The jitter follows from it.
    pub seed: u64,
}

impl Default for Backoff {
    /// 0.1 s, doubled each time up to 5 s, with jitter.
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(100),
            factor: 2.0,
            cap: Duration::from_secs(5),
            jitter: true,
            seed: 1,
        }
    }
}

impl Backoff {
    /// The wait before retry number `retry`, from 1. `who` tells apart those who wait.
    pub fn wait(&self, retry: u32, who: u64) -> Duration {
        let grown = self.first.as_secs_f64() * self.factor.powf(f64::from(retry.saturating_sub(1)));
        let longest = grown.min(self.cap.as_secs_f64());
        let share = match self.jitter {
            true => chance(self.seed, &[who, retry.into()]),
            false => 1.0,
        };
        Duration::from_secs_f64(longest * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_up_to_the_cap() {
        let backoff = Backoff { jitter: false, ..Backoff::default() };
        let waits: Vec<u128> = (1..9).map(|n| backoff.wait(n, 0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.wait(u32::MAX, 0), backoff.cap);
    }

    #[test]
    fn jitter_spreads_from_zero_up_and_repeats() {
        let backoff = Backoff::default();
        let waits: Vec<f64> = (0..1000).map(|who| backoff.wait(3, who).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (0.0..=0.4).contains(wait)));
        let low = waits.iter().filter(|&&wait| wait < 0.1).count();
        assert!((200..300).contains(&low), "{low} of 1000 in the lowest quarter");
        assert_eq!(backoff.wait(3, 7), backoff.wait(3, 7));
        assert_ne!(backoff.wait(3, 7), backoff.wait(4, 7));
    }
}
