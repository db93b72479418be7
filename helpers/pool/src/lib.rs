//! A pool of processes that run functions which a cell defines.
//!
//! Like Python's `ProcessPoolExecutor`: a crash ends one worker and not the notebook, a hung item
//! can be stopped, and memory that is not given back goes with its process. Unlike Python's, it
//! needs no `if __name__ == "__main__"`, and an edited function works at once: the workers open
//! the very code that the cell was compiled to.
//!
//! ```text
//! fn square(n: u64) -> u64 { n * n }
//!
//! let pool = ProcessPool::new(2)?;
//! for result in pool.map(square, 0..10) {
//!     println!("{}", result?);
//! }
//! ```
//!
//! Items and results are carried by serde: anything that derives `Serialize` and `Deserialize`.
//! It works for functions of cells and of other shared objects, on Linux and macOS.
//!
//! The function is a `fn` or a closure that captures nothing; what it needs goes with each item:
//!
//! ```no_run
//! # use pool::ProcessPool;
//! # let pool = ProcessPool::new(2).unwrap();
//! let factor = 3_u64;
//! pool.map(|(n, factor)| n * factor, (0..10_u64).map(|n| (n, factor)));
//! ```
//!
//! A closure that captures does not compile ("closures can only be coerced to `fn` types if they do
//! not capture any variables"), because what it captured lives in the notebook's process only:
//!
//! ```compile_fail,E0308
//! # use pool::ProcessPool;
//! # let pool = ProcessPool::new(2).unwrap();
//! let factor = 3_u64;
//! pool.map(|n: u64| n * factor, 0..10_u64);
//! ```
//!
//! Nor does one that captures a value without bytes. Such a value can be a proof that something was
//! done, and in another process it was not:
//!
//! ```compile_fail,E0308
//! # use pool::ProcessPool;
//! # let pool = ProcessPool::new(2).unwrap();
//! # #[derive(Clone, Copy)] struct Initialised;
//! # impl Initialised { fn use_it(self, n: u64) -> u64 { n } }
//! let proof = Initialised;
//! pool.map(move |n: u64| proof.use_it(n), 0..10_u64);
//! ```
//!
//! | submodule | idea |
//! |---|---|
//! | [`entry`] | how another process calls the function, and why that is sound |
//! | [`load`] | how a worker is told which function, of which build |
//! | [`wire`] | frames of items and answers |
//! | [`queue`] | the jobs that wait |
//! | [`driver`] | a thread for each worker: jobs out, answers in, replacement |
//! | [`worker`] | one process, as the notebook sees it |
//! | [`loader`] | one process, from within |
//! | [`error`] | what can go wrong |

mod driver;
mod entry;
mod error;
mod load;
pub mod loader;
mod queue;
mod wire;
mod worker;

pub use error::{Cause, Death, ItemError, PoolError};

use driver::{Driver, Shared};
use load::Place;
use platform::panics::quietly;
use platform::program::program;
use queue::{Job, Queue, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::iter::Enumerate;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::EncodeError;

/// Worker processes that wait for work. Dropping it ends them all at once.
pub struct ProcessPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The bytes as which a value travels to a worker or back.
///
/// ```
/// use pool::travels_as;
///
/// assert_eq!(travels_as(&("kaya", 7u64)).unwrap(), [4, b'k', b'a', b'y', b'a', 7]);
/// ```
///
/// # Errors
///
/// serde's reason, where the value cannot travel.
pub fn travels_as<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    postcard::to_stdvec(value).map_err(|error| error.to_string())
}

/// Settings of a [`ProcessPool`] that is to be started.
#[derive(Debug, Clone)]
pub struct ProcessPoolBuilder {
    workers: usize,
    items_per_worker: Option<usize>,
    largest: usize,
}

impl ProcessPoolBuilder {
    /// A worker that has been given so many items is replaced by a new process: what it leaked
    /// goes with it (Python's `max_tasks_per_child`). Without this a worker stays.
    pub fn max_items_per_worker(mut self, items: usize) -> Self {
        self.items_per_worker = Some(items.max(1));
        self
    }

    /// Items and results with more encoded bytes than this are refused; 1 GiB without this, and
    /// never more than 3 GiB.
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.largest = bytes.min(3 << 30);
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// See [`PoolError`]; each says what to do.
    pub fn build(self) -> Result<ProcessPool, PoolError> {
        if self.workers == 0 {
            return Err(PoolError::NoWorkers);
        }
        ProcessPool::start(self, program().map_err(PoolError::NoProgram)?)
    }
}

