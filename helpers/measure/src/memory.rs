//! How much memory a piece of work takes at its peak.

use std::fs;
use std::io;

/// Runs `work`; returns its result, and by how many bytes the memory of this process rose, at its
/// highest, above where it stood before.
///
/// Counted is resident memory: pages that really hold something. A big list that is made, used
/// and dropped inside `work` counts; one that existed before does not; nor do files that are read,
/// only the buffer into which they are read. Every thread of the process is counted, so let
/// nothing else run meanwhile. Good to about a megabyte.
///
/// On Linux the system's own record of the peak is set back first. Elsewhere that cannot be done:
/// then the answer is how far the process rose above its earlier peak, which may be too little,
/// and a line says so.
///
/// ```
/// use measure::memory::peak_memory;
///
/// let (sum, peak) = peak_memory(|| {
///     let list: Vec<u64> = std::hint::black_box((0..4_000_000).collect());
///     list.iter().sum::<u64>()
/// });
/// assert_eq!(sum, 7_999_998_000_000);
/// println!("{:.0} MB at the peak", peak as f64 / 1e6);   // about 32 MB
/// ```
pub fn peak_memory<T>(work: impl FnOnce() -> T) -> (T, u64) {
    give_back_what_is_free();
    let peak = match set_back_peak() {
        Ok(()) => highest_since_set_back,
        Err(_) => {
            println!(
                "note: this system cannot set back its record of peak memory; \
                 what earlier cells had in use hides a part of this peak"
            );
            highest_ever
        }
    };
    let before = peak();
    let result = work();
    (result, peak().saturating_sub(before))
}

/// Memory of this process that really holds something now, in bytes; on systems without
/// `/proc` its peak so far.
pub fn memory_now() -> u64 {
    in_status("VmRSS:")
}

/// Memory that was freed but kept by the allocator would be used again without being counted.
fn give_back_what_is_free() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes no pointers and may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// See `/proc/pid/clear_refs` in proc(5): 5 sets the peak to what is resident now.
fn set_back_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The peak since [`set_back_peak`], in bytes.
fn highest_since_set_back() -> u64 {
    in_status("VmHWM:")
}

/// A line of what the system says of this process, in bytes; without it the peak so far.
fn in_status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_line(&status, name).unwrap_or_else(highest_ever)
}

/// A line such as `VmHWM:    51234 kB`, in bytes.
fn parse_line(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The peak of this process since it started, in bytes.
fn highest_ever() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes, and all zeroes are a valid rusage if the call fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    // Bytes on macOS, kibibytes on Linux and the BSDs.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    usage.ru_maxrss as u64 * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Other tests of this process use memory at the same time: only what dwarfs them is sure.
    const BIG: usize = 200_000_000;

    #[test]
    fn memory_that_is_dropped_again_counts() {
        let (length, peak) = peak_memory(|| black_box(vec![1u8; BIG]).len());
        assert_eq!(length, BIG);
        assert!(peak as f64 > 0.95 * BIG as f64, "{peak}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_there_before_does_not_count() {
        drop(black_box(vec![1u8; BIG]));
        let kept = black_box(vec![1u8; BIG]);
        let (sum, peak) = peak_memory(|| kept.iter().map(|&b| u64::from(b)).sum::<u64>());
        assert_eq!(sum, BIG as u64);
        // The other test's list may come and go meanwhile; both together are impossible.
        assert!((peak as f64) < 1.5 * BIG as f64, "{peak}");
    }

    #[test]
    fn the_peak_is_read_from_its_line() {
        assert_eq!(parse_line("VmRSS:\t 9 kB\nVmHWM:\t    12 kB\n", "VmHWM:"), Some(12 * 1024));
        assert_eq!(parse_line("VmRSS:\t 9 kB\n", "VmHWM:"), None);
        assert!(highest_ever() > 1_000_000);
        assert!(memory_now() > 1_000_000);
    }
}
