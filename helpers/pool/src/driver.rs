//! What stands behind each worker: a thread that sends it jobs, receives the answers, and replaces
//! it when it is gone.

use super::error::{Cause, Death, ItemError};
use super::load::Place;
use super::queue::{Job, Queue, SMALL};
use super::wire::{self, Tag};
use super::worker::{Event, Worker};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the drivers of a pool share.
pub struct Shared {
    pub queue: Queue,
    /// The program that workers run.
    pub program: PathBuf,
    /// The process numbers of the workers that live, by driver.
    pub pids: Mutex<Vec<Option<u32>>>,
    /// A worker with so many items done is replaced.
    pub items_per_worker: Option<usize>,
    /// Items and results with more bytes are refused.
    pub largest: usize,
}

/// At most so many small jobs wait in a worker's socket.
const DEEPEST: usize = 16;
/// A worker whose items take less than this waits longer for the next item than it works.
const QUICK: Duration = Duration::from_micros(100);
/// An item of this length must not have others wait behind it.
const SLOW: Duration = Duration::from_millis(1);

pub struct Driver<'a> {
    shared: &'a Shared,
    number: usize,
    worker: Option<Worker>,
    /// How many items the worker has been given.
    given: usize,
    /// What the worker has, in order: it works on the first.
    flight: VecDeque<Job>,
    /// When it began with the first, as far as can be seen from here.
    since: Instant,
    /// How many jobs it may have at once.
    depth: usize,
    scratch: Vec<u8>,
}

impl<'a> Driver<'a> {
    /// Starts a worker. The error says why not.
    pub fn start(shared: &'a Shared, number: usize) -> Result<Driver<'a>, String> {
        let mut driver = Driver {
            shared,
            number,
            worker: None,
            given: 0,
            flight: VecDeque::new(),
            since: Instant::now(),
            depth: 1,
            scratch: Vec::new(),
        };
        driver.replace(Some(Worker::start(&shared.program)?));
        Ok(driver)
    }

    /// Works until the pool is dropped.
    pub fn run(mut self) {
        loop {
            if self.flight.is_empty() {
                if let Some(worker) = &mut self.worker {
                    worker.rest();
                }
                match self.shared.queue.take(self.depth, self.workers()) {
                    Some(jobs) => self.begin(jobs),
                    None => return self.replace(None),
                }
            } else if self.flight.len() <= self.depth / 2 {
                self.refill();
            }
            if !self.flight.is_empty() {
                self.receive();
            }
        }
    }

    fn workers(&self) -> usize {
        self.pids().len()
    }

    fn pids(&self) -> std::sync::MutexGuard<'a, Vec<Option<u32>>> {
        let pids = self.shared.pids.lock();
        pids.unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&mut self, worker: Option<Worker>) {
        self.pids()[self.number] = worker.as_ref().map(|worker| worker.pid);
        self.worker = worker;
        self.given = 0;
    }

    fn is_used_up(&self) -> bool {
        let most = self.shared.items_per_worker;
        most.is_some_and(|most| self.given >= most)
    }

    /// Gives jobs to a worker that has none.
    fn begin(&mut self, jobs: Vec<Job>) {
        let Some(first) = jobs.first() else { return };
        let task = first.task.clone();
        let queue = &self.shared.queue;
        let unwanted = || queue.is_closed() || task.is_cancelled();
        let Err(why) = self.make_ready(task.function(), unwanted) else {
            return self.give(jobs);
        };
        self.replace(None);
        let mut others = Vec::new();
        for job in jobs {
            if queue.is_closed() || job.task.is_cancelled() {
                fail(&job, None, &Cause::Cancelled);
            } else if task.is_cancelled() {
                // Only the first job's wish ended the wait.
                others.push(job);
            } else {
                fail(&job, None, &Cause::NotStarted(why.clone()));
            }
        }
        self.put_back(others);
    }

    /// Gives jobs to whichever worker is free next.
    fn put_back(&self, jobs: impl IntoIterator<Item = Job, IntoIter: DoubleEndedIterator>) {
        for job in self.shared.queue.put_back(jobs.into_iter()) {
            fail(&job, None, &Cause::Cancelled);
        }
    }

    /// Sees to it that there is a worker with this function, as long as that is not `unwanted`.
    fn make_ready(&mut self, function: &Place, unwanted: impl Fn() -> bool) -> Result<(), String> {
        if self.is_used_up() {
            self.replace(None);
        }
        // One that is there may have been killed meanwhile, or be about to end.
        if let Some(worker) = &mut self.worker
            && worker.is_alive()
            && (worker.runs(function) || worker.load(function, &unwanted).is_ok())
        {
            return Ok(());
        }
        self.replace(None);
        if unwanted() {
            return Err("given up".to_owned());
        }
        let worker = Worker::start(&self.shared.program)
            .map_err(|why| format!("the system started no worker: {why}"))?;
        self.replace(Some(worker));
        match &mut self.worker {
            Some(worker) => worker.load(function, &unwanted),
            None => Ok(()),
        }
    }

