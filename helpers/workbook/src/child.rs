//! Child processes: one that hears of Ctrl-C exactly once, and some that are only listened to, which
//! end together.

use anyhow::{Context, Result, bail};
use platform::tied;
use std::collections::VecDeque;
use std::io::{BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// The commands that are followed at the moment, each the leader of a process group; 0 for none.
static FOLLOWED: [AtomicI32; 4] = [const { AtomicI32::new(0) }; 4];

/// Sends the commands that are followed, and what they have started, a signal.
fn send_followed(signal: libc::c_int) {
    SENDING.fetch_add(1, Ordering::SeqCst);
    for group in FOLLOWED.iter().map(|place| place.load(Ordering::SeqCst)) {
        if group > 0 {
            // SAFETY: as in `send`.
            unsafe { libc::kill(-group, signal) };
        }
    }
    SENDING.fetch_sub(1, Ordering::SeqCst);
}

/// Ends what is followed, and this program as if it had not waited for the signal.
extern "C" fn end_with_followed(signal: libc::c_int) {
    // Not the same signal: what a shell has started in the background ignores Ctrl-C.
    send_followed(libc::SIGTERM);
    // SAFETY: both may be called from a signal handler.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// From now on nobody sends the child at this place a signal.
fn forget(place: &AtomicI32) {
    place.store(0, Ordering::SeqCst);
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
    forget(&CHILD);
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

/// Does several things at the same time. When one of them fails, the commands that the others follow
/// are ended.
///
/// # Errors
///
/// That of the first one that has failed.
pub fn at_once(things: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>>) -> Result<()> {
    let first = Mutex::new(Ok(()));
    // Returns whether none has failed so far.
    let note = &|outcome| {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_ok() {
            *first = outcome;
        }
        first.is_ok()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            things.into_iter().map(|thing| scope.spawn(move || note(thing()))).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            // Over and over: one of them may have been between two commands.
            if !note(Ok(())) {
                send_followed(libc::SIGTERM);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// How much of a first error is kept.
const FIRST_LINES: usize = 8;

/// Runs a command, gives each line that it prints to `listen`, and on failure ends with an error
/// that carries its first error and the last lines. What ends this program ends the command too, with all that it has
/// started.
pub fn follow(mut command: Command, mut listen: impl FnMut(&str)) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    set_apart(&mut command);
    set_handlers(end_with_followed as extern "C" fn(libc::c_int) as libc::sighandler_t);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{} did not start", command.get_program().display()))?;
    let number = child.id() as i32;
    let mut places = FOLLOWED.iter();
    let place = places.find(|place| {
        place.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    });
    // The command keeps the pipe's writing end; without it gone, reading would never end.
    drop(command);
    let mut last = VecDeque::new();
    // Of a compiler's errors the first is the reason; the others may follow from it.
    let mut first_error = Vec::new();
    let mut line = Vec::new();
    for byte in BufReader::new(reader).bytes().chain([Ok(b'\n')]) {
        match byte? {
            // Cargo moves its progress bar with carriage returns.
            b'\n' | b'\r' => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if !text.is_empty() {
                    listen(&text);
                    let goes_on = (1..FIRST_LINES).contains(&first_error.len());
                    if goes_on || first_error.is_empty() && text.starts_with("error") {
                        first_error.push(text.clone());
                    }
                    last.push_back(text);
                }
                if last.len() > 25 {
                    last.pop_front();
                }
            }
            byte => line.push(byte),
        }
    }
    tied::wait_for_end(child.id())?;
    place.into_iter().for_each(forget);
    let status = child.wait()?;
    if !status.success() {
        let mut lines: Vec<String> = last.into();
        if first_error.first().is_some_and(|first| !lines.contains(first)) {
            first_error.push("…".to_owned());
            lines.splice(..FIRST_LINES, first_error);
        }
        bail!("it ended with {status}:\n{}", lines.join("\n"));
    }
    Ok(())
}

fn set_handlers(handler: libc::sighandler_t) {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler is the default or one of those above, which only use atomics and call
        // kill, signal and raise.
        unsafe {
            // As under nohup.
            let old = libc::signal(signal, handler);
            if signal == libc::SIGHUP && old == libc::SIG_IGN {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
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

    /// Runs itself again: what ends is all that a process follows.
    #[test]
    fn what_is_followed_ends_together_with_what_it_has_started() {
        const INNER: &str = "WORKBOOK_TEST_ENDS_BY";
        let deep = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", "sleep 600 & echo \"deep $!\"; wait"]);
            let says = |line: &str| eprintln!("{line}");
            follow(shell, says)
        };
        match std::env::var(INNER).as_deref() {
            Ok("a failure") => {
                let between_two = || {
                    std::thread::sleep(Duration::from_secs(1));
                    deep()
                };
                let fails = || {
                    std::thread::sleep(Duration::from_millis(500));
                    bail!("the cause")
                };
                let outcome = at_once(vec![Box::new(deep), Box::new(fails), Box::new(between_two)]);
                eprintln!("{:#}", outcome.unwrap_err());
                return;
            }
            Ok(_) => return deep().unwrap(),
            Err(_) => {}
        }
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::ExitStatusExt;
        for (ends_by, signal) in
            [("a failure", None), ("Ctrl-C", Some(libc::SIGINT)), ("kill", Some(libc::SIGTERM))]
        {
            let name = "child::tests::what_is_followed_ends_together_with_what_it_has_started";
            let mut inner = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture", name])
                .env(INNER, ends_by)
                .stderr(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut said = Vec::new();
            for line in BufReader::new(inner.stderr.take().unwrap()).lines() {
                said.push(line.unwrap());
                if let (Some(signal), [only]) = (signal, &said[..]) {
                    assert!(only.starts_with("deep "), "{only}");
                    // SAFETY: the number is that of a child that nobody has waited for.
                    unsafe { libc::kill(inner.id() as i32, signal) };
                }
            }
            let status = inner.wait().unwrap();
            assert_eq!(status.signal(), signal, "{ends_by}: {said:?}");
            assert!(signal.is_some() || said.iter().any(|line| line == "the cause"), "{said:?}");
            let deep: Vec<i32> =
                said.iter().filter_map(|line| line.strip_prefix("deep ")?.parse().ok()).collect();
            assert!(!deep.is_empty(), "{said:?}");
            // SAFETY: signal 0 only asks whether there is such a process.
            let alive = || deep.iter().any(|&number| unsafe { libc::kill(number, 0) } == 0);
            let patience = std::time::Instant::now();
            while alive() && patience.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(!alive(), "{ends_by}: {deep:?}");
        }
    }

    #[test]
    fn a_failure_carries_the_first_error_and_the_last_lines() {
        let said = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            follow(shell, |_| ()).unwrap_err().to_string()
        };
        let far = said("echo error: the reason; seq 100; echo error: another; exit 3");
        assert!(far.contains("error: the reason\n1\n2\n"), "{far}");
        assert!(far.ends_with("99\n100\nerror: another") && !far.contains("\n50\n"), "{far}");
        let near = said("echo error: the reason; seq 5; exit 3");
        assert!(near.ends_with(":\nerror: the reason\n1\n2\n3\n4\n5"), "{near}");
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
