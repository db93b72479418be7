//! The workbook's thumbnails beside those of Python's image libraries: `cargo workbook compare
//! images` runs this.
//!
//! All variants resize the same files in one run, in turn: a machine that gets slower meanwhile
//! gets slower for all of them. Ratios are taken round by round. What a comparison must come to
//! is in [`report`].

mod peer;
mod report;

use helpers::prelude::*;
use peer::Peer;
use report::{Report, Variant};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One thumbnail for each file; `None` where there is no way to make it.
type Thumbnails = Vec<Option<Thumbnail>>;
type Resize = fn(&Path) -> Result<Thumbnail, ResizeError>;

/// The library's name in `peer.py`, and the name in the table.
const PEERS: [(&str, &str); 4] = [
    ("pillow", report::PILLOW),
    ("draft", report::DRAFT),
    ("opencv", report::OPENCV),
    ("libvips", report::LIBVIPS),
];
const OURS: [(&str, Resize); 3] = [
    (report::PLAIN, resize_plain),
    (report::FAST, resize),
    (report::SCALED, resize_scaled),
];

fn main() -> ExitCode {
    let (json, runs) = match arguments(std::env::args().skip(1)) {
        Ok(chosen) => chosen,
        Err(error) => {
            eprintln!("error: {error}; usage: compare-images [--json] [--runs N]");
            return ExitCode::FAILURE;
        }
    };
    let set = match xrays() {
        Ok(set) if !set.is_empty() => set,
        Ok(_) => {
            eprintln!("error: there are no X-rays to compare with; does WORKBOOK_XRAYS name them?");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = compare(&set, runs);
    if json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    ExitCode::SUCCESS
}

/// Whether JSON is wanted, and the number of rounds.
fn arguments(mut words: impl Iterator<Item = String>) -> Result<(bool, usize), String> {
    let (mut json, mut runs) = (false, 7);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            "--runs" => {
                let count = words.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
                runs = count.ok_or("--runs needs a number from 1 on")?;
            }
            other => return Err(format!("“{other}” is not known")),
        }
    }
    Ok((json, runs))
}

/// Runs everything: one round to warm up, then `runs` rounds that count.
fn compare(set: &XraySet, runs: usize) -> Report {
    let mut paths = set.paths();
    // The large ones first, for everyone alike: a large file at the end leaves workers idle.
    paths.sort_by_key(|path| {
        std::cmp::Reverse(std::fs::metadata(path).map_or(0, |metadata| metadata.len()))
    });
    let mut ways: Vec<(Variant, Way)> = Vec::new();
    let mut missing = Vec::new();
    for (library, name) in PEERS {
        match Peer::start(library, &paths) {
            Ok(peer) => ways.push((Variant::new(name, 1, &peer.version), Way::Peer(peer))),
            Err(why) => missing.push(format!("{name}: {why}")),
        }
    }
    for (name, resize) in OURS {
        ways.push((Variant::new(name, 1, ""), Way::Iterator(resize)));
    }
    if cores() > 1 {
        match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => {
                let pool = std::sync::Arc::new(pool);
                for (name, resize) in OURS {
                    let way = Way::Rayon(resize, pool.clone());
                    ways.push((Variant::new(name, cores(), ""), way));
                }
            }
            Err(error) => missing.push(format!("all cores: {error}")),
        }
    }

    let mut busy_before = None;
    let started = Instant::now();
    for round in 0..=runs {
        show_progress(round, runs);
        // A library that fails is left out from then on; the others go on.
        ways.retain_mut(|(variant, way)| {
            let outcome = way.run(&paths).and_then(|run| {
                if round == 0 {
                    variant.thumbnails = way.thumbnails(&paths)?;
                } else {
                    variant.seconds.push(run.0);
                    variant.cpu.push(run.1);
                }
                Ok(())
            });
            if let Err(why) = &outcome {
                missing.push(format!("{}: {why}", variant.name));
            }
            outcome.is_ok()
        });
        if round == 0 {
            busy_before = processors_busy().map(|busy| (busy, Instant::now()));
        }
    }
    let variants: Vec<Variant> = ways.into_iter().map(|(variant, _)| variant).collect();
    let others = busy_before.zip(processors_busy()).map(|(before, after)| {
        let own: f64 = variants.iter().flat_map(|variant| &variant.cpu).sum();
        (after - before.0 - own).max(0.0) / before.1.elapsed().as_secs_f64()
    });
    Report {
        machine: machine().stamp(),
        files: set.describe(),
        paths,
        runs,
        cores: cores(),
        others,
        took: started.elapsed().as_secs_f64(),
        variants,
        missing,
    }
}

enum Way {
    Iterator(Resize),
    Rayon(Resize, std::sync::Arc<rayon::ThreadPool>),
    Peer(Peer),
}

impl Way {
    /// Makes all thumbnails; wall and CPU seconds.
    fn run(&mut self, paths: &[PathBuf]) -> Result<(f64, f64), String> {
        if let Way::Peer(peer) = self {
            return peer.run();
        }
        let (start, cpu) = (Instant::now(), cpu_time());
        let made = self.thumbnails(paths)?;
        let took = (start.elapsed(), cpu_time() - cpu);
        drop(made);
        Ok((took.0.as_secs_f64(), took.1.as_secs_f64()))
    }

    fn thumbnails(&mut self, paths: &[PathBuf]) -> Result<Thumbnails, String> {
        Ok(match self {
            Way::Iterator(resize) => paths.iter().map(|path| resize(path).ok()).collect(),
            Way::Rayon(resize, pool) => pool.install(|| {
                paths
                    .par_iter()
                    .with_max_len(1)
                    .map(|path| resize(path).ok())
                    .collect()
            }),
            Way::Peer(peer) => peer.thumbnails()?,
        })
    }
}

/// On standard error, and only where somebody looks.
fn show_progress(round: usize, runs: usize) {
    if std::io::stderr().is_terminal() {
        match round {
            0 => eprint!("\r  warming up"),
            last if last == runs => eprint!("\r  round {last} of {runs}, the last\x1b[K\r"),
            _ => eprint!("\r  round {round} of {runs}\x1b[K"),
        }
    }
}

/// Seconds that all processors together have worked since the start of the machine, whoever for.
/// Linux only.
fn processors_busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
    // user, nice, system, idle, waiting for the disk, two kinds of interrupts, stolen by the host.
    let &[user, nice, system, _, _, irq, soft, stolen, ..] = &ticks[..] else {
        return None;
    };
    Some((user + nice + system + irq + soft + stolen) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_comparison_runs_whatever_is_installed() {
        let set = synthetic(2).unwrap();
        let report = compare(&set, 1);
        // The peers may be absent; then a line says so.
        let peers = report.variants.iter().filter(|v| !v.version.is_empty());
        assert_eq!(peers.count() + report.missing.len(), PEERS.len());
        for (name, _) in OURS {
            let ours = report.variants.iter().find(|v| v.name == name).unwrap();
            assert_eq!(ours.seconds.len(), 1);
            assert!(ours.thumbnails.iter().all(Option::is_some));
        }
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["runs"], 1);
        assert!(report.to_string().contains(report::SCALED));
    }

    #[test]
    fn arguments_are_checked() {
        let read = |text: &str| arguments(text.split_whitespace().map(str::to_owned));
        assert_eq!(read("").unwrap(), (false, 7));
        assert_eq!(read("--runs 3 --json").unwrap(), (true, 3));
        for wrong in ["--runs", "--runs 0", "--runs x", "--fast"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
