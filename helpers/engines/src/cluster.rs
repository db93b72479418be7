//! A cluster on this machine: Ballista's scheduler and executors, a Redis with apalis workers, or Celery,
//! Dask and PySpark.
//!
//! These engines are programs of their own (`helpers/cluster`, and those from Python in
//! `helpers/engines/python`), got by `cargo workbook setup --cluster`; nothing of them is linked into a
//! notebook. The calls here start them, hand them
//! work, and kill one when a chapter wants to see what happens then. They end with the notebook,
//! however that ends.
//!
//! Where the programs are not built, every call answers "not run here" with the command that builds
//! them, so that a chapter runs to its end without them.

mod answer;
mod journal;

pub use answer::{Answer, Done, Report, TaskCounts};
pub use journal::{Piece, timeline_of};

use crate::shell::tool;
use platform::paths::{root, scratch};
use platform::program::command;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many files a list of paths is cut into, at most. A file is the least that a task reads, so
/// this is how many tasks a job over the list can have.
const LIST_FILES: usize = 16;

/// What a reader without the programs is told.
const ABSENT: &str = "Not run here: the cluster's programs are not built. `cargo workbook setup \
                      --cluster` in a terminal builds them, once.";

/// What a reader with the programs, but without Redis, is told.
const NO_REDIS: &str = "Not run here: redis-server is not installed. `sudo apt install redis-server`, or \
                        `conda install -c conda-forge redis-server`.";

/// What a reader without the engines from Python is told.
const NO_PYTHON: &str = "Not run here: this engine is not installed. `cargo workbook setup --cluster` in a \
                         terminal installs Celery, Dask and PySpark, once.";

/// Why there is no cluster, as a reader is told.
pub(crate) type Why = Cow<'static, str>;

/// Why a cluster did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClusterError {
    /// It did not start; holds the reason.
    #[error("the cluster did not start: {0}")]
    NotStarted(String),
    /// It refused, or failed at, what it was asked for; holds what it said.
    #[error("the cluster says: {0}")]
    Failed(String),
    /// A file for it could not be written; holds the reason.
    #[error("{0} (is the disk full?)")]
    NotWritten(String),
    /// Tasks were left when the time was up.
    #[error("not finished in the time given: {0}")]
    TimeUp(TaskCounts),
}

impl ClusterError {
    fn failed(why: impl fmt::Display) -> ClusterError {
        ClusterError::Failed(why.to_string())
    }
}

/// The programs that `cargo workbook setup --cluster` builds: the engines, and one that makes
/// X-rays small, for GNU parallel.
pub const CLUSTER_PROGRAMS: [&str; 2] = ["cluster", "resize-files"];

/// Where these programs are, if they are built.
pub(crate) fn cluster_folder() -> PathBuf {
    root().join("target/workbook/cluster/bin")
}

/// Where the cluster itself is; or what a reader is told who has not built it.
fn built() -> Result<PathBuf, Why> {
    cluster_program("cluster").ok_or(ABSENT.into())
}

/// Where one of the [`CLUSTER_PROGRAMS`] is, if it is built.
pub fn cluster_program(name: &str) -> Option<PathBuf> {
    let program = cluster_folder().join(name);
    (CLUSTER_PROGRAMS.contains(&name) && program.exists()).then_some(program)
}

/// A running cluster, DataFusion in one process, or the note that the programs are not there.
///
/// Dropping it ends its processes, and so does the end of the notebook, however that comes about.
///
/// ```text
/// let mut cluster = Cluster::of_executors(2)?;
/// cluster.table("readings", &folder);
/// cluster.sql("SELECT station, max(celsius) FROM readings GROUP BY station")?
/// ```
pub struct Cluster {
    /// The program that does everything; or what a reader is told who cannot run it.
    program: Result<PathBuf, Why>,
    /// `None` where there is one process only, or none.
    supervisor: Option<Supervisor>,
    /// `CREATE EXTERNAL TABLE` statements that go before every query.
    tables: Vec<(String, String)>,
    partitions: usize,
}

/// The process that holds the others; they end when its standard input does.
struct Supervisor {
    child: Child,
    place: Place,
}

/// What the supervisor says of itself.
#[derive(Deserialize)]
struct Place {
    folder: PathBuf,
    scheduler_port: Option<u16>,
    redis_port: Option<u16>,
    /// Of the engines from Python.
    #[serde(default)]
    driver_port: Option<u16>,
}

impl Cluster {
    /// A Ballista scheduler and so many executors, each a process that runs one task at a time.
    pub fn of_executors(count: usize) -> Result<Cluster, ClusterError> {
        let arguments = ["--executors", &count.max(1).to_string(), "--workers", "0"];
        Cluster::up(built(), &arguments)
    }

