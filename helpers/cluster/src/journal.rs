//! Who worked on which file, when: one line for each beginning and each end, in one file that all
//! processes of a cluster append to.
//!
//! A process that is killed leaves a beginning without an end, and a file that was begun twice was
//! handed out again: both can be seen afterwards.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The file that a process writes to, under its name.
#[derive(Debug)]
pub struct Journal {
    file: File,
    name: String,
}

impl Journal {
    /// Opens or makes the file.
    pub fn open(path: &Path, name: &str) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Journal {
            file,
            name: name.to_owned(),
        })
    }

    /// Does the work on `item`, noted as begun before and, if it succeeds, as done after.
    pub fn note<T, E>(
        &self,
        item: &str,
        work: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.line("begun", item);
        let result = work();
        self.line(if result.is_ok() { "done" } else { "failed" }, item);
        result
    }

    /// Lines of several processes never mix: each goes out in one write to the end of the file.
    /// A journal that cannot be written is no reason to fail the work.
    fn line(&self, event: &str, item: &str) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let entry = serde_json::json!({
            "event": event,
            "item": item,
            "name": self.name,
            "pid": std::process::id(),
            "seconds": now.as_secs_f64(),
        });
        let _ = (&self.file).write_all(format!("{entry}\n").as_bytes());
    }
}
