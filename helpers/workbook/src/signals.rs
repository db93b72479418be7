//! A child that this program waits for ends with it, however it ends.

use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

/// Asks the system to send the child a signal when this program is killed.
pub fn end_with_this_program(command: &mut Command, signal: libc::c_int) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: the closure runs between fork and exec and makes one system call, which is
        // allowed there; it touches no memory of the parent.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, signal);
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (command, signal);
}

static CHILD: AtomicI32 = AtomicI32::new(0);
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Sends the child its signal.
pub fn signal_child() {
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        // SAFETY: kill may be called from a signal handler, and the child has not been waited
        // for yet when this can run with its number set: the program ends right after the wait.
        unsafe { libc::kill(child, SIGNAL.load(Ordering::Relaxed)) };
    }
}

extern "C" fn on_end(_signal: libc::c_int) {
    signal_child();
}

/// From now on a request to end this program goes to the child, as `signal`; when the child has
/// ended, this program tidies up and ends too. Interrupts are left to the child.
pub fn pass_on(child: u32, signal: libc::c_int) {
    SIGNAL.store(signal, Ordering::Relaxed);
    CHILD.store(child as i32, Ordering::Relaxed);
    let handler = on_end as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler only reads atomics and calls kill.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGTERM, handler);
        libc::signal(libc::SIGHUP, handler);
    }
}
