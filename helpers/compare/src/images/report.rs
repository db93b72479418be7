//! What the rounds come to: ratios, differences, and whether the marks are met.

use super::Thumbnails;
use crate::session::{Mark, Report, Session, TIMES, or_dash, times, times_faster};
use helpers::measure::median;
use serde_json::json;
use std::path::PathBuf;

pub const PILLOW: &str = "Pillow";
/// Python's ways on one core: the library's name in `peer.py`, and the name in the table.
pub const PEERS: [(&str, &str); 6] = [
    ("pillow", PILLOW),
    ("reducing_gap", "Pillow, reducing_gap"),
    ("draft", "Pillow, draft"),
    ("opencv", "OpenCV, reduced"),
    ("libvips", "libvips, thumbnail"),
    ("simplejpeg", "simplejpeg, scaled"),
];

pub const PLAIN: &str = "Rust, resize_plain";
pub const FAST: &str = "Rust, resize";
pub const SCALED: &str = "Rust, resize_scaled";

/// How the pool of this workbook is called here.
pub const PROCESSES: &str = "ProcessPool";

/// The name of a way that runs in the processes of a pool.
pub fn in_pool(way: &str, pool: &str) -> String {
    let pool = pool.trim_start_matches("Python, ");
    format!("{way}, {pool}")
}

/// Levels by which "the same pixels" may differ from Pillow's, in the mean.
const SAME: f64 = 0.5;
/// Levels by which scaled decoding may differ.
const NEAR: f64 = 1.0;

/// One way to make the thumbnails.
pub struct Variant {
    pub name: String,
    pub cores: usize,
    /// The way on one core that does the same, where this is on more.
    pub like: Option<&'static str>,
    /// Name and version of the library; empty for this workbook's own.
    pub version: String,
    /// Wall seconds for all files, one entry per round.
    pub seconds: Vec<f64>,
    /// CPU seconds of the same rounds.
    pub cpu: Vec<f64>,
    pub thumbnails: Thumbnails,
}

impl Variant {
    pub fn new(name: &str, cores: usize, version: &str) -> Self {
        Variant {
            name: name.to_owned(),
            cores,
            like: None,
            version: version.to_owned(),
            seconds: Vec::new(),
            cpu: Vec::new(),
            thumbnails: Vec::new(),
        }
    }

    /// Says that it must make the same thumbnails as that way on one core.
    pub fn like(mut self, name: &'static str) -> Self {
        self.like = Some(name);
        self
    }
}

/// Everything that one comparison found out.
pub struct Results {
    pub session: Session,
    pub files: String,
    pub paths: Vec<PathBuf>,
    pub cores: usize,
    pub variants: Vec<Variant>,
}

/// How far a variant's thumbnails lie from Pillow's, in levels.
struct Difference {
    mean: f64,
    worst: f64,
    /// The number of the file with the worst difference.
    worst_file: usize,
}

impl Results {
    fn variant(&self, name: &str, cores: usize) -> Option<&Variant> {
        let wanted = |variant: &&Variant| variant.name == name && variant.cores == cores;
        self.variants.iter().find(wanted)
    }

    /// How many times faster than `slow` the variant is.
    fn times(&self, variant: &Variant, slow: &str) -> Option<f64> {
        let slow = self.variant(slow, 1)?;
        Some(times_faster(&slow.seconds, &variant.seconds))
    }

    /// The same by CPU seconds, which other programs disturb less. It says nothing about cores.
    fn times_by_cpu(&self, variant: &Variant, slow: &str) -> Option<f64> {
        Some(times_faster(&self.variant(slow, 1)?.cpu, &variant.cpu)).filter(|t| t.is_finite())
    }

    fn difference(&self, variant: &Variant) -> Option<Difference> {
        difference(&self.variant(PILLOW, 1)?.thumbnails, &variant.thumbnails)
    }

    /// How many thumbnails are not those of the same way on one core.
    fn unlike_one_core(&self, variant: &Variant) -> usize {
        let one_core = variant.like.and_then(|name| self.variant(name, 1));
        one_core.map_or(0, |one_core| {
            let pairs = one_core.thumbnails.iter().zip(&variant.thumbnails);
            let missing = one_core.thumbnails.len().abs_diff(variant.thumbnails.len());
            missing + pairs.filter(|(one, this)| one != this).count()
        })
    }

    fn marks(&self) -> Vec<Mark> {
        let mut marks = vec![
            self.against_peer(FAST, PILLOW, 2.0, SAME),
            self.against_fastest(FAST, SAME),
            self.against_fastest(SCALED, NEAR),
        ];
        marks.extend([PLAIN, FAST, SCALED].map(|name| self.all_cores(name)));
        marks.push(self.processes_beside_rayon());
        marks
    }

