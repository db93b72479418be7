//! The cluster of chapter 07: existing engines as processes on this machine.
//!
//! | module | idea |
//! |---|---|
//! | [`supervisor`] | starts the processes, watches them, ends them with itself |
//! | [`scheduler`], [`executor`] | Ballista's two halves, with the workbook's functions |
//! | [`functions`] | those functions |
//! | [`sql`] | a query on the cluster, or with DataFusion in one process |
//! | [`tasks`] | tasks in Redis and the apalis workers that do them |
//! | [`redis_guard`] | a Redis that ends with its owner |
//! | [`state`], [`health`] | what runs, and whether it answers |
//! | [`journal`] | who worked on which file, when |
//! | [`files`] | one X-ray file in, one small PNG file out |
//! | [`owner`] | a process ends when its owner does |
//!
//! Everything listens on 127.0.0.1 only and asks nobody for a password: right for one reader on one
//! machine. A cluster in a network needs authentication and encryption.

mod executor;
mod files;
mod functions;
mod health;
mod journal;
mod owner;
mod redis_guard;
mod scheduler;
mod sql;
mod state;
mod supervisor;
mod tasks;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use state::{RUNNING, State};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A Ballista cluster and apalis workers on this machine.
#[derive(Parser)]
#[command(name = "cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster and keep it until Ctrl-C
    Up(supervisor::Arguments),
    /// Say what runs
    Status(Chosen),
    /// Kill a process of the cluster, as a failing machine would (SIGKILL)
    Kill {
        /// Such as `executor-1`, `worker-2`, `redis`
        name: String,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Start again what was killed
    Heal(Chosen),
    /// Run SQL statements and print the last one's table as JSON
    Sql(sql::Arguments),
    /// Put resize tasks into Redis, one for each path on standard input
    Submit(tasks::SubmitArguments),
    /// Count the tasks
    Tasks(tasks::CountArguments),
    #[command(hide = true)]
    Scheduler(scheduler::Arguments),
    #[command(hide = true)]
    Executor(executor::Arguments),
    #[command(hide = true)]
    Worker(tasks::WorkerArguments),
    #[command(hide = true)]
    Redis(redis_guard::Arguments),
}

#[derive(clap::Args)]
struct Chosen {
    /// Where clusters have their folders
    #[arg(long)]
    runs: PathBuf,
    /// The folder of the cluster that is meant, if more than one runs
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print the state as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    env_logger::init();
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    if let Command::Status(_) | Command::Kill { .. } | Command::Heal(_) = &command {
        // What nobody reads any more, as in `… status | head -1`, ends them quietly. The others
        // write to sockets too, and have to see it as an error when nobody reads there.
        // SAFETY: SIG_DFL is a valid disposition, and no other thread runs yet.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    if let Command::Scheduler(_) | Command::Executor(_) | Command::Worker(_) = &command {
        owner::end_with_owner();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plans are deep trees, walked by recursion; Ballista's own programs ask for as much.
        .thread_stack_size(32 << 20)
        .build()?;
    match command {
        Command::Up(arguments) => runtime.block_on(supervisor::up(arguments)),
        Command::Status(chosen) => chosen.show(&chosen.state()?),
        Command::Kill { name, chosen } => kill(&name, &chosen),
        Command::Heal(chosen) => heal(&chosen),
        Command::Sql(arguments) => runtime.block_on(runtime.spawn(sql::run(arguments)))?,
        Command::Submit(arguments) => runtime.block_on(tasks::submit(arguments)),
        Command::Tasks(arguments) => runtime.block_on(tasks::count(arguments)),
        Command::Scheduler(arguments) => {
            runtime.block_on(runtime.spawn(scheduler::serve(arguments)))?
        }
        Command::Executor(arguments) => {
            runtime.block_on(runtime.spawn(executor::serve(arguments)))?
        }
        Command::Worker(arguments) => runtime.block_on(tasks::work(arguments)),
        Command::Redis(arguments) => redis_guard::serve(arguments),
    }
}

impl Chosen {
    fn state(&self) -> Result<State> {
        state::chosen(&self.runs, self.folder.as_deref())
    }

    fn show(&self, state: &State) -> Result<()> {
        match self.json {
            true => println!("{}", serde_json::to_string(state)?),
            false => print!("{}", health::table(state)),
        }
        Ok(())
    }

    /// Waits until the supervisor has written down what `is_so` waits for.
    fn wait_until(&self, state: &State, is_so: impl Fn(&State) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = State::read(&state.folder)?;
            if is_so(&now) {
                return self.show(&now);
            }
            if Instant::now() > deadline {
                bail!("the cluster's supervisor (process {}) does not answer", state.pid);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn kill(name: &str, chosen: &Chosen) -> Result<()> {
    let state = chosen.state()?;
    let Some(member) = state.members.iter().find(|member| member.name == name) else {
        let names: Vec<&str> = state.members.iter().map(|member| member.name.as_str()).collect();
        bail!("no process is called {name}; there are {}", names.join(", "));
    };
    if member.state != RUNNING {
        bail!("{name} does not run: {}; `heal` starts it again", member.state);
    }
    // SAFETY: only sends a signal. The supervisor wrote the number down and has not yet seen the
    // process end.
    unsafe { libc::kill(member.pid as i32, libc::SIGKILL) };
    chosen.wait_until(&state, |now| {
        now.members.iter().any(|member| member.name == name && member.state != RUNNING)
    })
}

fn heal(chosen: &Chosen) -> Result<()> {
    let state = chosen.state()?;
    // SAFETY: only sends a signal, to the supervisor, which starts again what has ended.
    unsafe { libc::kill(state.pid as i32, libc::SIGUSR1) };
    chosen.wait_until(&state, |now| {
        now.ready && now.members.iter().all(|member| member.state == RUNNING)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    /// What `supervisor` starts processes with, and `engines` and `cargo workbook` call.
    #[test]
    fn what_others_call_is_understood() {
        for line in [
            "up --runs /r --executors 2 --cores 1 --workers 0 --owned",
            "status --runs /r --json",
            "kill executor-1 --runs /r --folder /r/7",
            "heal --runs /r",
            "scheduler --port 1",
            "executor --name e --scheduler-port 1 --port 2 --grpc-port 3 --cores 1 --work /w --journal /j",
            "redis --port 1 --data /d",
            "worker --name w --redis-port 1 --journal /j",
            "submit --redis-port 1 --to /t --at-least 0.5",
            "tasks --redis-port 1",
        ] {
            let words = std::iter::once("cluster").chain(line.split(' '));
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
        }
        assert!(Cli::try_parse_from(["cluster", "status"]).is_err());
    }
}
