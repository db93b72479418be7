//! Tasks in Redis, and the workers that do them: apalis, the counterpart of Celery.
//!
//! A message names a file to read and a file to write. A worker that dies leaves its messages in
//! Redis; after [`HEARTBEAT`] × [`MISSED`] the others take them over. So a task may run twice, and
//! is harmless to repeat: it writes aside and renames.

use crate::files;
use crate::journal::Journal;
use anyhow::{Context, Result, anyhow};
use apalis::layers::WorkerBuilderExt;
use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often a worker says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so many missed ones it counts as dead. (apalis itself would wait 300 s in all.)
const MISSED: usize = 4;
const QUEUE: &str = "resize";

/// One image to make small.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Resize {
    source: PathBuf,
    target: PathBuf,
    /// Seconds to take at least, so that a reader can watch.
    at_least: f64,
}

#[derive(clap::Args)]
pub struct WorkerArguments {
    #[arg(long)]
    name: String,
    #[arg(long)]
    redis_port: u16,
    #[arg(long)]
    journal: PathBuf,
}

#[derive(clap::Args)]
pub struct SubmitArguments {
    #[arg(long)]
    redis_port: u16,
    /// Where the small images go, each under its file's name with `.png`
    #[arg(long)]
    to: PathBuf,
    /// Seconds that each task takes at least
    #[arg(long, default_value_t = 0.0)]
    at_least: f64,
}

#[derive(clap::Args)]
pub struct CountArguments {
    #[arg(long)]
    redis_port: u16,
}

/// Works until the owner ends. While Redis is away it tries again and again.
pub async fn work(arguments: WorkerArguments) -> Result<()> {
    let journal = Arc::new(Journal::open(&arguments.journal, &arguments.name)?);
    for life in 0_u32.. {
        // A name of its own for each life: under the old one it would count as still alive, and
        // what it held would never be handed out again.
        let name = format!("{}.{}.{life}", arguments.name, std::process::id());
        if let Err(error) = live(&name, arguments.redis_port, journal.clone()).await {
            eprintln!("{name}: {error:#}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn live(name: &str, redis_port: u16, journal: Arc<Journal>) -> Result<()> {
    let connection =
        tokio::time::timeout(Duration::from_secs(2), apalis_redis::connect(url(redis_port)));
    let storage = RedisStorage::<Resize>::new(connection.await.context("Redis does not answer")??)
        .with_config(settings());
    let worker = WorkerBuilder::new(name).backend(storage).catch_panic().concurrency(1).build(
        move |task: Resize| {
            let journal = journal.clone();
            async move {
                // Computing, so off the threads that send the heartbeats.
                let done = tokio::task::spawn_blocking(move || {
                    let item = task.source.display().to_string();
                    journal.note(&item, || resize_one(&task))
                });
                done.await.map_err(BoxDynError::from)?.map_err(BoxDynError::from)
            }
        },
    );
    worker.run().await?;
    Ok(())
}

fn resize_one(task: &Resize) -> Result<()> {
    std::thread::sleep(Duration::from_secs_f64(task.at_least.clamp(0.0, 60.0)));
    files::resize_to(&task.source, &task.target)
}

/// Puts a task into Redis for each path that standard input names, one a line.
pub async fn submit(arguments: SubmitArguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.to)?;
    let tasks = tasks_for(std::io::stdin().lock(), &arguments)?;
    let count = tasks.len();
    let mut storage =
        RedisStorage::<Resize>::new(apalis_redis::connect(url(arguments.redis_port)).await?)
            .with_config(settings());
    // In portions: one script call in Redis takes only so many arguments.
    for portion in tasks.chunks(500) {
        storage.push_bulk(portion.to_vec()).await?;
    }
    println!("{}", serde_json::json!({ "submitted": count }));
    Ok(())
}

/// A task for each path, all of them absolute: a worker has another current folder.
fn tasks_for(paths: impl BufRead, arguments: &SubmitArguments) -> Result<Vec<Resize>> {
    let to = std::path::absolute(&arguments.to)?;
    let mut tasks = Vec::new();
    for line in paths.lines() {
        let source = std::path::absolute(line?)?;
        let target = files::target_of(&source, &to)?;
        tasks.push(Resize { source, target, at_least: arguments.at_least });
    }
    Ok(tasks)
}

/// Prints how many tasks wait, run, are done and have failed for good.
pub async fn count(arguments: CountArguments) -> Result<()> {
    let mut connection = connect(arguments.redis_port).await?;
    let config = settings();
    let length = |command: &'static str, key: String| {
        let mut connection = connection.clone();
        async move { redis::cmd(command).arg(key).query_async::<u64>(&mut connection).await }
    };
    let waiting = length("LLEN", config.active_jobs_list()).await?
        + length("ZCARD", config.scheduled_jobs_set()).await?;
    let done = length("SCARD", config.done_jobs_set()).await?;
    let failed = length("SCARD", config.dead_jobs_set()).await?;
    let all: u64 =
        redis::cmd("HLEN").arg(config.job_data_hash()).query_async(&mut connection).await?;
    let counts = serde_json::json!({
        "waiting": waiting,
        "running": all.saturating_sub(waiting + done + failed),
        "done": done,
        "failed": failed,
    });
    println!("{counts}");
    Ok(())
}

/// The names of the workers that Redis counts on. An error if Redis does not answer.
pub async fn workers(redis_port: u16) -> Result<Vec<String>> {
    let mut connection = connect(redis_port).await?;
    let mut names = redis::cmd("ZRANGE");
    names.arg(settings().workers_set()).arg(0).arg(-1);
    Ok(names.query_async(&mut connection).await?)
}

async fn connect(port: u16) -> Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(url(port))?;
    let connection = client.get_multiplexed_async_connection().await;
    // In one line: the error's own cause says the same once more.
    connection.map_err(|error| anyhow!("Redis does not answer: {error}"))
}

