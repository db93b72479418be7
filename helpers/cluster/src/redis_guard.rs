//! A Redis that ends with its owner. Redis itself does not watch its standard input, so this
//! process does, and holds Redis as its child.

use crate::owner;
use anyhow::{Context, Result};
use platform::tied;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    port: u16,
    /// Where Redis writes what it must not forget
    #[arg(long)]
    data: PathBuf,
}

/// Runs Redis; prints its process number first.
pub fn serve(arguments: Arguments) -> Result<()> {
    let port = arguments.port.to_string();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no"])
        // Each change is on the disk before it is answered: a killed Redis has forgotten nothing.
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .arg("--dir")
        .arg(&arguments.data)
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    tied::tie(&mut command, libc::SIGKILL);
    let mut redis = command.spawn().context(
        "redis-server did not start; install it with `apt install redis-server` or \
         `conda install redis-server`",
    )?;
    println!("{}", redis.id());
    std::io::stdout().flush()?;
    let pid = redis.id();
    let runs = Arc::new(Mutex::new(true));
    let seen = runs.clone();
    std::thread::spawn(move || {
        owner::wait_for_end();
        let runs = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *runs {
            // SAFETY: only sends a signal. The number is still Redis's: nobody takes its exit
            // status, which would set the number free, while `runs` is true.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        }
    });
    tied::wait_for_end(pid)?;
    *runs.lock().unwrap_or_else(PoisonError::into_inner) = false;
    let status = redis.wait()?;
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
