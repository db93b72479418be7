//! What each step of the set-up was last done for. A step writes its stamp last, so one that was
//! interrupted is taken up again.

use crate::layout::Layout;
use anyhow::{Context, Result};
use std::fs;

/// Whether a step was last done for `key`.
pub fn is_done(layout: &Layout, step: &str, key: &str) -> bool {
    last(layout, step) == key
}

/// What a step was last done for; empty if it never was.
pub fn last(layout: &Layout, step: &str) -> String {
    fs::read_to_string(layout.stamps().join(step)).unwrap_or_default()
}

/// Writes a step's stamp.
pub fn done(layout: &Layout, step: &str, key: &str) -> Result<()> {
    fs::create_dir_all(layout.stamps())
        .and_then(|()| fs::write(layout.stamps().join(step), key))
        .with_context(|| {
            format!("{} cannot be written (is the disk full?)", layout.stamps().display())
        })
}