fn settings() -> Config {
    Config::default()
        .queue(QUEUE)
        // What a worker holds when it dies waits until it counts as dead, so let it hold little.
        .batch_size(2)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(MISSED)
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn arguments(to: &str) -> SubmitArguments {
        SubmitArguments { redis_port: 1, to: PathBuf::from(to), at_least: 0.5 }
    }

    #[test]
    fn each_line_is_a_task_with_absolute_paths() {
        let here = std::env::current_dir().unwrap();
        let lines = "/x/a b.jpeg\nü.png\n";
        let tasks = tasks_for(lines.as_bytes(), &arguments("small")).unwrap();
        let paths: Vec<(&Path, &Path)> =
            tasks.iter().map(|task| (task.source.as_path(), task.target.as_path())).collect();
        let (first, second) = (here.join("small/a b.png"), here.join("small/ü.png"));
        let source = here.join("ü.png");
        assert_eq!(
            paths,
            [(Path::new("/x/a b.jpeg"), first.as_path()), (source.as_path(), second.as_path())]
        );
        assert!(tasks.iter().all(|task| task.at_least == 0.5));
        assert!(tasks_for(&b""[..], &arguments("small")).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_names_no_file_is_an_error() {
        assert!(tasks_for(&b"/x/a.jpeg\n/\n"[..], &arguments("small")).is_err());
    }

    #[test]
    fn a_task_comes_out_of_a_message_as_it_went_in() {
        let tasks = tasks_for(&b"/x/a.jpeg"[..], &arguments("/s")).unwrap();
        let message = serde_json::to_string(&tasks[0]).unwrap();
        let read: Resize = serde_json::from_str(&message).unwrap();
        assert_eq!(read.source, Path::new("/x/a.jpeg"));
        assert_eq!(read.target, Path::new("/s/a.png"));
        assert_eq!(read.at_least, 0.5);
    }

    #[test]
    fn a_task_takes_at_least_as_long_as_it_is_told_and_no_pause_is_endless() {
        let folder = tempfile::tempdir().unwrap();
        let task = |at_least: f64| Resize {
            source: folder.path().join("none.jpeg"),
            target: folder.path().join("none.png"),
            at_least,
        };
        let start = std::time::Instant::now();
        assert!(resize_one(&task(0.05)).is_err());
        assert!(start.elapsed() >= Duration::from_millis(50));
        // No time at all is less than none.
        assert!(resize_one(&task(-1.0)).is_err());
    }

    #[test]
    fn a_worker_holds_little_and_is_soon_taken_for_dead() {
        let settings = settings();
        assert!(settings.active_jobs_list().contains(QUEUE));
        assert_eq!(url(6379), "redis://127.0.0.1:6379/");
        assert!(HEARTBEAT * MISSED as u32 <= Duration::from_secs(5));
    }
}
