//! Who did what, when: spans written down by any thread or task while the work runs.

use figures::{Span, SpanKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

/// A shared record of [`Span`]s, in seconds since it was made, ready for
/// [`timeline`](fn@figures::timeline).
///
/// A clone writes into the same record, so each thread or task can have its own.
///
/// ```
/// use helpers::record::Recorder;
///
/// let record = Recorder::new();
/// std::thread::scope(|scope| {
///     for n in 0..2 {
///         let record = record.clone();
///         scope.spawn(move || record.work(&record.worker("thread"), "square", || n * n));
///     }
/// });
/// assert_eq!(record.spans().len(), 2);
/// assert_eq!(record.spans()[0].lane, "thread 1");
/// ```
#[derive(Debug, Clone)]
pub struct Recorder {
    start: Instant,
    // One lock for both: a span is written down in far less time than anything worth recording.
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    spans: Vec<Span>,
    threads: Vec<ThreadId>,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Recorder {
    /// An empty record; its clock starts now.
    pub fn new() -> Self {
        Recorder { start: Instant::now(), shared: Arc::default() }
    }

    /// Another, empty record with the same clock.
    pub fn again(&self) -> Self {
        Recorder { start: self.start, shared: Arc::default() }
    }

    /// Runs `f` and records it as work.
    pub fn work<T>(&self, lane: &str, label: &str, f: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = f();
        self.add(lane, label, SpanKind::Work, start);
        value
    }

    /// Runs `f` and records it as waiting.
    pub fn wait<T>(&self, lane: &str, label: &str, f: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = f();
        self.add(lane, label, SpanKind::Wait, start);
        value
    }

    /// Records a span that began at `start` and ends now. For `async` code: take the time, await,
    /// then add.
    pub fn add(&self, lane: &str, label: &str, kind: SpanKind, start: Instant) {
        self.push(lane, label, kind, start, Instant::now());
    }

    pub(crate) fn push(
        &self,
        lane: &str,
        label: &str,
        kind: SpanKind,
        start: Instant,
        end: Instant,
    ) {
        let seconds = |at: Instant| at.saturating_duration_since(self.start).as_secs_f64();
        let span = Span {
            lane: lane.to_owned(),
            label: label.to_owned(),
            start: seconds(start),
            end: seconds(end),
            kind,
        };
        self.lock().spans.push(span);
    }

    /// A name for the calling thread: `name 1` for the first thread that asks, then `name 2` …
    pub fn worker(&self, name: &str) -> String {
        let me = std::thread::current().id();
        let mut shared = self.lock();
        let place = shared.threads.iter().position(|&thread| thread == me);
        let place = place.unwrap_or_else(|| {
            shared.threads.push(me);
            shared.threads.len() - 1
        });
        format!("{name} {}", place + 1)
    }

    /// When the record began.
    pub fn started(&self) -> Instant {
        self.start
    }

    /// Seconds since the record began.
    pub fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// What was recorded so far, by lane (`toaster 2` before `toaster 10`), then by time.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.lock().spans.clone();
        spans.sort_by(|a, b| {
            let lanes = lane_order(&a.lane).cmp(&lane_order(&b.lane));
            lanes.then(a.start.total_cmp(&b.start))
        });
        spans
    }

    /// Seconds from the beginning to the end of the last span.
    pub fn makespan(&self) -> f64 {
        self.lock().spans.iter().map(|s| s.end).fold(0.0, f64::max)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        // A thread that panicked while it held the lock has at most not written its own span.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name's words, and its number where it ends in one.
fn lane_order(lane: &str) -> (&str, u64) {
    let words = lane.trim_end_matches(|c: char| c.is_ascii_digit());
    (words, lane[words.len()..].parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lanes_with_numbers_are_in_their_order() {
        let record = Recorder::new();
        for lane in ["toaster 10", "toaster 2", "barista 1"] {
            record.work(lane, "x", || ());
        }
        let lanes: Vec<String> = record.spans().into_iter().map(|s| s.lane).collect();
        assert_eq!(lanes, ["barista 1", "toaster 2", "toaster 10"]);
    }

    #[test]
    fn a_span_has_its_length_and_kind() {
        let record = Recorder::new();
        let five = record.wait("me", "nap", || {
            std::thread::sleep(Duration::from_millis(5));
            5
        });
        let span = &record.spans()[0];
        assert_eq!(five, 5);
        assert_eq!(span.kind, SpanKind::Wait);
        assert!(span.end - span.start >= 0.005);
        assert_eq!(record.makespan(), span.end);
    }

    #[test]
    fn a_thread_keeps_its_number() {
        let record = Recorder::new();
        assert_eq!(record.worker("thread"), "thread 1");
        let other = std::thread::scope(|scope| {
            let other = scope.spawn(|| (record.worker("thread"), record.worker("thread")));
            other.join().unwrap()
        });
        assert_eq!(other, ("thread 2".into(), "thread 2".into()));
        assert_eq!(record.worker("thread"), "thread 1");
    }
}