impl ProcessPool {
    /// A pool of so many worker processes; [`cores()`](platform::machine::cores) is a good number.
    ///
    /// # Errors
    ///
    /// See [`PoolError`]; each says what to do.
    pub fn new(workers: usize) -> Result<ProcessPool, PoolError> {
        ProcessPool::builder(workers).build()
    }

    /// The same with settings.
    pub fn builder(workers: usize) -> ProcessPoolBuilder {
        ProcessPoolBuilder {
            workers,
            items_per_worker: None,
            largest: 1 << 30,
        }
    }

    fn start(settings: ProcessPoolBuilder, program: PathBuf) -> Result<ProcessPool, PoolError> {
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            program,
            pids: Mutex::new(vec![None; settings.workers]),
            items_per_worker: settings.items_per_worker,
            largest: settings.largest,
        });
        let mut pool = ProcessPool {
            shared,
            threads: Vec::new(),
        };
        let (started, outcomes) = channel();
        for number in 0..settings.workers {
            let (shared, started) = (pool.shared.clone(), started.clone());
            let thread = std::thread::Builder::new()
                .name(format!("pool worker {number}"))
                .spawn(move || {
                    let driver = Driver::start(&shared, number);
                    let _ = started.send(driver.as_ref().map(|_| ()).map_err(String::clone));
                    drop(started);
                    if let Ok(driver) = driver {
                        driver.run();
                    }
                });
            pool.threads
                .push(thread.map_err(|e| PoolError::NoProcess(e.to_string()))?);
        }
        drop(started);
        for outcome in outcomes {
            outcome.map_err(PoolError::NoProcess)?;
        }
        Ok(pool)
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.threads.len()
    }

    /// The process numbers of the workers that live now. One that has died is replaced when it
    /// is needed.
    pub fn pids(&self) -> Vec<u32> {
        let pids = self.shared.pids.lock();
        let pids = pids.unwrap_or_else(PoisonError::into_inner);
        pids.iter().copied().flatten().collect()
    }

    /// So many neighbouring items travel together: for items that take less time than a message.
    pub fn chunk_size(&self, items: usize) -> Calls<'_> {
        self.calls().chunk_size(items)
    }

    /// An item that takes longer is stopped, by ending its worker, and has an error as its result.
    pub fn time_limit(&self, limit: Duration) -> Calls<'_> {
        self.calls().time_limit(limit)
    }

    /// `f` of every item, in the order of the items (Python's `list(executor.map(…))`).
    ///
    /// Each item has a result or an [`ItemError`] of its own. An item whose worker dies is tried
    /// once more, so `f` should bear to be run twice.
    pub fn map<A, R>(
        &self,
        f: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Vec<Result<R, ItemError>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.calls().map(f, items)
    }

    /// Like [`map`](Self::map), for those who want all results or none: the first error that
    /// arrives cancels what is left.
    ///
    /// # Errors
    ///
    /// The first item's that failed.
    pub fn try_map<A, R>(
        &self,
        f: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, ItemError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.calls().try_map(f, items)
    }

    /// Results as they arrive, each with the number of its item (Python's `as_completed`).
    ///
    /// Items are taken and sent only as results are fetched, so neither need fit into memory.
    /// Dropping the iterator cancels what is left.
    pub fn map_unordered<A, R, I>(&self, f: fn(A) -> R, items: I) -> Unordered<'_, I::IntoIter, R>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.calls().map_unordered(f, items)
    }

    /// Hands in one item; its result is waited for later (Python's `submit` and `Future`).
    pub fn submit<A, R>(&self, f: fn(A) -> R, item: A) -> Submitted<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.calls().submit(f, item)
    }

    fn calls(&self) -> Calls<'_> {
        Calls {
            pool: self,
            chunk_size: 1,
            time_limit: None,
        }
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ProcessPool of {} workers, processes {:?}",
            self.workers(),
            self.pids()
        )
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        for job in self.shared.queue.close() {
            driver::fail(&job, None, &Cause::Cancelled);
        }
        for thread in self.threads.drain(..) {
            // A driver that panicked has dropped, and thereby ended, its worker.
            let _ = thread.join();
        }
    }
}

/// A pool with a chunk size or a time limit for the next call.
#[derive(Debug, Clone, Copy)]
pub struct Calls<'p> {
    pool: &'p ProcessPool,
    chunk_size: usize,
    time_limit: Option<Duration>,
}

