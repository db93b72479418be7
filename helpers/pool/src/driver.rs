//! What stands behind each worker: a thread that takes jobs, sends them, receives the answers, and
//! replaces the worker when it is gone.

use super::error::{Cause, Death};
use super::queue::{Job, Queue, Task};
use super::worker::{Event, Worker};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker whose last jobs took less than this, each, waits longer for the next one than it works.
const QUICK: Duration = Duration::from_micros(100);

/// So it is given this many at once. All others have one at a time: none waits behind a long one
/// while another worker is free.
const BATCH: usize = 16;

/// What the drivers of a pool share.
pub struct Shared {
    /// When it is closed the drivers stop what runs, and end.
    pub queue: Queue,
    /// The program that workers run.
    pub program: PathBuf,
    /// The process numbers of the workers that live, by driver.
    pub pids: Mutex<Vec<Option<u32>>>,
    /// A worker that has been given so many items is replaced.
    pub items_per_worker: usize,
    /// Items and results with more bytes are refused.
    pub largest: usize,
}

impl Shared {
    pub fn pids(&self) -> MutexGuard<'_, Vec<Option<u32>>> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_unwanted(&self, task: &Task) -> bool {
        self.queue.is_closed() || task.cancelled.load(Ordering::Relaxed)
    }
}

pub struct Driver<'a> {
    shared: &'a Shared,
    number: usize,
    worker: Option<Worker>,
    /// Whether the last jobs took next to no time.
    quick: bool,
}

impl<'a> Driver<'a> {
    /// Starts a worker. The error says why not.
    pub fn start(shared: &'a Shared, number: usize) -> Result<Driver<'a>, String> {
        let mut driver = Driver { shared, number, worker: None, quick: false };
        driver.replace(Some(Worker::start(&shared.program)?));
        Ok(driver)
    }

    /// Works until the pool is dropped.
    pub fn run(mut self) {
        loop {
            let given = self.worker.as_ref().map_or(0, |worker| worker.given);
            let most = match self.quick {
                true => BATCH.min(self.shared.items_per_worker.saturating_sub(given)),
                false => 1,
            };
            let workers = self.shared.pids().len();
            let jobs = self.shared.queue.take(most, workers);
            if jobs.is_empty() {
                return self.replace(None);
            }
            self.work_on(jobs);
            if let Some(worker) = &mut self.worker {
                worker.rest();
            }
        }
    }

    fn replace(&mut self, worker: Option<Worker>) {
        self.shared.pids()[self.number] = worker.as_ref().map(|worker| worker.pid);
        self.worker = worker;
    }

    /// Delivers the outcomes of the jobs, which are of one task, or puts them back.
    fn work_on(&mut self, mut jobs: VecDeque<Job>) {
        let shared = self.shared;
        let task = jobs[0].task.clone();
        self.quick = false;
        let worker = match self.make_ready(&task) {
            Ok(worker) => worker,
            Err(cause) => {
                let refuse = |job: Job| job.deliver(None, Err(cause.clone()));
                return jobs.into_iter().for_each(refuse);
            }
        };
        let pid = worker.pid;
        let cause = match attempt(worker, &mut jobs, || shared.is_unwanted(&task)) {
            Ok(quick) => return self.quick = quick,
            Err(cause) => cause,
        };
        // The worker had not begun with any job but the first.
        self.replace(None);
        let Some(mut job) = jobs.pop_front() else {
            return;
        };
        let died = match cause {
            Cause::WorkerDied(death) => Some(death),
            _ => None,
        };
        if cause != Cause::Cancelled && job.count > 1 {
            report(pid, died, &job, "they are run again, one by one");
            for single in job.one_by_one(died.is_some()).into_iter().rev() {
                jobs.push_front(single);
            }
        } else if died.is_some() && !job.tried {
            report(pid, died, &job, "it is tried once more");
            job.tried = true;
            jobs.push_front(job);
        } else {
            job.deliver(Some(pid), Err(cause));
        }
        self.shared.queue.put_back(jobs);
    }

    /// A worker with the task's function, as long as somebody wants the results.
    fn make_ready(&mut self, task: &Task) -> Result<&mut Worker, Cause> {
        let unwanted = || self.shared.is_unwanted(task);
        let not_started = |why: String| match unwanted() {
            true => Cause::Cancelled,
            false => Cause::NotStarted(why),
        };
        if unwanted() {
            return Err(Cause::Cancelled);
        }
        let function = task.function.as_ref();
        let function = function.map_err(|why| Cause::NotStarted(why.clone()))?;
        // One that is there may have been killed meanwhile, or be about to end.
        let usable = self.worker.as_mut().is_some_and(|worker| {
            worker.given < self.shared.items_per_worker
                && worker.is_alive()
                && (worker.runs(function) || worker.load(function, unwanted).is_ok())
        });
        if !usable {
            self.replace(None);
            if unwanted() {
                return Err(Cause::Cancelled);
            }
            let mut worker = Worker::start(&self.shared.program)
                .map_err(|why| Cause::NotStarted(format!("the system started no worker: {why}")))?;
            self.shared.pids()[self.number] = Some(worker.pid);
            let loaded = worker.load(function, unwanted);
            self.replace(loaded.is_ok().then_some(worker));
            loaded.map_err(not_started)?;
        }
        self.worker.as_mut().ok_or(Cause::Cancelled)
    }
}

/// Has a worker run the jobs and delivers the answers; whether that was quick. On an error the first
/// of the jobs that are left is where it failed, and the worker must not go on.
fn attempt(
    worker: &mut Worker,
    jobs: &mut VecDeque<Job>,
    unwanted: impl Fn() -> bool,
) -> Result<bool, Cause> {
    worker.given += jobs.iter().map(|job| job.count).sum::<usize>();
    let frames = match jobs.len() {
        1 => Cow::Borrowed(&jobs[0].frame),
        _ => Cow::Owned(jobs.iter().flat_map(|job| &job.frame).copied().collect()),
    };
    let begun = Instant::now();
    let allowed = QUICK * jobs.len() as u32;
    // Whether they arrived shows at the next read.
    let _ = worker.send(&frames, &unwanted);
    drop(frames);
    let mut since = begun;
    while let Some(job) = jobs.front() {
        match worker.receive() {
            Event::Answers(answers) => {
                if let Some(job) = jobs.pop_front() {
                    job.deliver(Some(worker.pid), Ok(answers));
                }
                since = Instant::now();
            }
            Event::Died(death) => return Err(Cause::WorkerDied(death)),
            Event::Tick if unwanted() => return Err(Cause::Cancelled),
            Event::Tick => match job.task.time_limit {
                Some(limit) if since.elapsed() > limit.saturating_mul(job.count as u32) => {
                    return Err(Cause::TimedOut(limit));
                }
                _ => {}
            },
        }
    }
    Ok(since - begun < allowed)
}

/// Tells the reader what would otherwise be seen only as lost time.
fn report(pid: u32, died: Option<Death>, job: &Job, then: &str) {
    let items = match job.count {
        1 => format!("at item {}", job.first),
        count => format!("within items {} to {}", job.first, job.first + count - 1),
    };
    match died {
        Some(death) => println!("worker {pid} {death}, {items}; {then}"),
        None => println!("worker {pid} was ended, its time was up {items}; {then}"),
    }
}
