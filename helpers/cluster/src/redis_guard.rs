//! A Redis that ends with its owner. Redis itself does not watch its standard input, so this
//! process does, and holds Redis as its child.

use crate::owner;
use anyhow::{Context, Result};
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
    wait_for_end(pid)?;
    *runs.lock().unwrap_or_else(PoisonError::into_inner) = false;
    let status = redis.wait()?;
    std::process::exit(
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
    )
}

/// Waits for a child's end and leaves its exit status, and with it its number, untouched.
fn wait_for_end(pid: u32) -> std::io::Result<()> {
    let mut information = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOWAIT;
    loop {
        // SAFETY: the call writes to `information` only, which is as large as it must be.
        let status = unsafe { libc::waitid(libc::P_PID, pid, information.as_mut_ptr(), options) };
        if status == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
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
