//! How many files a process may have open: a connection takes one on each side.

/// Allows this process to have so many files open, as far as the system lets it, and never fewer
/// than before. Often 1,024 are allowed unless a process asks for more, and 1,000 requests at once
/// come near to that.
pub fn allow_files(enough: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write `limit`.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max.min(enough).max(limit.rlim_cur);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