impl<'p> Calls<'p> {
    /// See [`ProcessPool::chunk_size`].
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.chunk_size = items.max(1);
        self
    }

    /// See [`ProcessPool::time_limit`].
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// See [`ProcessPool::map`].
    pub fn map<A, R>(
        self,
        f: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Vec<Result<R, ItemError>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let mut results = Vec::new();
        for (index, result) in self.map_unordered(f, items) {
            put(&mut results, index, result);
        }
        results.into_iter().flatten().collect()
    }

    /// See [`ProcessPool::try_map`].
    ///
    /// # Errors
    ///
    /// The first item's that failed.
    pub fn try_map<A, R>(
        self,
        f: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, ItemError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let mut results = Vec::new();
        for (index, result) in self.map_unordered(f, items) {
            put(&mut results, index, result?);
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// See [`ProcessPool::map_unordered`].
    pub fn map_unordered<A, R, I>(self, f: fn(A) -> R, items: I) -> Unordered<'p, I::IntoIter, R>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let (call, results) = Call::new(self, f);
        Unordered {
            pool: self.pool,
            chunk_size: self.chunk_size,
            items: Some(items.into_iter().enumerate()),
            call: Arc::new(call),
            results,
            outstanding: 0,
        }
    }

    /// See [`ProcessPool::submit`].
    pub fn submit<A, R>(self, f: fn(A) -> R, item: A) -> Submitted<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let (call, results) = Call::new(self, f);
        let call = Arc::new(call);
        let mut jobs = Vec::new();
        call.add(&mut jobs, 0, &item, 1, self.pool.shared.largest);
        call.finish(&mut jobs, self.pool);
        Submitted {
            call,
            shared: self.pool.shared.clone(),
            results,
        }
    }
}

/// Puts what has arrived at its item's place.
fn put<T>(results: &mut Vec<Option<T>>, index: usize, value: T) {
    if results.len() <= index {
        results.resize_with(index + 1, || None);
    }
    results[index] = Some(value);
}

/// One call of `map` or `submit`: what its jobs have in common.
struct Call<R> {
    function: Result<Place, String>,
    time_limit: Option<Duration>,
    cancelled: AtomicBool,
    /// The most bytes that an item or a result has had so far.
    largest_seen: AtomicUsize,
    results: Sender<(usize, Result<R, ItemError>)>,
}

type Results<R> = Receiver<(usize, Result<R, ItemError>)>;

