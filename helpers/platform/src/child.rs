//! Runs a program for a cell, and everything that the program starts: none of it outlives the
//! cell or the notebook, and none of it keeps the cell waiting once the program has ended.
//!
//! The program gets a session of its own. At its end, at its time limit, or when the notebook
//! ends (also when it is killed), whatever still runs in that session is killed. A process that
//! makes itself a session of its own, as daemons do, is none of ours and lives on.

use crate::tied;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long to go on reading what background processes write, once the program has ended.
const GRACE: Duration = Duration::from_millis(500);

/// More bytes of one output are not kept, in bytes: an endless loop that prints would fill the
/// memory.
const LARGEST_OUTPUT: usize = 64 << 20;

/// What a program did.
pub struct Ended {
    /// How it ended; killed where its time was up.
    pub status: ExitStatus,
    /// Whether it ended by itself within the limit.
    pub in_time: bool,
    /// How long it ran.
    pub elapsed: Duration,
    /// What it and its children wrote to standard output, in the order in which it was written.
    pub output: Vec<u8>,
    /// The same for standard error.
    pub errors: Vec<u8>,
    /// What it wrote to its standard input, which can be written to.
    pub reply: Vec<u8>,
}

/// Starts the command with `request` on its standard input, and waits until it has ended.
///
/// Its standard input is a socket: a program that writes to it has a channel apart from both
/// outputs. Nothing arrives there before everything is in place that ends the program with the
/// notebook, so a program that waits for the request is never left behind.
///
/// # Errors
///
/// The system's, where the program cannot be started.
pub fn run(mut command: Command, mut request: &[u8], limit: Duration) -> io::Result<Ended> {
    let (channel, theirs) = UnixStream::pair()?;
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: the closure runs between fork and exec and makes one system call, which is allowed
    // there; it touches no memory of the parent.
    unsafe {
        command.pre_exec(|| match libc::setsid() {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let start = Instant::now();
    let child = command.spawn()?;
    // It holds the child's end of the channel, which would then never be closed.
    drop(command);
    let mut session = Session::of(child)?;
    let mut channel = Pipe::new(Some(channel))?;
    let mut output = Pipe::new(session.child.stdout.take())?;
    let mut errors = Pipe::new(session.child.stderr.take())?;

    let mut in_time = true;
    let mut elapsed = None;
    loop {
        channel.send(&mut request);
        channel.read();
        output.read();
        errors.read();
        if elapsed.is_none() && session.has_ended() {
            elapsed = Some(start.elapsed());
        }
        match elapsed {
            None if start.elapsed() > limit => {
                in_time = false;
                session.end();
                elapsed = Some(start.elapsed());
            }
            // Processes that it left running may hold the pipes for ever.
            Some(ran) if start.elapsed() > ran + GRACE => break,
            Some(_) if output.is_over() && errors.is_over() => break,
            _ => {}
        }
        let room = if request.is_empty() { 0 } else { libc::POLLOUT };
        let mut any = [
            channel.interest(libc::POLLIN | room),
            output.interest(libc::POLLIN),
            errors.interest(libc::POLLIN),
        ];
        // Or some milliseconds later: the end of the program itself does not wake it where others
        // hold the pipes.
        // SAFETY: the pointer and the length are those of `any`. Negative numbers are skipped.
        unsafe { libc::poll(any.as_mut_ptr(), any.len() as libc::nfds_t, 5) };
    }
    // What was written just before the end, and what the channel still holds.
    session.end();
    channel.read();
    output.read();
    errors.read();
    Ok(Ended {
        status: session.child.wait()?,
        in_time,
        elapsed: elapsed.unwrap_or_default(),
        output: output.into_bytes(),
        errors: errors.into_bytes(),
        reply: channel.into_bytes(),
    })
}

/// In words: `exit code 3`, or `signal 9 (SIGKILL)`.
pub fn in_words(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit code {}", status.code().unwrap_or_default());
    };
    let name = match signal {
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGKILL => " (SIGKILL; the memory may have been full)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGSEGV => " (SIGSEGV, a forbidden access to memory)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

/// Kills a session when its input ends: by this process, or because this process is gone. It
/// lists processes again until it finds no new ones, because some may just be starting others.
/// (macOS has no `/proc`, and no program that lists sessions; its Perl asks the system by number.)
const WATCH: &str = r#"
trap '' HUP INT TERM
read -r _
round=0 killed=
while [ $round -lt 50 ]; do
    round=$((round + 1)) new=
    if [ -r /proc/self/stat ]; then
        for about in /proc/[0-9]*/stat; do
            { read -r line <"$about"; } 2>/dev/null || continue
            pid=${line%% *} line=${line##*) }
            set -- "$1" $line
            case "$2 $5" in
                [ZX]*) continue ;;
                "$2 $1") ;;
                *) continue ;;
            esac
            kill -KILL "$pid" 2>/dev/null
            case " $killed " in
                *" $pid "*) ;;
                *) killed="$killed $pid" new=yes ;;
            esac
        done
    else
        for pid in $(ps -A -o pid= | perl -ne 'print if syscall(310, $_ + 0) == '"$1"); do
            kill -KILL "$pid" 2>/dev/null
            case " $killed " in
                *" $pid "*) ;;
                *) killed="$killed $pid" new=yes ;;
            esac
        done
    fi
    kill -KILL "-$1" 2>/dev/null
    [ -n "$new" ] || break
