//! What this machine is, so that no number is seen without knowing who produced it.

pub use crate::dates::today;
use std::fmt;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The machine that the notebook's kernel runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Processors that this process may use at the same time. A container's limit counts.
    pub cores: usize,
    /// Processors that the machine has, granted or not; never less than `cores`.
    pub all_cores: usize,
    /// The processor's name as the system gives it.
    pub cpu: String,
    /// Main memory in bytes, where the system tells it. A container's limit counts.
    pub memory: Option<u64>,
    /// Operating system and architecture.
    pub os: String,
    /// The compiler's version, such as `1.95.0`.
    pub rust: String,
}

/// The machine that this runs on; looked up once.
pub fn machine() -> &'static Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let (cpu, all_cores) = processor();
        Machine {
            cores: cores(),
            all_cores: all_cores.unwrap_or(0).max(cores()),
            cpu: cpu.unwrap_or_else(|| "processor not named".to_owned()),
            memory: memory(),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            rust: rust_version(),
        }
    })
}

/// How many workers can really run at the same time here, asked once: to ask takes up to half a
/// millisecond (it reads the files of the process's control groups), and cells ask within what they
/// time.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

impl Machine {
    /// What tells this machine from others, in one line: cores, processor, system.
    pub fn name(&self) -> String {
        let plural = if self.all_cores == 1 { "" } else { "s" };
        format!("{} core{plural} · {} · {}", self.granted(), self.cpu, self.os)
    }

    /// `2`, or `2 of 64` where this process may not use all cores that there are.
    fn granted(&self) -> String {
        match self.cores == self.all_cores {
            true => self.cores.to_string(),
            false => format!("{} of {}", self.cores, self.all_cores),
        }
    }

    /// One line for the foot of a figure: machine and today's date (UTC).
    pub fn stamp(&self) -> String {
        format!("{} · {}", self.name(), today())
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cores      {}", self.granted())?;
        writeln!(f, "processor  {}", self.cpu)?;
        match self.memory {
            Some(bytes) => writeln!(f, "memory     {:.1} GB", bytes as f64 / 1e9)?,
            None => writeln!(f, "memory     not known")?,
        }
        writeln!(f, "system     {}", self.os)?;
        writeln!(f, "Rust       {}", self.rust)?;
        write!(f, "today      {}", today())
    }
}

/// The processor's name, and how many cores the machine has; Linux tells both in one file.
fn processor() -> (Option<String>, Option<usize>) {
    let Ok(info) = fs::read_to_string("/proc/cpuinfo") else {
        let cores = answer("sysctl", &["-n", "hw.logicalcpu"]);
        let name = answer("sysctl", &["-n", "machdep.cpu.brand_string"]);
        return (name, cores.and_then(|cores| cores.parse().ok()));
    };
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    (name, Some(info.lines().filter(|line| line.starts_with("processor")).count()))
}

fn memory() -> Option<u64> {
    if let Ok(info) = fs::read_to_string("/proc/meminfo") {
        let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        // Control groups of version 2 and 1, as a container sees its own. Without a limit it is absent,
        // "max", or larger than any memory.
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        let granted = limits.into_iter().find_map(|file| fs::read_to_string(file).ok());
        let granted = granted.and_then(|limit| limit.trim().parse().ok()).unwrap_or(u64::MAX);
        return Some(granted.min(kibibytes * 1024));
    }
    answer("sysctl", &["-n", "hw.memsize"])?.parse().ok()
}

fn rust_version() -> String {
    answer("rustc", &["--version"])
        .and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "not found".to_owned())
}

/// What a command prints, without touching the kernel's own input and output.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_names_cores_and_processor() {
        let stamp = machine().stamp();
        assert!(stamp.starts_with(&cores().to_string()) && stamp.contains(" core"));
        assert!(stamp.contains(&machine().cpu));
    }

    #[test]
    fn a_part_of_the_cores_is_told_as_such() {
        let with = |cores, all_cores| Machine { cores, all_cores, ..machine().clone() }.granted();
        assert_eq!([with(2, 64), with(2, 2), with(1, 1)], ["2 of 64", "2", "1"]);
        assert!(machine().all_cores >= cores());
    }
}