impl<R: DeserializeOwned + Send + 'static> Call<R> {
    fn new<A>(calls: Calls<'_>, f: fn(A) -> R) -> (Call<R>, Results<R>)
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let (sender, results) = channel();
        let call = Call {
            function: entry::place_of(f, calls.pool.shared.largest),
            time_limit: calls.time_limit,
            cancelled: AtomicBool::new(false),
            largest_seen: AtomicUsize::new(0),
            results: sender,
        };
        (call, results)
    }

    fn fail(&self, index: usize, cause: Cause) {
        let error = ItemError {
            index,
            pid: None,
            cause,
        };
        let _ = self.results.send((index, Err(error)));
    }

    /// Adds an item to the last job, or to a new one where that is full.
    fn add<A: Serialize>(
        self: &Arc<Self>,
        jobs: &mut Vec<Job>,
        index: usize,
        item: &A,
        chunk_size: usize,
        largest: usize,
    ) {
        if let Err(why) = &self.function {
            return self.fail(index, Cause::NotStarted(why.clone()));
        }
        // Neighbours only: an item that could not be encoded ends a job.
        let fits = |job: &Job| {
            job.count < chunk_size && job.frame.len() < LARGE && job.first + job.count == index
        };
        if !jobs.last().is_some_and(fits) {
            let mut frame = Vec::new();
            wire::begin(&mut frame);
            jobs.push(Job {
                task: self.clone(),
                first: index,
                count: 0,
                frame,
                tried: false,
            });
        }
        let Some(job) = jobs.last_mut() else { return };
        let before = job.frame.len();
        match wire::append(item, largest, &mut job.frame) {
            Ok(()) => {
                job.count += 1;
                self.saw(job.frame.len() - before);
            }
            Err(EncodeError::TooLarge) => self.fail(index, Cause::TooLarge(largest)),
            Err(EncodeError::Refused(why)) => self.fail(index, Cause::NotCarried(why)),
        }
        if job.count == 0 {
            jobs.pop();
        }
    }

    /// Hands the jobs to the workers.
    fn finish(self: &Arc<Self>, jobs: &mut Vec<Job>, pool: &ProcessPool) {
        for job in jobs.iter_mut() {
            wire::finish(&mut job.frame);
        }
        if !jobs.is_empty() {
            pool.shared.queue.push(jobs.drain(..));
        }
    }

    fn saw(&self, bytes: usize) {
        if bytes > self.largest_seen.load(Ordering::Relaxed) {
            self.largest_seen.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

/// A job with more bytes gets no further items.
const LARGE: usize = 16 << 20;

impl<R: DeserializeOwned + Send + 'static> Task for Call<R> {
    fn function(&self) -> &Place {
        match &self.function {
            Ok(place) => place,
            Err(_) => unreachable!("a call without a place makes no jobs"),
        }
    }

    fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn deliver(&self, index: usize, outcome: Result<&[u8], ItemError>) {
        let result = outcome.and_then(|bytes| {
            self.saw(bytes.len());
            // The cell's own code may decode the result, and panic.
            let decoded = quietly(|| wire::result(bytes).map_err(|e| e.to_string()));
            decoded.and_then(|value| value).map_err(|why| ItemError {
                index,
                pid: None,
                cause: Cause::NotCarried(why),
            })
        });
        // Nobody may be waiting any more.
        let _ = self.results.send((index, result));
    }
}

/// Results as they arrive; see [`ProcessPool::map_unordered`].
pub struct Unordered<'p, I, R: DeserializeOwned + Send + 'static> {
    pool: &'p ProcessPool,
    chunk_size: usize,
    items: Option<Enumerate<I>>,
    call: Arc<Call<R>>,
    results: Results<R>,
    /// How many items have been sent whose results have not been fetched.
    outstanding: usize,
}

/// Items and results on their way take at most about so many bytes.
const ON_THE_WAY: usize = 32 << 20;

impl<I, R> Unordered<'_, I, R>
where
    I: Iterator<Item: Serialize>,
    R: DeserializeOwned + Send + 'static,
{
    /// How many items may be on their way: enough for every worker, not more than fit.
    fn window(&self) -> usize {
        let workers = self.pool.workers();
        let least = 2 * workers * self.chunk_size;
        match self.call.largest_seen.load(Ordering::Relaxed) {
            0 => least,
            largest => (ON_THE_WAY / largest).clamp(2 * workers, least.max(256 * workers)),
        }
    }

    fn send(&mut self) {
        let window = self.window();
        // In batches: with every single result it would cost a lock each time.
        if self.items.is_none() || self.outstanding > window / 2 {
            return;
        }
        let mut jobs = Vec::new();
        while self.outstanding < window {
            let Some((index, item)) = self.items.as_mut().and_then(Iterator::next) else {
                self.items = None;
                break;
            };
            let largest = self.pool.shared.largest;
            self.call
                .add(&mut jobs, index, &item, self.chunk_size, largest);
            self.outstanding += 1;
        }
        self.call.finish(&mut jobs, self.pool);
    }
}

impl<I, R> Iterator for Unordered<'_, I, R>
where
    I: Iterator<Item: Serialize>,
    R: DeserializeOwned + Send + 'static,
{
    type Item = (usize, Result<R, ItemError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.send();
        if self.outstanding == 0 {
            return None;
        }
        self.outstanding -= 1;
        // The call itself holds a sender, so this cannot fail.
        self.results.recv().ok()
    }
}

impl<I, R: DeserializeOwned + Send + 'static> Drop for Unordered<'_, I, R> {
    fn drop(&mut self) {
        cancel(&self.call, &self.pool.shared);
    }
}

/// One item on its way; see [`ProcessPool::submit`]. Dropping it does not cancel the item.
pub struct Submitted<R> {
    call: Arc<Call<R>>,
    shared: Arc<Shared>,
    results: Results<R>,
}

impl<R: DeserializeOwned + Send + 'static> Submitted<R> {
    /// Waits for the result (Python's `future.result()`).
    ///
    /// # Errors
    ///
    /// What happened to the item.
    pub fn wait(self) -> Result<R, ItemError> {
        match self.results.recv() {
            Ok((_, result)) => result,
            Err(_) => Err(taken()),
        }
    }

    /// Waits for at most so long; `None` where the item is still on its way. A result is given
    /// once; after that it counts as cancelled.
    pub fn wait_for(&self, time: Duration) -> Option<Result<R, ItemError>> {
        match self.results.recv_timeout(time) {
            Ok((_, result)) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(taken())),
        }
    }

    /// Cancels the item: one that runs is stopped, by ending its worker. [`wait`](Self::wait) then
    /// gives [`Cause::Cancelled`], or the result if it has arrived before.
    pub fn cancel(&self) {
        cancel(&self.call, &self.shared);
    }
}

fn taken() -> ItemError {
    ItemError {
        index: 0,
        pid: None,
        cause: Cause::Cancelled,
    }
}

fn cancel<R: DeserializeOwned + Send + 'static>(call: &Arc<Call<R>>, shared: &Shared) {
    call.cancelled.store(true, Ordering::Relaxed);
    let task: Arc<dyn Task> = call.clone();
    for job in shared.queue.remove(&task) {
        driver::fail(&job, None, &Cause::Cancelled);
    }
}
