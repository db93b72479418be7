//! What else used this machine's processors while something was timed.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

/// So many processors, used by others, count as nothing: every machine has its clocks and daemons.
const USUAL: f64 = 0.15;

/// Below this many seconds the system's own count of time, in hundredths, is too coarse.
const SHORTEST: f64 = 0.1;

/// How much processor time this machine has spent until a moment: this notebook with all that it
/// started, and everybody, neighbours on the same host included. Known on Linux only.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    at: Instant,
    /// CPU seconds: ours, and everybody's.
    spent: Option<(f64, f64)>,
}

impl Crowd {
    /// The state now.
    pub fn now() -> Crowd {
        let spent = own_time().zip(everybodys_time());
        let at = Instant::now();
        Crowd { at, spent }
    }

    /// Whether others, since then, have used processors that this notebook could have used: there
    /// was none left, and a part of that was theirs. `false` also where it cannot be known.
    pub fn was_crowded(&self) -> bool {
        let seconds = self.at.elapsed().as_secs_f64();
        // The system counts in hundredths; and to ask takes a look at every process.
        if seconds < SHORTEST {
            return false;
        }
        let (Some(before), Some(after)) = (self.spent, Crowd::now().spent) else {
            return false;
        };
        let ours = (after.0 - before.0) / seconds;
        let all = (after.1 - before.1) / seconds;
        no_room(ours, all - ours, system(libc::_SC_NPROCESSORS_ONLN))
    }
}

/// Whether `ours` and `others`, in processors on average, have used up this machine.
fn no_room(ours: f64, others: f64, processors: f64) -> bool {
    others > USUAL && ours + others > processors - USUAL
}

/// A number of the system's; see sysconf(3).
fn system(name: libc::c_int) -> f64 {
    // SAFETY: sysconf takes no pointers.
    unsafe { libc::sysconf(name) as f64 }
}

fn ticks_per_second() -> f64 {
    system(libc::_SC_CLK_TCK)
}

/// Seconds of all programs, and of those that the host has given away; see `/proc/stat` in proc(5).
fn everybodys_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks = stat.lines().next()?.split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.map_while(|n| n.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are within the first two.
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum::<f64>() - idle) / ticks_per_second())
}

/// Seconds of this process and of all that descend from it.
fn own_time() -> Option<f64> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = fs::read_to_string(entry.path().join("stat"));
        if let Some((id, (parent, time))) = id.zip(stat.ok().as_deref().and_then(parent_and_time)) {
            parents.insert(id, (parent, time));
        }
    }
    let own = std::process::id();
    let descends = |mut id: u32| {
        while id != own && id > 1 {
            id = parents.get(&id).map_or(0, |(parent, _)| *parent);
        }
        id == own
    };
    let ours = parents.iter().filter(|(id, _)| descends(**id));
    Some(ours.map(|(_, (_, time))| time).sum())
}

/// From a process' line in `/proc`: its parent, and its seconds with those of its children that
/// have ended. The name, in brackets, may hold anything.
fn parent_and_time(stat: &str) -> Option<(u32, f64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>());
    let ticks: f64 = ticks.sum::<Result<f64, _>>().ok()?;
    Some((fields.get(1)?.parse().ok()?, ticks / ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_crowded_only_where_others_took_what_was_missing() {
        assert!(!no_room(2.0, 0.05, 2.0), "both were ours");
        assert!(!no_room(1.0, 0.5, 2.0), "half a processor was free");
        assert!(no_room(1.3, 0.7, 2.0));
        assert!(!no_room(8.0, 20.0, 64.0));
    }

    #[test]
    fn a_line_of_proc_is_read() {
        let line = "12 (a (b) c) S 7 1 1 0 -1 0 0 0 0 0 150 50 20 30 20 0 1 0 9 9 9";
        let (parent, seconds) = parent_and_time(line).unwrap();
        assert_eq!(parent, 7);
        assert_eq!(seconds * ticks_per_second(), 250.0);
        assert_eq!(parent_and_time("12 (name"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_descends_from_this_process_is_ours() {
        let before = own_time().unwrap();
        let spins =
            "end=$(($(date +%s%N) + 300000000)); while [ $(date +%s%N) -lt $end ]; do :; done";
        let status = std::process::Command::new("sh")
            .args(["-c", spins])
            .status();
        assert!(status.unwrap().success());
        let spent = own_time().unwrap() - before;
        assert!(spent > 0.02, "{spent}");
        assert!(everybodys_time().unwrap() >= spent);
    }
}