    /// Gives the worker more small jobs while it works.
    fn refill(&mut self) {
        let Some(first) = self.flight.front() else {
            return;
        };
        let small = self.flight.iter().all(|job| job.frame.len() <= SMALL);
        if small && !self.is_used_up() {
            let task = first.task.clone();
            let most = self.depth - self.flight.len();
            let queue = &self.shared.queue;
            let jobs = queue.take_more(task.function(), most, self.workers());
            self.give(jobs);
        }
    }

    fn give(&mut self, jobs: Vec<Job>) {
        let Some(worker) = &mut self.worker else {
            return;
        };
        if self.flight.is_empty() {
            self.since = Instant::now();
        }
        let queue = &self.shared.queue;
        self.scratch.clear();
        for job in jobs {
            self.given += job.count;
            // Whether it arrived shows at the next read.
            if job.frame.len() <= SMALL {
                self.scratch.extend_from_slice(&job.frame);
            } else {
                let _ = worker.send(&job.frame, || queue.is_closed() || job.task.is_cancelled());
            }
            self.flight.push_back(job);
        }
        let _ = worker.send(&self.scratch, || queue.is_closed());
    }

    fn receive(&mut self) {
        let Some(worker) = &mut self.worker else {
            return;
        };
        let pid = worker.pid;
        match worker.receive() {
            Event::Answers(answers) => {
                if let Some(job) = self.flight.pop_front() {
                    deliver(&job, answers, pid, self.shared.largest);
                }
                let now = Instant::now();
                match now - self.since {
                    took if took < QUICK => self.depth = (self.depth * 2).min(DEEPEST),
                    took if took > SLOW => self.depth = 1,
                    _ => {}
                }
                self.since = now;
            }
            Event::Died(death) => self.lost(pid, Cause::WorkerDied(death)),
            Event::Tick => {
                if let Some(cause) = self.reason_to_stop() {
                    self.lost(pid, cause);
                }
            }
        }
    }

    /// Why the worker shall not go on with its first job.
    fn reason_to_stop(&self) -> Option<Cause> {
        let job = self.flight.front()?;
        if self.shared.queue.is_closed() || job.task.is_cancelled() {
            return Some(Cause::Cancelled);
        }
        let limit = job.task.time_limit()?;
        let allowed = limit.saturating_mul(job.count as u32);
        (self.since.elapsed() > allowed).then_some(Cause::TimedOut(limit))
    }

    /// The worker is gone, or goes now. It had not begun with any job but the first.
    fn lost(&mut self, pid: u32, cause: Cause) {
        self.replace(None);
        self.depth = 1;
        let first = self.flight.pop_front();
        let mut again = std::mem::take(&mut self.flight);
        if let Some(mut job) = first {
            let died = match &cause {
                Cause::WorkerDied(death) => Some(*death),
                _ => None,
            };
            if cause != Cause::Cancelled && job.count > 1 {
                report(pid, died, &job, "they are run again, one by one");
                for single in one_by_one(&job, died.is_some()).into_iter().rev() {
                    again.push_front(single);
                }
            } else if died.is_some() && !job.tried {
                report(pid, died, &job, "it is tried once more");
                job.tried = true;
                again.push_front(job);
            } else {
                fail(&job, Some(pid), &cause);
            }
        }
        self.put_back(again);
    }
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

/// The items of a job as jobs of their own.
fn one_by_one(job: &Job, tried: bool) -> Vec<Job> {
    let mut items = &job.frame[4..];
    (job.first..)
        .map_while(|first| {
            let item = wire::take(&mut items)?;
            let mut frame = Vec::with_capacity(8 + item.len());
            wire::begin(&mut frame);
            wire::append_part(item, &mut frame);
            wire::finish(&mut frame);
            Some(Job {
                task: job.task.clone(),
                first,
                count: 1,
                frame,
                tried,
            })
        })
        .collect()
}

fn deliver(job: &Job, mut answers: &[u8], pid: u32, largest: usize) {
    let pid = Some(pid);
    for index in job.first..job.first + job.count {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let cause = match wire::take_answer(&mut answers) {
            // An encoded value has its own length before it, as an item has.
            Some((Tag::Value, value)) => {
                job.task.deliver(index, Ok(value));
                continue;
            }
            Some((Tag::Panic, message)) => Cause::Panicked(text(message)),
            Some((Tag::NotCarried, why)) => Cause::NotCarried(text(why)),
            Some((Tag::TooLarge, _)) => Cause::TooLarge(largest),
            None => Cause::NotCarried("the worker's answer is not complete".to_owned()),
        };
        job.task
            .deliver(index, Err(ItemError { index, pid, cause }));
    }
}

/// Tells whoever waits for a job that it has no result.
pub fn fail(job: &Job, pid: Option<u32>, cause: &Cause) {
    for index in job.first..job.first + job.count {
        let cause = cause.clone();
        job.task
            .deliver(index, Err(ItemError { index, pid, cause }));
    }
}
