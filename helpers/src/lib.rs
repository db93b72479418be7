//! What the notebooks of this workbook import: one `use` for what nearly every cell wants, and the
//! modules that teach. What has a purpose of its own is a crate of its own, passed on here.
//!
//! A notebook's setup cell is two lines, and one more for each topic of the chapter:
//!
//! ```text
//! :dep helpers = { path = "../helpers" }
//! use helpers::prelude::*;
//! use helpers::weather::*;
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`prelude`] | what nearly every cell names |
//! | [`measure`] | time a piece of work honestly: warm-up, repeats, median and spread |
//! | [`figures`] | one line from data to an inline figure |
//! | [`check`] | ✓ and ✗ for exercises |
//! | [`python`] | a Python program, run in the workbook's own Python |
//! | [`results`] | what a chapter measured, kept for the last chapter |
//! | [`source`](mod@source) | the code behind a call, shown in a cell |
//! | [`amdahl`] | what more workers can gain: Amdahl, Gustafson, Karp and Flatt |
//! | [`overhead`] | what it costs to hand out work, and where a thread runs |
//! | [`record`] | who did what, when: recorded by any thread or task |
//! | [`cafe`] | the talk's café, on a scaled clock |
//! | [`xrays`] | the chest X-rays, and one X-ray to a small grey thumbnail |
//! | [`weather`] | a weather service on this machine, and clients for it and for the real one |
//! | [`pool`] | processes that run functions which a cell defines |
//! | [`engines`] | a cluster of processes on this machine, and command lines, for chapter 07 |
//! | [`readings`] | weather readings as files of JSON lines, made once and kept |
//! | [`runtime`] | tokio on one thread, or on as many as you say |
//! | [`memory`] | how much memory a piece of work takes at its peak |
//! | [`progress`] | milestones of long work |
//! | [`machine`], [`size`], [`paths`] | this machine, how much data, and where things are |

pub mod amdahl;
pub mod cafe;
pub mod check;
mod loaded;
mod outlet;
pub mod overhead;
pub mod prelude;
pub mod python;
mod readable;
pub mod record;
pub mod results;
pub mod source;

/// The X-rays and their thumbnails; and [`Readable`](xrays::Readable), which asks Pillow too.
pub mod xrays {
    pub use crate::readable::Readable;
    pub use ::xrays::*;
}

pub use measure::memory;
pub use platform::{machine, paths, progress, runtime, size};
pub use weather::readings;
pub use {engines, figures, measure, pool, weather};

// Notebooks use these through the prelude. Cells must not have copies of their
// own: a second rayon or tokio in a process has its own thread pool.
pub use {futures_util, image, ndarray, ndarray_npy, rayon, reqwest, serde, serde_json, tokio};