    /// Ahead of every peer that is as near to Pillow as this has to be.
    fn against_fastest(&self, name: &str, limit: f64) -> Mark {
        let near = PEERS.iter().filter_map(|&(_, peer)| {
            let variant = self.variant(peer, 1)?;
            let mean = self.difference(variant)?.mean;
            (mean <= limit).then_some((peer, median(&variant.seconds)))
        });
        let fastest = near.min_by(|a, b| a.1.total_cmp(&b.1));
        let peer = fastest.map_or("the fastest peer within the limit", |(peer, _)| peer);
        self.against_peer(name, peer, 1.0, limit)
    }

    fn against_peer(&self, name: &str, peer: &str, least: f64, limit: f64) -> Mark {
        let asked = match least {
            1.0 => format!("ahead of {peer}"),
            _ => format!("at least {least} times {peer}"),
        };
        let mark = format!("{name}: {asked}, at most {limit:.1} levels from {PILLOW}");
        let found = self.variant(name, 1).and_then(|variant| {
            let times = self.times(variant, peer)?;
            let by_cpu = self
                .times_by_cpu(variant, peer)
                .map_or(String::new(), |times| format!(", {times:.2} by CPU time"));
            let mean = self.difference(variant)?.mean;
            let why = format!("{times:.2} times{by_cpu}, {mean:.2} levels");
            Some((times >= least && mean <= limit, why))
        });
        self.session.mark(mark, found)
    }

    fn all_cores(&self, name: &str) -> Mark {
        let cores = self.cores;
        let least = 0.95 * cores as f64;
        let mark = format!("{name} on {cores} cores: at least {least:.2} times one core");
        let found = self.variant(name, cores).filter(|_| cores > 1);
        let times = found.and_then(|variant| self.times(variant, name));
        let found = times.map(|times| (times >= least, format!("{times:.2} times")));
        self.session.mark_on_all_cores(mark, found)
    }

    fn processes_beside_rayon(&self) -> Mark {
        let (cores, name) = (self.cores, in_pool(FAST, PROCESSES));
        let mark = format!("{name} on {cores} cores: at least 0.9 of rayon, the same pixels");
        let found = self.variant(&name, cores).zip(self.variant(FAST, cores));
        let found = found.filter(|_| cores > 1).map(|(processes, rayon)| {
            let times = times_faster(&rayon.seconds, &processes.seconds);
            let unlike = self.unlike_one_core(processes);
            let why = format!("{times:.2} of rayon, {unlike} thumbnails differ");
            (times >= 0.9 && unlike == 0, why)
        });
        self.session.mark_on_all_cores(mark, found)
    }

    pub fn report(self) -> Report {
        let beside = ["× Pillow", "by CPU", "levels off", "worst file"];
        let heads = [&["", "cores"][..], &TIMES, &beside].concat();
        let (mut rows, mut variants) = (Vec::new(), Vec::new());
        let (mut failures, mut differences) = (String::new(), String::new());
        for variant in &self.variants {
            let name = &variant.name;
            let difference = self.difference(variant);
            let (mean, worst) = difference.as_ref().map(|d| (d.mean, d.worst)).unzip();
            let (pillow, by_cpu) =
                (self.times(variant, PILLOW), self.times_by_cpu(variant, PILLOW));
            let failed = variant.thumbnails.iter().filter(|t| t.is_none()).count();
            let unlike = self.unlike_one_core(variant);
            let mut row = vec![name.clone(), variant.cores.to_string()];
            row.extend(times(&variant.seconds));
            row.extend([pillow, by_cpu, mean, worst].map(or_dash));
            rows.push(row);
            if failed > 0 {
                failures += &format!("{name}: {failed} file(s) gave no thumbnail\n");
            }
            if unlike > 0 {
                let what = "thumbnail(s) differ from those of one core";
                differences += &format!("{name}: {unlike} {what}\n");
            }
            variants.push(json!({
                "name": name,
                "version": variant.version,
                "cores": variant.cores,
                "seconds": variant.seconds,
                "cpu_seconds": variant.cpu,
                "median_seconds": median(&variant.seconds),
                "times_pillow": pillow,
                "times_pillow_by_cpu": by_cpu,
                "mean_difference": mean,
                "worst_difference": worst,
                "worst_file": difference.map(|d| &self.paths[d.worst_file]),
                "failed_files": failed,
                "files_unlike_one_core": unlike,
            }));
        }
        Report {
            about: self.files.trim_end().to_owned(),
            once: "each variant",
            heads,
            rows,
            notes: failures + &differences,
            marks: self.marks(),
            variants,
            more: json!({ "files": self.paths.len(), "about_the_files": self.files }),
            session: self.session,
        }
    }
}

