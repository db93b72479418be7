//! The command `cargo workbook`, the chapters, and JupyterLab, each as a reader meets it.
//!
//! | module | question |
//! |---|---|
//! | [`runner`] | does each kind of failure in a notebook come out, with its cause? |
//! | [`kernels`] | do kernels live side by side, start warm, and leave nothing behind? |
//! | [`endings`] | however a cell ends: is its output under it, and does the next one work? |
//! | [`commands`] | do the other commands do what they say? |
//! | [`own`] | notebooks of a reader's own |
//! | [`chapters`] | are the chapters well formed, and does every cell of them run? |
//! | [`exercises`] | do the checks accept the solutions and nothing else? |
//! | [`browser`] | does all of it work in JupyterLab? |
//! | [`site`] | can the chapters be read, as pages, without installing anything? |
//! | [`figures`] | do the labels of figures keep apart, in a browser's own measure of them? |
//! | [`not_tested`] | does whoever runs the tests learn what was not tested? |
//!
//! All but figures and site runs on the kernel that readers use. The first test that needs it makes it
//! (`cargo workbook setup`), which takes minutes on a fresh clone and nothing later.

mod browser;
#[path = "../../src/chapter.rs"]
mod chapter;
mod chapters;
mod commands;
mod common;
mod endings;
mod exercises;
mod figures;
mod kernels;
#[path = "../left_out/mod.rs"]
mod left_out;
mod not_tested;
#[path = "../object/mod.rs"]
mod object;
mod own;
mod runner;
mod site;
