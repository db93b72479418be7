//! Between the process that runs cells and the kernel: keeps the kernel's own words at the
//! beginning of a line, and says what happened when the process ends.
//!
//! The kernel reads the process' standard output line by line. Some lines are words of its own: the
//! cell is done, it panicked, here begins a picture. It finds them only at the beginning of a line,
//! so after a `print!` without a newline it misses them, and then loses variables, pictures or
//! texts, or waits for ever. The library `helpers`, once it is loaded there, puts this program in
//! between (`helpers/src/outlet.rs`); it outlives the process by a moment, so that nothing of its
//! last words is lost.
//!
//! It has: on descriptor 0 what the cells print, on 1 and 2 where it goes, and by number what they
//! write to standard error, and a socket on which it can ask for what the process has still in its
//! buffer.

use anyhow::{Context, Result};
use platform::child::set_nonblocking;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod displays;
mod words;

use displays::Displays;
use words::Word;

/// So long the process may take to empty its buffer, before its cell is said to be done without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The kernel hands a line to the notebook on a thread of its own, and gives it to the cell that runs
/// then; what comes by standard error it hears apart as well. So long it has for what was printed
/// before it hears that the cell is done: on a busy machine a line came after its cell, and was lost.
const HEARING: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub struct Arguments {
    /// The descriptor with what the cells write to standard error
    #[arg(long)]
    errors: RawFd,
    /// The descriptor of the socket to the process
    #[arg(long)]
    control: RawFd,
    /// What the process prints when its buffer is empty
    #[arg(long)]
    mark: String,
}

/// Passes on all that the process prints until it ends.
pub fn serve(arguments: &Arguments) -> Result<ExitCode> {
    // SAFETY: whoever started this program gave it these descriptors for its own.
    let (output, errors, control) = unsafe {
        (
            File::from_raw_fd(0),
            File::from_raw_fd(arguments.errors),
            UnixStream::from_raw_fd(arguments.control),
        )
    };
    for descriptor in [output.as_raw_fd(), errors.as_raw_fd()] {
        set_nonblocking(descriptor).context("the process' output cannot be read")?;
    }
    let watched = control.try_clone()?;
    std::thread::spawn(move || end_with(watched));
    let mut outlet = Outlet {
        sources: [Source::new(output), Source::new(errors)],
        control: Some(control),
        process: parent_id(),
        cell: Cell::new(arguments.mark.clone()),
        out: BufWriter::new(io::stdout().lock()),
        errors: BufWriter::new(io::stderr().lock()),
        has_spoken: false,
    };
    // The kernel has gone when nothing can be written to it any more.
    let _ = outlet.run();
    Ok(ExitCode::SUCCESS)
}

/// One of the process' two streams, of which whole lines are passed on.
struct Source {
    /// `None` once its writers have all gone.
    file: Option<File>,
    open: Vec<u8>,
}

impl Source {
    fn new(file: File) -> Self {
        Source { file: Some(file), open: Vec::new() }
    }

