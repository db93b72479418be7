//! A command line, as in a terminal, for tools that are programs.

use crate::cluster::{CLUSTER_PROGRAMS, cluster_folder, cluster_program};
use figures::display::{escape, show};
use platform::child;
use platform::program::command;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A command line that takes longer is ended, with all that it started.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a command line did.
#[derive(Clone)]
pub struct Shell {
    /// What it printed, standard output and standard error together; or why it was not run.
    pub output: String,
    /// Its exit code; `None` if it was ended by a signal or at its time limit, or not run.
    pub code: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
    ran: bool,
    /// How it ended, in words, where it has no exit code.
    ending: String,
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
            None => write!(f, "\n({})", self.ending),
        }
    }
}

/// Where a program is: one of the cluster's own, or one in `PATH`.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    cluster_program(name).or_else(|| files.find(|file| file.is_file()))
}

/// Runs a command line with `sh` in `folder`, if the tools that it needs (their names, apart by
/// spaces) are there. The cluster's programs are found by their names too.
///
/// It has ten minutes. What it leaves running in the background ends with it, and everything ends
/// with the notebook.
///
/// ```
/// use engines::shell::shell;
///
/// let here = std::env::current_dir()?;
/// assert_eq!(shell(&here, "echo", "echo 6 cups of kopi").output.trim(), "6 cups of kopi");
/// assert!(!shell(&here, "no-such-tool", "no-such-tool --help").ran());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn shell(folder: &Path, needs: &str, line: &str) -> Shell {
    shell_within(PATIENCE, folder, needs, line)
}

fn shell_within(limit: Duration, folder: &Path, needs: &str, line: &str) -> Shell {
    let not_run = |why: String| Shell {
        output: format!("Not run here: {why}"),
        code: None,
        elapsed: Duration::ZERO,
        ran: false,
        ending: String::new(),
    };
    if let Some(name) = needs.split_whitespace().find(|name| tool(name).is_none()) {
        return not_run(match CLUSTER_PROGRAMS.contains(&name) {
            true => format!("`cargo workbook setup --cluster` in a terminal builds {name}, once."),
            false => format!(
                "{name} is not installed. `sudo apt install {name}`, or \
                 `conda install -c conda-forge {name}`."
            ),
        });
    }
    // sh would not start, with words that blame sh.
    if !folder.is_dir() {
        return not_run(format!("{} is not a folder", folder.display()));
    }
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(cluster_folder()).chain(std::env::split_paths(&old));
    let path = std::env::join_paths(folders).unwrap_or(old);
    // It begins when it is told to. Then there is one pipe for both outputs, so that lines stand in
    // the order in which they were written, and nothing to read. The command has lines of its own,
    // because what sh cannot parse must not take this with it.
    let script = format!("read -r _ || exit\nexec </dev/null 2>&1\n{line}");
    let mut command = command("sh");
    command.args(["-c", &script]).current_dir(folder).env("PATH", path);
    match child::run(command, b"begin\n", limit) {
        Err(error) => not_run(format!("sh did not start: {error}")),
        Ok(done) => Shell {
            output: String::from_utf8_lossy(&[done.output, done.errors].concat()).into_owned(),
            code: done.status.code().filter(|_| done.in_time),
            elapsed: done.elapsed,
            ran: true,
            ending: match done.in_time {
                true => format!("ended by {}", child::in_words(done.status)),
                false => format!(
                    "ended because it was still running after {} s; give it less to do",
                    limit.as_secs()
                ),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::child::runs;

    #[test]
    fn both_outputs_arrive_in_order_and_the_code_too() {
        let done = shell(Path::new("."), "sh", "echo one; echo two >&2; echo three; exit 3");
        assert_eq!(done.output, "one\ntwo\nthree\n");
        assert_eq!(format!("{done:?}"), "one\ntwo\nthree\n(exit code 3)");
    }

    fn here(line: &str) -> Shell {
        shell(Path::new("."), "sh", line)
    }

    #[test]
    fn what_is_wrong_with_a_line_is_shown() {
        let done = here("if true; then echo 1");
        assert!(done.code.is_some_and(|code| code != 0));
        assert!(done.output.contains("yntax error"), "{done:?}");
        let done = here("echo 1; kill -SEGV $$");
        assert_eq!((done.output.as_str(), done.code), ("1\n", None));
        assert!(format!("{done:?}").contains("signal 11"), "{done:?}");
        let done = shell(Path::new("no such folder"), "sh", "echo 1");
        assert!(!done.ran() && done.output.contains("no such folder"), "{done:?}");
        assert_eq!(here("cat; echo read nothing").output, "read nothing\n");
    }

    #[test]
    fn at_its_time_limit_all_that_it_started_ends() {
        // `timeout` puts what it runs into a process group of its own.
        let line = "sleep 600 & echo $!; timeout 600 sh -c 'echo $$; sleep 600'; echo never";
        let done = shell_within(Duration::from_millis(500), Path::new("."), "timeout", line);
        assert_eq!(done.code, None);
        assert!(format!("{done:?}").contains("still running after 0 s"), "{done:?}");
        let pids: Vec<&str> = done.output.lines().collect();
        assert_eq!(pids.len(), 2, "{done:?}");
        assert!(!pids.iter().any(|pid| runs(pid)), "{pids:?}");
        assert!(runs(&std::process::id().to_string()));
    }

    #[test]
    fn what_it_leaves_running_neither_keeps_the_cell_waiting_nor_lives_on() {
        let limit = Duration::from_secs(100);
        let done = shell_within(limit, Path::new("."), "sh", "sleep 600 & echo $!");
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.elapsed < limit / 2);
        assert!(!runs(done.output.trim()), "{done:?}");
    }
}