    /// A Redis and so many apalis workers, each a process that runs one task at a time.
    pub fn of_workers(count: usize) -> Result<Cluster, ClusterError> {
        let arguments = ["--executors", "0", "--workers", &count.max(1).to_string()];
        let beside_redis = |program| tool("redis-server").map(|_| program).ok_or(NO_REDIS.into());
        Cluster::up(built().and_then(beside_redis), &arguments)
    }

    /// A real `celery`, `celery-late`, `dask` or `pyspark` with so many workers, each a process that
    /// runs one task at a time. Celery uses the Redis of the apalis workers `beside` it, or one of its
    /// own. Spark takes the longest to start, some 30 s on two cores, and 2 GB of memory.
    ///
    /// `celery` crosses a message off just before the task begins, as it does if it is not told
    /// otherwise: what a dead worker held is lost. `celery-late` does when the task is done, and what
    /// a dead worker held begins again elsewhere after 5 s; so no task may take longer.
    pub fn of_python(
        engine: &str,
        count: usize,
        beside: Option<&Cluster>,
    ) -> Result<Cluster, ClusterError> {
        let starter = cluster_folder().join("python-engines");
        let program = match engine.split('-').next() {
            Some("pyspark") => "spark-class",
            name => name.unwrap_or_default(),
        };
        let installed = root().join("target/workbook/cluster/python-engines/bin").join(program);
        let there = starter.exists() && installed.exists();
        let other = beside.and_then(|queue| queue.supervisor.as_ref()?.place.redis_port);
        let redis = other.map(|port| format!("--redis-port={port}"));
        let mut arguments = vec!["--engine", engine, "--workers"];
        let count = count.max(1).to_string();
        arguments.extend(std::iter::once(&*count).chain(redis.as_deref()));
        match Cluster::up(there.then_some(starter).ok_or(NO_PYTHON.into()), &arguments) {
            // It says itself what it lacks by now: a Redis, or a Java.
            Err(ClusterError::NotStarted(why)) if why.contains("setup --cluster") => {
                Cluster::up(Err(format!("Not run here: {why}").into()), &[])
            }
            started => started,
        }
    }

    /// Has Celery, Dask or PySpark make X-rays small with Pillow and write them into the folder `to`;
    /// [`Job::done`] waits for it. Each takes `at_least` seconds, so that there is time to watch.
    pub fn images(&self, paths: &[PathBuf], to: &Path, at_least: f64) -> Result<Job, ClusterError> {
        self.request(&json!({
            "do": "images", "paths": paths, "to": to, "at_least": at_least,
        }))
    }

    /// Has them read a folder of readings (Parquet or JSON lines) and find, for each station, how many
    /// there are, the lowest, the highest and the sum.
    pub fn stations(&self, folder: &Path) -> Result<Done, ClusterError> {
        self.request(&json!({ "do": "stations", "folder": folder }))?.done()
    }

    /// Has them do so many tasks that do nothing: what is left is their price.
    pub fn empty_tasks(&self, count: usize) -> Result<Done, ClusterError> {
        self.request(&json!({ "do": "empty", "count": count }))?.done()
    }

    fn request(&self, request: &serde_json::Value) -> Result<Job, ClusterError> {
        let (program, place) = match (&self.program, &self.supervisor) {
            (Err(why), _) => return Ok(Job { child: Err(why.clone()) }),
            (Ok(program), Some(Supervisor { place, .. })) if place.driver_port.is_some() => {
                (program, place)
            }
            _ => return Err(ClusterError::failed("this is for Celery, Dask and PySpark")),
        };
        let mut ask = command(program);
        ask.arg("ask").arg("--runs").arg(runs_folder()).arg("--folder").arg(&place.folder);
        Ok(Job { child: Ok(begin(ask, request.to_string().as_bytes())?) })
    }

    /// No cluster: DataFusion, the engine inside Ballista, in one process with `cores` threads.
    pub fn in_one_process(cores: usize) -> Cluster {
        Cluster { program: built(), supervisor: None, tables: Vec::new(), partitions: cores.max(1) }
    }

    fn up(program: Result<PathBuf, Why>, arguments: &[&str]) -> Result<Cluster, ClusterError> {
        let supervisor = match &program {
            Ok(program) => Some(Supervisor::start(program, arguments)?),
            Err(why) => {
                println!("{why}");
                None
            }
        };
        Ok(Cluster { program, supervisor, tables: Vec::new(), partitions: LIST_FILES })
    }