/// Over the images that both have; `None` where there are none.
fn difference(reference: &Thumbnails, made: &Thumbnails) -> Option<Difference> {
    let each: Vec<(usize, f64)> = reference
        .iter()
        .zip(made)
        .enumerate()
        .filter_map(|(file, pair)| Some((file, pair.0.as_ref()?.difference(pair.1.as_ref()?))))
        .collect();
    let &(worst_file, worst) = each.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mean = each.iter().map(|(_, difference)| difference).sum::<f64>() / each.len() as f64;
    Some(Difference { mean, worst, worst_file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::State;
    use crate::session::tests::session;
    use helpers::xrays::{SIDE, Thumbnail};

    fn gray(level: u8) -> Option<Thumbnail> {
        Thumbnail::from_pixels(vec![level; SIDE * SIDE])
    }

    fn variant(name: &str, cores: usize, time: f64, level: u8) -> Variant {
        let mut variant = Variant::new(name, cores, "");
        variant.seconds = vec![time; 3];
        variant.thumbnails = vec![gray(level), gray(level)];
        variant
    }

    fn report(variants: Vec<Variant>) -> Results {
        Results {
            session: session(None),
            files: "two".to_owned(),
            paths: vec!["one.jpg".into(), "two.jpg".into()],
            cores: 2,
            variants,
        }
    }

    fn in_processes(time: f64, level: u8) -> Variant {
        variant(&in_pool(FAST, PROCESSES), 2, time, level).like(FAST)
    }

    fn states(report: &Results) -> Vec<State> {
        report.marks().into_iter().map(|mark| mark.state).collect()
    }

    #[test]
    fn differences_skip_what_one_side_lacks() {
        let reference = vec![gray(10), None, gray(10), gray(10)];
        let made = vec![gray(11), gray(99), None, gray(14)];
        let found = difference(&reference, &made).unwrap();
        assert_eq!((found.mean, found.worst, found.worst_file), (2.5, 4.0, 3));
        assert!(difference(&vec![None], &made).is_none());
    }

    #[test]
    fn marks_need_speed_and_likeness() {
        let all = |fast_level: u8, scaled: f64| {
            report(vec![
                variant(PILLOW, 1, 2.0, 100),
                variant("Pillow, reducing_gap", 1, 1.9, 100),
                variant("Pillow, draft", 1, 0.6, 101),
                variant("libvips, thumbnail", 1, 0.4, 102),
                variant(PLAIN, 1, 3.0, 100),
                variant(FAST, 1, 0.9, fast_level),
                variant(SCALED, 1, scaled, 101),
                variant(PLAIN, 2, 1.5, 100),
                variant(FAST, 2, 0.6, fast_level),
                variant(SCALED, 2, scaled / 2.0, 101),
            ])
        };
        use State::{CannotTell, Met, NotMet};
        // libvips is faster than draft, but too far off to count.
        assert_eq!(states(&all(100, 0.5)), [Met, Met, Met, Met, NotMet, Met, CannotTell]);
        // The same speed with other pixels; a scaled way that is too slow.
        assert_eq!(states(&all(101, 0.7)), [NotMet, NotMet, NotMet, Met, NotMet, Met, CannotTell]);
        let text = all(100, 0.5).report().to_string();
        assert!(text.contains("resize: ahead of Pillow, reducing_gap, at most 0.5"), "{text}");
        assert!(text.contains("resize_scaled: ahead of Pillow, draft, at most 1.0"), "{text}");
        assert!(text.contains("– not compared: libvips: absent"));
    }

    #[test]
    fn processes_must_be_near_rayon_and_make_the_same_pixels() {
        let with = |time, level| {
            let rayon = variant(FAST, 2, 0.9, 100).like(FAST);
            let one_core = variant(FAST, 1, 1.8, 100);
            report(vec![one_core, rayon, in_processes(time, level)])
        };
        let state = |time, level| with(time, level).marks().pop().unwrap().state;
        assert_eq!(state(0.95, 100), State::Met);
        assert_eq!(state(1.01, 100), State::NotMet);
        assert_eq!(state(0.95, 101), State::NotMet);
        let text = with(0.95, 101).report().to_string();
        assert!(text.contains("ProcessPool: 2 thumbnail(s) differ"), "{text}");
    }

    #[test]
    fn without_peers_or_quiet_cores_nothing_can_be_told() {
        let mut alone = report(vec![variant(FAST, 1, 1.0, 100), variant(FAST, 2, 0.9, 100)]);
        alone.session.others = Some(1.0);
        assert!(states(&alone).iter().all(|s| *s == State::CannotTell));
        let report = alone.report();
        assert!(report.to_string().contains("kept 1.0 of 2 cores busy"));
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["variants"][0]["times_pillow"], serde_json::Value::Null);
        assert_eq!(json["marks"][4]["state"], "cannot tell");
    }
}
