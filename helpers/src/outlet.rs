//! Where the output of cells leaves their process.
//!
//! The kernel reads it line by line and knows its own words only at the beginning of a line; see
//! the program that this puts in between, `helpers/workbook/src/outlet.rs`. Only the workbook's
//! kernel has that program; on another one the output goes its usual way.

use platform::names;
use platform::program::command;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The kernel sets this for the process that runs cells, and for no other.
static RUNS_CELLS: &str = "EVCXR_IS_RUNTIME";

/// Puts the program in between, where this is the process that runs cells.
pub(crate) fn lay() {
    let runs_cells = std::env::var_os(RUNS_CELLS).is_some();
    if let Some(program) = std::env::var_os(names::PROGRAM).filter(|_| runs_cells)
        && let Err(error) = lay_through(Path::new(&program))
    {
        eprintln!(
            "Output without a newline at its end may get lost: {} did not start ({error}).",
            Path::new(&program).display()
        );
    }
}

/// Puts the program between this process' two output streams and where they went until now.
fn lay_through(program: &Path) -> io::Result<()> {
    let (output, new_output) = io::pipe()?;
    let (errors, new_errors) = io::pipe()?;
    let (control, its_control) = UnixStream::pair()?;
    // Of two copies of this library in one process, each knows its own.
    let this_copy = std::ptr::from_ref(&RUNS_CELLS).addr();
    let mark = format!("\u{1e}{:x}-{this_copy:x}\u{1e}", std::process::id());
    let asked_for = mark.clone();
    std::thread::Builder::new()
        .name("outlet".to_owned())
        .spawn(move || empty_when_asked(control, &asked_for))?;
    let (errors, its_control) = (inherited(errors.as_fd())?, inherited(its_control.as_fd())?);
    command(program)
        .args(["outlet", "--mark", &mark])
        .args(["--errors", &errors.as_raw_fd().to_string()])
        .args(["--control", &its_control.as_raw_fd().to_string()])
        .stdin(output)
        // Descriptors 1 and 2 are inherited as they are.
        .spawn()?;
    drop((errors, its_control));
    replace(1, new_output.as_fd())?;
    replace(2, new_errors.as_fd())
}

/// Empties this process' buffer of standard output whenever the program asks for it. All cells and
/// this library share that buffer, as they share one standard library.
fn empty_when_asked(mut control: UnixStream, mark: &str) {
    let mut question = [0];
    while control.read_exact(&mut question).is_ok() {
        let mut out = io::stdout().lock();
        if writeln!(out, "{mark}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// A copy that the next program inherits. Its number is high: the low ones may be free here.
fn inherited(descriptor: BorrowedFd) -> io::Result<File> {
    const FIRST: RawFd = 10;
    // SAFETY: the descriptor is open; the call makes another one.
    let copy = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, FIRST) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nobody else knows of it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }))
}

/// Lets the descriptor `number` be a copy of `new`.
fn replace(number: RawFd, new: BorrowedFd) -> io::Result<()> {
    // SAFETY: both are open; whoever uses `number` goes on with the new one.
    if unsafe { libc::dup2(new.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
