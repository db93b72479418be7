//! A Redis that ends with its owner. Redis itself does not watch its standard input, so this
//! process does, and holds Redis as its child.

use crate::owner;
use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ])
        .arg("--dir")
        .arg(&arguments.data)
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    tie(&mut command);
    let mut redis = command.spawn().context(
        "redis-server did not start; install it with `apt install redis-server` or \
         `conda install redis-server`",
    )?;
    println!("{}", redis.id());
    std::io::stdout().flush()?;
    let pid = redis.id() as i32;
    std::thread::spawn(move || {
        owner::wait_for_end();
        // SAFETY: only sends a signal. The number is still Redis's: this process waits for it
        // below, and ends as soon as Redis has ended.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    });
    let status = redis.wait()?;
    std::process::exit(
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
    )
}

/// Where the system can (Linux), it ends Redis when this process is killed.
fn tie(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: the closure runs between fork and exec and makes one system call, which is
        // allowed there; it touches no memory of the parent.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
