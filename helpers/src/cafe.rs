//! A café on a scaled clock: code that really waits and really works, in minutes that pass quickly.
//!
//! A **machine** (a toaster, the coffee maker) does its part while somebody waits for it; this
//! machine's processor has nothing to do. Spreading kaya takes a **barista**'s hands: it keeps a
//! processor busy. A barista is a thread, whichever thread calls.

use crate::record::Recorder;
use figures::{Figure, Span, SpanKind, timeline_in};
use measure::Timing;
use measure::claim;
use std::fmt::Display;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minutes that a slice of toast takes in the talk.
pub const TOAST: f64 = 2.0;
/// Minutes that a cup of coffee takes in the talk.
pub const COFFEE: f64 = 5.0;

/// A café that is open. Clones are the same café, for other threads and tasks.
///
/// ```
/// use helpers::cafe::Cafe;
///
/// let cafe = Cafe::open(5.0);              // a minute passes in 5 ms
/// cafe.brew("coffee maker", "kopi");       // 5 minutes
/// cafe.toast("toaster", "slice 1");        // 2 minutes
/// assert!(cafe.minutes() >= 7.0);
/// assert!(cafe.most_at_once("coffee maker") == 1);
/// ```
#[derive(Debug, Clone)]
pub struct Cafe {
    minute: Duration,
    machines: Recorder,
    baristas: Recorder,
    late: Arc<Mutex<Vec<Late>>>,
}

/// How much longer something took than was asked for.
#[derive(Debug, Clone)]
struct Late {
    lane: String,
    by: f64,
}

impl Cafe {
    /// Opens a café in which a minute passes in this many milliseconds; its clock starts now.
    ///
    /// # Panics
    ///
    /// Unless `milliseconds_per_minute` is above 0 and at most 60,000, which is real time.
    pub fn open(milliseconds_per_minute: f64) -> Self {
        assert!(
            milliseconds_per_minute > 0.0 && milliseconds_per_minute <= 60_000.0,
            "a café minute must take between 0 and 60,000 ms; you asked for {milliseconds_per_minute}"
        );
        let record = Recorder::new();
        Cafe {
            minute: Duration::from_secs_f64(milliseconds_per_minute / 1000.0),
            baristas: record.again(),
            machines: record,
            late: Arc::default(),
        }
    }

    /// Toasts one slice, 2 minutes; the calling thread waits.
    pub fn toast(&self, toaster: impl Display, slice: impl Display) {
        self.run(toaster, slice, TOAST);
    }

    /// Brews one cup, 5 minutes; the calling thread waits.
    pub fn brew(&self, machine: impl Display, cup: impl Display) {
        self.run(machine, cup, COFFEE);
    }

    /// Runs a machine for some minutes; the calling thread waits, as in every blocking call.
    pub fn run(&self, machine: impl Display, what: impl Display, minutes: f64) {
        let (machine, what) = (machine.to_string(), what.to_string());
        let barista = self.baristas.worker("barista");
        let start = Instant::now();
        std::thread::sleep(self.real(minutes));
        self.machine_done(&machine, &barista, &what, minutes, start);
    }

    /// Toasts one slice, 2 minutes; the task waits, its thread is free for other tasks.
    pub async fn toast_async(&self, toaster: impl Display, slice: impl Display) {
        self.run_async(toaster, slice, TOAST).await;
    }

    /// Brews one cup, 5 minutes; the task waits, its thread is free for other tasks.
    pub async fn brew_async(&self, machine: impl Display, cup: impl Display) {
        self.run_async(machine, cup, COFFEE).await;
    }

    /// Runs a machine for some minutes; the task waits, its thread is free for other tasks.
    pub async fn run_async(&self, machine: impl Display, what: impl Display, minutes: f64) {
        let (machine, what) = (machine.to_string(), what.to_string());
        let barista = self.baristas.worker("barista");
        let start = Instant::now();
        tokio::time::sleep(self.real(minutes)).await;
        self.machine_done(&machine, &barista, &what, minutes, start);
    }

