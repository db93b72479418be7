//! The environment variables that the programs of this workbook speak with.

/// How much data the chapters work on; see [`size`](crate::size).
pub const SIZE: &str = "WORKBOOK_SIZE";
/// A folder or zip of X-rays to work on.
pub const XRAYS: &str = "WORKBOOK_XRAYS";
/// Which weather service: this machine's or the real one.
pub const WEATHER: &str = "WORKBOOK_WEATHER";
/// From the kernel: the program of `cargo workbook`, of which pools' workers and the weather server
/// are parts.
pub const PROGRAM: &str = "WORKBOOK_PROGRAM";
/// From the kernel: the workbook's own Python.
pub const PYTHON: &str = "WORKBOOK_PYTHON";
/// From the kernel: a folder for the files of cells, gone with the kernel.
pub const SCRATCH: &str = "WORKBOOK_SCRATCH";
/// From Jupyter: the notebook that a kernel runs, as a path.
pub const NOTEBOOK: &str = "JPY_SESSION_NAME";
