//! What can go wrong with a pool, and with one of its items.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Why there is no pool.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// A pool of no workers was asked for.
    #[error("a pool needs at least one worker; `cores()` is a good number to begin with")]
    NoWorkers,
    /// The program that the workers run is missing; holds what was tried.
    #[error("the program that workers run was not found ({0}); `cargo workbook setup` builds it")]
    NoProgram(String),
    /// The system starts no more processes; holds its reason.
    #[error("the system started no worker: {0}")]
    NoProcess(String),
}

/// Why one item has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("item {index}: {}", self.in_words())]
pub struct ItemError {
    /// The item's number in the order of the input, from 0 on.
    pub index: usize,
    /// The process that had the item last; `None` where it never reached one.
    pub pid: Option<u32>,
    /// What happened.
    pub cause: Cause,
}

/// What happened to an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        let (number, name) = match *self {
            Death::Exit(code) => return write!(f, "ended itself with exit code {code}"),
            Death::Signal(number) => (number, signal_in_words(number)),
        };
        write!(f, "was ended by signal {number}")?;
        match name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

fn signal_in_words(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::SIGABRT => "SIGABRT: it called abort",
        libc::SIGSEGV => "SIGSEGV: it used memory that is not its own, or too deep a recursion",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGKILL => "SIGKILL: from outside, perhaps by the system for want of memory",
        _ => return None,
    })
}

impl ItemError {
    fn in_words(&self) -> String {
        let worker = match self.pid {
            Some(pid) => format!("worker {pid}"),
            None => "its worker".to_owned(),
        };
        match &self.cause {
            Cause::Panicked(message) => format!("panicked in {worker}: {message}"),
            Cause::WorkerDied(death) => {
                format!("{worker} {death}; so had the worker that tried it before")
            }
            Cause::TimedOut(limit) => {
                let limit = limit.as_secs_f64();
                format!("not done after {limit} s; {worker} was ended")
            }
            Cause::Cancelled => "cancelled".to_owned(),
            Cause::TooLarge(limit) => format!(
                "the item or its result has more than {limit} bytes; send a path or a number \
                 instead, or raise the pool's `max_item_bytes`"
            ),
            Cause::NotCarried(why) => format!("cannot be sent between processes: {why}"),
            Cause::NotStarted(why) => why.clone(),
        }
    }
}

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
