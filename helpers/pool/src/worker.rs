//! One worker process, seen from the notebook.

use super::error::Death;
use super::load::{LOADED, Place, READY};
use super::wire::{ANOTHER_FUNCTION, Frames, content, frame_of};
use platform::program::command;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a read waits before its caller can look at clocks and cancellations.
const TICK: Duration = Duration::from_millis(20);

/// What a worker's program of any version says first.
const ANY_READY: &[u8] = b"ready ";

/// Why a program that says it with another number is not used.
const ANOTHER_VERSION: &str = "the program that workers run is of another version than this \
                               notebook; run `cargo workbook setup`, then restart the kernel";

/// Why there is no answer where the caller no longer wants one.
const GIVEN_UP: &str = "given up";

/// A worker that has not loaded a function by then never will.
const LOADING: Duration = Duration::from_secs(60);

/// A process that has closed its socket and is still there after this time is killed.
const ENDING: Duration = Duration::from_secs(5);

/// A running process and the socket to it. Dropping it kills the process.
pub struct Worker {
    child: Child,
    /// Its process number.
    pub pid: u32,
    /// How many items it has been given.
    pub given: usize,
    socket: UnixStream,
    frames: Frames,
    function: Option<Place>,
    output: Output,
    /// Whether the process has been seen to have ended. Its last answers may still wait.
    ended: bool,
    /// Since when its end of the socket is closed.
    closed: Option<Instant>,
}

/// What a read brought.
pub enum Event {
    /// A frame of answers.
    Answers(Vec<u8>),
    /// Nothing, for one tick.
    Tick,
    /// The process has ended.
    Died(Death),
}

impl Worker {
    /// Starts the program with one end of a socket pair as its standard input.
    ///
    /// # Errors
    ///
    /// Why not, and what to do about it.
    pub fn start(program: &Path) -> Result<Worker, String> {
        Worker::try_to_start(program).map_err(|error| advice(&error, program))
    }

    fn try_to_start(program: &Path) -> io::Result<Worker> {
        let (socket, far_end) = UnixStream::pair()?;
        let (output, far_output) = UnixStream::pair()?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        output.set_nonblocking(true)?;
        let far_output = OwnedFd::from(far_output);
        let child = command(program)
            .arg("worker")
            // The kernel asks for backtraces; of a panic in a worker its words and its line will do.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::from(OwnedFd::from(far_end)))
            .stdout(Stdio::from(far_output.try_clone()?))
            .stderr(Stdio::from(far_output))
            .spawn()?;
        let pid = child.id();
        Ok(Worker {
            child,
            pid,
            given: 0,
            socket,
            frames: Frames::default(),
            function: None,
            output: Output { pid, stream: output, line: Vec::new() },
            ended: false,
            closed: None,
        })
    }

    /// Whether the process has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether this function is the one that the worker runs now.
    pub fn runs(&self, function: &Place) -> bool {
        self.function.as_ref() == Some(function)
    }

    /// Has the worker run another function. It must not have items. While the worker does not
    /// answer, asks now and then whether to `give_up`.
    ///
    /// # Errors
    ///
    /// The worker's reason, in words; or that it ended, or that this has given up.
    pub fn load(&mut self, function: &Place, give_up: impl Fn() -> bool) -> Result<(), String> {
        if self.function.take().is_some() {
            self.send(&ANOTHER_FUNCTION, &give_up)?;
        }
        self.expect(READY, &give_up)?;
        let message = postcard::to_stdvec(function).map_err(|error| error.to_string())?;
        self.send(&frame_of(&message), &give_up)?;
        self.expect(LOADED, &give_up)?;
        self.function = Some(function.clone());
        Ok(())
    }

