//! Starts the processes of a cluster, watches them, and ends them with itself.
//!
//! Each process holds the reading end of a pipe from here as its standard input and ends when that
//! pipe does (module [`owner`](crate::owner)); so nothing is left, however the supervisor ends.

use crate::health;
use crate::owner;
use crate::state::{JOURNAL, Member, RUNNING, State, make_folder};
use anyhow::{Context, Result, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the processes together may take until they answer.
const STARTING: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub struct Arguments {
    /// Where clusters have their folders
    #[arg(long)]
    runs: PathBuf,
    /// How many Ballista executors, beside a scheduler; 0 for neither
    #[arg(long, default_value_t = 2)]
    executors: usize,
    /// How many tasks each executor runs at a time
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// How many apalis workers, beside a Redis; 0 for neither
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// End when standard input does, not with Ctrl-C; print the state as JSON
    #[arg(long)]
    owned: bool,
}

/// What a process needs to start, again and again.
struct Plan {
    name: String,
    arguments: Vec<String>,
}

struct Running {
    plan: Plan,
    child: Child,
    pid: u32,
    ended: Option<ExitStatus>,
}

struct Supervisor {
    members: Vec<Running>,
    state: State,
}

/// Runs a cluster until its owner ends or asks for the end.
pub async fn up(arguments: Arguments) -> Result<()> {
    // Before anything is started, so that no signal is missed.
    let heal = signal(SignalKind::user_defined1())?;
    let end = asked_to_end(arguments.owned)?;
    let locked = make_folder(&arguments.runs)?;
    let result = supervise(&arguments, locked.folder.clone(), heal, end).await;
    // A start that failed leaves its logs for whoever wants to know why, until the next command that looks for
    // clusters.
    match &result {
        Ok(()) => drop(locked),
        Err(_) => locked.leave(),
    }
    result
}

async fn supervise(
    arguments: &Arguments,
    folder: PathBuf,
    heal: Signal,
    end: impl Future<Output = ()>,
) -> Result<()> {
    let mut supervisor = Supervisor::new(arguments, folder)?;
    // Ending is possible at any moment, also while the processes start.
    tokio::select! {
        result = supervisor.run(heal, arguments.owned) => result,
        () = end => Ok(()),
    }
}

/// Returns a future that is over when the owner ends, or the system or the terminal asks for it.
fn asked_to_end(owned: bool) -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (gone, owner_gone) = tokio::sync::oneshot::channel::<()>();
    // Nobody owns a cluster in a terminal: whoever sits there ends it with Ctrl-C.
    let nobody = if owned {
        std::thread::spawn(move || {
            owner::wait_for_end();
            drop(gone);
        });
        None
    } else {
        Some(gone)
    };
    Ok(async move {
        tokio::select! {
            _ = owner_gone => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        drop(nobody);
    })
}

/// What each process of a cluster is started with. `ports` are the scheduler's, Redis's, and two for
/// each executor.
fn plans(arguments: &Arguments, folder: &Path, ports: &[u16]) -> Vec<Plan> {
    let mut plans = Vec::new();
    let within = |name: &str| folder.join(name).display().to_string();
    let journal = within(JOURNAL);
    let mut plan = |name: &str, role: &str, more: &[(&str, String)]| {
        let mut arguments = vec![role.to_owned()];
        for (option, value) in more {
            arguments.extend([format!("--{option}"), value.clone()]);
        }
        plans.push(Plan { name: name.to_owned(), arguments });
    };
    let (scheduler, redis) = (ports[0], ports[1]);
    if arguments.executors > 0 {
        plan("scheduler", "scheduler", &[("port", scheduler.to_string())]);
    }
    for (n, ports) in ports[2..].chunks(2).enumerate() {
        let name = format!("executor-{}", n + 1);
        plan(
            &name,
            "executor",
            &[
                ("name", name.clone()),
                ("scheduler-port", scheduler.to_string()),
                ("port", ports[0].to_string()),
                ("grpc-port", ports[1].to_string()),
                ("cores", arguments.cores.max(1).to_string()),
                ("work", within(&name)),
                ("journal", journal.clone()),
            ],
        );
    }
    if arguments.workers > 0 {
        plan("redis", "redis", &[("port", redis.to_string()), ("data", within("redis"))]);
    }
    for n in 1..=arguments.workers {
        let name = format!("worker-{n}");
        plan(
            &name,
            "worker",
            &[
                ("name", name.clone()),
                ("redis-port", redis.to_string()),
                ("journal", journal.clone()),
            ],
        );
    }
    plans
}

impl Supervisor {
    fn new(arguments: &Arguments, folder: PathBuf) -> Result<Self> {
        let ports = free_ports(2 * arguments.executors + 2)?;
        let plans = plans(arguments, &folder, &ports);
        if arguments.workers > 0 {
            fs::create_dir_all(folder.join("redis"))?;
        }
        let state = State {
            pid: std::process::id(),
            folder,
            ready: false,
            scheduler_port: (arguments.executors > 0).then_some(ports[0]),
            redis_port: (arguments.workers > 0).then_some(ports[1]),
            members: Vec::new(),
        };
        let mut supervisor = Supervisor { members: Vec::new(), state };
        for plan in plans {
            let (child, pid) = supervisor.start(&plan)?;
            supervisor.members.push(Running { plan, child, pid, ended: None });
        }
        supervisor.write()?;
        Ok(supervisor)
    }

    /// Starts a process and returns it with its number; Redis's is not that of its guard.
    fn start(&self, plan: &Plan) -> Result<(Child, u32)> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.state.folder.join(log_name(&plan.name)))?;
        let is_redis = plan.name == "redis";
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(&plan.arguments)
            .stdin(Stdio::piped())
            .stdout(if is_redis { Stdio::piped() } else { Stdio::from(log.try_clone()?) })
            .stderr(log)
            // The terminal's Ctrl-C is for the supervisor; it ends the others in order.
            .process_group(0);
        let mut child = command.spawn().context("a process of the cluster did not start")?;
        let mut pid = child.id();
        if let Some(output) = child.stdout.take() {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            pid = line.trim().parse().with_context(|| self.words_of(&plan.name))?;
        }
        Ok((child, pid))
    }

    /// Waits until all is ready, says so, and then looks after it for ever.
    async fn run(&mut self, mut heal: Signal, owned: bool) -> Result<()> {
        self.all_answer().await?;
        self.set_ready()?;
        self.report(owned)?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => self.look()?,
                _ = heal.recv() => {
                    self.heal()?;
                    // What does not come back is seen in the state.
                    if let Err(error) = self.all_answer().await {
                        eprintln!("{error:#}");
                    }
                    self.set_ready()?;
                }
            }
        }
    }

    fn set_ready(&mut self) -> Result<()> {
        self.state.ready = true;
        self.state.write()
    }

    /// Returns when everything that runs answers, with an error if that takes too long or if
    /// something has ended on its own.
    async fn all_answer(&mut self) -> Result<()> {
        let deadline = Instant::now() + STARTING;
        loop {
            self.look()?;
            if let Some(member) = self.members.iter().find(|member| member.ended.is_some()) {
                bail!("{} ended at once: {}", member.plan.name, self.words_of(&member.plan.name));
            }
            let missing = health::missing(&self.state).await;
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let logs = self.state.folder.display();
                bail!(
                    "no answer from {} in {STARTING:?}; the logs are in {logs}",
                    missing.join(", ")
                );
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Looks who has ended, and writes that down.
    fn look(&mut self) -> Result<()> {
        let mut changed = false;
        for member in self.members.iter_mut().filter(|member| member.ended.is_none()) {
            member.ended = member.child.try_wait()?;
            changed |= member.ended.is_some();
        }
        if changed { self.write() } else { Ok(()) }
    }

    /// Starts again what has ended.
    fn heal(&mut self) -> Result<()> {
        self.look()?;
        for n in 0..self.members.len() {
            if self.members[n].ended.is_some() {
                let (child, pid) = self.start(&self.members[n].plan)?;
                let member = &mut self.members[n];
                (member.child, member.pid, member.ended) = (child, pid, None);
            }
        }
        self.state.ready = false;
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        let members = self.members.iter().map(|member| Member {
            name: member.plan.name.clone(),
            pid: member.pid,
            state: member.ended.map_or(RUNNING.to_owned(), how_it_ended),
            log: log_name(&member.plan.name),
        });
        self.state.members = members.collect();
        self.state.write()
    }

    /// The last words in a member's log.
    fn words_of(&self, name: &str) -> String {
        let path = self.state.folder.join(log_name(name));
        let lines: Vec<String> = File::open(path)
            .map(|log| BufReader::new(log).lines().map_while(Result::ok).collect())
            .unwrap_or_default();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn report(&self, owned: bool) -> Result<()> {
        if owned {
            println!("{}", serde_json::to_string(&self.state)?);
        } else {
            print!("{}", health::table(&self.state));
            println!("\nCtrl-C ends all of it. In another terminal:");
            println!("  cargo workbook cluster status | kill NAME | heal");
        }
        Ok(())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Their pipe closes: executors and workers end at once, Redis's guard ends Redis.
            drop(member.child.stdin.take());
        }
        let patience = Instant::now() + Duration::from_secs(3);
        for member in &mut self.members {
            while Instant::now() < patience && matches!(member.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

fn log_name(name: &str) -> String {
    format!("{name}.log")
}

fn how_it_ended(status: ExitStatus) -> String {
    // Redis's guard says it the shell's way.
    let signal =
        status.signal().or(status.code().filter(|code| *code > 128).map(|code| code - 128));
    match (signal, status.code()) {
        (Some(libc::SIGKILL), _) => "killed".to_owned(),
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, code) => format!("ended with code {}", code.unwrap_or_default()),
    }
}

/// Ports of this machine that nobody uses now. All are held until the last one is found, so that
/// they differ.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<std::io::Result<_>>()
        .context("no free port")?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(executors: usize, workers: usize) -> Arguments {
        Arguments { runs: PathBuf::from("/runs"), executors, cores: 0, workers, owned: true }
    }

    fn described(executors: usize, workers: usize) -> Vec<String> {
        let ports: Vec<u16> = (1..).take(2 * executors + 2).collect();
        plans(&arguments(executors, workers), Path::new("/r/7"), &ports)
            .iter()
            .map(|plan| format!("{}: {}", plan.name, plan.arguments.join(" ")))
            .collect()
    }

    #[test]
    fn each_process_is_told_its_ports_and_where_to_write() {
        let journal = format!("--journal /r/7/{JOURNAL}");
        let executor = |n: usize, ports: &str| {
            format!(
                "executor-{n}: executor --name executor-{n} --scheduler-port 1 {ports} --cores 1 \
                 --work /r/7/executor-{n} {journal}"
            )
        };
        let worker =
            |n: usize| format!("worker-{n}: worker --name worker-{n} --redis-port 2 {journal}");
        assert_eq!(
            described(2, 2),
            [
                "scheduler: scheduler --port 1".to_owned(),
                executor(1, "--port 3 --grpc-port 4"),
                executor(2, "--port 5 --grpc-port 6"),
                "redis: redis --port 2 --data /r/7/redis".to_owned(),
                worker(1),
                worker(2),
            ]
        );
    }

    #[test]
    fn without_executors_no_scheduler_and_without_workers_no_redis() {
        assert_eq!(described(0, 0), [""; 0]);
        let names = |plans: Vec<String>| -> Vec<String> {
            let name = |plan: &String| plan.split(':').next().unwrap_or_default().to_owned();
            plans.iter().map(name).collect()
        };
        assert_eq!(names(described(1, 0)), ["scheduler", "executor-1"]);
        assert_eq!(names(described(0, 1)), ["redis", "worker-1"]);
    }

    #[test]
    fn an_end_is_said_in_words_also_that_of_redis_behind_its_guard() {
        for (raw, words) in [
            (9, "killed"),
            (15, "ended by signal 15"),
            ((128 + 9) << 8, "killed"),
            ((128 + 11) << 8, "ended by signal 11"),
            (3 << 8, "ended with code 3"),
            (0, "ended with code 0"),
        ] {
            assert_eq!(how_it_ended(ExitStatus::from_raw(raw)), words, "{raw}");
        }
    }

    #[test]
    fn ports_differ_and_are_free() {
        let ports = free_ports(20).unwrap();
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 20);
        assert!(ports.iter().all(|port| *port > 0));
    }
}
