//! How much data the chapters work on.
//!
//! The environment variable `WORKBOOK_SIZE` is `small` (tests, slow machines) or `full`, which is
//! also the default.

use serde::{Deserialize, Serialize};
use std::sync::Once;

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
    let value = std::env::var_os(crate::names::SIZE).unwrap_or_default();
    let value = value.to_string_lossy();
    parse(&value).unwrap_or_else(|| {
        static REPORTED: Once = Once::new();
        REPORTED.call_once(|| {
            println!("WORKBOOK_SIZE is “{value}”; it can be “small” or “full”. Going on with full.")
        });
        Size::Full
    })
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

fn parse(value: &str) -> Option<Size> {
    match value.trim().to_ascii_lowercase().as_str() {
        "small" => Some(Size::Small),
        "full" | "" => Some(Size::Full),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_the_default_and_other_words_are_refused() {
        assert_eq!(parse(""), Some(Size::Full));
        assert_eq!(parse(" Small "), Some(Size::Small));
        assert_eq!(parse("FULL"), Some(Size::Full));
        assert_eq!(parse("tiny"), None);
    }
}
