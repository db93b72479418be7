//! A child process that never outlives this one, and that hears of Ctrl-C exactly once.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// Starts the command so that the system ends it with `on_parent_death` when this program is
/// killed (Linux; elsewhere only an orderly end reaches it).
///
/// `own_group` keeps the terminal's Ctrl-C from the child: it reaches this program only, which
/// passes it on with [`pass_signals`].
pub fn tie(command: &mut Command, on_parent_death: libc::c_int, own_group: bool) {
    if own_group {
        command.process_group(0);
    }
    #[cfg(target_os = "linux")]
    let parent = std::process::id();
    #[cfg(target_os = "linux")]
    // SAFETY: the closure runs between fork and exec and makes system calls only, which is allowed
    // there; it touches no memory of the parent and allocates none.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, on_parent_death);
            // A parent that died before that call is not announced any more.
            match std::os::unix::process::parent_id() == parent {
                true => Ok(()),
                false => Err(std::io::Error::from_raw_os_error(libc::ESRCH)),
            }
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = on_parent_death;
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
    let ended = wait_for_end(child);
    forget();
    let status = ended.and_then(|()| child.wait());
    set_handlers(libc::SIG_DFL);
    status
}

/// Waits for the child's end and leaves its exit status, and with it its number, untouched.
fn wait_for_end(child: &Child) -> std::io::Result<()> {
    let mut information = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOWAIT;
    loop {
        // SAFETY: the call writes to `information` only, which is as large as it must be.
        let status =
            unsafe { libc::waitid(libc::P_PID, child.id(), information.as_mut_ptr(), options) };
        if status == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        match error.kind() {
            std::io::ErrorKind::Interrupted => {}
            // Its status was taken before.
            _ if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            _ => return Err(error),
        }
    }
}

/// Ends the child that signals are passed to, as a request to end would.
pub fn terminate() {
    send(libc::SIGTERM);
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
