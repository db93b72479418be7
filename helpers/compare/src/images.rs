//! The workbook's thumbnails beside those of Python's image libraries.
//!
//! All variants resize the same files. What a comparison must come to is in [`report`].

mod report;

use crate::peer::{POOLS, Peer};
use crate::session::{Report, Session, in_words, or_missing};
use helpers::measure::{cpu_of_all_processes, cpu_time};
use helpers::prelude::*;
use helpers::{pool::*, xrays::*};
use report::{Results, Variant};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thumbnail for each file; `None` where there is no way to make it.
type Thumbnails = Vec<Option<Thumbnail>>;
type Resize = fn(&Path) -> Result<Thumbnail, ResizeError>;
type ResizeAll = fn(&ProcessPool, &[PathBuf]) -> Result<Thumbnails, ItemError>;

const OURS: [(&str, Resize); 3] =
    [(report::PLAIN, resize_plain), (report::FAST, resize), (report::SCALED, resize_scaled)];
/// The same for a process pool, whose functions take what can be sent.
const OURS_IN_PROCESSES: [(&str, ResizeAll); 2] = [
    (report::FAST, |pool, paths| pool.try_map(|path: PathBuf| resize(&path).ok(), paths.to_vec())),
    (report::SCALED, |pool, paths| {
        pool.try_map(|path: PathBuf| resize_scaled(&path).ok(), paths.to_vec())
    }),
];

/// Runs everything.
///
/// # Errors
///
/// Where there are no X-rays.
pub fn compare(runs: usize) -> Result<Report, String> {
    let set = xrays().map_err(in_words)?;
    if set.is_empty() {
        return Err(
            "there are no X-rays to compare with; does WORKBOOK_XRAYS name them?".to_owned()
        );
    }
    let mut paths = set.paths();
    // The large ones first, for everyone alike: a large file at the end leaves workers idle.
    paths.sort_by_key(|path| {
        std::cmp::Reverse(std::fs::metadata(path).map_or(0, |metadata| metadata.len()))
    });
    let mut missing = Vec::new();
    let mut ways = ways_on_one_core(&paths, &mut missing);
    if cores() > 1 {
        ways.extend(ways_on_all_cores(&paths, &mut missing));
    }
    let session = Session::run(runs, missing, |counts, missing| {
        // A library that fails is left out from then on; the others go on.
        ways.retain_mut(|(variant, way)| {
            let outcome = way.run(&paths).and_then(|(seconds, cpu)| {
                if counts {
                    variant.seconds.push(seconds);
                    variant.cpu.push(cpu);
                } else {
                    variant.thumbnails = way.thumbnails(&paths)?;
                }
                Ok(())
            });
            or_missing(outcome, &variant.name, missing).is_some()
        });
    });
    let results = Results {
        session,
        files: set.describe(),
        paths,
        cores: cores(),
        variants: ways.into_iter().map(|(variant, _)| variant).collect(),
    };
    Ok(results.report())
}

fn ways_on_one_core(paths: &[PathBuf], missing: &mut Vec<String>) -> Vec<(Variant, Way)> {
    let mut ways = Vec::new();
    for (library, name) in report::PEERS {
        let peer = Peer::start(&json!({ "library": library, "files": paths }));
        if let Some(peer) = or_missing(peer, name, missing) {
            ways.push((Variant::new(name, 1, &peer.version), Way::Peer(peer)));
        }
    }
    for (name, resize) in OURS {
        ways.push((Variant::new(name, 1, ""), Way::Iterator(resize)));
    }
    ways
}

fn ways_on_all_cores(paths: &[PathBuf], missing: &mut Vec<String>) -> Vec<(Variant, Way)> {
    let mut ways = Vec::new();
    for (pool, name) in POOLS {
        let name = report::in_pool(report::PILLOW, name);
        let request =
            json!({ "library": "pillow", "files": paths, "pool": pool, "workers": cores() });
        if let Some(peer) = or_missing(Peer::start(&request), &name, missing) {
            let variant = Variant::new(&name, cores(), &peer.version);
            ways.push((variant.like(report::PILLOW), Way::PeerPool(peer)));
        }
    }
    let threads = rayon::ThreadPoolBuilder::new().build();
    if let Some(pool) = or_missing(threads.map_err(in_words), "rayon", missing) {
        let pool = Arc::new(pool);
        for (name, resize) in OURS {
            let variant = Variant::new(name, cores(), "").like(name);
            ways.push((variant, Way::Rayon(resize, pool.clone())));
        }
    }
    let processes = ProcessPool::new(cores()).map_err(in_words);
    if let Some(pool) = or_missing(processes, report::PROCESSES, missing) {
        let pool = Arc::new(pool);
        for (name, resize_all) in OURS_IN_PROCESSES {
            let variant = Variant::new(&report::in_pool(name, report::PROCESSES), cores(), "");
            ways.push((variant.like(name), Way::Processes(resize_all, pool.clone())));
        }
    }
    ways
}

enum Way {
    Iterator(Resize),
    Rayon(Resize, Arc<rayon::ThreadPool>),
    Processes(ResizeAll, Arc<ProcessPool>),
    Peer(Peer),
    PeerPool(Peer),
}

impl Way {
    /// Makes all thumbnails; wall and CPU seconds.
    fn run(&mut self, paths: &[PathBuf]) -> Result<(f64, f64), String> {
        // A pool's CPU time is that of its workers.
        let of_all = || cpu_of_all_processes().unwrap_or(f64::NAN);
        match self {
            Way::Peer(peer) => peer.ask(&json!("run")),
            Way::PeerPool(peer) => {
                let cpu = of_all();
                let (took, _): (f64, f64) = peer.ask(&json!("run"))?;
                Ok((took, of_all() - cpu))
            }
            Way::Processes(..) => self.time(paths, of_all),
            Way::Iterator(_) | Way::Rayon(..) => self.time(paths, || cpu_time().as_secs_f64()),
        }
    }

    fn time(&mut self, paths: &[PathBuf], cpu_now: fn() -> f64) -> Result<(f64, f64), String> {
        let (cpu, start) = (cpu_now(), Instant::now());
        let made = self.thumbnails(paths)?;
        let took = start.elapsed().as_secs_f64();
        drop(made);
        Ok((took, cpu_now() - cpu))
    }

    fn thumbnails(&mut self, paths: &[PathBuf]) -> Result<Thumbnails, String> {
        Ok(match self {
            Way::Iterator(resize) => paths.iter().map(|path| resize(path).ok()).collect(),
            Way::Rayon(resize, pool) => pool.install(|| {
                paths.par_iter().with_max_len(1).map(|path| resize(path).ok()).collect()
            }),
            Way::Processes(resize_all, pool) => resize_all(pool, paths).map_err(in_words)?,
            Way::Peer(peer) | Way::PeerPool(peer) => peer.ask(&json!("thumbnails"))?,
        })
    }
}