    /// Whether there is anything to ask; `false` where the programs are not built, or Redis is not
    /// installed. Printed with `{:?}`, the cluster then says what mends it.
    pub fn is_there(&self) -> bool {
        self.program.is_ok()
    }

    /// From now on queries know the files in `place` (a folder, or one file) as the table `name`:
    /// Parquet files if there are any, otherwise JSON lines (`.jsonl`).
    pub fn table(&mut self, name: &str, place: &Path) {
        let is_parquet = |path: &Path| path.extension().is_some_and(|kind| kind == "parquet");
        let mut files = fs::read_dir(place).into_iter().flatten().flatten();
        let parquet = is_parquet(place) || files.any(|file| is_parquet(&file.path()));
        let (kind, pattern) = match parquet {
            true => ("PARQUET", "*.parquet"),
            false => ("JSON", "*.jsonl"),
        };
        let location = match place.is_dir() {
            true => place.join(pattern),
            false => place.to_owned(),
        };
        let location = location.display().to_string().replace('\'', "''");
        let statement =
            format!("CREATE EXTERNAL TABLE {name} STORED AS {kind} LOCATION '{location}'");
        self.tables.retain(|(known, _)| known != name);
        self.tables.push((name.to_owned(), statement));
    }

    /// From now on queries know the paths as the table `name` with one column, `path`.
    ///
    /// The list is written as several files, because a task reads at least one.
    pub fn list(&mut self, name: &str, paths: &[PathBuf]) -> Result<(), ClusterError> {
        if !self.is_there() {
            return Ok(());
        }
        let written = scratch(&format!("list-{name}"))
            .and_then(|folder| write_list(&folder, paths).map(|()| folder));
        let folder = written.map_err(|error| {
            ClusterError::NotWritten(format!("the list was not written: {error}"))
        })?;
        self.table(name, &folder);
        Ok(())
    }

    /// Runs SQL statements, apart by `;`, and gives the table of the last one.
    pub fn sql(&self, statements: &str) -> Result<Answer, ClusterError> {
        self.begin(statements)?.wait()
    }

    /// As [`sql`](Self::sql), with the last statement run once to warm up and then `runs` times:
    /// [`Answer::timing`] has the times.
    pub fn sql_timed(&self, statements: &str, runs: usize) -> Result<Answer, ClusterError> {
        let mut answer = self.submit(statements, runs + 1)?.wait()?;
        answer.forget_first_run();
        Ok(answer)
    }

    /// Begins to run SQL statements and returns at once; [`Job::wait`] gives the table.
    pub fn begin(&self, statements: &str) -> Result<Job, ClusterError> {
        self.submit(statements, 1)
    }

