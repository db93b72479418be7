//! Whether the processes of a cluster answer, asked of the engines themselves.

use crate::state::{RUNNING, State};
use crate::tasks;
use anyhow::{Context, Result};
use std::time::Duration;

/// The names of those that run and do not answer (yet).
pub async fn missing(state: &State) -> Vec<String> {
    let executors = match state.scheduler_port {
        Some(port) => executors(port).await.ok(),
        None => None,
    };
    let workers = match state.redis_port {
        Some(port) => tasks::workers(port).await.ok(),
        None => None,
    };
    let answers = |name: &str, pid: u32| match name.split('-').next().unwrap_or_default() {
        "scheduler" => executors.is_some(),
        "redis" => workers.is_some(),
        "executor" => has(&executors, name, pid),
        _ => has(&workers, name, pid),
    };
    let running = state.members.iter().filter(|member| member.state == RUNNING);
    running
        .filter(|member| !answers(&member.name, member.pid))
        .map(|member| member.name.clone())
        .collect()
}

/// Whether an engine knows this life of a process: `executor-1.4711`, `worker-1.4711.0`.
fn has(known: &Option<Vec<String>>, name: &str, pid: u32) -> bool {
    let id = format!("{name}.{pid}");
    known.iter().flatten().any(|known| {
        known.strip_prefix(&id).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The ids of the executors that the scheduler counts on, from its REST interface.
async fn executors(port: u16) -> Result<Vec<String>> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let url = format!("http://127.0.0.1:{port}/api/executors");
    let body = client.get(url).send().await?.error_for_status()?.bytes().await?;
    let list: serde_json::Value = serde_json::from_slice(&body)?;
    let ids = list.as_array().context("a list of executors")?.iter();
    Ok(ids.filter_map(|executor| executor["id"].as_str().map(str::to_owned)).collect())
}

/// The processes as aligned text.
pub fn table(state: &State) -> String {
    let mut text = format!("{:12} {:>8}  {:9}  log\n", "process", "pid", "state");
    for member in &state.members {
        let log = state.folder.join(&member.log);
        text += &format!(
            "{:12} {:>8}  {:9}  {}\n",
            member.name,
            member.pid,
            member.state,
            log.display()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Member;
    use std::path::PathBuf;

    fn member(name: &str, pid: u32, state: &str) -> Member {
        Member { name: name.to_owned(), pid, state: state.to_owned(), log: format!("{name}.log") }
    }

    fn state(members: Vec<Member>) -> State {
        State {
            pid: 1,
            folder: PathBuf::from("/r/1"),
            ready: false,
            scheduler_port: None,
            redis_port: None,
            members,
        }
    }

    #[test]
    fn an_engine_knows_this_life_of_a_process_and_not_the_one_before() {
        let known = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect());
        assert!(has(&known(&["executor-1.47"]), "executor-1", 47));
        assert!(has(&known(&["x", "worker-1.47.0"]), "worker-1", 47));
        assert!(!has(&known(&["executor-1.471"]), "executor-1", 47));
        assert!(!has(&known(&["executor-11.47"]), "executor-1", 47));
        assert!(!has(&known(&["executor-1.46"]), "executor-1", 47));
        assert!(!has(&None, "executor-1", 47));
    }

    #[tokio::test]
    async fn who_has_ended_owes_no_answer_and_who_runs_does() {
        let state = state(vec![
            member("scheduler", 2, RUNNING),
            member("executor-1", 3, "killed"),
            member("worker-1", 4, RUNNING),
        ]);
        assert_eq!(missing(&state).await, ["scheduler", "worker-1"]);
    }

    #[test]
    fn the_table_names_each_process_with_its_log() {
        let state =
            state(vec![member("scheduler", 4_194_303, RUNNING), member("executor-1", 7, "killed")]);
        assert_eq!(
            table(&state),
            "process           pid  state      log\n\
             scheduler     4194303  running    /r/1/scheduler.log\n\
             executor-1          7  killed     /r/1/executor-1.log\n"
        );
    }
}
