//! What it costs to hand items to other processes: this workbook's pool beside Python's.

mod report;

use crate::peer::{POOLS, Peer};
use crate::session::{Report, Session, in_words, or_missing};
use helpers::pool::*;
use helpers::prelude::*;
use report::{Results, Variant};
use serde_json::json;

/// One thing to do in a round. The pool lives from the first task of a round to its last.
pub struct Task {
    /// Its name in `peer.py`.
    name: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    /// How many items for this workbook's pool, and how many for Python's. The times are those of
    /// one item, and each side has enough of them for a time that can be measured.
    items: (usize, usize),
    chunk: usize,
    /// Whether the time is that of all items together.
    pub whole: bool,
}

pub const START: Task = task("start", "to start the workers and have two results", (2, 2));
pub const ONE_BY_ONE: Task = task("negate", "a number, sent alone", (50_000, 3_000));
pub const IN_CHUNKS: Task =
    Task { chunk: 100, ..task("negate", "a number, sent with 99 others", (1_000_000, 50_000)) };
const BYTES: Task = task("bytes", "a result of 10 MB of bytes", (8, 8));
const FLOATS: Task = task("floats", "a result of 10 MB of 64-bit floats", (8, 8));
const END: Task = task("end", "to end the workers", (0, 0));

const fn task(name: &'static str, title: &'static str, items: (usize, usize)) -> Task {
    Task { name, title, items, chunk: 1, whole: items.0 <= 2 }
}

/// In the order of a round.
pub const TASKS: [Task; 6] = [START, ONE_BY_ONE, IN_CHUNKS, BYTES, FLOATS, END];

/// Runs everything.
pub fn compare(runs: usize) -> Report {
    let workers = cores().min(2);
    let mut sides = Vec::new();
    let mut missing = Vec::new();
    for (pool, name) in POOLS {
        let peer = Peer::start(&json!({ "pool": pool, "workers": workers }));
        if let Some(peer) = or_missing(peer, name, &mut missing) {
            sides.push((Variant::new(name, &peer.version), Side::Peer(peer)));
        }
    }
    sides.push((Variant::new(report::OURS, ""), Side::Ours(None)));
    let session = Session::run(runs, missing, |counts, missing| {
        for (number, task) in TASKS.iter().enumerate() {
            // A pool that fails is left out from then on; the others go on.
            sides.retain_mut(|(variant, side)| {
                let outcome = side.run(task, workers);
                let seconds = or_missing(outcome, &variant.name, missing);
                variant.seconds[number].extend(seconds.filter(|_| counts));
                seconds.is_some()
            });
        }
    });
    let results = Results {
        session,
        workers,
        variants: sides.into_iter().map(|(variant, _)| variant).collect(),
    };
    results.report()
}

enum Side {
    Ours(Option<ProcessPool>),
    Peer(Peer),
}

impl Side {
    /// Does a task: seconds for an item, or for the whole task.
    fn run(&mut self, task: &Task, workers: usize) -> Result<f64, String> {
        let (took, items) = match self {
            Side::Ours(pool) => (run_ours(pool, task, workers)?, task.items.0),
            Side::Peer(peer) => {
                let (name, items) = (task.name, task.items.1);
                let request = json!({ "task": name, "items": items, "chunk": task.chunk });
                (peer.ask::<f64>(&request)?, items)
            }
        };
        Ok(match task.whole {
            true => took,
            false => took / items as f64,
        })
    }
}

fn run_ours(kept: &mut Option<ProcessPool>, task: &Task, workers: usize) -> Result<f64, String> {
    let start = Instant::now();
    if task.name == "end" {
        *kept = None;
        return Ok(start.elapsed().as_secs_f64());
    }
    let pool = match kept {
        Some(pool) => pool,
        None => kept.insert(ProcessPool::new(workers).map_err(in_words)?),
    };
    let (took, right) = match task.name {
        "bytes" => large(pool, start, task, |_| vec![0_u8; 10_000_000]),
        "floats" => large(pool, start, task, |_| vec![1.0_f64; 1_250_000]),
        _ => {
            let items = 0..task.items.0 as i64;
            let results = pool.chunk_size(task.chunk).map(|n: i64| -n, items.clone());
            let took = start.elapsed().as_secs_f64();
            let right = results.into_iter().eq(items.map(|n| Ok(-n)));
            (took, right)
        }
    };
    match right {
        true => Ok(took),
        false => Err("the results are wrong".to_owned()),
    }
}

/// Seconds for results of 10 MB, and whether each of them came.
fn large<T>(
    pool: &ProcessPool,
    start: Instant,
    task: &Task,
    make: fn(usize) -> Vec<T>,
) -> (f64, bool)
where
    T: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    let results = pool.map(make, 0..task.items.0);
    let took = start.elapsed().as_secs_f64();
    let is_large = |result: &Result<Vec<T>, ItemError>| {
        let items = result.as_ref().map_or(0, Vec::len);
        items * size_of::<T>() == 10_000_000
    };
    (took, results.iter().all(is_large))
}
