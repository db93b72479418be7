//! The workbook's ways beside those of other libraries: what `cargo workbook compare` measures.
//!
//! All variants do the same work in one run, in turn: a machine that gets slower meanwhile gets
//! slower for all of them. Ratios are taken round by round.
//!
//! This is a shared object because a process pool runs functions of shared objects only. The
//! hidden command `workbook measure` opens it and calls one of the functions below.
//!
//! | module | idea |
//! |---|---|
//! | [`engines`] | systems that hand work to processes, and what a killed one costs |
//! | [`images`] | thumbnails of X-rays |
//! | [`network`] | many requests at a time |
//! | [`pool`] | what it costs to hand items to other processes |
//! | [`session`] | the rounds, the marks, and what every report says |
//! | [`peer`] | Python, in a process of its own |

mod engines;
mod images;
mod network;
mod peer;
mod pool;
mod session;

use session::Report;
use std::ffi::c_int;

/// `cargo workbook compare images`: 0, or 1 where it could not be done; then it has said why.
#[unsafe(no_mangle)]
pub extern "C" fn compare_images(runs: u32, json: bool) -> c_int {
    show(images::compare(runs as usize), json)
}

/// `cargo workbook compare network`, likewise.
#[unsafe(no_mangle)]
pub extern "C" fn compare_network(runs: u32, json: bool) -> c_int {
    show(network::compare(runs as usize), json)
}

/// `cargo workbook compare pool`, likewise.
#[unsafe(no_mangle)]
pub extern "C" fn compare_pool(runs: u32, json: bool) -> c_int {
    show(Ok(pool::compare(runs as usize)), json)
}

/// `cargo workbook compare engines`, likewise; once.
#[unsafe(no_mangle)]
pub extern "C" fn compare_engines(_runs: u32, json: bool) -> c_int {
    match engines::compare(json) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("error: {why}");
            1
        }
    }
}

fn show(report: Result<Report, String>, json: bool) -> c_int {
    match report {
        Ok(report) if json => println!("{}", report.json()),
        Ok(report) => print!("{report}"),
        Err(why) => {
            eprintln!("error: {why}");
            return 1;
        }
    }
    0
}
