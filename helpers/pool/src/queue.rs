//! The jobs that wait for a worker.

use super::error::ItemError;
use super::load::Place;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all jobs of one call have in common, and who wants their results.
pub trait Task: Send + Sync {
    /// The function to run.
    fn function(&self) -> &Place;
    /// How long one item may take.
    fn time_limit(&self) -> Option<Duration>;
    /// Whether nobody wants the results any more.
    fn is_cancelled(&self) -> bool;
    /// Takes the encoded result of the item with this number, or why there is none.
    fn deliver(&self, index: usize, outcome: Result<&[u8], ItemError>);
}

/// Neighbouring items that travel together.
pub struct Job {
    pub task: Arc<dyn Task>,
    /// The number of the first item.
    pub first: usize,
    /// How many items.
    pub count: usize,
    /// The frame of items (see [`wire`](super::wire)).
    pub frame: Vec<u8>,
    /// Whether a worker has died with it already.
    pub tried: bool,
}

/// A frame up to this size may be sent while the worker is still busy: so many of them fit into
/// the socket that neither side can block the other.
pub const SMALL: usize = 4 * 1024;

impl Job {
    fn is_small(&self) -> bool {
        self.frame.len() <= SMALL
    }
}

/// Jobs in the order in which they came, for several workers.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
    /// How many workers wait for a job.
    idle: usize,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds jobs at the end.
    pub fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut state = self.state();
        state.jobs.extend(jobs);
        self.wake(&state);
    }

    /// Gives jobs back, to be the next ones, in the order given. Returns them where the queue has
    /// been closed meanwhile: nobody would take them out any more.
    #[must_use]
    pub fn put_back(&self, jobs: impl DoubleEndedIterator<Item = Job>) -> Vec<Job> {
        let mut state = self.state();
        if state.closed {
            return jobs.collect();
        }
        for job in jobs.rev() {
            state.jobs.push_front(job);
        }
        self.wake(&state);
        Vec::new()
    }

    fn wake(&self, state: &State) {
        match state.jobs.len().min(state.idle) {
            0 => {}
            1 => self.changed.notify_one(),
            _ => self.changed.notify_all(),
        }
    }

    /// Waits for jobs for one of `workers`: the next one, and up to `most` in all where they are
    /// small and of one function. `None` when the queue is closed.
    pub fn take(&self, most: usize, workers: usize) -> Option<Vec<Job>> {
        let mut state = self.state();
        while state.jobs.is_empty() && !state.closed {
            state.idle += 1;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        if state.closed {
            return None;
        }
        let mut jobs: Vec<Job> = state.jobs.pop_front().into_iter().collect();
        if let Some(first) = jobs.first().filter(|first| first.is_small()) {
            let task = first.task.clone();
            take_like(&mut state, task.function(), most - 1, workers, &mut jobs);
        }
        Some(jobs)
    }

    /// Takes up to `most` small jobs of this function that are there now.
    pub fn take_more(&self, function: &Place, most: usize, workers: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        take_like(&mut self.state(), function, most, workers, &mut jobs);
        jobs
    }

    /// Takes out the waiting jobs of a task.
    pub fn remove(&self, task: &Arc<dyn Task>) -> Vec<Job> {
        let mut state = self.state();
        let (removed, kept) = std::mem::take(&mut state.jobs)
            .into_iter()
            .partition(|job| Arc::ptr_eq(&job.task, task));
        state.jobs = kept;
        Vec::from(removed)
    }

    /// Ends all waiting, for good, and takes out every job.
    pub fn close(&self) -> Vec<Job> {
        let mut state = self.state();
        state.closed = true;
        self.changed.notify_all();
        std::mem::take(&mut state.jobs).into()
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }
}

/// Not more than one worker's share: the others shall have something to do too.
fn take_like(
    state: &mut State,
    function: &Place,
    most: usize,
    workers: usize,
    jobs: &mut Vec<Job>,
) {
    let share = (state.jobs.len() / workers).min(most);
    for _ in 0..share {
        match state.jobs.front() {
            Some(next) if next.is_small() && next.task.function() == function => {
                jobs.extend(state.jobs.pop_front());
            }
            _ => break,
        }
    }
}
