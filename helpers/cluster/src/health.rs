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
    let running = state
        .members
        .iter()
        .filter(|member| member.state == RUNNING);
    running
        .filter(|member| !answers(&member.name, member.pid))
        .map(|member| member.name.clone())
        .collect()
}

/// Whether an engine knows this life of a process: `executor-1.4711`, `worker-1.4711.0`.
fn has(known: &Option<Vec<String>>, name: &str, pid: u32) -> bool {
    let id = format!("{name}.{pid}");
    known.iter().flatten().any(|known| {
        known
            .strip_prefix(&id)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The ids of the executors that the scheduler counts on, from its REST interface.
async fn executors(port: u16) -> Result<Vec<String>> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()?;
    let url = format!("http://127.0.0.1:{port}/api/executors");
    let body = client
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    let list: serde_json::Value = serde_json::from_slice(&body)?;
    let ids = list.as_array().context("a list of executors")?.iter();
    Ok(ids
        .filter_map(|executor| executor["id"].as_str().map(str::to_owned))
        .collect())
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