    fn submit(&self, statements: &str, runs: usize) -> Result<Job, ClusterError> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Ok(Job { child: Err(why.clone()) }),
        };
        let mut sql = command(program);
        sql.args(["sql", "--runs", &runs.to_string()]);
        sql.args(["--partitions", &self.partitions.to_string()]);
        if let Some(supervisor) = &self.supervisor {
            let port = supervisor.place.scheduler_port;
            let port = port.ok_or_else(|| ClusterError::failed("it has no executors"))?;
            sql.args(["--scheduler-port", &port.to_string()]);
        }
        let tables = self.tables.iter().map(|(_, create)| format!("{create};\n"));
        let child = sql
            .arg(tables.collect::<String>() + statements)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(ClusterError::failed)?;
        Ok(Job { child: Ok(child) })
    }

    /// Puts a task for each X-ray into Redis: make it small, write it into the folder `to`. Each
    /// takes `at_least` seconds, so that there is time to watch. Returns how many there are.
    pub fn resize_later(
        &self,
        paths: &[PathBuf],
        to: &Path,
        at_least: f64,
    ) -> Result<usize, ClusterError> {
        let Some(mut submit) = self.about_tasks("submit")? else {
            return Ok(0);
        };
        submit.args(["--at-least", &at_least.to_string()]);
        submit.arg("--to").arg(to);
        let lines = paths.iter().map(|path| format!("{}\n", path.display()));
        let count: serde_json::Value = ask(submit, lines.collect::<String>().as_bytes())?;
        Ok(count["submitted"].as_u64().unwrap_or_default() as usize)
    }

    /// How many tasks wait, run, are done and have failed, as Redis knows it.
    pub fn tasks(&self) -> Result<TaskCounts, ClusterError> {
        match self.about_tasks("tasks")? {
            Some(tasks) => ask(tasks, b""),
            None => Ok(TaskCounts::default()),
        }
    }

    /// One of the commands that talk to Redis; none where there is no cluster.
    fn about_tasks(&self, word: &str) -> Result<Option<Command>, ClusterError> {
        let (Ok(program), Some(supervisor)) = (&self.program, &self.supervisor) else {
            return Ok(None);
        };
        let port = supervisor.place.redis_port;
        let port = port.ok_or_else(|| ClusterError::failed("it has no workers"))?;
        let mut order = command(program);
        order.args([word, "--redis-port", &port.to_string()]);
        Ok(Some(order))
    }

    /// Waits until every task is done or has failed for good. While Redis is away it goes on
    /// asking, until `limit` is over.
    pub fn wait_for_tasks(&self, limit: Duration) -> Result<TaskCounts, ClusterError> {
        let deadline = Instant::now() + limit;
        loop {
            let tasks = self.tasks();
            match &tasks {
                Ok(counts) if counts.waiting + counts.running == 0 => return tasks,
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
                Ok(counts) => return Err(ClusterError::TimeUp(*counts)),
                Err(_) => return tasks,
            }
        }
    }

    /// The processes, with their numbers and whether they run.
    pub fn status(&self) -> Result<Report, ClusterError> {
        self.order(&["status"])
    }

    /// Kills a process as a failing machine would (SIGKILL), such as `executor-1`, `worker-2` or
    /// `redis`. One that is down already is an error.
    pub fn kill(&self, name: &str) -> Result<Report, ClusterError> {
        self.order(&["kill", name])
    }

    /// Starts again what was killed, and returns when it answers.
    pub fn heal(&self) -> Result<Report, ClusterError> {
        self.order(&["heal"])
    }

    fn order(&self, words: &[&str]) -> Result<Report, ClusterError> {
        let (program, supervisor) = match (&self.program, &self.supervisor) {
            (Ok(program), Some(supervisor)) => (program, supervisor),
            (Ok(_), None) => return Ok(Report::absent("It has one process only.".into())),
            (Err(why), _) => return Ok(Report::absent(why.clone())),
        };
        let mut order = command(program);
        order.args(words).arg("--json");
        order.arg("--runs").arg(runs_folder());
        order.arg("--folder").arg(&supervisor.place.folder);
        ask(order, b"")
    }

    /// Waits until work on so many more X-rays has begun than the `earlier` ones of the journal; at
    /// most a minute, and not at all where the cluster's programs are not built. To disturb a job in
    /// its middle.
    pub fn wait_for_beginnings(&self, earlier: usize, more: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.is_there() && self.journal().len() < earlier + more && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Who worked on which X-ray, when: what executors and workers wrote down themselves, in the
    /// order in which the work began.
    pub fn journal(&self) -> Vec<Piece> {
        let running = self.supervisor.as_ref();
        running.map_or_else(Vec::new, |running| journal::read(&running.place.folder))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.program, &self.supervisor) {
            (Err(why), _) => f.write_str(why),
            (Ok(_), None) => write!(f, "DataFusion in one process, {} threads", self.partitions),
            (Ok(_), Some(_)) => match self.status() {
                Ok(report) => write!(f, "{report:?}"),
                Err(error) => write!(f, "{error}"),
            },
        }
    }
}

/// A query that runs, or another work.
#[derive(Debug)]
pub struct Job {
    /// The process; or why there is none.
    child: Result<Child, Why>,
}

impl Job {
    /// Waits for its table.
    pub fn wait(self) -> Result<Answer, ClusterError> {
        Ok(self.answer()?.map_or_else(Answer::absent, Answer::new))
    }

    /// Waits for what an engine from Python has done.
    pub fn done(self) -> Result<Done, ClusterError> {
        Ok(self.answer()?.unwrap_or_else(Done::absent))
    }

