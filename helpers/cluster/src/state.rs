//! What runs, written down where any process of the reader's can find it.
//!
//! Each cluster has a folder with its logs, its journal and `state.json`. A lock that the
//! supervisor holds says whether it still lives; the system lets go of it however it ends.

use anyhow::{Context, Result, bail};
use platform::locked::{self, Locked};
use platform::paths::write_whole;
use serde::{Deserialize, Serialize};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

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

/// Makes a folder for this process's cluster; it is in use for as long as the value lives. Folders of
/// clusters that were killed go.
pub fn make_folder(runs: &Path) -> Result<Locked> {
    // Whoever looks from elsewhere is told the whole way.
    let runs = fs::create_dir_all(runs)
        .and_then(|()| fs::canonicalize(runs))
        .with_context(|| format!("{} cannot be made (is the disk full?)", runs.display()))?;
    sweep(&runs);
    Ok(Locked::make(&runs, &std::process::id().to_string())?)
}

/// Removes what dead clusters left, and returns the folders of those that live. Each is named by its
/// supervisor's number; nothing else that may lie there is ours to remove.
fn sweep(runs: &Path) -> Vec<PathBuf> {
    let numbered = |name: &str, _: &Metadata| name.parse::<u32>().is_ok();
    // Without locks there can be no cluster.
    locked::sweep(runs, numbered).unwrap_or_default()
}

/// The clusters that live, oldest first.
fn alive(runs: &Path) -> Vec<State> {
    let mut found: Vec<State> = sweep(runs).iter().flat_map(|folder| State::read(folder)).collect();
    // The system gives numbers of processes again; a folder is made once.
    found.sort_by_key(|state| fs::metadata(&state.folder).and_then(|m| m.created()).ok());
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
            bail!("more than one cluster runs; say which:{}", folders.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a supervisor with that number would have written down.
    fn state(folder: &Path, pid: u32) -> State {
        State {
            pid,
            folder: folder.to_owned(),
            ready: true,
            scheduler_port: Some(50_050),
            redis_port: None,
            members: vec![Member {
                name: "executor-1".to_owned(),
                pid: pid + 1,
                state: RUNNING.to_owned(),
                log: "executor-1.log".to_owned(),
            }],
        }
    }

    /// A cluster with that number, as another process would hold it.
    fn cluster(runs: &Path, pid: u32) -> Locked {
        let locked = Locked::make(runs, &pid.to_string()).unwrap();
        state(&locked.folder, pid).write().unwrap();
        locked
    }

    #[test]
    fn a_folder_is_never_seen_without_its_lock_and_dead_ones_go() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        let own = std::process::id().to_string();
        // What a removal left that was cut short, a dead cluster, and what is none of ours.
        for name in [&own, "1", "thesis"] {
            fs::create_dir_all(runs.join(name)).unwrap();
            fs::write(runs.join(name).join("lock"), "").unwrap();
        }
        fs::create_dir(runs.join(&own).join("rest")).unwrap();
        let locked = make_folder(&runs).unwrap();
        let folder = locked.folder.clone();
        assert!(folder.ends_with(&own) && !folder.join("rest").exists());
        assert!(!runs.join("1").exists() && runs.join("thesis").exists());
        alive(&runs);
        assert!(folder.exists());
        drop(locked);
        assert!(!folder.exists() && runs.join("thesis").exists());
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_replaced_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let mut written = state(place.path(), 7);
        written.write().unwrap();
        written.members[0].state = "killed".to_owned();
        written.write().unwrap();
        let read = State::read(place.path()).unwrap();
        assert_eq!((read.pid, read.ready), (7, true));
        assert_eq!((read.scheduler_port, read.redis_port), (Some(50_050), None));
        let member = &read.members[0];
        assert_eq!((member.name.as_str(), member.pid), ("executor-1", 8));
        assert_eq!(member.state, "killed");
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_only_cluster_is_meant_and_of_several_one_has_to_be_named() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path();
        let none = chosen(runs, None).unwrap_err().to_string();
        assert!(none.contains("`cargo workbook cluster up`"), "{none}");
        let first = cluster(runs, 4_000_001);
        assert_eq!(chosen(runs, None).unwrap().pid, 4_000_001);
        let second = cluster(runs, 4_000_002);
        let several = chosen(runs, None).unwrap_err().to_string();
        for locked in [&first, &second] {
            let option = format!("--folder {}", locked.folder.display());
            assert!(several.contains(&option), "{several}");
        }
        let named = chosen(runs, Some(&second.folder)).unwrap();
        assert_eq!(named.pid, 4_000_002);
        drop(second);
        assert_eq!(chosen(runs, None).unwrap().pid, 4_000_001);
        let gone = chosen(runs, Some(&runs.join("4000002"))).unwrap_err();
        assert!(gone.to_string().contains("no cluster runs in"), "{gone}");
    }

    #[test]
    fn a_cluster_that_has_written_nothing_down_yet_is_not_listed() {
        let place = tempfile::tempdir().unwrap();
        let starting = Locked::make(place.path(), "4000003").unwrap();
        assert!(alive(place.path()).is_empty());
        assert!(starting.folder.exists());
    }
}
