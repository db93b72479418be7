//! A child process that never outlives this one, and that hears of Ctrl-C exactly once.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, Ordering};

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
    // SAFETY: the closure runs between fork and exec and makes one system call, which is allowed
    // there; it touches no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, on_parent_death);
            Ok(())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = on_parent_death;
}

static CHILD: AtomicI32 = AtomicI32::new(0);
static INTERRUPT: AtomicI32 = AtomicI32::new(0);
static TERMINATE: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: libc::c_int) {
    let passed = match signal {
        libc::SIGINT => &INTERRUPT,
        _ => &TERMINATE,
    };
    let (child, passed) = (
        CHILD.load(Ordering::Relaxed),
        passed.load(Ordering::Relaxed),
    );
    if child > 0 && passed > 0 {
        // SAFETY: kill may be called from a signal handler. The number is the child's: it is
        // forgotten before anyone waits for the child.
        unsafe { libc::kill(child, passed) };
    }
}

/// From now on Ctrl-C sends `interrupt` to the child (0: nothing), and a request to end (SIGTERM,
/// SIGHUP) sends `terminate`. This program itself goes on until the child has ended.
pub fn pass_signals(child: &Child, interrupt: libc::c_int, terminate: libc::c_int) {
    INTERRUPT.store(interrupt, Ordering::Relaxed);
    TERMINATE.store(terminate, Ordering::Relaxed);
    CHILD.store(child.id() as i32, Ordering::Relaxed);
    set_handlers(pass_on as extern "C" fn(libc::c_int) as libc::sighandler_t);
}

/// Waits for the child's end; signals are this program's own again afterwards.
pub fn wait(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    let status = child.wait();
    CHILD.store(0, Ordering::Relaxed);
    set_handlers(libc::SIG_DFL);
    status
}

/// Ends the child that signals are passed to, as a request to end would.
pub fn terminate() {
    pass_on(libc::SIGTERM);
}

fn set_handlers(handler: libc::sighandler_t) {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler is the default or `pass_on`, which only reads atomics and calls kill.
        unsafe { libc::signal(signal, handler) };
    }
}