    fn answer<T: DeserializeOwned>(mut self) -> Result<Result<T, Why>, ClusterError> {
        // Nothing is left for `drop` to end.
        match std::mem::replace(&mut self.child, Err(ABSENT.into())) {
            Err(why) => Ok(Err(why)),
            Ok(child) => finish(child).map(Ok),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Ok(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Supervisor {
    fn start(program: &Path, arguments: &[&str]) -> Result<Supervisor, ClusterError> {
        let not_started = |why: String| ClusterError::NotStarted(why);
        let mut child = command(program)
            .arg("up")
            .arg("--owned")
            .args(arguments)
            .arg("--runs")
            .arg(runs_folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            // The first line comes when everything answers, or never.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match serde_json::from_str(&line) {
            Ok(place) => Ok(Supervisor { child, place }),
            Err(_) => {
                let _ = child.kill();
                let mut words = String::new();
                if let Some(mut errors) = child.stderr.take() {
                    let _ = errors.read_to_string(&mut words);
                }
                let _ = child.wait();
                Err(not_started(plain(&words)))
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closing its standard input asks it to end the others and itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Where each running cluster has a folder.
pub(crate) fn runs_folder() -> PathBuf {
    root().join("target/workbook/cluster/runs")
}

/// Runs one of the program's short commands and reads the JSON that it prints.
pub(crate) fn ask<T: DeserializeOwned>(order: Command, input: &[u8]) -> Result<T, ClusterError> {
    finish(begin(order, input)?)
}

/// Starts one of the program's commands, with what it reads.
fn begin(mut order: Command, input: &[u8]) -> Result<Child, ClusterError> {
    let order = order.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = order.stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(ClusterError::failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that ends early says why in its exit code and its words.
        let _ = pipe.write_all(input);
    }
    Ok(child)
}

/// Waits for a command of the program and reads the JSON that it printed.
fn finish<T: DeserializeOwned>(child: Child) -> Result<T, ClusterError> {
    let output = child.wait_with_output().map_err(ClusterError::failed)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(ClusterError::Failed(plain(&words)));
    }
    serde_json::from_slice(&output.stdout).map_err(ClusterError::failed)
}

/// What a program said on standard error, without the word that it begins with.
fn plain(words: &str) -> String {
    words.trim().trim_start_matches("error: ").to_owned()
}

fn write_list(folder: &Path, paths: &[PathBuf]) -> std::io::Result<()> {
    // Cards are dealt in turn, so that each file has its share of large and small images.
    for n in 0..LIST_FILES.min(paths.len()) {
        let lines = paths.iter().skip(n).step_by(LIST_FILES).map(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("{}\n", json!({ "path": path.display().to_string() }))
        });
        let file = folder.join(format!("part-{n:02}.jsonl"));
        fs::write(file, lines.collect::<String>())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_dealt_into_files_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let paths: Vec<PathBuf> = (0..50).map(|n| PathBuf::from(format!("/x/{n}.jpg"))).collect();
        write_list(place, &paths).unwrap();
        let files: Vec<_> = fs::read_dir(place).unwrap().flatten().map(|e| e.path()).collect();
        assert_eq!(files.len(), LIST_FILES);
        let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        assert_eq!(text.lines().count(), 50);
        assert!(text.contains(r#"{"path":"/x/49.jpg"}"#));
    }

    #[test]
    fn without_the_programs_every_call_answers_and_nothing_fails() {
        let mut cluster = Cluster {
            program: Err(NO_REDIS.into()),
            supervisor: None,
            tables: Vec::new(),
            partitions: 1,
        };
        cluster.list("xrays", &[PathBuf::from("a.jpg")]).unwrap();
        assert!(!cluster.is_there());
        assert!(cluster.sql("SELECT 1").unwrap().rows::<(i64,)>().is_empty());
        assert!(cluster.kill("executor-1").unwrap().names().is_empty());
        assert!(cluster.journal().is_empty());
        assert!(cluster.wait_for_tasks(Duration::ZERO).is_ok());
        assert_eq!(cluster.empty_tasks(7).unwrap().items, 0);
        assert_eq!(format!("{:?}", cluster.stations(Path::new("/r")).unwrap()), NO_REDIS);
        // Whatever a cell prints of it says what is lacking, and no other thing.
        for said in [
            format!("{cluster:?}"),
            format!("{:?}", cluster.sql("SELECT 1").unwrap()),
            cluster.kill("worker-1").unwrap().to_string(),
        ] {
            assert_eq!(said, NO_REDIS);
        }
        cluster.program = Err(ABSENT.into());
        for said in [
            format!("{cluster:?}"),
            format!("{:?}", cluster.sql("SELECT 1").unwrap()),
            cluster.heal().unwrap().to_string(),
        ] {
            assert_eq!(said, ABSENT);
        }
    }

    #[test]
    fn a_table_is_named_once_and_its_place_is_quoted() {
        let mut cluster = Cluster::in_one_process(2);
        cluster.table("t", Path::new("/a/it's"));
        cluster.table("t", Path::new("/b/x.parquet"));
        let statements: Vec<&str> = cluster.tables.iter().map(|(_, s)| s.as_str()).collect();
        assert_eq!(
            statements,
            ["CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/b/x.parquet'"]
        );
        cluster.table("u", Path::new("/a/it's"));
        assert!(cluster.tables[1].1.ends_with("STORED AS JSON LOCATION '/a/it''s'"));
    }
}
