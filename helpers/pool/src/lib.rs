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
//! | [`call`] | one call of `map` or `submit`: items in, results out |
//! | [`queue`] | the jobs that wait |
//! | [`driver`] | a thread for each worker: jobs out, answers in, replacement |
//! | [`worker`] | one process, as the notebook sees it |
//! | [`loader`] | one process, from within |
//! | [`error`] | what can go wrong |

mod call;
mod driver;
mod entry;
mod error;
mod load;
pub mod loader;
mod queue;
mod wire;
mod worker;

pub use call::{Submitted, Unordered};
pub use error::{Cause, Death, ItemError, PoolError};

use driver::{Driver, Shared};
use platform::program::program;
use queue::Queue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Worker processes that wait for work. They all end at once when it is dropped, with all that was
/// made of it by [`chunk_size`](ProcessPool::chunk_size), [`time_limit`](ProcessPool::time_limit) or
/// [`map_unordered`](ProcessPool::map_unordered).
pub struct ProcessPool {
    crew: Arc<Crew>,
    chunk_size: usize,
    time_limit: Option<Duration>,
}

/// The workers of a pool, each with the thread that stands behind it.
struct Crew {
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
    items_per_worker: usize,
    largest: usize,
}

impl ProcessPoolBuilder {
    /// A worker that has been given so many items is replaced by a new process: what it leaked
    /// goes with it (Python's `max_tasks_per_child`). Without this a worker stays.
    pub fn max_items_per_worker(mut self, items: usize) -> Self {
        self.items_per_worker = items.max(1);
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
        let crew = Crew::start(self, program().map_err(PoolError::NoProgram)?)?;
        Ok(ProcessPool { crew: Arc::new(crew), chunk_size: 1, time_limit: None })
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
        ProcessPoolBuilder { workers, items_per_worker: usize::MAX, largest: 1 << 30 }
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.crew.threads.len()
    }

    /// The process numbers of the workers that live now. One that has died is replaced when it
    /// is needed.
    pub fn pids(&self) -> Vec<u32> {
        self.crew.shared.pids().iter().copied().flatten().collect()
    }

    /// The same workers, to which so many neighbouring items travel together: for items that take
    /// less time than a message.
    pub fn chunk_size(&self, items: usize) -> ProcessPool {
        ProcessPool {
            crew: self.crew.clone(),
            chunk_size: items.max(1),
            time_limit: self.time_limit,
        }
    }

    /// The same workers, but an item that takes longer is stopped, by ending its worker, and has
    /// an error as its result.
    pub fn time_limit(&self, limit: Duration) -> ProcessPool {
        ProcessPool {
            crew: self.crew.clone(),
            chunk_size: self.chunk_size,
            time_limit: Some(limit),
        }
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
        R: Serialize + DeserializeOwned + 'static,
    {
        in_order(self.map_unordered(f, items).collect())
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
        R: Serialize + DeserializeOwned + 'static,
    {
        let results = self.map_unordered(f, items);
        let numbered = results.map(|(index, result)| Ok((index, result?)));
        Ok(in_order(numbered.collect::<Result<_, _>>()?))
    }

    /// Results as they arrive, each with the number of its item (Python's `as_completed`).
    ///
    /// Items are taken and sent only as results are fetched, so neither need fit into memory.
    /// Dropping the iterator cancels what is left.
    pub fn map_unordered<A, R, I>(&self, f: fn(A) -> R, items: I) -> Unordered<I::IntoIter, R>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        Unordered::new(self, f, items.into_iter())
    }

    /// Hands in one item; its result is waited for later (Python's `submit` and `Future`).
    pub fn submit<A, R>(&self, f: fn(A) -> R, item: A) -> Submitted<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        Submitted::new(self, f, &item)
    }
}

fn in_order<T>(mut numbered: Vec<(usize, T)>) -> Vec<T> {
    numbered.sort_by_key(|(index, _)| *index);
    numbered.into_iter().map(|(_, value)| value).collect()
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, pids) = (self.workers(), self.pids());
        write!(f, "ProcessPool of {workers} workers, processes {pids:?}")
    }
}

impl Crew {
    fn start(settings: ProcessPoolBuilder, program: PathBuf) -> Result<Crew, PoolError> {
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            program,
            pids: Mutex::new(vec![None; settings.workers]),
            items_per_worker: settings.items_per_worker,
            largest: settings.largest,
        });
        let mut crew = Crew { shared, threads: Vec::new() };
        let (failed, failures) = channel();
        for number in 0..settings.workers {
            let (shared, failed) = (crew.shared.clone(), failed.clone());
            let thread = std::thread::Builder::new().name(format!("pool worker {number}")).spawn(
                move || match Driver::start(&shared, number) {
                    Ok(driver) => {
                        drop(failed);
                        driver.run();
                    }
                    Err(why) => drop(failed.send(why)),
                },
            );
            crew.threads.push(thread.map_err(|e| PoolError::NoProcess(e.to_string()))?);
        }
        drop(failed);
        // Ends when each has started, or one has not.
        match failures.recv() {
            Ok(why) => Err(PoolError::NoProcess(why)),
            Err(_) => Ok(crew),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // The drivers stop what runs, cancel what waits, and end.
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            // A driver that panicked has dropped, and thereby ended, its worker.
            let _ = thread.join();
        }
    }
}
