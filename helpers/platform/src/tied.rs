//! A child process that does not outlive this one, and whose number stays its own until this one has
//! seen its end.

use std::io;
use std::process::Command;

/// Has the system send the child `signal` when this program is killed (Linux; elsewhere only an
/// orderly end reaches it).
pub fn tie(command: &mut Command, signal: libc::c_int) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::{CommandExt, parent_id};
        let parent = std::process::id();
        // SAFETY: the closure runs between fork and exec and makes system calls only, which is
        // allowed there; it touches no memory of the parent and allocates none.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, signal);
                // A parent that died before that call is not announced any more.
                match parent_id() == parent {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
                }
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (command, signal);
}

/// Waits for a child's end and leaves its exit status, and with it its number, untouched: until
/// somebody waits for it, a signal to that number reaches nobody else.
///
/// # Errors
///
/// The system's; not where there is no such child, or none any more.
pub fn wait_for_end(child: u32) -> io::Result<()> {
    ended(child, 0).map(drop)
}

/// Whether a child has ended, asked in the same way.
pub(crate) fn has_ended(child: u32) -> bool {
    ended(child, libc::WNOHANG).unwrap_or(false)
}

/// Whether a child has ended; waits for that unless the options have `WNOHANG`.
fn ended(child: u32, options: libc::c_int) -> io::Result<bool> {
    let options = options | libc::WEXITED | libc::WNOWAIT;
    loop {
        // SAFETY: waitid writes into `about`, which is large enough, and WNOWAIT leaves the child
        // to be waited for. All zeros are a proper value.
        let (status, about) = unsafe {
            let mut about: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(libc::P_PID, child, &mut about, options), about)
        };
        if status == 0 {
            return Ok(about.si_signo != 0);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            // Its status was taken before.
            _ if error.raw_os_error() == Some(libc::ECHILD) => return Ok(true),
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_child_that_has_ended_can_still_be_waited_for() {
        let mut command = Command::new("sh");
        tie(command.args(["-c", "kill -9 $$"]), libc::SIGKILL);
        let mut child = command.spawn().unwrap();
        for _ in 0..2 {
            wait_for_end(child.id()).unwrap();
        }
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        wait_for_end(child.id()).unwrap();
    }
}
