//! Milestones of long work.
//!
//! A notebook cannot move back over a line that it has printed, so there is no moving bar:
//! a line is printed now and then, at most one every second and a half.

use crate::units::seconds;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counts finished items, from any number of threads, and prints milestones.
///
/// ```
/// use platform::progress::Progress;
///
/// let progress = Progress::new("X-rays", 3);
/// for _ in 0..3 {
///     progress.tick();
/// }
/// assert_eq!(progress.done(), 3);
/// ```
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: usize,
    done: AtomicUsize,
    start: Instant,
    last: Mutex<Instant>,
}

/// Short work needs no progress, and a line more often than this is noise.
const QUIET: Duration = Duration::from_millis(1500);

impl Progress {
    /// Starts counting `total` items called `what` (a plural).
    pub fn new(what: &str, total: usize) -> Self {
        let start = Instant::now();
        Progress {
            what: what.to_owned(),
            total,
            done: AtomicUsize::new(0),
            start,
            last: Mutex::new(start),
        }
    }

    /// One more item is done.
    pub fn tick(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // Whoever cannot have the lock leaves the line to the thread that has it.
        let Ok(mut last) = self.last.try_lock() else {
            return;
        };
        if last.elapsed() >= QUIET && done < self.total {
            *last = Instant::now();
            println!("{}", self.line(done, self.start.elapsed().as_secs_f64()));
        }
    }

    /// How many items are done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    fn line(&self, done: usize, elapsed: f64) -> String {
        let rate = done as f64 / elapsed;
        let left = self.total.saturating_sub(done) as f64 / rate;
        format!(
            "{:3.0} %  {done} of {} {}, {rate:.0} a second, about {} left",
            100.0 * done as f64 / self.total.max(1) as f64,
            self.total,
            self.what,
            seconds(left)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_share_rate_and_time_left() {
        let progress = Progress::new("images", 200);
        assert_eq!(
            progress.line(50, 2.0),
            " 25 %  50 of 200 images, 25 a second, about 6.00 s left"
        );
    }

    #[test]
    fn all_threads_count() {
        let progress = Progress::new("items", 4000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| progress.tick()));
            }
        });
        assert_eq!(progress.done(), 4000);
    }
}
