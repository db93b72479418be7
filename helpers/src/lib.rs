//! What the notebooks of this workbook import.
//!
//! A notebook's setup cell is two lines:
//!
//! ```text
//! :dep helpers = { path = "../helpers" }
//! use helpers::prelude::*;
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`measure`] | time a piece of work honestly: warm-up, repeats, median and spread |
//! | [`amdahl`] | what more workers can gain: Amdahl, Gustafson, Karp and Flatt |
//! | [`overhead`] | what it costs to hand out work, and where a thread runs |
//! | [`figures`] | one line from data to an inline figure |
//! | [`display`] | how a value reaches the notebook |
//! | [`memory`] | how much memory a piece of work takes at its peak |
//! | [`progress`] | milestones of long work |
//! | [`record`] | who did what, when: recorded by any thread or task |
//! | [`runtime`] | tokio on one thread, or on as many as you say |
//! | [`cafe`] | the talk's café, on a scaled clock |
//! | [`machine`] | what this machine is |
//! | [`check`] | ✓ and ✗ for exercises |
//! | [`xrays`] | the chest X-rays: a folder, the Kaggle zip, or a synthetic set |
//! | [`resize`] | one X-ray file to a small grey thumbnail |
//! | [`size`] | how much data the chapters work on |
//! | [`weather`] | a weather service on this machine, and clients for it and for the real one |
//! | [`cluster`] | a cluster of processes on this machine, for chapter 07 |
//! | [`shell`] | a command line, for tools that are programs |
//! | [`readings`] | weather readings as files of JSON lines, made once and kept |
//! | [`results`] | what a chapter measured, kept for the last chapter |
//! | [`pool`] | processes that run functions which a cell defines |
//! | [`python`] | a Python snippet, run in the workbook's own Python |

pub mod amdahl;
pub mod cafe;
pub mod check;
mod child;
pub mod cluster;
pub mod display;
pub mod figures;
mod loaded;
pub mod machine;
pub mod measure;
pub mod memory;
mod no_proxy;
mod outlet;
pub mod overhead;
pub mod paths;
pub mod pool;
pub mod prelude;
mod program;
pub mod progress;
pub mod python;
pub mod readings;
pub mod record;
pub mod resize;
pub mod results;
pub mod runtime;
pub mod shell;
pub mod size;
mod tls;
pub mod weather;
pub mod xrays;

// Notebooks use these through the prelude. Cells must not have copies of their
// own: a second rayon or tokio in a process has its own thread pool.
pub use {futures_util, image, rayon, reqwest, serde, serde_json, tokio};
