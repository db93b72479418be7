//! What can go wrong with a pool, and with one of its items.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Why there is no pool.
#[derive(Debug, Clone, PartialEq)]
pub enum PoolError {
    /// A pool of no workers was asked for.
    NoWorkers,
    /// The program that the workers run is missing; holds what was tried.
    NoProgram(String),
    /// The system starts no more processes; holds its reason.
    NoProcess(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::NoWorkers => write!(
                f,
                "a pool needs at least one worker; `cores()` is a good number to begin with"
            ),
            PoolError::NoProgram(tried) => write!(
                f,
                "the program that workers run was not found ({tried}); `cargo workbook setup` \
                 builds it"
            ),
            PoolError::NoProcess(why) => write!(f, "the system started no worker: {why}"),
        }
    }
}

impl std::error::Error for PoolError {}

/// Why one item has no result.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemError {
    /// The item's number in the order of the input, from 0 on.
    pub index: usize,
    /// The process that had the item last; `None` where it never reached one.
    pub pid: Option<u32>,
    /// What happened.
    pub cause: Cause,
}

/// What happened to an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// The function panicked; holds the message. The worker goes on.
    Panicked(String),
    /// The worker's process ended while it had the item, and so did the one that tried next.
    WorkerDied(Death),
    /// The item took longer than the time limit. Its worker was ended and replaced.
    TimedOut(Duration),
    /// The item was cancelled, or the pool was dropped.
    Cancelled,
    /// The item or its result has more bytes than the pool carries; holds the limit.
    TooLarge(usize),
    /// serde could not carry the item or its result; holds the reason.
    NotCarried(String),
    /// No worker could be started, or none could load the function; holds the reason.
    NotStarted(String),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// By this signal.
    Signal(i32),
    /// By itself, with this exit code.
    Exit(i32),
}

impl From<ExitStatus> for Death {
    fn from(status: ExitStatus) -> Death {
        match (status.signal(), status.code()) {
            (Some(signal), _) => Death::Signal(signal),
            (None, code) => Death::Exit(code.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Death::Exit(code) => return write!(f, "ended itself with exit code {code}"),
            Death::Signal(libc::SIGABRT) => "SIGABRT: it called abort",
            Death::Signal(libc::SIGSEGV) => {
                "SIGSEGV: it used memory that is not its own, or too deep a recursion"
            }
            Death::Signal(libc::SIGBUS) => "SIGBUS",
            Death::Signal(libc::SIGILL) => "SIGILL",
            Death::Signal(libc::SIGFPE) => "SIGFPE",
            Death::Signal(libc::SIGTERM) => "SIGTERM",
            Death::Signal(libc::SIGKILL) => {
                "SIGKILL: from outside, perhaps by the system for want of memory"
            }
            Death::Signal(_) => "",
        };
        let Death::Signal(number) = self else {
            return Ok(());
        };
        match name {
            "" => write!(f, "was ended by signal {number}"),
            _ => write!(f, "was ended by signal {number} ({name})"),
        }
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}: ", self.index)?;
        let worker = match self.pid {
            Some(pid) => format!("worker {pid}"),
            None => "its worker".to_owned(),
        };
        match &self.cause {
            Cause::Panicked(message) => write!(f, "panicked in {worker}: {message}"),
            Cause::WorkerDied(death) => {
                write!(
                    f,
                    "{worker} {death}; so had the worker that tried it before"
                )
            }
            Cause::TimedOut(limit) => write!(
                f,
                "not done after {} s; {worker} was ended",
                limit.as_secs_f64()
            ),
            Cause::Cancelled => write!(f, "cancelled"),
            Cause::TooLarge(limit) => write!(
                f,
                "the item or its result has more than {limit} bytes; send a path or a number \
                 instead, or raise the pool's `max_item_bytes`"
            ),
            Cause::NotCarried(why) => write!(f, "cannot be sent between processes: {why}"),
            Cause::NotStarted(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for ItemError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_names_pid_signal_and_item() {
        let error = ItemError {
            index: 7,
            pid: Some(4321),
            cause: Cause::WorkerDied(Death::Signal(libc::SIGABRT)),
        };
        let text = error.to_string();
        for part in ["item 7", "4321", "signal 6 (SIGABRT"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_exit_status_is_a_signal_or_a_code() {
        assert_eq!(Death::from(ExitStatus::from_raw(9)), Death::Signal(9));
        assert_eq!(Death::from(ExitStatus::from_raw(3 << 8)), Death::Exit(3));
    }
}
