//! The jobs that wait for a worker.

use super::error::{Cause, ItemError};
use super::load::Place;
use super::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all jobs of one call have in common, and where their outcomes go.
pub struct Task {
    /// The function to run; or why no worker can.
    pub function: Result<Place, String>,
    /// How long one item may take.
    pub time_limit: Option<Duration>,
    /// Whether nobody wants the results any more.
    pub cancelled: AtomicBool,
    pub outcomes: Sender<Outcome>,
}

/// Neighbouring items that travel together.
pub struct Job {
    pub task: Arc<Task>,
    /// The number of the first item.
    pub first: usize,
    /// How many items.
    pub count: usize,
    /// The frame of items (see [`wire`]).
    pub frame: Vec<u8>,
    /// Whether a worker has died with it already.
    pub tried: bool,
}

/// What became of a job.
pub struct Outcome {
    first: usize,
    count: usize,
    /// The process that had it last.
    pid: Option<u32>,
    /// The frame of answers, or what happened to every item.
    answers: Result<Vec<u8>, Cause>,
    /// Bytes that travelled, there and back.
    pub bytes: usize,
}

impl Job {
    /// A job without items yet.
    pub fn new(task: &Arc<Task>, first: usize) -> Job {
        let mut frame = Vec::new();
        wire::begin(&mut frame);
        Job { task: task.clone(), first, count: 0, frame, tried: false }
    }

    /// Adds an item, unless it cannot be encoded.
    pub fn add<A: Serialize>(&mut self, item: &A, largest: usize) -> Result<(), Cause> {
        wire::append(item, largest, &mut self.frame)?;
        wire::finish(&mut self.frame);
        self.count += 1;
        Ok(())
    }

    /// Its items as jobs of their own.
    pub fn one_by_one(&self, tried: bool) -> Vec<Job> {
        let mut items = wire::content(&self.frame);
        let single = |first| {
            let mut job = Job::new(&self.task, first);
            wire::append_part(wire::take(&mut items)?, &mut job.frame);
            wire::finish(&mut job.frame);
            (job.count, job.tried) = (1, tried);
            Some(job)
        };
        (self.first..).map_while(single).collect()
    }

    /// Tells whoever waits for it. Nobody may be waiting any more.
    pub fn deliver(self, pid: Option<u32>, answers: Result<Vec<u8>, Cause>) {
        let back = answers.as_ref().map_or(0, Vec::len);
        let _ = self.task.outcomes.send(Outcome {
            first: self.first,
            count: self.count,
            pid,
            answers,
            bytes: self.frame.len() + back,
        });
    }
}

impl Outcome {
    /// That of an item which did not come so far.
    pub fn of_one(index: usize, cause: Cause) -> Outcome {
        Outcome { first: index, count: 1, pid: None, answers: Err(cause), bytes: 0 }
    }

    /// The results, each with the number of its item.
    pub fn results<R>(&self) -> Vec<(usize, Result<R, ItemError>)>
    where
        R: DeserializeOwned + 'static,
    {
        let mut answers = self.answers.as_deref().map_or(&[][..], wire::content);
        let pid = self.pid;
        let result = |index| {
            let result = match &self.answers {
                Ok(_) => wire::take_answer(&mut answers),
                Err(cause) => Err(cause.clone()),
            };
            (index, result.map_err(|cause| ItemError { index, pid, cause }))
        };
        (self.first..self.first + self.count).map(result).collect()
    }
}

/// Frames that have no more bytes together may wait in a worker's socket: so many fit into it, on
/// every system, that neither side can block the other.
pub const SMALL: usize = 4 * 1024;

/// Jobs in the order in which they came, for several workers.
#[derive(Default)]
pub struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    changed: Condvar,
    closed: AtomicBool,
}

impl Queue {
    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job at the end.
    pub fn push(&self, job: Job) {
        self.jobs().push_back(job);
        self.changed.notify_one();
    }

    /// Gives jobs back, to be the next ones, in the order given.
    pub fn put_back(&self, jobs: VecDeque<Job>) {
        let mut waiting = self.jobs();
        for job in jobs.into_iter().rev() {
            waiting.push_front(job);
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Waits for the next job. Up to `most` small ones of one call come together, but not more
    /// than the share of one of `workers`. Empty when the queue is closed and nothing is left.
    pub fn take(&self, most: usize, workers: usize) -> VecDeque<Job> {
        let idle = |jobs: &mut VecDeque<Job>| jobs.is_empty() && !self.is_closed();
        let jobs = self.changed.wait_while(self.jobs(), idle);
        let mut jobs = jobs.unwrap_or_else(PoisonError::into_inner);
        let share = jobs.len().div_ceil(workers).min(most);
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += job.frame.len();
            bytes <= SMALL && Arc::ptr_eq(&job.task, &jobs[0].task)
        };
        let together = jobs.iter().take(share).take_while(fits).count();
        let taken = together.max(1).min(jobs.len());
        jobs.drain(..taken).collect()
    }

    /// Whether nothing is begun any more, and what runs is stopped.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets those who wait go once nothing is left.
    pub fn close(&self) {
        // Who waits must not miss it between the look at this and the waiting.
        let jobs = self.jobs();
        self.closed.store(true, Ordering::Relaxed);
        drop(jobs);
        self.changed.notify_all();
    }
}
