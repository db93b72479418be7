//! Child processes: one that hears of Ctrl-C exactly once, and some that are only listened to.

use anyhow::{Context, Result, bail};
use platform::tied;
use std::collections::VecDeque;
use std::io::{BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// Keeps the terminal's Ctrl-C from the command, so that it reaches only this program, which passes
/// it on with [`pass_signals`]; and has the command end when this program is killed.
pub fn set_apart(command: &mut Command) {
    command.process_group(0);
    tied::tie(command, libc::SIGTERM);
}

/// The child that signals are passed to; 0 for none.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// How many threads are about to send it a signal.
static SENDING: AtomicUsize = AtomicUsize::new(0);
static INTERRUPT: AtomicI32 = AtomicI32::new(0);
static TERMINATE: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: libc::c_int) {
    send(signal);
}

/// Sends the child what stands for this signal. Returns whether that failed.
fn send(signal: libc::c_int) -> bool {
    let passed = match signal {
        libc::SIGINT => &INTERRUPT,
        _ => &TERMINATE,
    };
    // The order counts, see `forget`: first this thread is seen to be sending, then it looks for
    // whom.
    SENDING.fetch_add(1, Ordering::SeqCst);
    let (child, passed) = (CHILD.load(Ordering::SeqCst), passed.load(Ordering::Relaxed));
    let failed = child > 0
        && passed > 0
        // SAFETY: kill may be called from a signal handler. The number is the child's: nobody
        // takes its exit status, which would set the number free, before `forget` has returned.
        && unsafe { libc::kill(child, passed) } != 0;
    SENDING.fetch_sub(1, Ordering::SeqCst);
    failed
}

/// From now on nobody sends the child a signal.
fn forget() {
    CHILD.store(0, Ordering::SeqCst);
    // Whoever looked before that has been counted before. A handler that interrupts this very
    // thread has returned when this goes on, so this does not wait for itself.
    while SENDING.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}

/// From now on Ctrl-C sends `interrupt` to the child (0: nothing), and a request to end (SIGTERM,
/// SIGHUP) sends `terminate`. This program itself goes on until the child has ended.
pub fn pass_signals(child: &Child, interrupt: libc::c_int, terminate: libc::c_int) {
    INTERRUPT.store(interrupt, Ordering::Relaxed);
    TERMINATE.store(terminate, Ordering::Relaxed);
    CHILD.store(child.id() as i32, Ordering::SeqCst);
    set_handlers(pass_on as extern "C" fn(libc::c_int) as libc::sighandler_t);
}

/// Waits for the child's end; signals are this program's own again afterwards.
pub fn wait(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    let ended = tied::wait_for_end(child.id());
    forget();
    let status = ended.and_then(|()| child.wait());
    set_handlers(libc::SIG_DFL);
    status
}

/// Ends the child that signals are passed to, as a request to end would.
pub fn terminate() {
    send(libc::SIGTERM);
}

/// What a command prints.
///
/// # Errors
///
/// If it does not start, or if it ends with an error: then with what it said.
pub fn output_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} did not start"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} ended with {}:\n{}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first line that a program prints about its version; `None` if it does not run.
pub fn version(program: &str) -> Option<String> {
    let text = output_of(Command::new(program).arg("--version")).ok()?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// Runs a command, gives each line that it prints to `listen`, and on failure ends with an error
/// that carries the last lines.
pub fn follow(mut command: Command, mut listen: impl FnMut(&str)) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{} did not start", command.get_program().display()))?;
    // The command keeps the pipe's writing end; without it gone, reading would never end.
    drop(command);
    let mut last = VecDeque::new();
    let mut line = Vec::new();
    for byte in BufReader::new(reader).bytes().chain([Ok(b'\n')]) {
        match byte? {
            // Cargo moves its progress bar with carriage returns.
            b'\n' | b'\r' => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if !text.is_empty() {
                    listen(&text);
                    last.push_back(text);
                }
                if last.len() > 25 {
                    last.pop_front();
                }
            }
            byte => line.push(byte),
        }
    }
    let status = child.wait()?;
    if !status.success() {
        let lines: Vec<String> = last.into();
        bail!("it ended with {status}:\n{}", lines.join("\n"));
    }
    Ok(())
}

fn set_handlers(handler: libc::sighandler_t) {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler is the default or `pass_on`, which only uses atomics and calls kill.
        unsafe { libc::signal(signal, handler) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_failed_command_shows_its_last_words() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; printf 'two\\rthree\\n' >&2; exit 3"]);
        let mut heard = Vec::new();
        let error = follow(shell, |line| heard.push(line.to_owned())).unwrap_err();
        assert_eq!(heard, ["one", "two", "three"]);
        assert!(error.to_string().contains("three"));
        assert!(error.to_string().contains('3'));
    }

    /// While one thread waits for children, another one sends signals without pause. One that is
    /// sent to a child that has ended, but whose number is still its own, succeeds; one that is
    /// sent to a number that has been set free fails, or reaches a stranger.
    #[test]
    fn no_signal_is_sent_to_a_number_that_is_free_again() {
        let (done, failures) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut ended_by = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    failures.fetch_add(send(libc::SIGTERM).into(), Ordering::Relaxed);
                }
            });
            for _ in 0..300 {
                let mut child = Command::new("sleep").arg("600").spawn().unwrap();
                pass_signals(&child, 0, libc::SIGTERM);
                ended_by.push(wait(&mut child).unwrap());
                assert_eq!(CHILD.load(Ordering::SeqCst), 0, "nothing is sent any more");
            }
            done.store(true, Ordering::Relaxed);
        });
        use std::os::unix::process::ExitStatusExt;
        let expected = |status: &std::process::ExitStatus| status.signal() == Some(libc::SIGTERM);
        assert!(ended_by.iter().all(expected), "{ended_by:?}");
        assert_eq!(failures.into_inner(), 0);
    }
}
