//! How much data the chapters work on.
//!
//! The environment variable `WORKBOOK_SIZE` is `small` (tests, slow machines) or `full`, which is
//! also the default.

use crate::names;
use serde::{Deserialize, Serialize};

/// How much data the chapters work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Just enough to see that everything runs.
    Small,
    /// Enough for times that mean something.
    Full,
}

/// The size that `WORKBOOK_SIZE` asks for; [`Size::Full`] without it.
///
/// A value that is neither `small` nor `full` is reported once, and [`Size::Full`] is used.
pub fn size() -> Size {
    names::choice(names::SIZE, [("full", Size::Full), ("small", Size::Small)])
}

/// One of two values: `small` or `full`, as [`size()`] says. For the knobs of a chapter.
///
/// ```
/// use platform::size::sized;
///
/// let rows = sized(1_000, 1_000_000);
/// assert!(rows == 1_000 || rows == 1_000_000);
/// ```
pub fn sized<T>(small: T, full: T) -> T {
    match size() {
        Size::Small => small,
        Size::Full => full,
    }
}