    /// Spreads kaya for some minutes: keeps the calling thread busy until the system has given it
    /// that much processor time. A thread that has to share its core takes longer.
    pub fn spread_kaya(&self, what: impl Display, minutes: f64) {
        let (what, barista) = (what.to_string(), self.baristas.worker("barista"));
        let start = Instant::now();
        let end = thread_cpu_time() + self.real(minutes);
        while thread_cpu_time() < end {
            black_box((0..500u64).map(black_box).sum::<u64>());
        }
        self.note_late(&barista, minutes, start.elapsed());
        self.baristas.add(&barista, &what, SpanKind::Work, start);
    }

    /// Records that `who` was waiting from `since` until now, unless that is less than a tenth of
    /// a minute. For waits that are not a machine's: a full queue, a plate not served yet.
    pub fn waited(&self, who: impl Display, what: impl Display, since: Instant) {
        let (who, what) = (who.to_string(), what.to_string());
        if self.in_minutes(since.elapsed().as_secs_f64()) < 0.1 {
            return;
        }
        self.machines.add(&who, &what, SpanKind::Wait, since);
    }

    /// Minutes since the café was opened.
    pub fn now(&self) -> f64 {
        self.in_minutes(self.machines.elapsed())
    }

    /// Minutes until the last thing was done: the makespan.
    pub fn minutes(&self) -> f64 {
        self.in_minutes(self.machines.makespan().max(self.baristas.makespan()))
    }

    /// The makespan in real seconds, as the single run of a [`Timing`].
    pub fn timing(&self, name: &str) -> Timing {
        Timing::of_wall(name, vec![self.minutes() * self.minute.as_secs_f64()])
    }

    /// What the machines did, in minutes.
    pub fn machine_spans(&self) -> Vec<Span> {
        self.scaled(&self.machines)
    }

    /// What the baristas did and waited for, in minutes.
    pub fn barista_spans(&self) -> Vec<Span> {
        self.scaled(&self.baristas)
    }

    /// How many things a machine or a barista had in hand at once, at most.
    pub fn most_at_once(&self, lane: &str) -> usize {
        let mut spans = self.machine_spans();
        spans.extend(self.barista_spans());
        spans.retain(|span| span.lane == lane);
        // What is ready now and what starts now do not overlap: a hair's breadth decides.
        let at = |t: f64| spans.iter().filter(move |s| s.start <= t && t < s.end - 1e-3);
        spans.iter().map(|s| at(s.start).count()).max().unwrap_or(0)
    }

    /// A timeline of the machines.
    pub fn machines(&self, title: &str) -> Figure {
        minutes_timeline(title, &self.machine_spans())
    }

    /// A timeline of the baristas.
    pub fn baristas(&self, title: &str) -> Figure {
        minutes_timeline(title, &self.barista_spans())
    }

    /// A timeline of baristas and machines.
    pub fn everyone(&self, title: &str) -> Figure {
        let mut spans = self.barista_spans();
        spans.extend(self.machine_spans());
        minutes_timeline(title, &spans)
    }

    /// How many seconds late each wait ended, as the runs of a [`Timing`].
    pub fn lateness(&self, name: &str) -> Timing {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = self.minute.as_secs_f64();
        Timing::of_wall(name, late.iter().map(|l| l.by * minute).collect())
    }

    /// How many minutes later than asked for things were done, on the lane where that adds up to
    /// most: timers that ring late, and threads that had to wait for a core.
    pub fn late(&self) -> f64 {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |lane: &str| late.iter().filter(|l| l.lane == lane).map(|l| l.by).sum();
        late.iter().map(|l| of(&l.lane)).fold(0.0, f64::max)
    }

    /// Whether the café took as long as planned, to a tenth; `None` where only late timers, a busy
    /// machine or a few milliseconds stand between the two.
    pub fn kept_to(&self, plan: f64) -> Option<bool> {
        let slack = (0.02 / self.minute.as_secs_f64()).max(0.1 * plan);
        judge(self.minutes(), plan, self.late(), slack)
    }

    /// Prints plan and measurement side by side, where the difference comes from, and whether the
    /// café kept to the plan.
    pub fn against_plan(&self, what: &str, plan: f64) {
        // In tenths, so that the numbers that are printed add up.
        let tenths = |minutes: f64| (minutes * 10.0).round() / 10.0;
        let took = tenths(self.minutes());
        println!("{what}: planned {plan:.1} minutes, measured {took:.1}");
        let more = took - tenths(plan);
        let late = tenths(self.late()).clamp(0.0, more.max(0.0));
        let why = match more {
            m if m < 0.0 => format!("{m:.1} minutes: the plan asks for more than was done"),
            _ => format!(
                "{more:+.1} minutes: {late:.1} by late timers and busy cores, {:.1} by starting and handing over",
                more - late
            ),
        };
        claim("it took what the plan says, to a tenth", self.kept_to(plan), &why);
    }

