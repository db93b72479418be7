//! What every other crate here stands on: where things are, what this machine is, how a program is
//! started. It needs std and a few small crates, knows none of the others, and measures, draws and
//! computes nothing.
//!
//! | module | idea |
//! |---|---|
//! | [`paths`] | where things are: everything stays in the workbook's own folder |
//! | [`names`] | the environment variables that the programs here speak with |
//! | [`machine`] | what this machine is |
//! | [`size`] | how much data the chapters work on |
//! | [`program`] | the program of `cargo workbook`, and how to start others |
//! | [`child`] | a program that leaves nothing behind |
//! | [`tied`] | a child process that does not outlive this one |
//! | [`locked`] | folders that are in use while their lock is held |
//! | [`no_proxy`] | what is on this machine is not asked for through a proxy |
//! | [`files`] | how many files a process may have open |
//! | [`panics`] | a panic as a text |
//! | [`progress`] | milestones of long work |
//! | `runtime` | tokio on one thread, or on as many as you say (feature `tokio`) |
//! | [`threads`] | a thread that knows nothing of a runtime |
//! | [`chance`] | chance that can be repeated |
//! | [`dates`] | days of the calendar |
//! | [`units`] | numbers with a unit, for readers |

pub mod chance;
pub mod child;
pub mod dates;
pub mod files;
pub mod locked;
pub mod machine;
pub mod names;
pub mod no_proxy;
pub mod panics;
pub mod paths;
pub mod program;
pub mod progress;
#[cfg(feature = "tokio")]
pub mod runtime;
pub mod size;
pub mod threads;
pub mod tied;
pub mod units;
