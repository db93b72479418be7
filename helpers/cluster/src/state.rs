//! What runs, written down where any process of the reader's can find it.
//!
//! Each cluster has a folder with its logs, its journal and `state.json`. A lock that the
//! supervisor holds says whether it still lives; the system lets go of it however it ends.

use anyhow::{Context, Result, bail};
use platform::paths::write_whole;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const STATE: &str = "state.json";
/// Who worked on which file, see the module `journal`.
pub const JOURNAL: &str = "journal.jsonl";

/// A cluster, as its supervisor last wrote it down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The supervisor's process number.
    pub pid: u32,
    pub folder: PathBuf,
    /// Whether everything that was asked for answers.
    pub ready: bool,
    pub scheduler_port: Option<u16>,
    pub redis_port: Option<u16>,
    pub members: Vec<Member>,
}

/// One process of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Such as `executor-1`.
    pub name: String,
    pub pid: u32,
    /// `running`, or how it ended.
    pub state: String,
    /// Relative to the cluster's folder.
    pub log: String,
}

/// A member that runs.
pub const RUNNING: &str = "running";

impl State {
    /// Writes it in one step, so that a reader finds the old or the new one.
    pub fn write(&self) -> Result<()> {
        write_whole(&self.folder.join(STATE), &serde_json::to_vec_pretty(self)?)
            .context("the cluster's state cannot be written (is the disk full?)")
    }

    /// Reads that of the cluster in `folder`.
    pub fn read(folder: &Path) -> Result<State> {
        let text = fs::read(folder.join(STATE))
            .with_context(|| format!("no cluster runs in {}", folder.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Makes a folder for this process's cluster and holds its lock; the second is to be kept.
/// Folders of clusters that were killed go.
pub fn make_folder(runs: &Path) -> Result<(PathBuf, File)> {
    alive(runs);
    let name = std::process::id().to_string();
    let folder = runs.join(&name);
    // It gets its name when the lock is held: another cluster that tidies up in between would find
    // a folder that nobody holds, and remove it.
    let new = runs.join(format!(".new-{name}"));
    if !folder.join(LOCK).exists() {
        // The rest of a removal that was cut short would be in the way.
        let _ = fs::remove_dir_all(&folder);
    }
    let made = fs::create_dir_all(&new)
        .and_then(|()| File::create(new.join(LOCK)))
        .and_then(|lock| lock.lock().map(|()| lock))
        .and_then(|lock| fs::rename(&new, &folder).map(|()| lock));
    if made.is_err() {
        // Nobody else would ever look at it; the first error is the one to tell.
        let _ = fs::remove_dir_all(&new);
    }
    let lock = made.with_context(|| {
        format!(
            "{} cannot be made or locked (is the disk full, or a network drive without locks?)",
            folder.display()
        )
    })?;
    Ok((fs::canonicalize(folder)?, lock))
}

/// The clusters that live, oldest first. Removes what dead ones left.
fn alive(runs: &Path) -> Vec<State> {
    let Ok(entries) = fs::read_dir(runs) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        // Named by its supervisor's number. Nothing else that may lie there is ours to remove.
        let name = entry.file_name();
        if name.to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        let folder = entry.path();
        let Ok(lock) = File::open(folder.join(LOCK)) else {
            continue;
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => found.extend(State::read(&folder)),
            // What cannot be removed now goes the next time.
            Ok(()) => drop(fs::remove_dir_all(&folder)),
            // Where nobody can say whether it lives, it stays.
            Err(TryLockError::Error(_)) => {}
        }
    }
    found.sort_by_key(|state| {
        fs::metadata(state.folder.join(LOCK))
            .and_then(|m| m.created())
            .ok()
    });
    found
}

/// The cluster to act on: the one in `folder`, or the only one that runs.
pub fn chosen(runs: &Path, folder: Option<&Path>) -> Result<State> {
    if let Some(folder) = folder {
        return State::read(folder);
    }
    let mut found = alive(runs);
    match (found.pop(), found.len()) {
        (None, _) => {
            bail!("no cluster runs; `cargo workbook cluster up` starts one, and so does chapter 07")
        }
        (Some(state), 0) => Ok(state),
        (Some(state), _) => {
            let folders = found
                .iter()
                .chain([&state])
                .map(|s| format!("\n  --folder {}", s.folder.display()));
            bail!(
                "more than one cluster runs; say which:{}",
                folders.collect::<String>()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_never_seen_without_its_lock_and_dead_ones_go() {
        let runs = std::env::temp_dir().join(format!("cluster-state-{}", std::process::id()));
        // What a removal left that was cut short, a dead cluster, and what is none of ours.
        fs::create_dir_all(runs.join(std::process::id().to_string()).join("rest")).unwrap();
        for name in ["1", "thesis"] {
            fs::create_dir(runs.join(name)).unwrap();
            fs::write(runs.join(name).join(LOCK), "").unwrap();
        }
        let (folder, lock) = make_folder(&runs).unwrap();
        assert!(!folder.join("rest").exists() && folder.join(LOCK).exists());
        assert!(!runs.join("1").exists() && runs.join("thesis").exists());
        alive(&runs);
        assert!(folder.exists());
        drop(lock);
        alive(&runs);
        assert!(!folder.exists() && runs.join("thesis").exists());
        fs::remove_dir_all(&runs).unwrap();
    }
}