done
"#;

/// A child with a session of its own, and the process that ends the session.
struct Session {
    child: Child,
    /// Ends the session when its input is closed.
    watcher: Option<Child>,
    /// Whether the watcher has done so.
    is_over: bool,
}

impl Session {
    fn of(child: Child) -> io::Result<Session> {
        let number = child.id().to_string();
        let mut session = Session { child, watcher: None, is_over: false };
        let watcher = Command::new("/bin/sh")
            .args(["-c", WATCH, "sh", &number])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends the notebook's processes, all at once, must leave it alive.
            .process_group(0)
            .spawn()?;
        session.watcher = Some(watcher);
        Ok(session)
    }

    /// Whether the child has ended. Its number stays its own until it is waited for, so that
    /// nobody else is killed under it.
    fn has_ended(&self) -> bool {
        tied::has_ended(self.child.id())
    }

    /// Kills what still runs in the session. The child is not waited for yet.
    fn end(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        if let Some(watcher) = &mut self.watcher {
            // A line ends its waiting even where a fork of this process holds the pipe too.
            if let Some(mut pipe) = watcher.stdin.take() {
                let _ = pipe.write_all(b"\n");
            }
            let _ = watcher.wait();
        }
        if !self.has_ended() {
            // Where the watcher did not start, or could not see it.
            let _ = self.child.kill();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
        let _ = self.child.wait();
    }
}

/// What the program writes to one of its outputs, or into the channel, up to a limit.
struct Pipe<R> {
    /// `None` when no more will come.
    source: Option<R>,
    bytes: Vec<u8>,
    left_out: usize,
}

impl<R: Read + AsRawFd> Pipe<R> {
    fn new(source: Option<R>) -> io::Result<Pipe<R>> {
        if let Some(source) = &source {
            set_nonblocking(source.as_raw_fd())?;
        }
        Ok(Pipe { source, bytes: Vec::new(), left_out: 0 })
    }

    /// Reads what is there.
    fn read(&mut self) {
        let mut chunk = [0; 16 * 1024];
        // Not for ever: an endless writer must not keep the limit from being looked at.
        for _ in 0..64 {
            let Some(source) = &mut self.source else {
                return;
            };
            match source.read(&mut chunk) {
                Ok(count) if count > 0 => {
                    let kept = count.min(LARGEST_OUTPUT - self.bytes.len());
                    self.bytes.extend_from_slice(&chunk[..kept]);
                    self.left_out += count - kept;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => self.source = None,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.source.is_none()
    }

    fn interest(&self, events: libc::c_short) -> libc::pollfd {
        libc::pollfd { fd: self.source.as_ref().map_or(-1, AsRawFd::as_raw_fd), events, revents: 0 }
    }

    fn into_bytes(mut self) -> Vec<u8> {
        if self.left_out > 0 {
            let note = format!("\n… and {} more bytes, left out here\n", self.left_out);
            self.bytes.extend_from_slice(note.as_bytes());
        }
        self.bytes
    }
}

impl Pipe<UnixStream> {
    /// Sends as much of the request as there is room for, and takes it off.
    fn send(&mut self, request: &mut &[u8]) {
        let Some(stream) = &mut self.source else {
            return;
        };
        while !request.is_empty() {
            match stream.write(request) {
                Ok(count) => *request = &request[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A program that does not want it may still reply.
                Err(_) => *request = &[],
            }
            if request.is_empty() {
                // The program reads up to here. An error means that it is gone.
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
        }
    }
}

/// Makes reading from and writing to a file return at once where they would wait.
///
/// # Errors
///
/// The system's, where the file is not open.
pub fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: the calls only read and set a flag of a file that the caller has open.
    let done = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        flags >= 0 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) >= 0
    };
    match done {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
#[doc(hidden)] // for tests
pub fn runs(pid: &str) -> bool {
    let state = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(about) => about.rsplit_once(") ").map(|(_, rest)| rest.to_owned()),
        Err(_) if cfg!(target_os = "linux") => None,
        Err(_) => {
            let about = Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
            about.ok().and_then(|about| String::from_utf8(about.stdout).ok())
        }
    };
    state.is_some_and(|state| !state.trim().is_empty() && !state.starts_with('Z'))
}