    fn machine_done(&self, machine: &str, barista: &str, what: &str, minutes: f64, start: Instant) {
        let end = Instant::now();
        self.note_late(machine, minutes, end - start);
        self.machines.push(machine, what, SpanKind::Work, start, end);
        self.baristas.push(barista, what, SpanKind::Wait, start, end);
    }

    fn note_late(&self, lane: &str, minutes: f64, took: Duration) {
        let late =
            Late { lane: lane.to_owned(), by: self.in_minutes(took.as_secs_f64()) - minutes };
        let mut all = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(late);
    }

    fn real(&self, minutes: f64) -> Duration {
        self.minute.mul_f64(minutes.max(0.0))
    }

    fn in_minutes(&self, seconds: f64) -> f64 {
        seconds / self.minute.as_secs_f64()
    }

    fn scaled(&self, record: &Recorder) -> Vec<Span> {
        let mut spans = record.spans();
        for span in &mut spans {
            span.start = self.in_minutes(span.start);
            span.end = self.in_minutes(span.end);
        }
        spans
    }
}

/// A timeline of spans that are in café minutes, such as those of several cafés together.
pub fn minutes_timeline(title: &str, spans: &[Span]) -> Figure {
    timeline_in(title, "café minutes", 1.0, spans)
}

fn judge(took: f64, plan: f64, late: f64, slack: f64) -> Option<bool> {
    match () {
        _ if took < 0.98 * plan => Some(false),
        _ if took <= 1.1 * plan => Some(true),
        _ if took - late <= plan + slack => None,
        _ => Some(false),
    }
}

/// Processor time that the calling thread has used so far.
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec, and the call only writes to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "this system has no clock for a thread's time");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::runtime::on_one_thread;

    #[test]
    fn one_after_the_other_takes_the_sum() {
        let cafe = Cafe::open(2.0);
        cafe.brew("coffee maker", "kopi");
        cafe.toast("toaster", 1);
        cafe.toast("toaster", 2);
        assert!(cafe.minutes() >= 9.0);
        assert_ne!(cafe.kept_to(5.0), Some(true));
        assert_eq!(cafe.kept_to(1e6), Some(false));
        assert_eq!(cafe.most_at_once("barista 1"), 1);
        assert_eq!(cafe.machine_spans().len(), 3);
    }

    #[test]
    fn one_thread_has_several_things_in_hand() {
        let cafe = Cafe::open(10.0);
        on_one_thread(async {
            tokio::join!(cafe.brew_async("coffee maker", "kopi"), async {
                cafe.toast_async("toaster", 1).await;
                cafe.toast_async("toaster", 2).await;
            });
        });
        assert_eq!(cafe.most_at_once("barista 1"), 2);
        assert_eq!(cafe.most_at_once("toaster"), 1);
        assert!(cafe.minutes() >= 5.0);
    }

    #[test]
    fn hands_need_processor_time() {
        let cafe = Cafe::open(2.0);
        let before = thread_cpu_time();
        cafe.spread_kaya("slice 1", 3.0);
        assert!(thread_cpu_time() - before >= Duration::from_millis(6));
        assert_eq!(cafe.barista_spans()[0].kind, SpanKind::Work);
        assert!(cafe.machine_spans().is_empty());
    }

    #[test]
    fn a_plan_is_kept_missed_or_left_open() {
        assert_eq!(judge(50.5, 50.0, 0.1, 5.0), Some(true));
        assert_eq!(judge(200.0, 50.0, 1.0, 5.0), Some(false));
        assert_eq!(judge(20.0, 50.0, 1.0, 5.0), Some(false));
        assert_eq!(judge(70.0, 50.0, 19.0, 5.0), None);
    }

    #[test]
    #[should_panic(expected = "between 0 and 60,000")]
    fn time_must_pass() {
        Cafe::open(0.0);
    }
}
