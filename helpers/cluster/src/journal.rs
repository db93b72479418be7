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
        Ok(Journal { file, name: name.to_owned() })
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
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn work_is_noted_before_and_after_also_where_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::open(&path, "worker-1").unwrap();
        let during = || {
            let noted = lines(&path);
            assert_eq!(noted[0]["event"], "begun");
            Ok::<usize, String>(noted.len())
        };
        assert_eq!(journal.note("a \"b\"\n.jpeg", during), Ok(1));
        let failing = || Err::<(), String>("no picture".to_owned());
        assert_eq!(journal.note("c.jpeg", failing), Err("no picture".to_owned()));
        let noted = lines(&path);
        let events: Vec<&str> = noted.iter().flat_map(|line| line["event"].as_str()).collect();
        assert_eq!(events, ["begun", "done", "begun", "failed"]);
        assert_eq!(noted[1]["item"], "a \"b\"\n.jpeg");
        for line in &noted {
            assert_eq!(line["name"], "worker-1");
            assert_eq!(line["pid"], std::process::id());
            assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds > 1e9));
        }
        assert!(noted[0]["seconds"].as_f64() <= noted[3]["seconds"].as_f64());
    }

    #[test]
    fn lines_of_several_writers_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    // Each has opened the file for itself, as each process does.
                    let journal = Journal::open(path, &format!("worker-{writer}")).unwrap();
                    for n in 0..100 {
                        let item = format!("{n}").repeat(200);
                        journal.note(&item, || Ok::<(), ()>(())).unwrap();
                    }
                });
            }
        });
        let noted = lines(&path);
        assert_eq!(noted.len(), 4 * 100 * 2);
        for writer in 0..4 {
            let name = format!("worker-{writer}");
            let own = noted.iter().filter(|line| line["name"] == name.as_str());
            assert_eq!(own.count(), 200);
        }
    }
}
