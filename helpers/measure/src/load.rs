//! What used this machine's processors while something was timed: this program, and others.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

/// How much the processors have done up to a moment. Linux only.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Seconds that all processors together have worked, whoever for; neighbours on the same host
    /// included, where they took processors away.
    busy: f64,
    /// Seconds that they have worked for this program and all that it has started.
    own: f64,
    at: Instant,
}

/// Processors in use, on average over some time.
#[derive(Debug, Clone, Copy)]
pub struct InUse {
    /// By this program and all that it has started.
    pub own: f64,
    /// By others.
    pub others: f64,
}

impl Load {
    /// Up to now; `None` where the system does not tell.
    pub fn now() -> Option<Load> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
        // user, nice, system, idle, waiting for the disk, two kinds of interrupts, stolen by the
        // host.
        let &[user, nice, system, _, _, irq, soft, stolen, ..] = &ticks[..] else {
            return None;
        };
        Some(Load {
            busy: (user + nice + system + irq + soft + stolen) / TICKS,
            own: cpu_of_all_processes()?,
            at: Instant::now(),
        })
    }

    /// Processors in use since an earlier moment.
    pub fn since(&self, before: &Load) -> InUse {
        let seconds = (self.at - before.at).as_secs_f64();
        let own = self.own - before.own;
        let others = (self.busy - before.busy) - own;
        InUse { own: own / seconds, others: others.max(0.0) / seconds }
    }
}

/// So many processors, used by others, count as nothing: every machine has its clocks and daemons.
const USUAL: f64 = 0.15;

/// Below this many seconds the system's own count of time, in hundredths, is too coarse.
const SHORTEST: f64 = 0.1;

/// Whether others, since then, have used processors that this program could have used: there was
/// none left, and a part of that was theirs. `false` also where it cannot be known.
pub fn crowded_since(before: Option<Load>) -> bool {
    // To ask takes a look at every process, so not where the answer would mean nothing.
    let before = before.filter(|before| before.at.elapsed().as_secs_f64() >= SHORTEST);
    let in_use = before.and_then(|before| Some(Load::now()?.since(&before)));
    // SAFETY: sysconf takes no pointers.
    let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    in_use.is_some_and(|in_use| no_room(in_use, processors as f64))
}

/// Whether all processors were in use, and others had more of them than usual.
fn no_room(in_use: InUse, processors: f64) -> bool {
    in_use.others > USUAL && in_use.own + in_use.others > processors - USUAL
}

/// In a second, on every Linux that runs Rust.
const TICKS: f64 = 100.0;

/// CPU seconds of this process and of all that it has started, directly or not, whether they still
/// live or not. In steps of 10 ms, and on Linux only.
pub fn cpu_of_all_processes() -> Option<f64> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid else { continue };
        // One that has just ended is in its parent's account.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        processes.extend(parent_and_ticks(&stat).map(|found| (pid, found)));
    }
    let own = std::process::id();
    let ours = processes.iter().filter(|(pid, _)| {
        let mut pid = **pid;
        while pid != own {
            match processes.get(&pid) {
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        true
    });
    Some(ours.map(|(_, (_, ticks))| ticks).sum::<f64>() / TICKS)
}

/// From a line of `/proc/*/stat`: the parent, and the ticks of the process and of its children
/// that have ended.
fn parent_and_ticks(stat: &str) -> Option<(u32, f64)> {
    // The name before it is in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter();
    Some((parent, ticks.flat_map(|ticks| ticks.parse::<f64>()).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_crowded_only_where_others_took_what_was_missing() {
        let no_room = |own, others, processors| no_room(InUse { own, others }, processors);
        assert!(!no_room(2.0, 0.05, 2.0), "both were ours");
        assert!(!no_room(1.0, 0.5, 2.0), "half a processor was free");
        assert!(no_room(1.3, 0.7, 2.0));
        assert!(!no_room(8.0, 20.0, 64.0));
    }

    #[test]
    fn the_system_tells_what_a_process_has_used() {
        let stat = "42 (a) name)) S 7 42 42 0 -1 4194560 99 0 0 0 10 20 30 40 20 0 1 0 5";
        assert_eq!(parent_and_ticks(stat), Some((7, 100.0)));
        let line = "12 (a (b) c) S 7 1 1 0 -1 0 0 0 0 0 150 50 20 30 20 0 1 0 9 9 9";
        assert_eq!(parent_and_ticks(line), Some((7, 250.0)));
        assert_eq!(parent_and_ticks("12 (name"), None);
        assert_eq!(parent_and_ticks(""), None);
        assert_eq!(cpu_of_all_processes().is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_descends_from_this_process_is_ours() {
        let before = Load::now().unwrap();
        let spins =
            "end=$(($(date +%s%N) + 300000000)); while [ $(date +%s%N) -lt $end ]; do :; done";
        let status = std::process::Command::new("sh").args(["-c", spins]).status();
        assert!(status.unwrap().success());
        let after = Load::now().unwrap();
        let spent = after.own - before.own;
        assert!(spent > 0.02, "{spent}");
        assert!(after.busy >= spent);
    }
}
