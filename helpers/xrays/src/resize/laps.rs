//! A stopwatch for the stages of a piece of work.

use std::time::{Duration, Instant};

/// A stopwatch for the stages of a piece of work. Each stage ends where the next one begins, so the
/// stages add up to the whole, the little between two items included.
///
/// ```
/// use xrays::Laps;
///
/// let mut laps = Laps::new();
/// for _ in 0..3 {
///     std::thread::sleep(std::time::Duration::from_millis(2));
///     laps.end("wait");
///     laps.end("nothing");
/// }
/// let spent = laps.spent(&["wait", "nothing"]);
/// assert!(spent[0] >= 0.006 && spent[1] < spent[0]);
/// assert!((spent[0] + spent[1] - laps.total()).abs() < 1e-9);
/// ```
#[derive(Debug, Clone)]
pub struct Laps {
    last: Instant,
    spent: Vec<(&'static str, Duration)>,
}

impl Laps {
    /// Starts it.
    pub fn new() -> Laps {
        let (last, spent) = (Instant::now(), Vec::new());
        Laps { last, spent }
    }

    /// Here a stage ends: the time since the last end is added to its sum.
    pub fn end(&mut self, stage: &'static str) {
        let now = Instant::now();
        let lap = now - self.last;
        self.last = now;
        match self.spent.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, sum)) => *sum += lap,
            None => self.spent.push((stage, lap)),
        }
    }

    /// The seconds spent in each of these stages; 0 in one that never ended.
    pub fn spent(&self, stages: &[&str]) -> Vec<f64> {
        let sum = |stage: &&str| {
            let lap = self.spent.iter().find(|(name, _)| name == stage);
            lap.map_or(0.0, |(_, sum)| sum.as_secs_f64())
        };
        stages.iter().map(sum).collect()
    }

    /// The seconds from the start to the last end.
    pub fn total(&self) -> f64 {
        self.spent.iter().map(|(_, sum)| sum.as_secs_f64()).sum()
    }
}

impl Default for Laps {
    fn default() -> Self {
        Laps::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_to_the_whole() {
        let start = Instant::now();
        let mut laps = Laps::new();
        for stage in ["read", "decode", "read", "resize"] {
            laps.end(stage);
        }
        let all: f64 = laps.spent(&["read", "decode", "resize"]).iter().sum();
        assert!((all - laps.total()).abs() < 1e-9);
        assert!(laps.total() <= start.elapsed().as_secs_f64());
        assert_eq!(laps.spent(&["write"]), [0.0]);
    }
}