    /// Reads what is there now, but not for ever, should it come faster than it can be passed on.
    fn read(&mut self) {
        const ENOUGH: usize = 1 << 20;
        let mut chunk = [0; 1 << 16];
        let mut sum = 0;
        while let Some(file) = &mut self.file {
            match file.read(&mut chunk) {
                Ok(0) => self.file = None,
                Ok(count) => {
                    self.open.extend_from_slice(&chunk[..count]);
                    sum += count;
                    if sum >= ENOUGH {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.file = None,
            }
        }
    }

    /// The whole lines so far, without their ends. The kernel reads nothing but UTF-8.
    fn lines(&mut self) -> Vec<String> {
        let Some(end) = self.open.iter().rposition(|&byte| byte == b'\n') else {
            return Vec::new();
        };
        let open = self.open.split_off(end + 1);
        let whole = std::mem::replace(&mut self.open, open);
        let text = String::from_utf8_lossy(&whole[..end]);
        text.split('\n').map(str::to_owned).collect()
    }

    /// What stands after the last line's end.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.open);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

struct Outlet<'a> {
    /// Standard output and standard error of the process.
    sources: [Source; 2],
    /// Closed by the system when the process ends, even where a program that it started still
    /// holds the other two; `None` once it is.
    control: Option<UnixStream>,
    /// Its number.
    process: u32,
    cell: Cell,
    out: BufWriter<io::StdoutLock<'a>>,
    errors: BufWriter<io::StderrLock<'a>>,
    /// Whether this cell has printed something, on either stream.
    has_spoken: bool,
}

impl Outlet<'_> {
    fn run(&mut self) -> io::Result<()> {
        while self.control.is_some() {
            self.wait()?;
            for source in &mut self.sources {
                source.read();
            }
            self.pass_on()?;
            if self.sources[0].file.is_none() && self.control.is_some() {
                self.end_mute_process()?;
            }
        }
        // The last words of the process. All of them are in the pipes, which hold less than what is
        // read at once.
        for source in &mut self.sources {
            source.read();
        }
        self.pass_on()?;
        self.end_lines()?;
        // Where the notebook was closed nobody reads this any more.
        writeln!(self.out, "{}", words::ENDED)?;
        self.out.flush()
    }

    /// Waits until there is something to read, or a cell's end has waited long enough.
    fn wait(&mut self) -> io::Result<()> {
        let descriptors = [
            self.sources[0].file.as_ref().map(AsRawFd::as_raw_fd),
            self.sources[1].file.as_ref().map(AsRawFd::as_raw_fd),
            self.control.as_ref().map(AsRawFd::as_raw_fd),
        ];
        // A negative number is passed over.
        let mut waited = descriptors.map(|descriptor| libc::pollfd {
            fd: descriptor.unwrap_or(-1),
            events: libc::POLLIN,
            revents: 0,
        });
        let limit = self
            .cell
            .patience()
            .map_or(-1, |left| i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1));
        // SAFETY: the pointer and the length are those of a living array.
        let ready = unsafe { libc::poll(waited.as_mut_ptr(), waited.len() as libc::nfds_t, limit) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            };
        }
        // The process never writes here: it is closed.
        if waited[2].revents != 0 {
            self.control = None;
        }
        Ok(())
    }

    /// A process that has closed its standard output can never say again that a cell is done, and
    /// the kernel would wait for ever. A moment is left to it to end by itself.
    fn end_mute_process(&mut self) -> io::Result<()> {
        let control = self.control.as_mut();
        if let Some(control) = control {
            control.set_read_timeout(Some(PATIENCE))?;
            let ended = matches!(control.read(&mut [0]), Ok(0));
            if !ended {
                self.end_lines()?;
                writeln!(self.out, "{}", words::MUTE)?;
                // One that has ended meanwhile is this one's parent no more.
                if parent_id() == self.process {
                    // SAFETY: it only sends a signal.
                    unsafe { libc::kill(self.process.cast_signed(), libc::SIGKILL) };
                }
            }
        }
        self.control = None;
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.pass_on_errors(false)?;
        for line in self.sources[0].lines() {
            for step in self.cell.line(&line) {
                match step {
                    Step::Print(text) => {
                        writeln!(self.out, "{text}")?;
                        self.has_spoken = true;
                    }
                    Step::AskForRest => {
                        // A process that cannot be asked has ended, which is seen next.
                        let asked = self.control.as_mut().map(|control| control.write_all(b"?"));
                        if !matches!(asked, Some(Ok(()))) {
                            self.end_cell()?;
                        }
                    }
                    Step::End => self.end_cell()?,
                }
            }
        }
        if self.cell.patience().is_some_and(|left| left.is_zero()) {
            self.end_cell()?;
        }
        self.out.flush()
    }

    /// Passes on what the cell has written to standard error; also an open line where it is to `end`.
    fn pass_on_errors(&mut self, end: bool) -> io::Result<()> {
        let mut lines = self.sources[1].lines();
        if end {
            lines.extend(self.sources[1].rest());
        }
        for line in lines {
            writeln!(self.errors, "{line}")?;
            self.has_spoken = true;
        }
        self.errors.flush()
    }

    /// Ends the open lines of both streams, each under the cell that it was written by.
    fn end_lines(&mut self) -> io::Result<()> {
        self.pass_on_errors(true)?;
        if let Some(rest) = self.sources[0].rest() {
            for step in self.cell.line(&rest) {
                if let Step::Print(text) = step {
                    writeln!(self.out, "{text}")?;
                }
            }
        }
        Ok(())
    }

    /// All that the cell wrote, and only then that it is done.
    fn end_cell(&mut self) -> io::Result<()> {
        self.sources[1].read();
        self.pass_on_errors(true)?;
        self.out.flush()?;
        if std::mem::take(&mut self.has_spoken) {
            std::thread::sleep(HEARING);
        }
        // What stands in an open line of standard output now was printed after the cell's end.
        for line in self.cell.end() {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}

/// What to do about a line.
#[derive(Debug, PartialEq)]
enum Step {
    Print(String),
    /// The cell is done, but for what is still in the process' buffer.
    AskForRest,
    /// The buffer is empty.
    End,
}

/// Where the output of a cell stands.
struct Cell {
    mark: String,
    displays: Displays,
    /// Within a display: its kind and its lines so far.
    display: Option<(String, Vec<String>)>,
    /// When the kernel's word came that the cell is done.
    ending: Option<Instant>,
}

impl Cell {
    fn new(mark: String) -> Self {
        Cell { mark, displays: Displays::default(), display: None, ending: None }
    }

    /// How long the end of the cell can still wait; `None` if it is not ending.
    fn patience(&self) -> Option<Duration> {
        let ending = self.ending?;
        Some(PATIENCE.saturating_sub(ending.elapsed()))
    }

    fn line(&mut self, line: &str) -> Vec<Step> {
        if let Some((before, _)) = line.split_once(&self.mark) {
            let mut steps = self.open_text(before);
            if self.ending.is_some() {
                steps.push(Step::End);
            }
            return steps;
        }
        let Some((before, word)) = words::find(line) else {
            return self.text(line);
        };
        let mut steps = self.open_text(before);
        match word {
            Word::Begin(kind) => {
                self.close_display();
                self.display = Some((kind.to_owned(), Vec::new()));
            }
            Word::End => self.close_display(),
            Word::Done => {
                self.close_display();
                self.ending = Some(Instant::now());
                steps.push(Step::AskForRest);
            }
            Word::Failed(word) => {
                self.close_display();
                steps.push(Step::Print(words::FAILED.to_owned()));
                steps.push(Step::Print(word.to_owned()));
            }
            Word::Other(word) => steps.push(Step::Print(word.to_owned())),
        }
        steps
    }

    /// What stands before a word in its line, if anything does.
    fn open_text(&mut self, text: &str) -> Vec<Step> {
        match text {
            "" => Vec::new(),
            text => self.text(text),
        }
    }

    fn text(&mut self, text: &str) -> Vec<Step> {
        match &mut self.display {
            Some((_, lines)) => {
                lines.push(text.to_owned());
                Vec::new()
            }
            None => vec![Step::Print(text.to_owned())],
        }
    }

    fn close_display(&mut self) {
        if let Some((kind, lines)) = self.display.take() {
            self.displays.add(kind, lines.join("\n"));
        }
    }

    /// What is left to say of a cell that is done, and that it is.
    fn end(&mut self) -> Vec<String> {
        self.ending = None;
        let mut lines = self.displays.take();
        lines.push(words::DONE.to_owned());
        lines
    }
}

/// Ends this program some time after the process. Between cells the kernel reads nothing, so this
/// may wait in vain to be rid of what a thread printed then; and the kernel would wait for this.
fn end_with(mut control: UnixStream) {
    const GRACE: Duration = Duration::from_secs(3);
    // The process never writes here: this returns when it has ended.
    let _ = control.read(&mut [0]);
    std::thread::sleep(GRACE);
    std::process::exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that the kernel is told of some lines, the last of which is left open.
    fn told(lines: &[&str]) -> Vec<String> {
        let mut cell = Cell::new("<mark>".to_owned());
        let mut told = Vec::new();
        for line in lines {
            for step in cell.line(line) {
                match step {
                    Step::Print(text) => told.push(text),
                    Step::AskForRest => told.push("?".to_owned()),
                    Step::End => told.extend(cell.end()),
                }
            }
        }
        told
    }

    #[test]
    fn a_cell_is_done_when_its_open_line_has_come() {
        assert_eq!(
            told(&["one", "", "EVCXR_EXECUTION_COMPLETE", "open<mark>"]),
            ["one", "", "?", "open", words::DONE]
        );
        assert_eq!(told(&["openEVCXR_EXECUTION_COMPLETE", "<mark>"]), ["open", "?", words::DONE]);
    }

    #[test]
    fn lines_come_whole_and_as_utf8() {
        let (reader, mut writer) = io::pipe().unwrap();
        set_nonblocking(reader.as_raw_fd()).unwrap();
        let mut source = Source::new(File::from(std::os::fd::OwnedFd::from(reader)));
        source.read();
        assert!(source.lines().is_empty());
        writer.write_all(b"one\n\n\xff three\nfo").unwrap();
        source.read();
        assert_eq!(source.lines(), ["one", "", "\u{fffd} three"]);
        writer.write_all(b"ur").unwrap();
        drop(writer);
        source.read();
        assert!(source.lines().is_empty() && source.file.is_none());
        assert_eq!(source.rest().as_deref(), Some("four"));
        assert_eq!(source.rest(), None);
    }

    #[test]
    fn an_early_end_is_told_to_the_reader_and_to_the_kernel() {
        assert_eq!(
            told(&["progressEVCXR_ERROR_OCCURRED"]),
            ["progress", words::FAILED, "EVCXR_ERROR_OCCURRED"]
        );
    }

    #[test]
    fn displays_come_at_the_end_and_text_before_them_is_kept() {
        assert_eq!(
            told(&[
                "lost EVCXR_BEGIN_CONTENT text/plain",
                "x",
                "",
                "y",
                "EVCXR_END_CONTENT",
                "after",
                "EVCXR_EXECUTION_COMPLETE",
                "<mark>"
            ]),
            [
                "lost ",
                "after",
                "?",
                "EVCXR_BEGIN_CONTENT text/plain",
                "x\n\ny",
                "EVCXR_END_CONTENT",
                words::DONE
            ]
        );
    }

    #[test]
    fn a_display_without_an_end_ends_with_its_cell() {
        let told =
            told(&["EVCXR_BEGIN_CONTENT text/plain", "x", "EVCXR_EXECUTION_COMPLETE", "<mark>"]);
        assert_eq!(told.last().unwrap(), words::DONE);
        assert!(told.contains(&"EVCXR_END_CONTENT".to_owned()));
    }

    /// A mark that comes after its cell was ended without it must not end the next one.
    #[test]
    fn a_late_mark_ends_nothing() {
        assert_eq!(told(&["late<mark>", "next"]), ["late", "next"]);
    }
}
