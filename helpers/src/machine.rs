//! What this machine is, so that no number is seen without knowing who produced it.

use std::fmt;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine that the notebook's kernel runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Processors that this process may use at the same time. A container's limit counts.
    pub cores: usize,
    /// The processor's name as the system gives it.
    pub cpu: String,
    /// Main memory in bytes, where the system tells it.
    pub memory: Option<u64>,
    /// Operating system and architecture.
    pub os: String,
    /// The compiler's version, such as `1.95.0`.
    pub rust: String,
}

/// The machine that this runs on; looked up once.
pub fn machine() -> &'static Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE.get_or_init(|| Machine {
        cores: cores(),
        cpu: cpu_name(),
        memory: memory(),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        rust: rust_version(),
    })
}

/// How many workers can really run at the same time here.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

impl Machine {
    /// What tells this machine from others, in one line: cores, processor, system.
    pub fn name(&self) -> String {
        let plural = if self.cores == 1 { "" } else { "s" };
        format!("{} core{plural} · {} · {}", self.cores, self.cpu, self.os)
    }

    /// One line for the foot of a figure: machine and today's date (UTC).
    pub fn stamp(&self) -> String {
        format!("{} · {}", self.name(), today())
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cores      {}", self.cores)?;
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

/// Today's date in UTC, such as `20 Nov 2026`.
pub fn today() -> String {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (year, month, day) = civil_date((since_1970.as_secs() / 86_400) as i64);
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    format!("{day} {} {year}", MONTHS[month - 1])
}

/// Year, month (1 to 12) and day of a count of days since 1970-01-01, in the Gregorian calendar.
///
/// The algorithm is Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
pub(crate) fn civil_date(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as usize, day)
}

fn cpu_name() -> String {
    let name = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|info| {
            info.lines()
                .find(|line| line.starts_with("model name"))
                .and_then(|line| line.split_once(':'))
                .map(|(_, name)| name.trim().to_owned())
        })
        .or_else(|| answer("sysctl", &["-n", "machdep.cpu.brand_string"]));
    name.unwrap_or_else(|| "processor not named".to_owned())
}

fn memory() -> Option<u64> {
    if let Ok(info) = fs::read_to_string("/proc/meminfo") {
        let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        return Some(kibibytes * 1024);
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
    fn dates_of_known_days() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(18_511), (2020, 9, 6));
    }

    #[test]
    fn the_stamp_names_cores_and_processor() {
        let stamp = machine().stamp();
        assert!(stamp.starts_with(&format!("{} core", cores())));
        assert!(stamp.contains(&machine().cpu));
    }
}