    fn expect(&mut self, answer: &[u8], give_up: impl Fn() -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            match self.receive() {
                Event::Answers(frame) => {
                    let said = content(&frame);
                    if said == answer {
                        return Ok(());
                    }
                    return Err(match said.starts_with(ANY_READY) {
                        true => ANOTHER_VERSION.to_owned(),
                        false => String::from_utf8_lossy(said).into_owned(),
                    });
                }
                Event::Died(death) => return Err(format!("the new worker {death}")),
                Event::Tick if start.elapsed() > LOADING => {
                    return Err("the new worker does not answer".to_owned());
                }
                Event::Tick if give_up() => return Err(GIVEN_UP.to_owned()),
                Event::Tick => {}
            }
        }
    }

    /// Sends bytes. While the worker does not take them, asks now and then whether to `give_up`.
    /// A worker that has ended shows at the next [`receive`](Self::receive).
    pub fn send(&mut self, mut bytes: &[u8], give_up: impl Fn() -> bool) -> Result<(), String> {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if waited(&error) => {
                    self.output.show();
                    if give_up() {
                        return Err(GIVEN_UP.to_owned());
                    }
                    // A process that it forked may hold the socket open.
                    if !self.is_alive() {
                        return Err("the worker has ended".to_owned());
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Waits for answers, for at most two ticks.
    pub fn receive(&mut self) -> Event {
        while self.closed.is_none() {
            if let Some(frame) = self.frames.next() {
                return Event::Answers(frame);
            }
            match self.frames.read(&mut self.socket) {
                Ok(0) => self.closed = Some(Instant::now()),
                // What was printed before an answer was sent is there already.
                Ok(_) => self.output.show(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if waited(&error) => {
                    self.output.show();
                    if self.ended {
                        self.closed = Some(Instant::now());
                    } else if self.is_alive() {
                        return Event::Tick;
                    } else {
                        // A process that it forked holds the socket open, which therefore does
                        // not end. Its last answers may have come since the read.
                        self.ended = true;
                    }
                }
                Err(_) => self.closed = Some(Instant::now()),
            }
        }
        self.wait_for_end()
    }

    /// Waits, for at most one tick, for the end of a process that has closed its socket: the
    /// system closes it a moment before the process counts as ended.
    fn wait_for_end(&mut self) -> Event {
        let start = Instant::now();
        while self.is_alive() {
            if self.closed.is_some_and(|closed| closed.elapsed() > ENDING) {
                break;
            }
            if start.elapsed() > TICK {
                self.output.show();
                return Event::Tick;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Event::Died(self.kill())
    }

    /// Kills the process, if it still lives, and says how it ended.
    pub fn kill(&mut self) -> Death {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let status = self.child.wait();
        self.output.show();
        self.rest();
        status.map_or(Death::Signal(libc::SIGKILL), Death::from)
    }

    /// Shows what has been printed without a newline at its end. For a worker without items.
    pub fn rest(&mut self) {
        self.output.finish();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The system's reason for starting no process, with what helps.
fn advice(error: &io::Error, program: &Path) -> String {
    let what_helps = match error.raw_os_error() {
        Some(libc::EAGAIN) => "there are too many processes; take fewer workers or end others",
        Some(libc::EMFILE | libc::ENFILE) => {
            "there are too many open files; take fewer workers, or drop the pools and files that \
             are no longer needed"
        }
        Some(libc::ENOMEM) => "memory is short; take fewer workers or end other programs",
        Some(libc::ENOENT | libc::EACCES | libc::ENOEXEC) => {
            return format!(
                "{error} ({}); `cargo workbook setup` builds this program",
                program.display()
            );
        }
        _ => return error.to_string(),
    };
    format!("{error}: {what_helps}")
}

fn waited(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What a worker prints, as lines marked with its process number.
struct Output {
    pid: u32,
    stream: UnixStream,
    /// The line that has begun.
    line: Vec<u8>,
}

/// Of a longer line, this much is shown at a time.
const LONGEST_LINE: usize = 8 * 1024;

/// At one time not more is shown, so that a worker that prints without end is still watched.
const MOST: usize = 1 << 20;

impl Output {
    /// Shows the lines that have come.
    fn show(&mut self) {
        let mut bytes = [0; 4096];
        for _ in 0..MOST / bytes.len() {
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(count) => self.add(&bytes[..count]),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        if !self.line.is_empty() {
            let line = String::from_utf8_lossy(&self.line);
            println!("[{}] {}", self.pid, line.trim_end_matches('\n'));
            self.line.clear();
        }
    }
}
