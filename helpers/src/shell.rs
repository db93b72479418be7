//! A command line, as in a terminal, for tools that are programs.

use crate::display::{escape, show};
use crate::program::command;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What a command line did.
#[derive(Clone)]
pub struct Shell {
    /// What it printed, standard output and standard error together; or why it was not run.
    pub output: String,
    /// Its exit code; `None` if it was ended by a signal, or not run.
    pub code: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
    ran: bool,
}

impl Shell {
    /// Whether it was run at all: `false` where the tool is not installed.
    pub fn ran(&self) -> bool {
        self.ran
    }

    /// Shows what it printed as the result of the cell; the kernel calls this.
    pub fn evcxr_display(&self) {
        let text = format!("{self:?}");
        show(&format!("<pre>{}</pre>", escape(&text)), &text);
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.output.trim_end())?;
        match self.code {
            Some(0) => Ok(()),
            _ if !self.ran => Ok(()),
            Some(code) => write!(f, "\n(exit code {code})"),
            None => f.write_str("\n(ended by a signal)"),
        }
    }
}

/// Where a program is that the command line `line` of [`shell`] would find.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a command line with `sh`, if the tool that it needs is installed.
///
/// ```
/// use helpers::shell::shell;
///
/// assert_eq!(shell("echo", "echo 6 cups of kopi").output.trim(), "6 cups of kopi");
/// assert!(!shell("no-such-tool", "no-such-tool --help").ran());
/// ```
pub fn shell(needs: &str, line: &str) -> Shell {
    let not_run = |output: String| Shell {
        output,
        code: None,
        elapsed: Duration::ZERO,
        ran: false,
    };
    if tool(needs).is_none() {
        return not_run(format!(
            "Not run here: {needs} is not installed. `apt install {needs}` or `conda install {needs}` \
             brings it."
        ));
    }
    let start = Instant::now();
    // One pipe for both, so that lines stand in the order in which they were written.
    let result = command("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .stdin(Stdio::null())
        .output();
    match result {
        Err(error) => not_run(format!("Not run here: sh did not start: {error}")),
        Ok(done) => Shell {
            output: String::from_utf8_lossy(&done.stdout).into_owned(),
            code: done.status.code(),
            elapsed: start.elapsed(),
            ran: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_arrive_in_order_and_the_code_too() {
        let done = shell("sh", "echo one; echo two >&2; echo three; exit 3");
        assert_eq!(done.output, "one\ntwo\nthree\n");
        assert_eq!(format!("{done:?}"), "one\ntwo\nthree\n(exit code 3)");
    }
}
