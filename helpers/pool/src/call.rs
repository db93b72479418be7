//! One call of a pool: its items become jobs, and the answers to these become results.

use super::error::{Cause, ItemError};
use super::queue::{Job, Outcome, SMALL, Task};
use super::{Crew, ProcessPool, entry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::iter::{Enumerate, Fuse};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// For each worker so many jobs are on their way: one that runs, and others that wait, or whose
/// results wait to be fetched.
const ON_THE_WAY: usize = 2;

/// The same for jobs that are small, there and back.
const SMALL_ON_THE_WAY: usize = 64;

/// A job with more bytes gets no further items.
const LARGE: usize = 16 << 20;

impl Task {
    fn new<A, R>(pool: &ProcessPool, f: fn(A) -> R) -> (Arc<Task>, Receiver<Outcome>)
    where
        A: DeserializeOwned,
        R: Serialize + 'static,
    {
        let (outcomes, arriving) = channel();
        let task = Task {
            function: entry::place_of(f, pool.crew.shared.largest),
            time_limit: pool.time_limit,
            cancelled: AtomicBool::new(false),
            outcomes,
        };
        (Arc::new(task), arriving)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Results as they arrive; see [`ProcessPool::map_unordered`].
pub struct Unordered<I, R> {
    crew: Arc<Crew>,
    chunk_size: usize,
    items: Enumerate<Fuse<I>>,
    task: Arc<Task>,
    outcomes: Receiver<Outcome>,
    /// How many items are with the workers.
    outstanding: usize,
    /// How many bytes the latest job had; at first nobody knows.
    latest: usize,
    arrived: VecDeque<(usize, Result<R, ItemError>)>,
}

impl<I, R> Unordered<I, R> {
    pub(super) fn new<A>(pool: &ProcessPool, f: fn(A) -> R, items: I) -> Self
    where
        I: Iterator<Item = A>,
        A: DeserializeOwned,
        R: Serialize + 'static,
    {
        let (task, outcomes) = Task::new(pool, f);
        Unordered {
            crew: pool.crew.clone(),
            chunk_size: pool.chunk_size,
            items: items.fuse().enumerate(),
            task,
            outcomes,
            outstanding: 0,
            latest: usize::MAX,
            arrived: VecDeque::new(),
        }
    }
}

impl<I: Iterator<Item: Serialize>, R> Unordered<I, R> {
    /// Hands in a job of the items that come next; `false` where there are none. An item that
    /// cannot be encoded has its outcome at once, and ends the job, which is of neighbours.
    fn hand_in(&mut self) -> bool {
        let mut job: Option<Job> = None;
        let has_room = |job: &Job| job.count < self.chunk_size && job.frame.len() < LARGE;
        while job.as_ref().is_none_or(has_room)
            && let Some((index, item)) = self.items.next()
        {
            self.outstanding += 1;
            let job = job.get_or_insert_with(|| Job::new(&self.task, index));
            if let Err(cause) = job.add(&item, self.crew.shared.largest) {
                let _ = self.task.outcomes.send(Outcome::of_one(index, cause));
                break;
            }
        }
        let Some(job) = job else {
            return false;
        };
        self.latest = self.latest.max(job.frame.len());
        if job.count > 0 {
            self.crew.shared.queue.push(job);
        }
        true
    }

    /// How many items may be on their way.
    fn window(&self) -> usize {
        let jobs = match self.latest <= SMALL {
            true => SMALL_ON_THE_WAY,
            false => ON_THE_WAY,
        };
        jobs * self.crew.threads.len() * self.chunk_size
    }
}

impl<I, R> Iterator for Unordered<I, R>
where
    I: Iterator<Item: Serialize>,
    R: DeserializeOwned + 'static,
{
    type Item = (usize, Result<R, ItemError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.arrived.is_empty() {
            while self.outstanding < self.window() && self.hand_in() {}
            if self.outstanding == 0 {
                return None;
            }
            // The task has a sender, so this cannot fail.
            let outcome = self.outcomes.recv().ok()?;
            self.latest = outcome.bytes;
            self.arrived.extend(outcome.results());
            self.outstanding -= self.arrived.len();
        }
        self.arrived.pop_front()
    }
}

impl<I, R> Drop for Unordered<I, R> {
    fn drop(&mut self) {
        self.task.cancel();
    }
}

/// One item on its way; see [`ProcessPool::submit`]. Dropping it does not cancel the item.
pub struct Submitted<R> {
    /// As long as the item is on its way.
    task: Weak<Task>,
    outcomes: Receiver<Outcome>,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned + 'static> Submitted<R> {
    pub(super) fn new<A>(pool: &ProcessPool, f: fn(A) -> R, item: &A) -> Self
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let (task, outcomes) = Task::new(pool, f);
        let mut job = Job::new(&task, 0);
        match job.add(item, pool.crew.shared.largest) {
            Ok(()) => pool.crew.shared.queue.push(job),
            Err(cause) => {
                let _ = task.outcomes.send(Outcome::of_one(0, cause));
            }
        }
        Submitted { task: Arc::downgrade(&task), outcomes, result: PhantomData }
    }

    /// Waits for the result (Python's `future.result()`).
    ///
    /// # Errors
    ///
    /// What happened to the item.
    pub fn wait(self) -> Result<R, ItemError> {
        result_of(self.outcomes.recv().ok())
    }

    /// Waits for at most so long; `None` where the item is still on its way. A result is given
    /// once; after that it counts as cancelled.
    pub fn wait_for(&self, time: Duration) -> Option<Result<R, ItemError>> {
        match self.outcomes.recv_timeout(time) {
            Ok(outcome) => Some(result_of(Some(outcome))),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(result_of(None)),
        }
    }

    /// Cancels the item: one that runs is stopped, by ending its worker. [`wait`](Self::wait) then
    /// gives [`Cause::Cancelled`], or the result if it has arrived before.
    pub fn cancel(&self) {
        if let Some(task) = self.task.upgrade() {
            task.cancel();
            // One that waits behind others is not waited for.
            let _ = task.outcomes.send(Outcome::of_one(0, Cause::Cancelled));
        }
    }
}

fn result_of<R: DeserializeOwned + 'static>(outcome: Option<Outcome>) -> Result<R, ItemError> {
    let outcome = outcome.unwrap_or_else(|| Outcome::of_one(0, Cause::Cancelled));
    let first = outcome.results().pop();
    first.map_or_else(|| result_of(None), |(_, result)| result)
}
